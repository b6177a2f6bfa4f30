#!/usr/bin/env bash
# Set up, build and try everything. The last line is "N passed, N failed", summed over all stages;
# exit 0 only when nothing failed. Logs: build/test/STAGE.log.
#
# What only computes runs in the background, at low priority, beside stages that mostly wait: the
# node's programs are compiled from the start, the simulator and the fuzzers run once there is
# something to run. A stage has a deadline, runs in a process group of its own, and is ended with
# us, on a signal too.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

logs=build/test
passed=0
failed=0
skipped=0
complaints=()
stage_pid=0
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

# count LOG STATUS: add what the log's last line of counts says; without one the stage is one test.
count() {
    local line status=$2 stage_passed=0 stage_failed=0 number word
    line=$(grep -aE '^[= ]*[0-9]+ (passed|failed|skipped|error)' "$1" | tail -n 1 || true)
    while read -r number word; do
        case $word in
            passed | xfailed) stage_passed=$((stage_passed + number)) ;;
            failed | error*) stage_failed=$((stage_failed + number)) ;;
            skipped) skipped=$((skipped + number)) ;;
        esac
    done < <(grep -oE '[0-9]+ (passed|failed|skipped|errors?|xfailed)' <<<"$line")
    if [[ $status -ne 0 && $stage_failed -eq 0 ]]; then
        stage_failed=1
    elif [[ $status -eq 0 && $((stage_passed + stage_failed)) -eq 0 ]]; then
        stage_passed=1
    fi
    passed=$((passed + stage_passed))
    failed=$((failed + stage_failed))
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
    timeout -k 10 "$seconds" nice -n 5 "$@" >"$logs/$name.log" 2>&1 </dev/null &
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

main() {
    if stage setup 1200 scripts/setup.sh; then
        beside cluster-build 2700 test/cluster/build
        if stage build-release 600 scripts/build.sh release; then
            stage hardened 60 scripts/hardened.py build/release/bin/* || true
            beside sim 900 scripts/sim.sh
        fi
        if stage build-dev 900 scripts/build.sh dev; then
            beside fuzz 1200 scripts/fuzz.sh 15
            stage unit 600 scripts/ctest.sh || true
            stage component 900 scripts/pytest.sh component || true
        fi
        stage lint 1200 scripts/lint.sh || true
        stage python 300 scripts/pytest.sh tools || true
        finish sim || true
        finish fuzz || true
        if finish cluster-build; then
            stage chart 300 scripts/pytest.sh chart || true
            if test/cluster/status >/dev/null 2>&1; then
                say "== node: skipped, one is running already"
                skipped=$((skipped + 1))
            else
                stage node 400 test/cluster/selftest || true
            fi
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
