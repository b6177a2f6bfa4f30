#!/usr/bin/env bash
# Check the tree without running it; every step is run, the exit code is 1 if any complained.
#
#   scripts/lint.sh [STEP...]     (default: all)
#
# ceilings  sizes, banned functions, layers: scripts/ceilings.py
# rules     every rule of ceilings, globals, purity and hardened is seen to fail on a bad example
# shell     shellcheck on every script
# python    ruff: check and format
# format    clang-format of every C file
# globals   no mutable global outside main.c, by the objects of the dev build
# tidy      clang-tidy by .clang-tidy; a file that passed is asked again when it, a header, a check
#           or a flag changes
#
# Not here: gcc -fanalyzer and cppcheck. Given leaks, double frees, uninitialised values and lost
# descriptors, clang-tidy's analyzer found all that either of them did, and they added false alarms.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

steps=(ceilings rules shell python format globals tidy)
if [[ $# -gt 0 ]]; then
    steps=("$@")
fi

step_ceilings() {
    scripts/ceilings.py
}

step_rules() {
    "$python" -m pytest scripts/test_ceilings.py
}

step_shell() {
    local files
    mapfile -t files < <(tree_files '*.sh' && scripts_in '\(bash\|sh\)')
    shellcheck --external-sources "${files[@]}"
}

step_python() {
    local files ruff
    ruff=$(dirname "$python")/ruff
    mapfile -t files < <(tree_files '*.py' && scripts_in 'python3')
    "$ruff" check --quiet --no-cache "${files[@]}" &&
        "$ruff" format --quiet --no-cache --check --diff "${files[@]}"
}

step_format() {
    local files
    mapfile -t files < <(tree_files '*.c' '*.h')
    clang-format-14 --dry-run -Werror "${files[@]}"
}

step_globals() {
    scripts/globals.py build/dev
}

# What a verdict of clang-tidy depends on beside the file: its checks, every header, the flags.
tidy_base() {
    local headers
    mapfile -t headers < <(tree_files '*.h')
    cat .clang-tidy cmake/flags.cmake scripts/tidy-one.sh "${headers[@]}" | sha256sum | cut -c 1-32
}

step_tidy() {
    local base file mark todo=() passed=$cache/tidy status=0
    base=$(tidy_base)
    mkdir -p "$passed"
    find "$passed" -type f -mtime +14 -delete
    while IFS= read -r file; do
        mark=$passed/$( (echo "$base $file" && cat "$file") | sha256sum | cut -c 1-32)
        [[ -e $mark ]] || todo+=("$file" "$mark")
    done < <(tree_files 'common/*.c' 'scaler/*.c' 'webhook/*.c' 'collector/*.c' 'cli/*.c' \
        'test/unit/*.c' 'test/fuzz/*.c' 'test/component/*.c' 'test/sim/*.c')
    say "tidy: $((${#todo[@]} / 2)) files to look at"
    [[ ${#todo[@]} -eq 0 ]] || printf '%s\n' "${todo[@]}" |
        xargs -P 2 -n 2 scripts/tidy-one.sh build/dev || status=1
    return "$status"
}

for step in "${steps[@]}"; do
    declare -F "step_$step" >/dev/null || die "unknown step \"$step\"; see scripts/lint.sh"
done
scripts/setup.sh build check python
python=$(scripts/venv.sh)
# The dev build writes compile_commands.json and the objects that globals looks at.
if [[ " ${steps[*]} " =~ " globals "|" tidy " ]]; then
    scripts/build.sh dev
fi

passed=0
failed=()
for step in "${steps[@]}"; do
    if "step_$step"; then
        passed=$((passed + 1))
        say "lint $step: ok"
    else
        failed+=("$step")
        say "lint $step: FAILED"
    fi
done
if [[ ${#failed[@]} -gt 0 ]]; then
    echo "lint: failed: ${failed[*]}"
fi
echo "$passed passed, ${#failed[@]} failed"
[[ ${#failed[@]} -eq 0 ]]
