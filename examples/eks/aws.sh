#!/usr/bin/env bash
# The AWS side of ampscale on EKS, step by step, and its deletion. The README, "On EKS, step by
# step", walks through it. Each step finds what earlier ones made by its name, so any may be run
# again, and nothing has to be remembered between them.
#
#   examples/eks/aws.sh STEP...
#
# It needs the aws CLI (1 or 2), and eksctl, docker or curl where a step says so. From the
# environment, with defaults:
#
#   AWS_REGION=                      where all of it is; required
#   CLUSTER=ampscale                 the EKS cluster
#   NAME=ampscale                    of the workspace; roles' and policies' names begin with it
#   SYSTEM_NAMESPACE=ampscale-system where the webhook is installed
#   NAMESPACES=shop                  whose Deployments are scaled; several with spaces between
#   COLLECT=shop:default             NAMESPACE:SERVICEACCOUNT of apps with collectors; likewise
#   IDENTITY=irsa                    or pod-identity: how webhook and scalers get their role
#   IMAGE=                           repository of the image; this account's ECR
#   TAG=                             of the image; the chart's
#   GRAFANA=false                    or true: the step "stack" makes Managed Grafana as well
#   OWN_METRICS=false                or true: the step "stack" does what "own_metrics" does as well
set -euo pipefail
shopt -s inherit_errexit

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

die() {
    printf 'aws.sh: %s\n' "$*" >&2
    exit 1
}

# Names: they tell what is ours.
query_role=${NAME:=ampscale}-query
collector_role=$NAME-collector
grafana_role=$NAME-grafana
: "${CLUSTER:=ampscale}" "${SYSTEM_NAMESPACE:=ampscale-system}" "${NAMESPACES:=shop}"
: "${COLLECT:=shop:default}" "${IDENTITY:=irsa}" "${TAG:=}"

# ---- what is there ----

role_arn() { # NAME
    echo "arn:$partition:iam::$account:role/$1"
}

image() {
    echo "${IMAGE:-$account.dkr.ecr.$AWS_REGION.amazonaws.com/ampscale}"
}

# Sets workspace_id and workspace_arn; both empty when no workspace is called $NAME.
find_workspace() {
    local found
    found=$(aws amp list-workspaces --alias "$NAME" --output text --query \
        "workspaces[?alias=='$NAME' && status.statusCode!='DELETING'].[workspaceId, arn] | [0]")
    read -r workspace_id workspace_arn <<<"${found/None/}"
}

need_workspace() {
    [[ -n ${workspace_id:-} ]] || find_workspace
    [[ -n $workspace_id ]] ||
        die "no workspace is called $NAME in $AWS_REGION: run the step \"workspace\""
}

