#!/usr/bin/env bash
# Show ampscale at work, from nothing to a scaled Deployment: what is typed, and what is printed.
#
#   scripts/demo.sh [--keep] [scaling|app]
#
# scaling: a plain nginx scaled on a query. app: services with collectors, and one that is scaled
# from 0 to 5 and back on the traffic of another, with its real times: eleven minutes.
#
#   scripts/demo.sh --context NAME --image REF --endpoint URL [--region R] [--sigv4 MODE]
#                   [--ca-file FILE] [--app-image REF] [scaling]
#
# Without --context it makes a Kubernetes node of its own and a Prometheus behind a proxy that
# verifies AWS signatures; both are gone afterwards, unless --keep. With --context it uses a cluster
# of yours through its kubectl context: ampscale's image must be there to pull, AWS credentials that
# may query the endpoint are taken from the environment.
#
# Every step is checked: exit 0 means that all of it happened.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source scripts/stage.sh

namespace=shop
demo=scaling
keep=""
context=""
image=""
app_image=""
sigv4=auto
telling=no

usage() {
    sed -n '2,/^source/{s/^# \{0,1\}//p}' scripts/demo.sh >&2
    exit 2
}

parse() {
    local option
    stage_region=${AWS_REGION:-}
    while [[ $# -gt 0 ]]; do
        option=$1
        shift
        case $option in
            --keep) keep=keep && continue ;;
            scaling | app) demo=$option && continue ;;
            -h | --help) usage ;;
            --context | --image | --endpoint | --region | --sigv4 | --ca-file | --app-image)
                [[ $# -gt 0 ]] || die "$option needs a value"
                ;;
            *) die "unknown \"$option\": the demos are called scaling and app; see --help" ;;
        esac
        case $option in
            --context) context=$1 ;;
            --image) image=$1 ;;
            --endpoint) stage_endpoint=$1 ;;
            --region) stage_region=$1 ;;
            --sigv4) sigv4=$1 ;;
            --ca-file) stage_ca=$1 ;;
            --app-image) app_image=$1 ;;
        esac
        shift
    done
    [[ $demo == scaling || -z $context ]] ||
        die "the demo app shows traffic that its own node makes: it takes no --context"
}

# How it looks.

bold="" faint="" plain=""
if [[ -t 1 ]]; then
    bold=$'\e[1m' faint=$'\e[36m' plain=$'\e[0m'
fi

caption() {
    printf '\n%s# %s%s\n' "$bold" "$*" "$plain"
}

# A command as one would type it.
typed() {
    local word
    printf '%s$' "$faint"
    for word in "$@"; do
        if [[ $word =~ ^[A-Za-z0-9_./:,=@%+-]+$ || $word == "| "* ]]; then
            printf ' %s' "$word"
        elif [[ $word =~ ^[A-Za-z0-9_./-]+= ]]; then
            printf " %s'%s'" "${BASH_REMATCH[0]}" "${word#*=}"
        else
            printf " '%s'" "$word"
        fi
    done
    printf '%s\n' "$plain"
}

# show WORD...: kubectl in the demo's namespace, its command and its output. The output is kept in
# $shown for checks, the exit code is kubectl's.
show() {
    local status=0
    typed kubectl -n "$namespace" "$@"
    shown=$(kube -n "$namespace" "$@" 2>&1) || status=$?
    [[ -z $shown ]] || printf '%s\n' "$shown"
    return "$status"
}

# expect TEXT: that it was in what was just shown.
expect() {
    [[ $shown == *"$1"* ]] || die "expected to see: $1"
}

# Show a Deployment change until its READY column says so: watch NAME READY SECONDS.
watch() {
    local name=$1 ready=$2 line="" watcher deadline=$((SECONDS + $3)) seen=no output
    typed kubectl -n "$namespace" get deployment "$name" --watch
    exec {output}< <(exec "${stage_kubectl[@]}" -n "$namespace" get deployment "$name" --watch 2>&1)
    watcher=$!
    while [[ $seen == no && $SECONDS -lt $deadline ]] && read -r -t "$3" -u "$output" line; do
        printf '%s\n' "$line"
        [[ ! $line =~ ^"$name"\ +"$ready"\  ]] || seen=yes
    done
    kill "$watcher" 2>/dev/null || true
    exec {output}<&-
    [[ $seen == yes ]] || die "$name did not come to $ready within $3 s"
}

# The number of replicas a Deployment asks for now.
replicas() {
    kube -n "$namespace" get deployment "$1" -o jsonpath='{.spec.replicas}'
}

# Setting up and ending.

set_up() {
    if [[ -n $context ]]; then
        [[ -n $image && -n $stage_endpoint && -n $stage_region ]] ||
            die "--context needs --image REF, --endpoint URL and --region R (or AWS_REGION)"
        stage_kubectl=(kubectl --context "$context")
        stage_helm=(helm --kube-context "$context")
        [[ $sigv4 == off || -n ${AWS_ACCESS_KEY_ID:-} ]] ||
            die "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set (or use --sigv4 off)"
        kube version >/dev/null || die "the context $context does not answer"
        [[ -z $(kube get namespaces --ignore-not-found -o name "$namespace" ampscale-system) ]] ||
            die "the cluster has a namespace $namespace or ampscale-system: the demo makes its own"
        stage=$(mktemp -d)
        stage_place=theirs
        stage_image=$image
        stage_sigv4=$sigv4
        stage_ca=${stage_ca:-/etc/ssl/certs/ca-certificates.crt}
        app_image=${app_image:-nginxinc/nginx-unprivileged:stable}
    else
        stage_prepare release
        stage_node "$keep"
        stage_amp "$namespace"
        stage_amp_hosts
    fi
    stage_install "$namespace"
}

kept() {
    local end="./run cluster down" look="./run cluster enter kubectl"
    if [[ -n $context ]]; then
        look="kubectl --context $context"
        end="helm --kube-context $context uninstall ampscale --namespace ampscale-system
  $look delete namespace $namespace ampscale-system"
    fi
    caption "It is left running. To look at it:"
    cat <<TEXT
  $look -n $namespace get deployments,pods
  $look -n $namespace $to_try
  $look -n $namespace logs -f deployment/ampscale-scaler
To end it:
  $end
TEXT
}

clean_up() {
    local place=$stage_place left status=0
    caption "Everything is taken away again."
    stage_end "$namespace"
    [[ $place == ours ]] || return 0
    test/cluster/status >/dev/null 2>&1 || status=$?
    if [[ $status -ne 3 ]]; then
        say "a node that somebody else started runs by now: what is left cannot be told apart"
        return
    fi
    left=$(stage_leftovers)
    [[ -z $left ]] || die "left behind: $left"
    say "no process, mount, interface, cgroup or file of it is left"
}

# However it ends: say why it failed, and leave nothing unless it is to be kept.
finish() {
    local status=$?
    trap '' INT TERM HUP
    trap - EXIT
    if [[ $status -ne 0 && $status -lt 128 && $telling == yes ]]; then
        stage_explain "$namespace" >&2 || true
        stage_explain ampscale-system >&2 || true
    fi
    if [[ -n $keep && -n $stage_place ]]; then
        rm -rf "$stage/certificate"
        kept
    else
        stage_end "$namespace" || status=1
    fi
    exit "$status"
}

main() {
    parse "$@"
    # shellcheck source=scripts/demo_scaling.sh
    source "scripts/demo_$demo.sh"
    trap finish EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    set_up
    telling=yes
    story
    telling=no
    [[ -n $keep ]] || clean_up
    say "all of it happened as expected"
}

main "$@"
