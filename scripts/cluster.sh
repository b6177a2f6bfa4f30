#!/usr/bin/env bash
# The test node, by hand: up, down, enter [COMMAND...], status. See test/cluster.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in
    up)
        scripts/setup.sh node
        test/cluster/build
        ;;
    down | enter | status) ;;
    *)
        echo "usage: ./run cluster up|down|enter|status" >&2
        exit 2
        ;;
esac
verb=$1
shift
exec "test/cluster/$verb" "$@"