# Sets issuer, the cluster's OIDC issuer without https://, as IAM's conditions name it, and
# oidc_provider_arn.
need_issuer() {
    [[ -z ${issuer:-} ]] || return 0
    issuer=$(aws eks describe-cluster --name "$CLUSTER" \
        --query cluster.identity.oidc.issuer --output text)
    issuer=${issuer#https://}
    oidc_provider_arn=arn:$partition:iam::$account:oidc-provider/$issuer
}

# A policy is of one workspace, and its name says which.
policy_arn() { # query|ingest|grafana
    echo "arn:$partition:iam::$account:policy/$NAME-$1-$workspace_id"
}

grafana_id() {
    aws grafana list-workspaces --query "workspaces[?name=='$NAME'].id | [0]" --output text |
        sed 's/^None$//'
}

# ---- texts ----

json_list() {
    local list
    printf -v list '"%s", ' "$@"
    echo "[${list%, }]"
}

query_subjects() {
    local namespace subjects=("system:serviceaccount:$SYSTEM_NAMESPACE:ampscale-webhook")
    for namespace in $NAMESPACES; do
        subjects+=("system:serviceaccount:$namespace:ampscale-scaler")
    done
    json_list "${subjects[@]}"
}

collector_subjects() {
    local app subjects=()
    for app in $COLLECT; do
        subjects+=("system:serviceaccount:$app")
    done
    json_list "${subjects[@]}"
}

# FILE with each KEY=VALUE filled in where it says ${KEY}.
render() { # FILE KEY=VALUE...
    local text pair
    text=$(<"$here/$1")
    shift
    for pair in "$@"; do
        text=${text//"\${${pair%%=*}}"/"${pair#*=}"}
    done
    [[ $text != *"\${"* ]] || die "a value is missing in: $text"
    printf '%s\n' "$text"
}

# ---- steps ----

# Who will own all this. Wrong account? Better to see it now.
whoami() {
    aws sts get-caller-identity --output table
}

# eksctl: a cluster with OIDC provider and Pod Identity agent. Fifteen minutes.
cluster() {
    render cluster.yaml CLUSTER="$CLUSTER" AWS_REGION="$AWS_REGION" |
        eksctl create cluster --config-file -
}

# The IAM OIDC provider of a cluster that eksctl did not make.
oidc() {
    need_issuer
    aws iam get-open-id-connect-provider --open-id-connect-provider-arn "$oidc_provider_arn" \
        >/dev/null 2>&1 ||
        aws iam create-open-id-connect-provider --url "https://$issuer" \
            --client-id-list sts.amazonaws.com >/dev/null
    echo "$oidc_provider_arn"
}

# The AMP workspace; its id.
workspace() {
    find_workspace
    [[ -n $workspace_id ]] || aws amp create-workspace --alias "$NAME" >/dev/null
    need_workspace
    aws amp wait workspace-active --workspace-id "$workspace_id"
    echo "$workspace_id"
}

make_policy() { # query|ingest|grafana
    local arn
    arn=$(policy_arn "$1")
    aws iam get-policy --policy-arn "$arn" >/dev/null 2>&1 ||
        aws iam create-policy --policy-name "${arn##*/}" --policy-document \
            "$(render "policy-$1.json" WORKSPACE_ARN="$workspace_arn")" >/dev/null
    echo "$arn"
}

# To query the workspace, and to write to it: nothing else, and no other workspace.
policies() {
    need_workspace
    make_policy query
    make_policy ingest
}

make_role() { # NAME TRUST POLICY...
    local name=$1 trust=$2 policy
    shift 2
    if aws iam get-role --role-name "$name" >/dev/null 2>&1; then
        aws iam update-assume-role-policy --role-name "$name" --policy-document "$trust"
    else
        aws iam create-role --role-name "$name" --assume-role-policy-document "$trust" >/dev/null
    fi
    for policy in "$@"; do
        aws iam attach-role-policy --role-name "$name" --policy-arn "$(policy_arn "$policy")"
    done
    role_arn "$name"
}

trust_irsa() { # SUBJECTS
    render trust-irsa.json OIDC="$issuer" OIDC_PROVIDER_ARN="$oidc_provider_arn" SUBJECTS="$1"
}

trust_pod_identity() {
    local namespaces
    read -ra namespaces <<<"$NAMESPACES"
    render trust-pod-identity.json CLUSTER="$CLUSTER" SYSTEM_NAMESPACE="$SYSTEM_NAMESPACE" \
        NAMESPACES_JSON="$(json_list "${namespaces[@]}")"
}

# Role of webhook and scalers, and role of collectors.
roles() {
    local trust
    need_workspace
    need_issuer
    case $IDENTITY in
        irsa) trust=$(trust_irsa "$(query_subjects)") ;;
        pod-identity) trust=$(trust_pod_identity) ;;
        *) die "IDENTITY=$IDENTITY: expected irsa or pod-identity" ;;
    esac
    make_role "$query_role" "$trust" query
    make_role "$collector_role" "$(trust_irsa "$(collector_subjects)")" ingest
}

# IDENTITY=pod-identity: which ServiceAccounts get the role. It reaches pods that start later.
associations() {
    local namespace
    associate "$SYSTEM_NAMESPACE" ampscale-webhook
    for namespace in $NAMESPACES; do
        associate "$namespace" ampscale-scaler
    done
}

association_id() { # NAMESPACE SERVICEACCOUNT
    aws eks list-pod-identity-associations --cluster-name "$CLUSTER" --namespace "$1" \
        --service-account "$2" --query 'associations[0].associationId' --output text |
        sed 's/^None$//'
}

associate() { # NAMESPACE SERVICEACCOUNT
    [[ -n $(association_id "$1" "$2") ]] ||
        aws eks create-pod-identity-association --cluster-name "$CLUSTER" --namespace "$1" \
            --service-account "$2" --role-arn "$(role_arn "$query_role")" >/dev/null
}

# Webhook and scalers may write too: for monitoring.remoteWrite.enabled.
own_metrics() {
    need_workspace
    aws iam attach-role-policy --role-name "$query_role" --policy-arn "$(policy_arn ingest)"
}

