#!/usr/bin/env bash
# Remove what was built. --all: also the node's programs and the environments in ~/.cache/ampscale.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in
    "") ;;
    --all)
        chmod -R u+w "$cache" 2>/dev/null || true # Go's module cache is read-only
        rm -rf "$cache"
        ;;
    *) die "unknown option \"$1\": expected --all or nothing" ;;
esac
rm -rf build
find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
