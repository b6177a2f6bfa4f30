"""Who a scaler is to AWS, by what really hands out credentials in a cluster: tokens that the API
server projects, an agent and a metadata service at their own addresses. Each signature is verified.

What these may answer besides is tried in test/component/test_aws_*.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from amp.control import Amp, wait_until
from chart import installed_values
from conftest import SANITIZER, Load, now_ms, setting
from kube import SECONDS
from tenants import (
    QUERY,
    SESSION_S,
    Agent,
    Keys,
    Metadata,
    Tenant,
    irsa,
    pod_identity,
    remove_namespace,
)

Loads = Callable[[Any], Load]
ROLE = "arn:aws:iam::000000000000:role/"


class Stage:
    def __init__(self, amp: Amp) -> None:
        stage = installed_values()
        self.tenants = {
            name: Tenant(name, stage, scaler)
            for name, scaler in {
                "id-irsa": irsa(f"{ROLE}id-irsa"),
                "id-audience": irsa(f"{ROLE}id-audience", audience="somebody.example.com"),
                "id-agent": pod_identity(),
                "id-imds": {"extraArgs": ["--imds"]},
            }.items()
        }
        for name in ("id-irsa", "id-audience"):
            one = self.tenants[name]
            amp.set_role(one.role, actions=QUERY, subjects=[one.subject], session_s=SESSION_S)
        self.agent = Agent(Keys(amp, self.tenants["id-agent"].role))
        self.metadata = Metadata(Keys(amp, self.tenants["id-imds"].role))

    def begin(self) -> None:
        with ThreadPoolExecutor(len(self.tenants)) as pool:
            list(pool.map(Tenant.install, self.tenants.values()))
        for one in self.tenants.values():
            one.ready()

    def end(self) -> list[str]:
        """What sanitizers said."""
        logs = [one.log() for one in self.tenants.values()]
        for one in self.tenants.values():
            remove_namespace(one)
        self.agent.close()
        self.metadata.close()
        return [log[log.index(w) :][:4000] for log in logs for w in SANITIZER if w in log]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    it = Stage(Amp.at(setting("AMPSCALE_AMP")))
    try:
        it.begin()
        yield it
    finally:
        complaints = it.end()
    assert not complaints, complaints[0]


@pytest.mark.parametrize("name", ["id-irsa", "id-agent", "id-imds"])
def test_found_renewed_and_good_to_sign_with(
    stage: Stage, amp: Amp, load: Loads, name: str
) -> None:
    """Each set of credentials lasts for seconds: the next ones are there before it ends, so no
    query is refused."""
    one, metric, since = stage.tenants[name], load(3), now_ms()
    workload = one.workload(metric.query)
    workload.wait_for(3)

    def keys() -> set[str]:
        rows = amp.requests(query=metric.query, role=one.role, since_ms=since)
        return {row["access_key"] for row in rows}

    wait_until(lambda: len(keys()) >= 3, SECONDS, "it signs with the third set of credentials")
    rows = amp.answered(SECONDS, query=metric.query, role=one.role, since_ms=since)
    assert {(row["status"], row["signature"]) for row in rows} == {(200, "valid")}
    assert workload.events(type="Warning") == []


def test_tokens_are_of_the_scalers_service_account(stage: Stage, amp: Amp) -> None:
    one = stage.tenants["id-irsa"]
    calls = amp.wait_for(1, SECONDS, path="AssumeRoleWithWebIdentity", role=one.role)
    assert {call["subject"] for call in calls} == {one.subject}
    assert all("ampscale-scaler" in call["session"] for call in calls)
    assert stage.agent.users == {stage.tenants["id-agent"].subject}


def test_a_token_of_another_audience(stage: Stage, load: Loads) -> None:
    """Told in the Deployment's events, to the end of the text: what to do about it."""
    one = stage.tenants["id-audience"]
    workload = one.workload(load(3).query)
    event = workload.wait_event(reason="FailedGetMetric")
    said = event["message"]
    assert f"AWS credentials (web identity, role {one.role})" in said
    assert "InvalidIdentityToken: Incorrect token audience" in said
    assert "; the token is for audience somebody.example.com from https://" in said
    assert "the account of the role needs an IAM OIDC provider for that issuer" in said
    assert said.endswith("(IRSA's is sts.amazonaws.com)")
    assert workload.replicas() == 2


def test_a_role_that_trusts_the_scaler_no_more(stage: Stage, amp: Amp, load: Loads) -> None:
    """What is held serves until it ends; then the count is held, and STS' words are told with the
    fix."""
    one, metric = stage.tenants["id-irsa"], load(3)
    workload = one.workload(metric.query)
    workload.wait_for(3)
    amp.set_role(one.role, subjects=[])
    try:
        said = workload.wait_event(reason="FailedGetMetric")["message"]
        metric.set(7)
        assert "HTTP 403: AccessDenied: Not authorized to perform sts:AssumeRoleWith" in said
        assert (
            f"must allow sts:AssumeRoleWithWebIdentity to subject {one.subject} with audience "
            "sts.amazonaws.com" in said
        )
        assert workload.replicas() == 3
    finally:
        amp.set_role(one.role, subjects=[one.subject])
    workload.wait_for(7)
    workload.wait_event(reason="MetricRecovered")