# docker: builds the image and pushes it to the account's ECR.
push() {
    local image
    image=$(image):${TAG:-$(chart_version)}
    aws ecr describe-repositories --repository-names ampscale >/dev/null 2>&1 ||
        aws ecr create-repository --repository-name ampscale \
            --image-scanning-configuration scanOnPush=true >/dev/null
    aws ecr get-login-password |
        docker login --username AWS --password-stdin "${image%%/*}"
    docker build --tag "$image" "$here/../.."
    docker push "$image"
}

chart_version() {
    sed -n 's/^appVersion: *//p' "$here/../../charts/ampscale/Chart.yaml" | tr -d '"'
}

# Prints the values for helm.
values() {
    local namespace
    need_workspace
    printf 'image:\n  repository: %s\n  tag: "%s"\n' "$(image)" "$TAG"
    printf 'aws:\n  workspace: %s\n  region: %s\n' "$workspace_id" "$AWS_REGION"
    printf 'collector:\n  roleArn: %s\n' "$(role_arn "$collector_role")"
    printf 'webhook:\n  serviceAccount:\n    annotations: %s\n' "$(annotations)"
    printf 'scaler:\n  serviceAccount:\n    annotations: %s\n  namespaces:\n' "$(annotations)"
    for namespace in $NAMESPACES; do
        printf '    - name: %s\n' "$namespace"
    done
}

annotations() {
    if [[ $IDENTITY == irsa ]]; then
        echo "{eks.amazonaws.com/role-arn: $(role_arn "$query_role")}"
    else
        echo "{}"
    fi
}

# Managed Grafana (users sign in by IAM Identity Center) and its role, which only queries.
grafana() {
    need_workspace
    make_policy grafana
    make_role "$grafana_role" "$(render trust-grafana.json PARTITION="$partition" \
        ACCOUNT="$account" AWS_REGION="$AWS_REGION")" query grafana
    [[ -n $(grafana_id) ]] ||
        aws grafana create-workspace --workspace-name "$NAME" \
            --account-access-type CURRENT_ACCOUNT --authentication-providers AWS_SSO \
            --permission-type CUSTOMER_MANAGED --workspace-data-sources PROMETHEUS \
            --workspace-role-arn "$(role_arn "$grafana_role")" >/dev/null
    echo "https://$(grafana_endpoint)"
}

grafana_endpoint() {
    aws grafana describe-workspace --workspace-id "$(grafana_id)" \
        --query workspace.endpoint --output text
}

# curl: makes the workspace a data source of that Grafana, once it is ACTIVE.
data_source() {
    local url
    need_workspace
    url=$(aws amp describe-workspace --workspace-id "$workspace_id" --output text \
        --query workspace.prometheusEndpoint)
    render data-source.json WORKSPACE_URL="$url" AWS_REGION="$AWS_REGION" |
        as_grafana_admin /api/datasources
}

# curl: the chart's dashboard; one of an earlier version gives way to it.
dashboard() {
    printf '{"overwrite": true, "dashboard": %s}' \
        "$(cat "$here/../../charts/ampscale/dashboards/ampscale.json")" |
        as_grafana_admin /api/dashboards/db
}

# POST stdin to Grafana with a token that lives for a minute; its account goes at once.
as_grafana_admin() { # PATH
    local workspace user status=0
    workspace=$(grafana_id)
    user=$(aws grafana create-workspace-service-account --workspace-id "$workspace" \
        --name "$NAME" --grafana-role ADMIN --query id --output text)
    post_to_grafana "$workspace" "$user" "$1" || status=$?
    aws grafana delete-workspace-service-account --workspace-id "$workspace" \
        --service-account-id "$user" >/dev/null
    return "$status"
}

post_to_grafana() { # WORKSPACE USER PATH
    local token
    token=$(aws grafana create-workspace-service-account-token --workspace-id "$1" \
        --service-account-id "$2" --name once --seconds-to-live 60 \
        --query serviceAccountToken.key --output text)
    curl --fail-with-body --silent --show-error --header 'Content-Type: application/json' \
        --header @<(printf 'Authorization: Bearer %s\n' "$token") --data-binary @- \
        "${GRAFANA_URL:-https://$(grafana_endpoint)}$3"
}

# ---- all of it as one stack instead: workspace, policies, roles, associations, Grafana ----

