"""Webhook and scalers under IRSA, and namespaces with roles of their own: the stage's release is
upgraded to that, and put back.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from amp.control import Amp, wait_until
from chart import CHART, helm, installed_values, program_pods, put_back, rolled_out
from conftest import Load, Make, now_ms, setting
from kube import Kube, Workload
from sidecar import App
from tenants import ACCOUNT, QUERY, irsa, make_namespace, remove_namespace

Loads = Callable[[Any], Load]
QUERY_ROLE = f"{ACCOUNT}:role/ampscale-query"
SHOP_ROLE, SHOP_WRITES = f"{ACCOUNT}:role/shop-query", f"{ACCOUNT}:role/shop-write"
DENIED_ROLE = f"{ACCOUNT}:role/nobody-may"
SHOP, DENIED = Kube("id-shop"), Kube("id-denied")
PATIENT_S = 120.0


@pytest.fixture(scope="module", autouse=True)
def upgraded(kube: Kube, system: Kube) -> Iterator[None]:
    amp = Amp.at(setting("AMPSCALE_AMP"))
    amp.set_role(SHOP_ROLE, actions=QUERY, principals=[QUERY_ROLE])
    amp.set_role(DENIED_ROLE, actions=QUERY)
    subjects = [f"system:serviceaccount:{SHOP.namespace}:default"]
    amp.set_role(SHOP_WRITES, actions=["aps:RemoteWrite"], subjects=subjects)
    found = installed_values()
    values = copy.deepcopy(found)
    values["aws"]["credentialsSecret"] = ""
    for program in ("webhook", "scaler"):
        values[program] |= irsa(QUERY_ROLE)
    values["scaler"]["namespaces"] += [
        {"name": SHOP.namespace, "roleArn": SHOP_ROLE, "collectorRoleArn": SHOP_WRITES},
        {"name": DENIED.namespace, "roleArn": DENIED_ROLE},
    ]
    try:
        for one in (SHOP, DENIED):
            make_namespace(one)
        before = set(program_pods(system, kube))
        helm("upgrade", CHART, values=values).accepted()
        for one in (kube, SHOP, DENIED):
            rolled_out(system, one)
        # A pod that ends answers on for 15 s, as who it was.
        wait_until(
            lambda: before.isdisjoint(program_pods(system, kube)),
            PATIENT_S,
            "the old pods are gone",
        )
        yield
    finally:
        for one in (SHOP, DENIED):
            remove_namespace(one)
        put_back(found, system, kube, Workload(kube, "probe"))


def test_both_are_who_their_tokens_say(workload: Make, amp: Amp, load: Loads) -> None:
    metric = load(3)
    one = workload()
    done = one.apply(query=metric.query, threshold="1", polling_interval="1s", parked=True)
    assert any("query is 3 now" in warning for warning in done.accepted().warnings)
    one.wait_for(3)
    rows = amp.requests(query=metric.query)
    assert {(row["role"], row["signature"]) for row in rows} == {(QUERY_ROLE, "valid")}
    sessions = {row["session"] for row in rows}
    for program in ("ampscale-webhook", "ampscale-scaler"):
        assert any(program in session for session in sessions), sessions
    calls = amp.requests(path="AssumeRoleWithWebIdentity", role=QUERY_ROLE)
    assert {call["subject"] for call in calls} >= {
        "system:serviceaccount:ampscale-system:ampscale-webhook",
        f"system:serviceaccount:{one.kube.namespace}:ampscale-scaler",
    }


def test_a_namespaces_own_role(amp: Amp, load: Loads) -> None:
    """By whom the webhook tries a query and the scaler asks: the role, assumed on top of their
    own."""
    metric = load(3)
    one = Workload(SHOP, "checkout")
    done = one.apply(query=metric.query, threshold="1", polling_interval="1s", parked=True)
    assert any("query is 3 now" in warning for warning in done.accepted().warnings)
    one.wait_for(3)
    rows = amp.requests(query=metric.query)
    assert {(row["role"], row["signature"]) for row in rows} == {(SHOP_ROLE, "valid")}


def test_a_namespaces_collectors_have_their_role(amp: Amp) -> None:
    one = App(SHOP, "collected")
    one.collected().accepted()
    rows = amp.wait_for(1, PATIENT_S, path="remote_write", role=SHOP_WRITES)
    assert {row["signature"] for row in rows} == {"valid"}


def test_a_role_that_is_not_assumable(amp: Amp, load: Loads) -> None:
    """Admitted unchecked and held; STS' words and the fix are told whole, at admission and by
    event."""
    metric = load(3)
    one = Workload(DENIED, "checkout")
    given = {"query": metric.query, "threshold": "1", "polling_interval": "1s"}
    done = one.apply(**given, replicas=2, parked=True).accepted()
    said = " ".join(warning.removeprefix("… ") for warning in done.warnings)
    assert all(len(warning) <= 256 for warning in done.warnings)
    told = one.wait_event(reason="FailedGetMetric")["message"]
    for text in (said, told):
        assert f"is not authorized to perform: sts:AssumeRole on resource: {DENIED_ROLE}" in text
        assert "must allow sts:AssumeRole to the caller" in text
    assert one.replicas() == 2
    assert amp.requests(query=metric.query) == []


def test_anothers_role(workload: Make, amp: Amp, load: Loads, kube: Kube, no_webhook: None) -> None:
    """With the webhook away the scaler refuses as the webhook does: no call leaves for it."""
    metric, since = load(3), now_ms()
    one = workload().scaled(metric.query, replicas=2, parked=True, role_arn=SHOP_ROLE)
    said = one.wait_event(type="Warning")["message"]
    assert "--allow-role" in said
    assert amp.requests(query=metric.query) == []
    assert amp.requests(path="AssumeRole", role=SHOP_ROLE, since_ms=since) == []


def test_anothers_role_at_admission(workload: Make, amp: Amp, kube: Kube) -> None:
    since = now_ms()
    given = {"query": "vector(3)", "threshold": "1", "role_arn": SHOP_ROLE}
    refusal = workload().apply(**given).refusal()
    assert f"neither namespace {kube.namespace}'s own nor listed by --allow-role" in refusal
    assert amp.requests(path="AssumeRole", role=SHOP_ROLE, since_ms=since) == []
