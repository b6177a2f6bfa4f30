#!/usr/bin/env bash
# The outages that take minutes, on a real node: test/e2e/soak_*.py. About an hour.
#
#   scripts/soak.sh [--preset dev|release] [--keep] [PYTEST OPTION...]
#
# AMPSCALE_SOAK_S is how long Prometheus is away, in seconds (default 600); all else stays as it is.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

exec scripts/e2e.sh "$@" test/e2e/soak_*.py
