# shellcheck shell=bash
# The demo's story "app", the walkthrough's: two services whose pods get a collector, and one that
# scales from 0 to 5 and back on what another is asked for, with its real times. demo.sh sources
# this.
# shellcheck disable=SC2154 # namespace, shown, stage and stage_python are demo.sh's and stage.sh's

# shellcheck disable=SC2034 # demo.sh tells it where the demo is kept
to_try="exec deployment/frontend -c ho11y -- curl -sS http://downstream"
calls=301
# A person's loop of kubectl exec makes a little more than one call a second. Where it would make
# more, the next call waits: 17 in 15 s.
call_every_s=0.882

collect() {
    caption "Two services with collector annotations, and nothing else that would tell of ampscale."
    show apply -f examples/app/app.yaml
    watch frontend 1/1 90
    watch downstream 1/1 90
    caption "Each pod has two containers: the app's, and the collector that the webhook put in."
    show get pods
    [[ $(grep -c ' 2/2 ' <<<"$shown") -eq 2 ]] || die "expected two pods of two containers"
    caption "It scrapes the app and writes to AMP, under a role of its own, by a token of its own."
    chart await 'up{job="downstream"} == 1' || die "nothing of downstream arrived"
    show logs deployment/downstream -c ampscale-collector --tail=5
}

# chart WORD...: demo_chart.py on the node, where the stand-in's endpoint is.
chart() {
    test/cluster/enter "$stage_python" scripts/demo_chart.py \
        --state "$stage/amp" --namespace "$namespace" "$@"
}

scale() {
    caption "checkout has the query only: requests a second of downstream, 0.25 for each replica." \
        "It is at 0, and nobody has called downstream yet."
    show apply -f examples/app/checkout.yaml
    expect "no number now"
    caption "The same without a zero: from 1 up to 100."
    show apply -f examples/app/checkout-wide.yaml
}

up_and_down() {
    caption "Now traffic: $calls calls of downstream from frontend's pod, one after another. Five" \
        "minutes after the last one, checkout is at 0 again."
    typed kubectl -n "$namespace" exec deployment/frontend -- curl http://downstream
    chart follow 'rate(ho11y_total[30s])' "$calls" "$call_every_s" 5 checkout=0 checkout-wide=1 ||
        die "it did not go as it should"
    show get deployments checkout checkout-wide
    caption "Why, in the Deployment's own words:"
    show events --for deployment/checkout
    expect "SuccessfulRescale"
}

two_series() {
    local fix='/query:/s/rate(.*)/sum(&)/' status=0
    caption "frontend fails half of its requests, so it counts under several statuses. Once it is" \
        "called there are several series, and the query as it stands is refused, with the fix."
    show exec deployment/frontend -c ho11y -- \
        curl -sS -o /dev/null 'http://localhost:8765/?n=[1-40]' || die "frontend does not answer"
    chart await 'count(rate(ho11y_total[30s])) > 1' || die "there are no two series"
    show delete deployment checkout
    if show apply -f examples/app/checkout.yaml; then
        die "expected a refusal"
    fi
    expect "wrap it in sum(…)"
    typed sed "$fix" examples/app/checkout.yaml "| kubectl -n $namespace apply -f -"
    shown=$(sed "$fix" examples/app/checkout.yaml | kube -n "$namespace" apply -f - 2>&1) ||
        status=$?
    printf '%s\n' "$shown"
    [[ $status -eq 0 ]] || die "expected it to be let in"
    expect "query is "
}

let_go() {
    local count
    caption "Without the annotations the collector goes as well."
    show annotate deployment downstream scale.amp/collector- scale.amp/scrape-port-
    show rollout status deployment/downstream --timeout=90s
    typed kubectl -n "$namespace" get deployment downstream -o yaml "| grep -c ampscale"
    count=$(kube -n "$namespace" get deployment downstream -o yaml | grep -c ampscale) || true
    echo "$count"
    [[ $count -eq 0 ]] || die "something of ours is left on downstream"
}

story() {
    collect
    scale
    up_and_down
    two_series
    let_go
}
