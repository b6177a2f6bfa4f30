"""What happens to a node on an ordinary bad day, while the scaler runs."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from amp.control import Amp, wait_until
from conftest import SANITIZER, Make, now_ms
from kube import Kube


@pytest.mark.parametrize("how", [[], ["--kill"]], ids=["restarted", "killed"])
def test_api_server_restarts(
    workload: Make,
    metric: Callable[[float], str],
    api_server: Callable[..., None],
    how: list[str],
) -> None:
    one = workload().scaled(metric(2), parked=True)
    one.wait_for(2)
    api_server(*how)
    metric(5)
    one.wait_for(5)
    other = workload().scaled("vector(3)", parked=True)
    other.wait_for(3)


def test_deleted_and_made_again(workload: Make, amp: Amp, tagged: Callable[[str], str]) -> None:
    one = workload()
    query, another = tagged("vector(3)"), tagged("vector(2)")
    one.scaled(query, parked=True).wait_for(3)
    one.delete()
    since = now_ms()
    one.scaled(another, parked=True).wait_for(2)
    amp.wait_for(2, 30, query=another, since_ms=since)
    assert len(amp.requests(since, query=query)) <= 1, "the one that is gone is asked for no more"


def test_deleted_between_query_and_write(
    workload: Make, amp: Amp, tagged: Callable[[str], str], kube: Kube
) -> None:
    """The answer comes when there is nothing left to scale."""
    query = tagged("vector(3)")
    one = workload()
    with amp.fault("stall", query=query):
        one.apply(
            query=query, threshold="1", polling_interval="10s", replicas=1, parked=True
        ).accepted()
        rows = wait_until(lambda: amp.requests(query=query), 30, "the scaler asks")
        assert rows
        one.delete()
    workload().scaled("vector(2)", parked=True).wait_for(2)
    assert not one.get()


def scaler_pod(kube: Kube) -> str:
    (pod,) = [
        pod["metadata"]["name"]
        for pod in kube.list("pods", "--selector=app.kubernetes.io/name=ampscale-scaler")
        if "deletionTimestamp" not in pod["metadata"]
    ]
    return pod


def delete_scaler(kube: Kube) -> str:
    """Delete the scaler's pod; its whole log, to the end."""
    name, lines = scaler_pod(kube), []
    follower = threading.Thread(
        target=lambda: lines.append(kube("logs", "--follow", name).out), daemon=True
    )
    follower.start()
    kube("delete", "pod", name).accepted()
    follower.join(60)
    assert lines, "the log's end was seen"
    return lines[0]


@pytest.mark.alone
def test_scaler_is_replaced(
    workload: Make, metric: Callable[[float], str], kube: Kube, amp: Amp
) -> None:
    query = metric(4)
    one = workload().scaled(query, parked=True)
    one.wait_for(4)
    generation = one.generation()
    log = delete_scaler(kube)
    assert not [word for word in SANITIZER if word in log], log[-4000:]
    assert '"stopping"' in log.splitlines()[-1] or '"stopped"' in log.splitlines()[-1]
    kube("rollout", "status", "deployment/ampscale-scaler", "--timeout=60s").accepted()
    amp.wait_for(2, 30, query=query, since_ms=now_ms())
    assert (one.replicas(), one.generation()) == (4, generation)
    metric(6)
    one.wait_for(6)


@pytest.mark.parametrize(
    ("by_hand", "replicas"), [(2, 4), (9, 5), (0, 4)], ids=["fewer", "above-max", "none"]
)
def test_scaled_by_hand(workload: Make, by_hand: int, replicas: int) -> None:
    """Brought back, by the metric or by the bound."""
    metric = {4: "vector(4)", 5: "vector(40)"}[replicas]
    one = workload().scaled(metric, max_replicas="5", parked=True)
    one.wait_for(replicas)
    before = one.generation()
    one.kube("scale", "deployment", one.name, f"--replicas={by_hand}").accepted()
    one.wait(lambda d: d["metadata"]["generation"] >= before + 2, "been scaled back")
    one.wait_for(replicas)


def test_two_writers(workload: Make) -> None:
    """Somebody else writes the same Deployment all the time: conflicts are got over."""
    one = workload().scaled("vector(6)", "6", parked=True)
    one.wait_for(1)
    for step in range(6):
        one.kube("label", "--overwrite", "deployment", one.name, f"step=s{step}").accepted()
        one.annotate(threshold=str(6 - step)).accepted()
    one.wait_for(6)
    assert one.events(type="Warning") == []


@pytest.mark.usefixtures("no_webhook")
def test_webhook_is_away(workload: Make) -> None:
    """Deployments are admitted unchecked, and the scaler holds what it cannot use."""
    bad = workload()
    bad.apply(query="vector(3)", threshold="0", replicas=2, parked=True).accepted()
    event = bad.wait_event(type="Warning", reason="InvalidAnnotations")
    assert 'scale.amp/threshold: "0": expected a number > 0' in event["message"]
    workload().scaled("vector(3)", parked=True).wait_for(3)
    assert bad.replicas() == 2
