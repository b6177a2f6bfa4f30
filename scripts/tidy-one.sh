#!/usr/bin/env bash
# Run clang-tidy on one file; leave a mark when it passes.
#
#   scripts/tidy-one.sh BUILD_DIR FILE MARK
#
# The flags are gcc's: clang does not know some of its warnings.
set -euo pipefail

arguments=(--quiet -p "$1" --extra-arg=-Wno-unknown-warning-option)
case $2 in
    common/base/err.c | common/base/arena.c) ;; # they define what analyzer.h is about
    *) arguments+=(--extra-arg=-include --extra-arg="$PWD/scripts/analyzer.h") ;;
esac
if [[ $2 == test/unit/* || $2 == test/component/* ]]; then
    arguments+=(--extra-arg=-DANALYZE_TEST)
fi
if out=$(clang-tidy-14 "${arguments[@]}" "$2" 2>&1); then
    touch "$3"
else
    grep -v 'warnings\? .*generated\.$' <<<"$out"
    exit 1
fi
