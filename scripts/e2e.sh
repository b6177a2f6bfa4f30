#!/usr/bin/env bash
# Try all of it as a user would: the pods on a real node, by kubectl and helm. test/e2e, pytest.
#
#   scripts/e2e.sh [--preset dev|release] [--keep] [PYTEST ARGUMENT...]
#
# The pods run the dev build (default: sanitized) or the release build. A node that runs already is
# used and left; --keep leaves ours as well. Exits with pytest's code.
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
stage_flags=("--allow-endpoint=$allowed" "--allow-endpoint=$dead" "--allow-workspace=$workspace")
stage_install "$namespace"
# Only options: all the tests.
where=(test/e2e)
for word in "$@"; do
    [[ ! -e ${word%%::*} ]] || where=()
done
say "trying it"
test/cluster/enter env PYTHONPATH=test/cluster:test/e2e AMPSCALE_NAMESPACE="$namespace" \
    AMPSCALE_AMP="$stage/amp" AMPSCALE_ENDPOINT="$stage_endpoint" AMPSCALE_ALLOWED="$allowed" \
    AMPSCALE_DEAD="$dead" AMPSCALE_WORKSPACE="$workspace" AMPSCALE_PROGRAMS="build/$preset/bin" \
    "$stage_python" -m pytest "$@" "${where[@]}"
