#!/usr/bin/env bash
# Set up, build and try everything. The last line is "N passed, N failed", summed over all stages;
# exit 0 only when nothing failed. Logs: build/test/STAGE.log.
#
# What only computes runs in the background, at low priority, beside stages that mostly wait: the
# node's programs are compiled from the start, the simulator and the fuzzers run once there is
# something to run. The node's own test, which mostly waits, goes on beside lint. A stage has a
# deadline, runs in a process group of its own, and is ended with us, on a signal too.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

logs=build/test
passed=0
failed=0
skipped=0
complaints=()
stage_pid=0
node="" # its own test: begun, over, skipped
declare -A background=() # process ids by name
mkdir -p "$logs"

# timeout makes itself the leader of a process group and hands a signal on to it.
end() {
    local pid=$1
    if [[ $pid -ne 0 ]] && kill -TERM "$pid" 2>/dev/null; then
        wait "$pid" 2>/dev/null || true
    fi
    [[ $pid -eq 0 ]] || kill -KILL -- "-$pid" 2>/dev/null || true
}

cleanup() {
    trap '' INT TERM
    local name
    end "$stage_pid"
    for name in "${!background[@]}"; do
        end "${background[$name]}"
    done
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# count LOG STATUS: add what a stage that ended says. Whether nothing failed.
count() {
    local stage_passed stage_failed stage_skipped
    read -r stage_passed stage_failed stage_skipped < <(counts_of "$1" "$2")
    passed=$((passed + stage_passed))
    failed=$((failed + stage_failed))
    skipped=$((skipped + stage_skipped))
    [[ $stage_failed -eq 0 ]]
}

# follow PID LOG: show a log until its process ends. Waits, so that a signal to us is heard at once.
follow() {
    tail -n +1 -s 0.2 -f --pid="$1" "$2" 2>/dev/null &
    wait $! || true
}

# conclude NAME STATUS LOG: count a stage that ended and say how.
conclude() {
    local name=$1 status=$2 log=$3
    if [[ $status -eq 124 ]]; then
        echo "$name: its time is over" | tee -a "$log"
    fi
    if count "$log" "$status"; then
        say "== $name: ok"
    else
        complaints+=("$name")
        say "== $name: FAILED ($log)"
    fi
}

# stage NAME SECONDS COMMAND...: run, show, count. Returns the command's exit code.
stage() {
    local name=$1 seconds=$2 log=$logs/$1.log status=0
    shift 2
    say "== $name"
    : >"$log"
    timeout -k 60 "$seconds" "$@" >"$log" 2>&1 </dev/null &
    stage_pid=$!
    follow "$stage_pid" "$log"
    wait "$stage_pid" || status=$?
    end "$stage_pid"
    stage_pid=0
    conclude "$name" "$status" "$log"
    return "$status"
}

# beside NAME SECONDS COMMAND...: start a stage in the background; `finish NAME` waits for it.
beside() {
    local name=$1 seconds=$2
    shift 2
    say "== $name, in the background"
    : >"$logs/$name.log"
    timeout -k 10 "$seconds" "$@" >"$logs/$name.log" 2>&1 </dev/null &
    background[$name]=$!
}

# Returns the command's exit code; that of a stage that was not started too.
finish() {
    local name=$1 status=0 pid=${background[$1]:-}
    [[ -n $pid ]] || return 1
    say "== $name (since it was started, in the background)"
    follow "$pid" "$logs/$name.log"
    wait "$pid" || status=$?
    end "$pid"
    unset "background[$name]"
    conclude "$name" "$status" "$logs/$name.log"
    return "$status"
}

# The node's own test, in the background, if there is what it runs and it was not begun before.
begin_node() {
    [[ -z $node ]] || return 0
    if test/cluster/status >/dev/null 2>&1; then
        say "== node: skipped, one is running already"
        skipped=$((skipped + 1))
        node=skipped
    elif test/cluster/build --check >/dev/null 2>&1; then
        beside node 600 test/cluster/selftest
        node=begun
    fi
}

finish_node() {
    if [[ $node == begun ]]; then
        node=over
        finish node || true
    fi
}

main() {
    if stage setup 1200 scripts/setup.sh; then
        beside cluster-build 2700 nice -n 5 test/cluster/build
        if stage build-release 600 scripts/build.sh release; then
            stage hardened 60 scripts/hardened.py build/release/bin/* || true
            beside sim 900 nice -n 10 scripts/sim.sh
        fi
        if stage build-dev 900 scripts/build.sh dev; then
            beside fuzz 1200 nice -n 10 scripts/fuzz.sh 15
            stage unit 600 scripts/ctest.sh || true
            stage component 900 scripts/pytest.sh component || true
        fi
        begin_node
        stage lint 1200 scripts/lint.sh || true
        finish_node
        stage python 300 scripts/pytest.sh tools || true
        finish sim || true
        finish fuzz || true
        if finish cluster-build; then
            stage chart 900 scripts/pytest.sh chart || true
            begin_node
            finish_node
            stage e2e 1500 scripts/e2e.sh || true
        fi
    fi
}

main
if [[ ${#complaints[@]} -gt 0 ]]; then
    say "failed: ${complaints[*]}"
else
    say "all done"
fi
result="$passed passed, $failed failed"
if [[ $skipped -gt 0 ]]; then
    result+=", $skipped skipped"
fi
echo "$result"
[[ $failed -eq 0 && ${#complaints[@]} -eq 0 ]]
