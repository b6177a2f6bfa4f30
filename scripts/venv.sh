#!/usr/bin/env bash
# Print the Python of the tests' environment; make the environment when it is not there.
#
#   scripts/venv.sh [FILE]     (default: test/requirements.txt)
#
# It is kept under ~/.cache/ampscale by a hash of the requirements and of Python's version, so a
# change of either makes a new one. Progress goes to stderr.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

requirements=${1:-test/requirements.txt}
key=$( (python3 --version && cat "$requirements") | sha256sum | cut -c 1-16)
venv=$cache/venv-$key

create() {
    say "making the Python environment: $(grep -v '^#' "$requirements" | tr '\n' ' ')"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-input \
        --requirement "$requirements"
    touch "$venv/complete"
    say "the Python environment is there"
}

if [[ ! -e $venv/complete ]]; then
    mkdir -p "$cache"
    exec 9>"$cache/venv.lock"
    flock 9
    if [[ ! -e $venv/complete ]]; then
        create >&2 9>&-
    fi
fi
echo "$venv/bin/python"
