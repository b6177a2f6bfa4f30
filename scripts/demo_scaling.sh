# shellcheck shell=bash
# The demo's story "scaling": a plain Deployment gets four annotations, is followed, refuses a query
# that is wrong, and is let go. demo.sh sources this.
# shellcheck disable=SC2154 # namespace, app_image and shown are demo.sh's

# shellcheck disable=SC2034 # demo.sh tells it where the demo is kept
to_try="annotate --overwrite deployment synthetic scale.amp/threshold=10"

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

story() {
    attach
    explain
    one_step
    refuse_and_fix
    let_go
}
