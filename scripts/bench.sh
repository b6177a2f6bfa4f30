#!/usr/bin/env bash
# Run one benchmark, or all: the executables of test/bench.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

names=("$@")
if [[ ${#names[@]} -eq 0 ]]; then
    mapfile -t names < <(
        find test/bench -maxdepth 1 -type f -executable -printf '%f\n' 2>/dev/null | sort
    )
fi
if [[ ${#names[@]} -eq 0 ]]; then
    echo "bench: there is no benchmark here (test/bench)" >&2
    exit 2
fi
for name in "${names[@]}"; do
    if [[ ! -x test/bench/$name ]]; then
        echo "bench: there is no benchmark \"$name\" (test/bench)" >&2
        exit 2
    fi
done
for name in "${names[@]}"; do
    say "bench $name"
    "test/bench/$name"
done
