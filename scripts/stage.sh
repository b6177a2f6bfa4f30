# shellcheck shell=bash
# What the demo and the end-to-end tests stand on: a node, AMP's stand-in on it, our programs as
# pods.
# Source it after lib.sh and call the functions in this order; each says what it does.
#
#   stage_prepare PRESET     packages, programs of that preset, images
#   stage_node [keep]        the node that runs, or one that ends with this process unless kept; the
#                            images on it. stage_start alone: without them
#   stage_amp NAMESPACE      AMP's stand-in, at https://amp.amp.svc:9443, with a role that the
#                            default ServiceAccount of the namespace may write with
#   stage_amp_hosts          and by the names of AMP's and STS' own hosts
#   stage_install NAMESPACE  the webhook, and the scaler of that namespace
#   stage_end NAMESPACE      take away what was set up
#
# In a cluster of somebody else's, set stage_place=theirs and the values below, and only install.

# Our files. Seen by the host and by the node, and removed with the node.
stage=/run/ampscale/cluster/stage
stage_place=""  # whose cluster it is: ours, found running, or theirs; "": none yet
stage_archive=""
stage_image=local/ampscale:dev
stage_sigv4=on
stage_endpoint=""
stage_region=""
stage_ca=""
stage_account=arn:aws:iam::000000000000
stage_flags=() # for both programs, besides what the chart gives them
stage_role=""  # that collectors write with
stage_own_metrics="" # how often webhook and scaler send theirs, with the dashboard; "": not
stage_kubectl=(test/cluster/enter kubectl)
stage_helm=(test/cluster/enter helm)

kube() {
    "${stage_kubectl[@]}" "$@"
}

# fresh FILE SOURCE...: whether FILE is there and newer than each of the others.
fresh() {
    local file=$1 source
    shift
    for source in "$@"; do
        [[ $file -nt $source ]] || return 1
    done
}

stage_prepare() {
    local preset=$1 programs
    programs=("build/$preset/bin/"{ampscale-{webhook,scaler,collector},kubectl-ampscale})
    scripts/setup.sh build python node
    stage_python=$(scripts/venv.sh)
    test/cluster/build
    scripts/build.sh "$preset"
    stage_archive=build/$preset/ampscale.tar
    if ! fresh "$stage_archive" image/{make,rootfs,sbom,licences.txt} test/cluster/dockertar.py \
        "${programs[@]}"; then
        image/make "${stage_image#local/}" "$stage_archive" "${programs[@]}"
    fi
    stage_nginx=$(stage_other nginx "a plain nginx" image/nginx*)
    stage_ho11y=$(stage_other ho11y "the example app" image/ho11y examples/app/ho11y)
}

# stage_other NAME WHAT SOURCE...: the archive of an image that does not depend on our programs.
stage_other() {
    local name=$1 what=$2 archive
    shift 2
    # shellcheck disable=SC2154 # lib.sh sets it
    archive=$cache/$name-$(cat image/rootfs "$@" test/cluster/dockertar.py |
        sha256sum | cut -c 1-16).tar
    if [[ ! -e $archive ]]; then
        say "making the image of $what" >&2
        "image/$name" "$archive" >&2
    fi
    echo "$archive"
}

stage_node() {
    stage_start "$@"
    test/cluster/load-image "$stage_archive"
    test/cluster/load-image "$stage_nginx"
    test/cluster/load-image "$stage_ho11y"
}

stage_start() {
    local tie=(--tied-to "$$")
    [[ ${1:-} != keep ]] || tie=()
    if test/cluster/status >/dev/null 2>&1; then
        say "using the node that runs; it stays"
        stage_place=found
    else
        test/cluster/up "${tie[@]}"
        stage_place=ours
    fi
    mkdir -p "$stage"
}

