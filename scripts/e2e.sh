#!/usr/bin/env bash
# Try all of it as a user would: the pods on a real node, by kubectl and helm. test/e2e, pytest.
#
#   scripts/e2e.sh [--preset dev|release] [--keep] [PYTEST ARGUMENT...]
#
# The pods run the dev build (default: sanitized) or the release build. A node that runs already is
# used and left; --keep leaves ours as well. Tests that nobody else would notice run side by side,
# four at once (-n 0: one); the others come after them, one by one (test/e2e/conftest.py). Few that
# fail beside others may have lacked time: they are named and tried again by themselves, and that
# counts. Ends in the sum, and exits with pytest's code.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source scripts/stage.sh

preset=dev
keep=""
while [[ $# -gt 0 ]]; do
    case $1 in
        --preset)
            preset=${2:?--preset needs a value}
            shift
            ;;
        --keep) keep=keep ;;
        *) break ;;
    esac
    shift
done
namespace=e2e
no_tests=5 # pytest's exit code
slow_s=900 # a test that takes longer hangs: pytest then says where
few=5

finish() {
    local status=$?
    trap '' INT TERM
    [[ -n $keep ]] || stage_end "$namespace" || status=1
    trap - EXIT
    exit "$status"
}

trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
stage_prepare "$preset"
stage_node $keep
stage_amp "$namespace"
stage_amp_hosts
workspace=${stage_endpoint##*/}
allowed=https://10.88.0.1:9443/workspaces/$workspace
dead=https://10.88.0.1:9/nobody-listens
spare=https://amp.amp.svc.cluster.local:9443/workspaces/$workspace
stage_flags=("--allow-workspace=$workspace")
for word in "$allowed" "$dead" "$spare"; do
    stage_flags+=("--allow-endpoint=$word")
done
stage_own_metrics=5s
stage_install "$namespace"
# Only options: all the tests.
where=(test/e2e)
for word in "$@"; do
    [[ ! -e ${word%%::*} ]] || where=()
done

# try NAME OPTION...: those tests; the exit code is pytest's. No test at all is none that failed.
try() {
    local name=$1 status=0
    shift
    test/cluster/enter env PYTHONPATH=test/cluster:test/e2e AMPSCALE_NAMESPACE="$namespace" \
        AMPSCALE_AMP="$stage/amp" AMPSCALE_ENDPOINT="$stage_endpoint" AMPSCALE_ALLOWED="$allowed" \
        AMPSCALE_DEAD="$dead" AMPSCALE_SPARE="$spare" AMPSCALE_WORKSPACE="$workspace" \
        AMPSCALE_PROGRAMS="build/$preset/bin" \
        "$stage_python" -m pytest -o faulthandler_timeout="$slow_s" "$@" "${where[@]}" 2>&1 |
        tee "$stage/$name.log" || status=$?
    [[ $status -ne $no_tests ]] || status=0
    return "$status"
}

# The tests that failed, one a line.
failures() {
    sed -nE 's/^(FAILED|ERROR) (test\/.*)/\2/p' "$stage/$1.log" | sed 's/ - .*//' | sort -u
}

# Those that failed beside others, by themselves. Returns pytest's code.
try_again() {
    local again=()
    mapfile -t again < <(failures beside)
    [[ ${#again[@]} -gt 0 && ${#again[@]} -le $few ]] || return 1
    say "${#again[@]} failed beside others; by themselves they are to pass:"
    printf '    %s\n' "${again[@]}"
    where=("${again[@]}")
    try again
}

# The sum of all, as pytest would say it; what was tried again counts as it was then.
sum() {
    local name passed failed skipped all=(0 0 0)
    for name in beside again alone; do
        read -r passed failed skipped < <(counts_of "$stage/$name.log")
        [[ $name != beside || ! -e $stage/again.log ]] || failed=0
        all=($((all[0] + passed)) $((all[1] + failed)) $((all[2] + skipped)))
    done
    echo "${all[0]} passed, ${all[1]} failed, ${all[2]} skipped"
}

try_all() {
    local code=0 all=("${where[@]}")
    rm -f "$stage"/{beside,again,alone}.log
    say "trying what may go on side by side"
    try beside -n 4 --dist loadscope --no-loadscope-reorder -m "not alone" "$@" || code=$?
    if [[ $code -eq 1 ]]; then
        code=0
        try_again || code=$?
    fi
    if [[ $code -le 1 ]]; then
        where=("${all[@]}")
        say "trying the rest, one by one"
        try alone -m alone "$@" || code=$?
    fi
    sum
    return "$code"
}

try_all "$@"
