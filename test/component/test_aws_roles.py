"""Roles that annotations name: assumed only where they are allowed, kept apart, said and held else.

Each role's queries are signed with that role's own credentials, which the place verifies.
"""

from __future__ import annotations

import subprocess

import pytest
from aws_stage import REGION
from aws_stage import Stage as Aws
from awsstand import role
from fakekube import FakeKube, deployment
from scaler_process import BUILD, Scaler, Stage
from waiting import until
from webhook_process import review, scaled

PROGRAM = BUILD / "bin" / "kubectl-ampscale"
OWN, SHOP, EVIL = role("own"), role("shop"), role("evil")


def assumed(aws: Aws) -> list[str]:
    return [asked.form["RoleArn"] for asked in aws.stand.requests("AssumeRole")]


# ---- the webhook ----


def test_an_allowed_role_queries_as_itself(aws: Aws) -> None:
    aws.irsa(role("base"))
    with aws.webhook("--role-arn", OWN, "--allow-role", SHOP) as webhook:
        assert aws.signer(webhook) == OWN
        assert aws.signer(webhook, role_arn=SHOP) == SHOP
        assert aws.signer(webhook, role_arn=OWN) == OWN
        assert aws.signer(webhook, role_arn=SHOP) == SHOP
    assert sorted(assumed(aws)) == [OWN, SHOP]  # each once


def test_another_role_is_refused_and_nothing_leaves(aws: Aws) -> None:
    aws.irsa(role("base"))
    with aws.webhook("--role-arn", OWN, "--allow-role", SHOP) as webhook:
        answer = webhook.review("/validate", review(scaled(role_arn=EVIL)))
        assert not answer["allowed"]
        assert answer["status"]["code"] == 403
        text = f"role {EVIL}: neither the configured one nor listed by --allow-role"
        assert text in answer["status"]["message"]
        assert aws.signer(webhook) == OWN
    assert EVIL not in assumed(aws)
    assert len(aws.place.signed_by) == 1
    assert aws.place.refused == []


def test_answers_are_not_shared_between_roles(aws: Aws) -> None:
    aws.irsa(role("base"))
    with aws.webhook("--allow-role", SHOP) as webhook:
        for annotations in ({}, {"role_arn": SHOP}, {}, {"role_arn": SHOP}):
            webhook.review("/validate", review(scaled("vector(7)", **annotations)))
    signers = [aws.stand.issued[key].to for key in aws.place.signed_by]
    assert signers == [role("base"), SHOP]


def test_a_role_that_is_not_assumable_is_said(aws: Aws) -> None:
    aws.irsa(role("base"))
    with aws.webhook("--allow-role", role("denied")) as webhook:
        text = aws.warnings(webhook, role_arn=role("denied"))
        assert aws.signer(webhook) == role("base")
    assert f"AWS credentials (assumed, role {role('denied')}): " in text


@pytest.mark.parametrize("flag", ["--role-arn", "--allow-role"])
def test_a_role_that_is_none_ends_the_program(aws: Aws, flag: str) -> None:
    with pytest.raises(AssertionError, match=f'{flag} \\\\"admin\\\\": expected arn:aws:iam::ACC'):
        with aws.webhook(flag, "admin"):
            pass


# ---- the scaler ----


def scaler(aws: Aws, stage: Stage, *flags: str) -> Scaler:
    one = stage.scaler(
        "a",
        "--namespace=shop",
        f"--endpoint={aws.place.url}",
        f"--region={REGION}",
        f"--sts-endpoint={aws.stand.url}",
        "--sigv4=on",
        *flags,
    )
    until("it leads", one.leads)
    return one


def test_workloads_are_scaled_by_their_roles(aws: Aws, stage: Stage) -> None:
    aws.irsa(role("base"))
    stage.deployment("plain", query="vector(1)")
    stage.deployment("shop", query="vector(1)", role_arn=SHOP)
    stage.deployment("evil", query="vector(1)", role_arn=EVIL)
    one = scaler(aws, stage, "--role-arn", OWN, "--allow-role", SHOP)
    for name in ("plain", "shop"):
        until(f"{name} has 10", lambda name=name: stage.replicas(name) == 10)
    active = until("evil is told", lambda: stage.conditions("evil").get("Active"))
    assert active["status"] == "Unknown"
    text = f"role {EVIL}: neither the configured one nor listed by --allow-role"
    assert text in active["message"]
    assert stage.replicas("evil") == 1
    signers = {aws.stand.issued[key].to for key in aws.place.signed_by}
    assert signers == {OWN, SHOP}  # the same query, asked by each for itself
    assert sorted(assumed(aws)) == [OWN, SHOP]
    assert aws.place.refused == []
    log = one.log_file.read_text()
    assert not any(secret in log for secret in aws.secrets())


def test_a_workload_whose_role_fails_holds_alone(aws: Aws, stage: Stage) -> None:
    aws.irsa(role("base"))
    stage.deployment("plain", query="vector(1)")
    stage.deployment("shop", query="vector(1)", role_arn=role("denied"))
    scaler(aws, stage, "--allow-role", role("denied"))
    until("plain has 10", lambda: stage.replicas("plain") == 10)

    def told() -> bool:
        active = stage.conditions("shop").get("Active", {})
        return "AccessDenied" in active.get("message", "")

    until("it is told", told)
    assert stage.replicas("shop") == 1
    until("plain is told", lambda: stage.conditions("plain").get("Active"))
    assert stage.conditions("plain")["Active"]["status"] == "True"


# ---- the plugin ----


def explain(aws: Aws, kube: FakeKube, name: str, *flags: str) -> tuple[str, str]:
    command = [PROGRAM, "explain", name, "--kubeconfig", kube.kubeconfig, "--sigv4", "on"]
    command += ["--endpoint", aws.place.url, "--region", REGION, "--sts-endpoint", aws.stand.url]
    done = subprocess.run([*command, *flags], text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not any(secret in done.stdout + done.stderr for secret in aws.secrets())
    return done.stdout, done.stderr


def test_the_plugin_explains_with_the_same_credentials(aws: Aws) -> None:
    kube = FakeKube(aws.directory)
    plain = {"query": "vector(1)", "threshold": "25"}
    kube.deployments = [
        deployment("plain", plain),
        deployment("shop", {**plain, "role-arn": SHOP}),
        deployment("evil", {**plain, "role-arn": EVIL}),
    ]
    aws.irsa(role("base"))
    allow = ("--allow-role", SHOP)
    for name in ("plain", "shop"):
        out, err = explain(aws, kube, name, *allow)
        assert "default: 100" in out
        assert err == ""
    signers = [aws.stand.issued[key].to for key in aws.place.signed_by]
    assert signers == [role("base"), SHOP]
    text = f"role {EVIL}: neither the configured one nor listed by --allow-role"
    assert f"default: unknown: {text}" in explain(aws, kube, "evil", *allow)[0]
    aws.irsa(role("denied"))
    denied, err = explain(aws, kube, "plain")
    assert (
        f"unknown: AWS credentials (web identity, role {role('denied')}): {aws.stand.url}" in denied
    )
    assert "HTTP 403: AccessDenied" in denied
    assert "trust policy must allow sts:AssumeRoleWithWebIdentity to subject " in err
    assert len(aws.place.signed_by) == 2
    kube.close()