stage_amp() {
    say "starting AMP's stand-in: Prometheus behind a proxy that verifies signatures"
    kube get --raw /openid/v1/jwks >"$stage/jwks.json"
    stage_roles "$1" >"$stage/roles.json"
    test/cluster/enter env PYTHON="$stage_python" \
        test/cluster/amp/up --state "$stage/amp" --listen 10.88.0.1:9443 \
        --issuer https://kubernetes.default.svc --jwks "$stage/jwks.json" \
        --roles "$stage/roles.json" >/dev/null
    kube create namespace amp --dry-run=client -o yaml | kube apply -f - >/dev/null
    test/cluster/node-service amp amp 9443 >/dev/null
    unset AWS_SESSION_TOKEN # one of the caller's would not go with the stand-in's keys
    # shellcheck disable=SC1091 # written by the stand-in
    source "$stage/amp/env"
    stage_endpoint=https://amp.amp.svc:9443/${AMP_ENDPOINT#https://*/}
    stage_region=$AWS_REGION
    stage_ca=$AMP_CA_FILE
    stage_role=$stage_account:role/ampscale-write
}

# The IAM roles there are: one to write with, one to query with.
stage_roles() {
    cat <<JSON
[
  {"arn": "$stage_account:role/ampscale-write", "actions": ["aps:RemoteWrite"],
   "subjects": ["system:serviceaccount:$1:default"]},
  {"arn": "$stage_account:role/ampscale-query",
   "actions": ["aps:QueryMetrics", "aps:GetSeries", "aps:GetLabels", "aps:GetMetricMetadata"],
   "subjects": ["system:serviceaccount:*:ampscale-scaler",
                "system:serviceaccount:*:ampscale-webhook"],
   "principals": ["$stage_account:user/ampscale-test"]}
]
JSON
}

# The names of AMP's and STS' own hosts lead to the stand-in as well.
stage_amp_hosts() {
    local name address
    test/cluster/node-service amazon amp 443 9443 >/dev/null
    address=$(kube -n amp get service amazon -o jsonpath='{.spec.clusterIP}')
    for name in "aps-workspaces.$stage_region.amazonaws.com" "sts.$stage_region.amazonaws.com"; do
        sed -i "/ $name\$/d" /run/ampscale/cluster/hosts
        echo "$address $name" >>/run/ampscale/cluster/hosts
    done
}

# The credentials in the environment, for a Secret.
aws_variables() {
    env | grep -E '^AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)='
}

# What both programs read, in their namespace.
stage_identity() {
    kube -n "$1" create secret generic ampscale-aws --from-env-file=<(aws_variables) >/dev/null
    kube -n "$1" create configmap ampscale-ca --from-file=ca.crt="$stage_ca" >/dev/null
}

# stage_reference REF: how the chart writes an image, as YAML. In a cluster of somebody else's an
# earlier one may have had the same tag.
stage_reference() {
    local policy=IfNotPresent
    [[ $stage_place != theirs ]] || policy=Always
    case $1 in
        *@*) printf '{repository: "%s", digest: "%s"' "${1%@*}" "${1#*@}" ;;
        *) printf '{repository: "%s", tag: "%s"' "${1%:*}" "${1##*:}" ;;
    esac
    printf ', pullPolicy: %s}' "$policy"
}

