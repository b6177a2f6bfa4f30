"""endpoint, workspace, region: where a workload may have its query sent, and where not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amp.control import Amp
from conftest import Load, Make, setting
from kube import Kube

Loads = Callable[[Any], Load]
STRANGER = "ws-99999999-aaaa-4bbb-8ccc-0123456789ab"


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


def test_refused_by_the_webhook(workload: Make) -> None:
    usual = {"query": "vector(3)", "threshold": "1"}
    for given, flag in (
        ({"endpoint": "https://example.com/prometheus"}, "--allow-endpoint"),
        ({"endpoint": "https://amp.amp.svc:9443/workspaces/another"}, "--allow-endpoint"),
        ({"workspace": STRANGER}, "--allow-workspace"),
    ):
        ((key, value),) = given.items()
        refusal = workload().apply(**usual, **given).refusal()
        assert f'scale.amp/{key}: "{value}"' in refusal
        assert flag in refusal
    both = {"endpoint": setting("AMPSCALE_ALLOWED"), "workspace": setting("AMPSCALE_WORKSPACE")}
    assert "scale.amp/" in workload().apply(**usual, **both).refusal()


def test_not_asked_by_the_scaler(
    workload: Make, kube: Kube, amp: Amp, no_webhook: None, load: Loads
) -> None:
    """A bypassed webhook opens nothing: the scaler refuses the same, holds and says it once."""
    metric = load(3)
    rows = [{"workspace": STRANGER}, {"endpoint": "https://10.88.0.1:9443/elsewhere"}]
    strangers = [
        workload().scaled(metric.query, replicas=2, parked=True, **given) for given in rows
    ]
    for one in strangers:
        event = one.wait_event(type="Warning")
        assert "--allow-" in event["message"]
    workload().scaled(load(1).query, parked=True).wait_condition("Active", "True")
    assert [one.replicas() for one in strangers] == [2, 2]
    assert amp.requests(query=metric.query) == []
