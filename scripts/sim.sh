#!/usr/bin/env bash
# Simulate days of a namespace with the scaler's core, in the release build: test/sim/README.md.
#
#   scripts/sim.sh [ARGUMENT...]     (default: ten million decisions, and every fault at every door)
#
# --seed N      the first run's seed; the next has N + 1
# --runs N      so many runs, or
# --decisions N as many as make N decisions
# --hours N     of each run (default 30)
# --sweep N     then a fixed course with one fault at one door call, for every N-th call
# --watch N     print the course of the N-th app
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [[ $# -eq 0 ]]; then
    set -- --decisions 10000000 --sweep 1
fi
scripts/setup.sh build
cmake --preset release -Wno-dev --log-level=WARNING >/dev/null
cmake --build --preset release --target sim -- --quiet
exec build/release/test/sim/sim "$@"
