"""examples/eks: every aws command of the walkthrough, run by the real aws CLI against moto.

What moto lacks (Pod Identity associations, Managed Grafana) is aws_stand.py's; there the CLI
checks the requests by AWS's own models. eksctl, docker and Grafana itself are pretended: what they
are given is looked at.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from aws_account import EKS, REGION, ROOT, Account

ISSUER = r"oidc\.eks\.eu-west-1\.amazonaws\.com/id/\w+"
QUERY = ["aps:QueryMetrics", "aps:GetSeries", "aps:GetLabels", "aps:GetMetricMetadata"]
WEBHOOK = "system:serviceaccount:ampscale-system:ampscale-webhook"


def trust(account: Account, role: str) -> list[dict[str, Any]]:
    text = account.aws("iam", "get-role", "--role-name", role)
    return json.loads(text)["Role"]["AssumeRolePolicyDocument"]["Statement"]


def rights(account: Account, role: str) -> list[dict[str, Any]]:
    """All statements of the policies that are attached to a role."""
    listed = json.loads(account.aws("iam", "list-attached-role-policies", "--role-name", role))
    statements = []
    for policy in listed["AttachedPolicies"]:
        arn = policy["PolicyArn"]
        text = account.aws("iam", "get-policy-version", "--policy-arn", arn, "--version-id", "v1")
        statements += json.loads(text)["PolicyVersion"]["Document"]["Statement"]
    return statements


def workspace(account: Account) -> dict[str, Any]:
    (found,) = json.loads(account.aws("amp", "list-workspaces"))["workspaces"]
    return found


def check_irsa(statements: list[dict[str, Any]], subjects: list[str]) -> None:
    (statement,) = statements
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    arn = statement["Principal"]["Federated"]
    assert re.fullmatch(rf"arn:aws:iam::123456789012:oidc-provider/{ISSUER}", arn)
    issuer = arn.partition("/")[2]
    assert statement["Condition"] == {
        "StringEquals": {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": subjects}
    }


def check_pod_identity(statements: list[dict[str, Any]], namespaces: list[str]) -> None:
    pairs = [("ampscale-system", "ampscale-webhook"), (namespaces, "ampscale-scaler")]
    for statement, (namespace, account) in zip(statements, pairs, strict=True):
        assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
        assert statement["Action"] == ["sts:AssumeRole", "sts:TagSession"]
        assert statement["Condition"] == {
            "StringEquals": {
                "aws:RequestTag/eks-cluster-name": "ampscale",
                "aws:RequestTag/kubernetes-namespace": namespace,
                "aws:RequestTag/kubernetes-service-account": account,
            }
        }


def check_rights(account: Account, own_metrics: bool = False) -> None:
    arn = workspace(account)["arn"]
    query = {s["Sid"]: s["Action"] for s in rights(account, "ampscale-query")}
    ingest = {s["Sid"]: s["Action"] for s in rights(account, "ampscale-collector")}
    assert ingest == {"WriteToOneWorkspace": "aps:RemoteWrite"}
    assert query == {"QueryOneWorkspace": QUERY} | (ingest if own_metrics else {})
    for role in ("ampscale-query", "ampscale-collector"):
        assert {s["Resource"] for s in rights(account, role)} == {arn}


def check_values(text: str, account: Account, annotations: dict[str, str]) -> None:
    values = yaml.safe_load(text)
    chart = yaml.safe_load((ROOT / "charts/ampscale/values.yaml").read_text())
    schema = json.loads((ROOT / "charts/ampscale/values.schema.json").read_text())
    jsonschema.validate({**chart, **values, "aws": {**chart["aws"], **values["aws"]}}, schema)
    assert values["aws"] == {"workspace": workspace(account)["workspaceId"], "region": REGION}
    assert values["collector"]["roleArn"].endswith(":role/ampscale-collector")
    for part in ("webhook", "scaler"):
        assert values[part]["serviceAccount"]["annotations"] == annotations


def test_the_walkthrough_with_irsa(account: Account) -> None:
    names = {"NAMESPACES": "shop web", "COLLECT": "shop:default web:front"}
    account.step("whoami", "oidc", "workspace", "policies", "roles", **names)
    check_rights(account)
    check_irsa(
        trust(account, "ampscale-query"),
        [WEBHOOK, *(f"system:serviceaccount:{n}:ampscale-scaler" for n in ("shop", "web"))],
    )
    apps = ["system:serviceaccount:shop:default", "system:serviceaccount:web:front"]
    check_irsa(trust(account, "ampscale-collector"), apps)
    role = "arn:aws:iam::123456789012:role/ampscale-query"
    values = account.step("values", **names)
    check_values(values, account, {"eks.amazonaws.com/role-arn": role})
    assert yaml.safe_load(values)["scaler"]["namespaces"] == [{"name": "shop"}, {"name": "web"}]
    account.step("own_metrics")
    check_rights(account, own_metrics=True)
    assert len(account.step("left").split()) == 5
    account.step("delete_roles", "delete_policies", "delete_workspace", "delete_oidc")
    assert account.step("left").split() == []


def test_the_walkthrough_with_pod_identity(account: Account) -> None:
    names = {"NAMESPACES": "shop web", "IDENTITY": "pod-identity"}
    for _ in range(2):  # each step may be run again
        account.step("workspace", "policies", "roles", "associations", **names)
    check_rights(account)
    check_pod_identity(trust(account, "ampscale-query"), ["shop", "web"])
    found = {(a["namespace"], a["serviceAccount"]) for a in account.stand.associations.values()}
    assert found == {
        ("ampscale-system", "ampscale-webhook"),
        ("shop", "ampscale-scaler"),
        ("web", "ampscale-scaler"),
    }
    assert len(account.stand.associations) == 3
    check_values(account.step("values", **names), account, {})
    account.step("delete_associations", "delete_roles", "delete_policies", "delete_workspace")
    assert account.step("left").split() == []


def test_managed_grafana(account: Account) -> None:
    account.step("workspace", "policies")
    for _ in range(2):
        assert "https://g-1.grafana-workspace.eu-west-1" in account.step("grafana")
    (made,) = account.stand.workspaces.values()
    assert made["workspaceRoleArn"] == "arn:aws:iam::123456789012:role/ampscale-grafana"
    arn = workspace(account)["arn"]
    actions = {json.dumps(s["Action"]): s["Resource"] for s in rights(account, "ampscale-grafana")}
    assert actions == {
        json.dumps(QUERY): arn,
        json.dumps(["aps:ListWorkspaces", "aps:DescribeWorkspace"]): "*",
    }
    (statement,) = trust(account, "ampscale-grafana")
    assert statement["Principal"] == {"Service": "grafana.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    account.step("data_source")
    (source,) = account.stand.data_sources
    described = account.aws(
        *("amp", "describe-workspace", "--workspace-id", workspace(account)["workspaceId"])
    )
    assert source["url"] == json.loads(described)["workspace"]["prometheusEndpoint"]
    assert source["jsonData"]["sigV4Region"] == REGION
    account.step("dashboard")
    (sent,) = account.stand.dashboards
    assert sent["overwrite"] is True and sent["dashboard"]["uid"] == "ampscale"
    assert account.stand.users == set()
    account.step("delete_grafana", "delete_policies", "delete_workspace")
    assert account.step("left").split() == []


def pretend(account: Account, program: str) -> Path:
    """A program that only writes down how it is called, and what it reads."""
    log = account.programs / f"{program}.log"
    file = account.programs / program
    file.write_text(
        f'#!/bin/sh\necho "$@" >>{log}\ncase "$*" in *- | *stdin*) cat >>{log} ;; esac\n'
    )
    file.chmod(0o755)
    return log


def test_cluster_and_image(account: Account) -> None:
    eksctl, docker = pretend(account, "eksctl"), pretend(account, "docker")
    account.step("cluster", "delete_cluster", CLUSTER="mine")
    first, _, rest = eksctl.read_text().partition("\n")
    assert first == "create cluster --config-file -"
    text, _, last = rest.rstrip().rpartition("\n")
    config = yaml.safe_load(text)
    assert config["metadata"] == {"name": "mine", "region": REGION, "version": "1.36"}
    assert config["iam"] == {"withOIDC": True}
    assert config["addons"] == [{"name": "eks-pod-identity-agent"}]
    assert last == "delete cluster --name mine --region eu-west-1 --wait"
    for _ in range(2):
        account.step("push")
    image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/ampscale:0.1.0"
    assert f"push {image}" in docker.read_text()
    assert len(account.step("left").split()) == 1
    account.step("delete_repository")
    assert account.step("left").split() == []


def test_the_readme_s_registry(account: Account) -> None:
    """ECR by hand: what docker and crane are given is a user, a registry and its password."""
    docker, crane = pretend(account, "docker"), pretend(account, "crane")
    block = re.search(r"For ECR, before.*?```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert block is not None
    done = account.run("bash", "-euo", "pipefail", "-c", block[1])
    assert done.returncode == 0, done.stderr
    registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    login = f"login --username AWS --password-stdin {registry}\n"
    for log, start in ((docker, login), (crane, f"auth {login}")):
        assert log.read_text().startswith(start)
        assert log.read_text().removeprefix(start).strip()
    listed = json.loads(account.aws("ecr", "describe-repositories"))["repositories"]
    assert [one["repositoryUri"] for one in listed] == [f"{registry}/ampscale"]


@pytest.mark.parametrize("identity", ["irsa", "pod-identity"])
def test_the_template_makes_the_same(account: Account, identity: str) -> None:
    names = {"NAMESPACES": "shop web", "COLLECT": "shop:default web:front", "IDENTITY": identity}
    own_metrics = identity == "pod-identity"
    account.step("oidc")
    done = account.run(str(EKS / "aws.sh"), "stack", OWN_METRICS=str(own_metrics).lower(), **names)
    assert done.returncode == 0, done.stderr
    check_rights(account, own_metrics)
    if identity == "irsa":
        check_irsa(
            trust(account, "ampscale-query"),
            [WEBHOOK, *(f"system:serviceaccount:{n}:ampscale-scaler" for n in ("shop", "web"))],
        )
    else:
        check_pod_identity(trust(account, "ampscale-query"), ["shop", "web"])
    apps = ["system:serviceaccount:shop:default", "system:serviceaccount:web:front"]
    check_irsa(trust(account, "ampscale-collector"), apps)
    detach(account)
    account.step("delete_stack")
    assert account.step("left").split() == []


def detach(account: Account) -> None:
    """What deleting a stack does first, and moto does not."""
    for role in ("ampscale-query", "ampscale-collector"):
        listed = json.loads(account.aws("iam", "list-attached-role-policies", "--role-name", role))
        for policy in listed["AttachedPolicies"]:
            words = ["--role-name", role, "--policy-arn", policy["PolicyArn"]]
            account.aws("iam", "detach-role-policy", *words)


def test_the_template_is_clean(tools: Path) -> None:
    done = subprocess.run(
        [tools / "cfn-lint", "--regions", REGION, "us-east-1", "--", EKS / "cloudformation.yaml"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout


def test_what_is_missing_is_said(account: Account) -> None:
    cases = [
        (
            ["policies"],
            {},
            'no workspace is called ampscale in eu-west-1: run the step "workspace"',
        ),
        (["nonsense"], {}, 'unknown step "nonsense"'),
        ([], {}, "usage: aws.sh STEP..."),
        (["workspace"], {"AWS_REGION": ""}, "say which region"),
    ]
    for steps, env, text in cases:
        done = account.run(str(EKS / "aws.sh"), *steps, **env)
        assert done.returncode != 0
        assert text in done.stderr