stack() {
    need_issuer
    aws cloudformation deploy --stack-name "$NAME" --template-file "$here/cloudformation.yaml" \
        --capabilities CAPABILITY_NAMED_IAM --parameter-overrides \
        Name="$NAME" ClusterName="$CLUSTER" SystemNamespace="$SYSTEM_NAMESPACE" \
        Namespaces="${NAMESPACES// /,}" CollectedServiceAccounts="${COLLECT// /,}" \
        Identity="$IDENTITY" OidcProviderArn="$oidc_provider_arn" OidcIssuer="$issuer" \
        Grafana="${GRAFANA:-false}" OwnMetrics="${OWN_METRICS:-false}"
}

# ---- deletion: the other way round ----

delete_grafana() {
    local id
    id=$(grafana_id)
    [[ -z $id ]] || aws grafana delete-workspace --workspace-id "$id" >/dev/null
    delete_role "$grafana_role"
}

our_associations() { # FIELD
    local field=$1
    aws eks list-pod-identity-associations --cluster-name "$CLUSTER" --output text --query \
        "associations[?serviceAccount=='ampscale-webhook' ||
        serviceAccount=='ampscale-scaler'].$field"
}

delete_associations() {
    local id
    for id in $(our_associations associationId); do
        aws eks delete-pod-identity-association --cluster-name "$CLUSTER" --association-id "$id" \
            >/dev/null
    done
}

delete_role() { # NAME
    local policy
    aws iam get-role --role-name "$1" >/dev/null 2>&1 || return 0
    for policy in $(aws iam list-attached-role-policies --role-name "$1" \
        --query 'AttachedPolicies[].PolicyArn' --output text); do
        aws iam detach-role-policy --role-name "$1" --policy-arn "$policy"
    done
    aws iam delete-role --role-name "$1"
}

delete_roles() {
    delete_role "$query_role"
    delete_role "$collector_role"
}

our_policies() {
    aws iam list-policies --scope Local --output text --query "Policies[?\
starts_with(PolicyName, '$NAME-query-ws-') || starts_with(PolicyName, '$NAME-ingest-ws-') || \
starts_with(PolicyName, '$NAME-grafana-ws-')].Arn"
}

delete_policies() {
    local arn
    for arn in $(our_policies); do
        aws iam delete-policy --policy-arn "$arn"
    done
}

# With all metrics in it.
delete_workspace() {
    find_workspace
    [[ -z $workspace_id ]] || aws amp delete-workspace --workspace-id "$workspace_id"
    workspace_id=
}

delete_stack() {
    aws cloudformation delete-stack --stack-name "$NAME"
    aws cloudformation wait stack-delete-complete --stack-name "$NAME"
}

# With all images in it.
delete_repository() {
    aws ecr delete-repository --repository-name ampscale --force >/dev/null
}

# The OIDC provider, if the step "oidc" made it. Nothing else in the cluster may use it.
delete_oidc() {
    need_issuer
    aws iam delete-open-id-connect-provider --open-id-connect-provider-arn "$oidc_provider_arn"
}

# eksctl: the cluster, with the OIDC provider that it made.
delete_cluster() {
    eksctl delete cluster --name "$CLUSTER" --region "$AWS_REGION" --wait
}

# Names of what there still is of all this; nothing when all is deleted. A cluster that is gone has
# no associations.
left() {
    find_workspace
    [[ -z $workspace_id ]] || echo "$workspace_arn"
    aws iam list-roles --output text --query "Roles[?RoleName=='$query_role' || \
RoleName=='$collector_role' || RoleName=='$grafana_role'].Arn"
    our_policies
    grafana_id
    our_associations associationArn 2>/dev/null || true
    aws ecr describe-repositories --output text \
        --query "repositories[?repositoryName=='ampscale'].repositoryArn"
}

steps=(whoami cluster oidc workspace policies roles associations own_metrics push values grafana
    data_source dashboard stack delete_grafana delete_associations delete_roles delete_policies
    delete_workspace delete_stack delete_repository delete_oidc delete_cluster left)

main() {
    local step arn
    [[ $# -gt 0 ]] || die "usage: aws.sh STEP... of: ${steps[*]}"
    : "${AWS_REGION:?say which region, e.g. export AWS_REGION=eu-west-1}"
    export AWS_REGION AWS_DEFAULT_REGION=$AWS_REGION AWS_PAGER=
    arn=$(aws sts get-caller-identity --query Arn --output text)
    IFS=: read -r _ partition _ _ account _ <<<"$arn"
    for step in "$@"; do
        [[ " ${steps[*]} " == *" $step "* ]] || die "unknown step \"$step\": ${steps[*]}"
        "$step"
    done
}

main "$@"
