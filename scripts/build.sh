#!/usr/bin/env bash
# Compile into build/PRESET.
#
#   scripts/build.sh [dev|release|fuzz]...     (default: dev release)
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

presets=("$@")
if [[ ${#presets[@]} -eq 0 ]]; then
    presets=(dev release)
fi
groups=(build)
for preset in "${presets[@]}"; do
    case $preset in
        release) ;;
        dev | fuzz) groups=(build check) ;;
        *) die "unknown preset \"$preset\": expected dev, release or fuzz" ;;
    esac
done

scripts/setup.sh "${groups[@]}"
for preset in "${presets[@]}"; do
    say "build $preset"
    cmake --preset "$preset" -Wno-dev --log-level=WARNING >/dev/null
    cmake --build --preset "$preset" -- --quiet
done
say "built: ${presets[*]/#/build/}"
