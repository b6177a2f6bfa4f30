#!/usr/bin/env bash
# Install on a Kubernetes that is somebody else's: our image comes from a registry, the cluster is
# known by a kubectl context alone. Three minutes.
#
#   scripts/foreign.sh
#
# A node of ours plays that cluster, with a registry on it. The image is made and pushed by the very
# commands of the README's section "Image"; the demo installs with --context; kubelet has to have
# pulled what was pushed; and the commands that the demo names for ending it leave nothing.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source scripts/stage.sh

namespace=shop
registry=registry.test
tools="" # where crane is

trap 'stage_end "$namespace"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Run on the node, with crane, which knows the registry's authority.
there() {
    test/cluster/enter env PATH="$tools:$PATH" \
        SSL_CERT_FILE=/run/ampscale/cluster/pki/ca.crt "$@"
}

# The README's commands that make and push the image.
commands() {
    sed -n '/^<!-- push:/,/^<!-- end of push/{/^[<`]/!p}' README.md
}

push() {
    local shown
    shown=$(commands)
    [[ $shown == *"crane push"* ]] || die "the README shows no crane push"
    say "making and pushing the image as the README says"
    there env REGISTRY="$registry" bash -euc "$shown"
    there crane push "$stage_nginx" "$registry/nginx:1" >/dev/null
}

# kubectl's way into the cluster, as its owner hands it out.
hand_out() {
    kube config view --raw --flatten >"$stage/theirs"
    chmod 0600 "$stage/theirs"
    kube --kubeconfig "$stage/theirs" config rename-context ampscale theirs >/dev/null
}

theirs() {
    test/cluster/enter env KUBECONFIG="$stage/theirs" "$@"
}

demo() {
    theirs scripts/demo.sh --keep --context theirs --image "$registry/ampscale:$version" \
        --endpoint "$stage_endpoint" --region "$stage_region" --sigv4 on --ca-file "$stage_ca" \
        --app-image "$registry/nginx:1"
}

# check WHAT COMMAND...: that it succeeds.
check() {
    local what=$1
    shift
    "$@" || die "expected: $what"
    say "$what"
}

# Each container of ours runs what was pushed.
runs_what_was_pushed() {
    local digest ids
    digest=$(there crane digest "$registry/ampscale:$version")
    ids=$(kube get pods --all-namespaces --selector 'app.kubernetes.io/name' \
        -o jsonpath='{range .items[*]}{.status.containerStatuses[*].imageID}{"\n"}{end}')
    [[ $(grep -cF "@$digest" <<<"$ids") -eq 3 && $(wc -l <<<"$ids") -eq 3 ]]
}

kubelet_pulled() {
    kube -n ampscale-system events --types=Normal |
        grep -F "Successfully pulled image \"$registry/ampscale:$version\"" >/dev/null
}

containerd_fetched() {
    grep '"GET /v2/ampscale/blobs/' /run/ampscale/cluster/logs/registry.log | grep -q containerd/
}

nothing_is_left() {
    local kinds=namespaces,clusterroles,clusterrolebindings left
    kinds+=,mutatingwebhookconfigurations,validatingwebhookconfigurations
    left=$(kube get "$kinds" -o name) || return 1
    [[ $left != */ampscale* && $left != *"/$namespace"* ]]
}

end_as_told() {
    local told
    told=$(sed -n '/^To end it:/,${/^To end it:/d;/^  /p}' "$stage/told")
    [[ $told == *"uninstall ampscale"* ]] || die "the demo does not say how to end it"
    theirs bash -euc "$told"
    check "what the demo says ends all of it" nothing_is_left
}

stage_prepare release
test/cluster/build registry
version=$(sed -n 's/^appVersion: *//p' charts/ampscale/Chart.yaml | tr -d '"')
stage_start
stage_amp "$namespace"
tools=$(test/cluster/registry)
push
hand_out
demo | tee "$stage/told"
check "all three pods run what was pushed" runs_what_was_pushed
check "kubelet says that it pulled it" kubelet_pulled
check "the registry saw containerd fetch it" containerd_fetched
end_as_told
say "installed on a foreign cluster, from a registry, and gone from it"
