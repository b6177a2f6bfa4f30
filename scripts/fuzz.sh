#!/usr/bin/env bash
# Fuzz with libFuzzer under ASan and UBSan, two targets at a time.
#
#   scripts/fuzz.sh [SECONDS [TARGET...]]     (default: 3600 s each, all of test/fuzz/fuzz_*.c)
#
# Seeds come from test/fuzz/corpus/TARGET. New inputs are kept in build/fuzz/corpus/TARGET, one that
# breaks a target in build/fuzz/crash-TARGET-…: copy it into the seeds once it is fixed.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

seconds=${1:-3600}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "\"$seconds\": expected a number of seconds"
shift || true
names=("$@")
if [[ ${#names[@]} -eq 0 ]]; then
    mapfile -t names < <(tree_files 'test/fuzz/fuzz_*.c' | sed 's|.*/fuzz_\(.*\)\.c|\1|')
fi
[[ ${#names[@]} -gt 0 ]] || die "there is no fuzz target in test/fuzz"
scripts/build.sh fuzz

# What runs is ended with us: each fuzzer dies when this shell does, and on a signal we end it.
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM

start() {
    local name=$1 seeds=test/fuzz/corpus/$1 options=()
    mkdir -p "build/fuzz/corpus/$name"
    if [[ -f test/fuzz/$name.dict ]]; then
        options+=("-dict=test/fuzz/$name.dict")
    fi
    setpriv --pdeathsig KILL "build/fuzz/fuzz/fuzz_$name" "${options[@]}" \
        "-max_total_time=$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        "-artifact_prefix=build/fuzz/crash-$name-" "build/fuzz/corpus/$name" "$seeds" \
        >"build/fuzz/$name.log" 2>&1 </dev/null &
    pids+=($!)
    names_by_pid[$!]=$name
}

declare -A names_by_pid=()
passed=0
failed=0

# Wait for one that ends and count it.
finish() {
    local pid=0 status=0 runs
    wait -n -p pid "${pids[@]}" || status=$?
    local name=${names_by_pid[$pid]} rest=() other
    for other in "${pids[@]}"; do
        [[ $other == "$pid" ]] || rest+=("$other")
    done
    pids=("${rest[@]}")
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz/$name.log")
    if [[ $status -eq 0 ]]; then
        passed=$((passed + 1))
        say "fuzz $name: ${runs:-?} runs, nothing found"
    else
        failed=$((failed + 1))
        say "fuzz $name: FAILED (exit $status), build/fuzz/$name.log ends in:"
        tail -n 40 "build/fuzz/$name.log"
    fi
}

say "fuzz ${names[*]}: $seconds s each"
for name in "${names[@]}"; do
    [[ ${#pids[@]} -lt 2 ]] || finish
    start "$name"
done
while [[ ${#pids[@]} -gt 0 ]]; do
    finish
done
echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
