#!/usr/bin/env bash
# Run the tests that are written in Python and need no node.
#
#   scripts/pytest.sh [tools|component|chart]     (default: all)
#
# tools: those beside the scripts and the stand-in for AMP. component: those that run our
# programs, on loopback at most; they need the dev build. chart: that of Helm; they need the node's
# helm. Most of the time is waiting, for leases, deadlines and what begins, so several run at once
# (test/component/conftest.py).
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

python=$(scripts/venv.sh)
case ${1:-} in
    "") files=$(tree_files '*/test_*.py' | grep -v '^test/e2e/') ;;
    tools) files=$(tree_files '*/test_*.py' | grep -v '^test/\(e2e\|component\|sim\|chart\)/') ;;
    component) files=$(tree_files 'test/component/test_*.py' 'test/sim/test_*.py') ;;
    chart) files=$(tree_files 'test/chart/test_*.py') ;;
    *) die "unknown part \"$1\": expected tools, component or chart" ;;
esac
[[ -n $files ]] || die "there are no such tests"
mapfile -t files <<<"$files"
case ${1:-} in
    component) jobs=(-n 4 --dist loadscope --no-loadscope-reorder) ;;
    tools) jobs=(-n 3 --dist worksteal) ;;
    *) jobs=() ;;
esac
# What hangs is told where, before whoever waits for us ends it.
exec "$python" -m pytest -o faulthandler_timeout=240 ${jobs[@]+"${jobs[@]}"} "${files[@]}"
