#!/usr/bin/env bash
# What takes minutes: two builds of one image, the collector beside Prometheus, a cluster that is
# not ours, outages on a real node. Over an hour.
#
#   scripts/soak.sh [PART] [--preset dev|release] [--keep] [PYTEST OPTION...]
#
# PART is one of these, all if not given; the options are the node's:
#   image    image/soak_image.py: builds in two places come to the same bytes
#   beside   test/component/beside.py: for ten minutes the collector and Prometheus scrape one
#            target; what the one wrote and the other stored has to be the same, at each moment
#   foreign  scripts/foreign.sh: the image in a registry, the demo on a cluster known by its context
#   node     test/e2e/soak_*.py, one after another; AMPSCALE_SOAK_S is how long AMP is away, in
#            seconds (default 600); all else stays as it is
#
# Ends in "N passed, N failed", over all. Logs: build/soak/PART.log.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

parts=(image beside foreign node)
case ${1:-} in
    image | beside | foreign | node)
        parts=("$1")
        shift
        ;;
esac
logs=build/soak
passed=0
failed=0
mkdir -p "$logs"

part_image() {
    scripts/setup.sh build python && "$(scripts/venv.sh)" -m pytest image/soak_image.py
}

part_beside() {
    scripts/setup.sh build check python && scripts/build.sh release &&
        BUILD_DIR=build/release "$(scripts/venv.sh)" -u test/component/beside.py \
            --seconds 600 --interval 5
}

part_foreign() {
    scripts/foreign.sh
}

part_node() {
    scripts/e2e.sh "$@" test/e2e/soak_*.py
}

# try PART OPTION...: show it, keep its log, count it.
try() {
    local part=$1 log=$logs/$1.log status=0 ok bad _
    shift
    say "== $part"
    "part_$part" "$@" 2>&1 | tee "$log" || status=$?
    read -r ok bad _ < <(counts_of "$log" "$status")
    passed=$((passed + ok))
    failed=$((failed + bad))
}

for part in "${parts[@]}"; do
    try "$part" "$@"
done
echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