# The chart's values: stage_values NAMESPACE. A sanitizer needs more memory.
stage_values() {
    local flag memory=128Mi collector=""
    if [[ $stage_archive == build/dev/* ]]; then
        memory=768Mi
        collector=128Mi
    fi
    cat <<YAML
image: $(stage_reference "$stage_image")
aws:
  endpoint: "$stage_endpoint"
  region: "$stage_region"
  sigv4: "$stage_sigv4"
  credentialsSecret: ampscale-aws
ca: {configMap: ampscale-ca}
collector:
  roleArn: "$stage_role"
  memory: "$collector"
  # The stand-in's authority is nobody's that the image knows.
  caConfigMap: "${stage_role:+ampscale-ca}"
YAML
    [[ -z $stage_own_metrics ]] || cat <<YAML
monitoring:
  dashboard: {enabled: true}
  remoteWrite:
    enabled: true
    interval: $stage_own_metrics
    resources: {limits: {memory: "${collector:-64Mi}"}}
YAML
    for program in webhook scaler; do
        echo "$program:"
        echo "  resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: $memory}}"
        echo "  extraArgs:"
        for flag in "${stage_flags[@]}"; do
            echo "    - \"$flag\""
        done
        [[ ${#stage_flags[@]} -gt 0 ]] || echo "    []"
        [[ $program == webhook ]] || echo "  namespaces: [{name: \"$1\"}]"
    done
    echo "test: {resources: {limits: {memory: $memory}}}"
}

stage_install() {
    local namespace=$1 place
    say "installing the chart: the webhook, and the scaler of namespace $namespace"
    stage_remove "$namespace" ampscale-system
    for place in ampscale-system "$namespace"; do
        kube create namespace "$place" >/dev/null
        kube label namespace "$place" pod-security.kubernetes.io/enforce=restricted >/dev/null
        stage_identity "$place"
    done
    stage_values "$namespace" >"$stage/values.yaml"
    "${stage_helm[@]}" upgrade --install ampscale charts/ampscale --namespace ampscale-system \
        --values "$stage/values.yaml" >/dev/null
    stage_rollout ampscale-system ampscale-webhook
    stage_rollout "$namespace" ampscale-scaler
    stage_serving
}

# The API server reads a new configuration when it gets to it: wait until it asks the webhook, which
# then shows the defaults of a Deployment that is not made.
stage_serving() {
    local deadline=$((SECONDS + 30))
    until stage_probe | grep -q '"scale.amp/polling-interval"'; do
        [[ $SECONDS -lt $deadline ]] || die "the API server does not ask the webhook"
    done
}

stage_probe() {
    kube -n default create deployment probe --image=none --dry-run=client -o json |
        kube annotate --local -f - scale.amp/query=1 scale.amp/threshold=1 -o json |
        kube -n default create --dry-run=server -f - -o json 2>/dev/null
}

# stage_rollout NAMESPACE DEPLOYMENT: wait until all of it is ready; else say why not.
stage_rollout() {
    if ! kube -n "$1" rollout status "deployment/$2" --timeout=120s >/dev/null; then
        stage_explain "$1" >&2
        die "$2 did not get ready"
    fi
    say "$2 is ready"
}

# All that tells why something in a namespace does not work.
stage_explain() {
    echo "--- what namespace $1 says"
    kube -n "$1" get deployments,pods -o wide || true
    kube -n "$1" events --types=Warning || true
    kube -n "$1" logs --selector=app.kubernetes.io/name --tail=80 || true
}

# stage_remove NAMESPACE...: those, and what of ours belongs to no namespace.
stage_remove() {
    "${stage_helm[@]}" uninstall ampscale --namespace ampscale-system --ignore-not-found \
        --wait >/dev/null
    kube delete --ignore-not-found namespaces "$@" --timeout=120s >/dev/null
}

stage_end() {
    case $stage_place in
        ours) test/cluster/down ;;
        found)
            stage_remove "$1" ampscale-system amp
            test/cluster/enter env PYTHON="$stage_python" test/cluster/amp/down --state "$stage/amp"
            rm -rf "$stage"
            ;;
        theirs)
            stage_remove "$1" ampscale-system
            rm -rf "$stage"
            ;;
    esac
    stage_place=""
}

# What a node of ours may have left on this machine, one a line. There is to be nothing.
stage_leftovers() {
    local process
    for process in /proc/[0-9]*; do
        if tr '\0' ' ' 2>/dev/null <"$process/cmdline" | grep -q '/run/ampscale/cluster/'; then
            echo "process ${process#/proc/}"
        fi
    done
    grep -o ' /run/ampscale[^ ]*' /proc/self/mounts || true
    find /sys/fs/cgroup -maxdepth 2 -type d -name ampscale 2>/dev/null || true
    find /sys/class/net -name kube0
    find /run/ampscale -mindepth 1 2>/dev/null || true
}
