# shellcheck shell=bash
# Shared by the scripts here: source it. Changes to the tree's root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

: "${HOME:=/root}"
export HOME LC_ALL=C.UTF-8
export PYTHONDONTWRITEBYTECODE=1
# shellcheck disable=SC2034 # for those who source this
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ampscale

# say TEXT: a line of progress with the time since the script started.
say() {
    printf '[%3d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"
}

die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# counts_of LOG [STATUS]: "PASSED FAILED SKIPPED" of the log's last line of counts. What ended with
# that status and says nothing is one test.
counts_of() {
    local line status=${2:-} passed=0 failed=0 skipped=0 number word
    line=$(grep -asE '^[= ]*[0-9]+ (passed|failed|skipped|error)' "$1" | tail -n 1 || true)
    while read -r number word; do
        case $word in
            passed | xfailed) passed=$((passed + number)) ;;
            failed | error*) failed=$((failed + number)) ;;
            skipped) skipped=$((skipped + number)) ;;
        esac
    done < <(grep -oE '[0-9]+ (passed|failed|skipped|errors?|xfailed)' <<<"$line" || true)
    if [[ -n $status && $status -ne 0 && $failed -eq 0 ]]; then
        failed=1
    elif [[ -n $status && $status -eq 0 && $((passed + failed)) -eq 0 ]]; then
        passed=1
    fi
    echo "$passed $failed $skipped"
}

# tree_files PATTERN...: files of the tree that match, tracked or new, also outside a checkout.
tree_files() {
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files -z --cached --others --exclude-standard -- "$@" | sort -zu |
            xargs -0r ls -d 2>/dev/null || true
    else
        local pattern
        for pattern in "$@"; do
            find . -name "${pattern##*/}" -type f -not -path './build/*' -not -path './.git/*'
        done | sed 's|^\./||' | sort -u
    fi
}

# scripts_in LANGUAGE: files without an ending whose first line names the interpreter.
scripts_in() {
    local file
    tree_files '*' | while IFS= read -r file; do
        if [[ -f $file && ${file##*/} != *.* ]]; then
            head -c 64 "$file" | tr -d '\0' | head -n 1 | grep -q "^#!.*\b$1" && echo "$file"
        fi
    done || true
}
