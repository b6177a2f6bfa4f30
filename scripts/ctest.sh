#!/usr/bin/env bash
# Run the dev build's unit, component, corpus and purity tests; ends in "N passed, N failed".
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

report=build/dev/ctest.log
status=0
# A test of AddressSanitizer's build that leaks fails; UBSan says where.
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1
ctest --test-dir build/dev --output-on-failure --no-tests=error -j 2 "$@" >"$report" 2>&1 ||
    status=$?
if [[ $status -eq 0 ]]; then
    grep -E '^ *[0-9]+/[0-9]+ Test' "$report"
else
    cat "$report"
fi
summary=$(sed -n 's/^[0-9]*% tests passed, \([0-9]*\) tests failed out of \([0-9]*\)$/\1 \2/p' \
    "$report")
read -r failed total <<<"${summary:-1 1}"
echo "$((total - failed)) passed, $failed failed"
exit "$status"
