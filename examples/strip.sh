#!/usr/bin/env bash
# Before ampscale is uninstalled: take its annotations off all Deployments that it manages, while
# the webhook still answers, so that it takes back what it wrote: defaults, record, label,
# collectors, and with restore-replicas the count. Pods with a collector are rolled, no others.
#
#   examples/strip.sh [KUBECTL-OPTION...]     e.g. --context=…, --dry-run=server
#
# Then, empty when all is gone: kubectl get deployments -A -l scale.amp/managed
set -euo pipefail

# Every annotation that a user may set; what ampscale itself writes beside them it takes back.
keys=(
    query threshold activation-threshold metric-type triggers min-replicas max-replicas
    idle-replicas polling-interval cooldown-period initial-cooldown-period behavior on-no-data
    fallback-replicas fallback-after fallback-behavior paused paused-replicas paused-scale-in
    paused-scale-out force-activation restore-replicas keep-replicas endpoint workspace region
    role-arn collector collector-role-arn collector-cpu collector-memory scrape-port
    scrape-path scrape-scheme scrape-interval metrics refresh
)

annotations=("${keys[@]/#/scale.amp/}")
kubectl annotate deployments --all-namespaces --selector scale.amp/managed "$@" \
    "${annotations[@]/%/-}"
