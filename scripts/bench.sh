#!/usr/bin/env bash
# Run one benchmark with its options, or all with their defaults: the executables of test/bench.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [[ $# -gt 0 ]]; then
    name=$1
    shift
    if [[ $name == */* || ! -x test/bench/$name || -d test/bench/$name ]]; then
        echo "bench: there is no benchmark \"$name\" (test/bench)" >&2
        exit 2
    fi
    exec "test/bench/$name" "$@"
fi
mapfile -t names < <(
    find test/bench -maxdepth 1 -type f -executable -printf '%f\n' 2>/dev/null | sort
)
if [[ ${#names[@]} -eq 0 ]]; then
    echo "bench: there is no benchmark here (test/bench)" >&2
    exit 2
fi
for name in "${names[@]}"; do
    say "bench $name"
    "test/bench/$name"
done
