#!/usr/bin/env bash
# Install what is missing on a Debian 12 machine: packages, and the Python environment of the tests.
#
#   scripts/setup.sh [build] [check] [python] [node]     (default: all)
#
# build: compile. check: tests, lint and fuzzing. python: the environment scripts/venv.sh names.
# node: what the test node runs on. With everything there it takes a tenth of a second.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

groups=("$@")
if [[ ${#groups[@]} -eq 0 ]]; then
    groups=(build check python node)
fi

# The packages of the groups asked for, one a line.
wanted() {
    local group
    for group in "${groups[@]}"; do
        case $group in
            build | check | python | node) sed -n "s/^$group //p" scripts/packages.txt ;;
            *) die "unknown group \"$group\": expected build, check, python or node" ;;
        esac
        if [[ $group == node ]]; then
            grep -v '^#' test/cluster/packages.txt
        fi
    done | sort -u
}

# Those of stdin that are not installed.
missing() {
    local installed
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')
    grep -vxF -f <(printf '%s\n' "$installed") || true
}

# Debian starts the services it installs, and ours must not run: refuse while we install, unless the
# machine has a policy of its own; then keep the next boot from starting them.
install() {
    local policy=/usr/sbin/policy-rc.d ours=no status=0
    if [[ ! -e $policy ]]; then
        ours=yes
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    apt_get update >"$log" 2>&1 || status=$?
    [[ $status -ne 0 ]] || apt_get install --no-install-recommends "$@" >>"$log" 2>&1 || status=$?
    if [[ $ours == yes ]]; then
        rm -f "$policy"
    fi
    if [[ " $* " == *" prometheus "* ]] && command -v systemctl >/dev/null; then
        systemctl disable --quiet prometheus.service >/dev/null 2>&1 || true
    fi
    return "$status"
}

apt_get() {
    DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/sbin:/sbin:$PATH \
        apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null
}

main() {
    local packages
    mapfile -t packages < <(wanted | missing)
    if [[ ${#packages[@]} -gt 0 ]]; then
        [[ $(id -u) -eq 0 ]] || die "as root: apt-get install ${packages[*]}"
        mkdir -p "$cache"
        log=$cache/apt.log
        say "installing ${#packages[@]} Debian packages: ${packages[*]}"
        if ! install "${packages[@]}"; then
            tail -n 20 "$log" >&2
            die "apt-get failed; its log is $log"
        fi
        say "packages are there"
    fi
    if [[ " ${groups[*]} " == *" python "* ]]; then
        scripts/venv.sh >/dev/null
    fi
}

wanted >/dev/null
main
