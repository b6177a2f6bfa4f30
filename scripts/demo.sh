#!/usr/bin/env bash
# Show ampscale at work, from nothing to a scaled Deployment: what is typed, and what is printed.
#
#   scripts/demo.sh [--keep] [scaling]
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
            scaling) continue ;;
            -h | --help) usage ;;
            --context | --image | --endpoint | --region | --sigv4 | --ca-file | --app-image)
                [[ $# -gt 0 ]] || die "$option needs a value"
                ;;
            *) die "unknown \"$option\": the demo there is is called scaling; see --help" ;;
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

# apply FILE: an example, in a cluster of yours with an image that it can pull.
apply() {
    local status=0
    if [[ -z $app_image ]]; then
        show apply -f "examples/$1"
        return
    fi
    typed sed "s|local/nginx:1|$app_image|" "examples/$1" "| kubectl -n $namespace apply -f -"
    shown=$(sed "s|local/nginx:1|$app_image|" "examples/$1" |
        kube -n "$namespace" apply -f - 2>&1) || status=$?
    printf '%s\n' "$shown"
    return "$status"
}

# The story.

attach() {
    caption "A plain nginx, as anybody might run one."
    apply nginx.yaml
    watch nginx 1/1 60
    caption "Four annotations scale it: what to ask, how much of it one replica carries, bounds."
    show annotate deployment nginx 'scale.amp/query=vector(100)' scale.amp/threshold=25 \
        scale.amp/min-replicas=1 scale.amp/max-replicas=30
    expect "Warning: query is 100 now; 100/25 → 4 replicas (min 1, max 30)"
    watch nginx 4/4 60
    show get pods --selector app=nginx
    [[ $(grep -c ' Running ' <<<"$shown") -eq 4 ]] || die "expected four pods Running"
    [[ $(replicas nginx) -eq 4 ]] || die "expected 4 replicas"
}

explain() {
    local line
    caption "The Deployment itself says what is in force, the defaults too, and why there are four,"
    show describe deployment nginx
    expect "scale.amp/polling-interval: 15s"
    expect "Scaled from 1 to 4: default: 100/25 → 4 replicas"
    caption "and the scaler's log holds each decision, with all that it was made from."
    typed kubectl -n "$namespace" logs deployment/ampscale-scaler
    line=$(kube -n "$namespace" logs deployment/ampscale-scaler |
        grep '"decision"' | grep '"deployment":"nginx"' | grep '"to":4' | head -n 1) ||
        die "no decision about nginx in the scaler's log"
    printf '…\n%s\n…\n' "$line"
}

one_step() {
    caption "The same in one step, from a manifest."
    apply synthetic.yaml
    expect "Warning: query is 100 now; 100/25 → 4 replicas (min 1, max 30)"
    watch synthetic 4/4 60
    [[ $(replicas synthetic) -eq 4 ]] || die "expected 4 replicas"
}

refuse_and_fix() {
    caption "A query that Prometheus cannot read is refused, in its own words."
    if show annotate --overwrite deployment nginx 'scale.amp/query=sum(vector(150)'; then
        die "expected a refusal"
    fi
    expect 'scale.amp/query: "sum(vector(150)": Prometheus refuses it'
    expect "unclosed left parenthesis"
    [[ $(replicas nginx) -eq 4 ]] || die "expected still 4 replicas"
    caption "With the parenthesis it is taken, and followed."
    show annotate --overwrite deployment nginx 'scale.amp/query=sum(vector(150))'
    expect "150/25 → 6 replicas"
    watch nginx 6/6 60
    [[ $(replicas nginx) -eq 6 ]] || die "expected 6 replicas"
}

let_go() {
    local count
    caption "Without the annotations nobody scales it, and nothing of ours stays on it."
    show annotate deployment nginx scale.amp/query- scale.amp/threshold- \
        scale.amp/min-replicas- scale.amp/max-replicas-
    typed kubectl -n "$namespace" get deployment nginx -o yaml "| grep -c scale.amp"
    count=$(kube -n "$namespace" get deployment nginx -o yaml | grep -c 'scale\.amp') || true
    echo "$count"
    [[ $count -eq 0 && $(replicas nginx) -eq 6 ]] || die "expected a plain nginx of 6 replicas"
}

# Setting up and ending.

set_up() {
    if [[ -n $context ]]; then
        [[ -n $image && -n $stage_endpoint && -n $stage_region ]] ||
            die "--context needs --image REF, --endpoint URL and --region R (or AWS_REGION)"
        stage_kubectl=(kubectl --context "$context")
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
        stage_amp
    fi
    stage_install "$namespace"
}

kept() {
    local end="./run cluster down" look="./run cluster enter kubectl"
    if [[ -n $context ]]; then
        look="kubectl --context $context"
        end="$look delete namespace $namespace ampscale-system
  $look delete mutatingwebhookconfiguration,validatingwebhookconfiguration ampscale
  $look delete clusterrole,clusterrolebinding ampscale-webhook"
    fi
    caption "It is left running. To look at it:"
    cat <<TEXT
  $look -n $namespace get deployments,pods
  $look -n $namespace annotate --overwrite deployment synthetic scale.amp/threshold=10
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
    trap finish EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    set_up
    telling=yes
    attach
    explain
    one_step
    refuse_and_fix
    let_go
    telling=no
    [[ -n $keep ]] || clean_up
    say "all of it happened as expected"
}

main "$@"
