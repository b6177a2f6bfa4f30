"""endpoint, workspace, region: where a workload may have its query sent, and where not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from amp.control import Amp
from conftest import Load, Make, now_ms, setting
from kube import keyed
from sidecar import WRITE_ROLE

Loads = Callable[[Any], Load]
STRANGER = "ws-99999999-aaaa-4bbb-8ccc-0123456789ab"
NODE = "10.88.0.1"


class Foreign:
    """Somebody else's endpoint, which pods reach: who calls."""

    def __init__(self) -> None:
        self.callers: list[Any] = []
        self.listener = socket.create_server((NODE, 0))
        self.url = f"https://{NODE}:{self.listener.getsockname()[1]}/prometheus"
        threading.Thread(target=self.take, daemon=True).start()

    def take(self) -> None:
        while True:
            try:
                line, caller = self.listener.accept()
            except OSError:
                return
            self.callers.append(caller)
            line.close()

    def call(self) -> None:
        """What a caller does, so that it is known to be noticed."""
        with socket.create_connection(self.listener.getsockname(), 5) as line:
            assert line.recv(1) == b""


@pytest.fixture
def foreign() -> Iterator[Foreign]:
    it = Foreign()
    yield it
    it.call()
    assert len(it.callers) == 1, "it listened, and nobody else called"
    it.listener.close()


def test_a_listed_endpoint(workload: Make, load: Loads) -> None:
    """--allow-endpoint: the same stand-in by another name."""
    one = workload().scaled(load(3).query, endpoint=setting("AMPSCALE_ALLOWED"), parked=True)
    one.wait_for(3)


def test_a_listed_workspace(workload: Make, load: Loads) -> None:
    """--allow-workspace: by the name of AMP's own host, which the node's DNS leads here; in the
    configured region, and in that of an annotation."""
    workspace = setting("AMPSCALE_WORKSPACE")
    plain = workload().scaled(load(3).query, workspace=workspace, parked=True)
    named = workload().scaled(load(2).query, workspace=workspace, region="us-east-1", parked=True)
    plain.wait_for(3)
    named.wait_for(2)


def test_a_region_elsewhere(workload: Make, load: Loads) -> None:
    """The host is that region's: nobody answers there, so it is admitted unchecked and held."""
    one = workload()
    done = one.apply(
        query=load(3).query,
        threshold="1",
        polling_interval="1s",
        workspace=setting("AMPSCALE_WORKSPACE"),
        region="eu-west-1",
        replicas=2,
        parked=True,
    ).accepted()
    (warning,) = [w for w in done.warnings if "could not be tried" in w]
    assert "aps-workspaces.eu-west-1.amazonaws.com" in warning
    event = one.wait_event(reason="FailedGetMetric")
    assert "aps-workspaces.eu-west-1.amazonaws.com" in event["message"]
    assert one.replicas() == 2


def test_refused_by_the_webhook(workload: Make, foreign: Foreign, amp: Amp) -> None:
    usual = {"query": "vector(3)", "threshold": "1"}
    since = now_ms()
    for given, flag in (
        ({"endpoint": foreign.url}, "--allow-endpoint"),
        ({"endpoint": "https://amp.amp.svc:9443/workspaces/another"}, "--allow-endpoint"),
        ({"workspace": STRANGER}, "--allow-workspace"),
        ({"role_arn": WRITE_ROLE}, "--allow-role"),
    ):
        ((key, value),) = keyed(given).items()
        refusal = workload().apply(**usual, **given).refusal()
        assert f'{key}: "{value}"' in refusal
        assert flag in refusal
    both = {"endpoint": setting("AMPSCALE_ALLOWED"), "workspace": setting("AMPSCALE_WORKSPACE")}
    assert "scale.amp/" in workload().apply(**usual, **both).refusal()
    assert foreign.callers == []
    assert amp.requests(path="AssumeRole", role=WRITE_ROLE, since_ms=since) == []


def test_not_asked_by_the_scaler(
    workload: Make, amp: Amp, no_webhook: None, load: Loads, foreign: Foreign
) -> None:
    """A bypassed webhook opens nothing: the scaler refuses the same, holds and says it once. No
    request left: neither to whom it names, nor to STS for a role, nor to AMP with ours."""
    metric, since = load(3), now_ms()
    rows = [{"workspace": STRANGER}, {"endpoint": foreign.url}, {"role_arn": WRITE_ROLE}]
    strangers = [
        workload().scaled(metric.query, replicas=2, parked=True, **given) for given in rows
    ]
    for one in strangers:
        event = one.wait_event(type="Warning")
        assert "--allow-" in event["message"]
    workload().scaled(load(1).query, parked=True).wait_condition("Active", "True")
    assert [one.replicas() for one in strangers] == [2, 2, 2]
    assert foreign.callers == []
    assert amp.requests(query=metric.query) == []
    assert amp.requests(path="AssumeRole", role=WRITE_ROLE, since_ms=since) == []
