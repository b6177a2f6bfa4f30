#!/usr/bin/env bash
# Run the tests that are written in Python and need neither the node nor a build: those beside the
# scripts and the stand-in for AMP.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

python=$(scripts/venv.sh)
mapfile -t files < <(tree_files 'test_*.py' | grep -v '^test/\(e2e\|component\)/')
exec "$python" -m pytest "$@" "${files[@]}"
