"""Who scales, and that nobody steps down meanwhile: scalers that are killed and replaced, two at
once, an API server that is away for longer than a Lease lasts, an HPA on the same target."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from amp.control import Amp, wait_until
from conftest import Load, Make, now_ms, stays
from kube import AT_ONCE, SECONDS, Kube, Workload
from pods import SCALER, leaders, pods

Loads = Callable[[Any], Load]
LEASE_S = 15
OUTAGE_S = 20


class Promises:
    """Workloads in the middle of what must outlive a scaler: one stabilized, one cooling down, one
    unknown, one that is to rise and one that may fall at once."""

    def __init__(self, workload: Make, load: Loads, amp: Amp) -> None:
        self.amp = amp
        self.metric, self.rises, self.gone = load(4), load(2), load(3)
        given = {"parked": True}
        self.stable = workload().scaled(self.metric.query, **given)
        self.cooling = workload().scaled(
            self.metric.query, min_replicas="0", cooldown_period="10m", behavior=AT_ONCE, **given
        )
        self.rising = workload().scaled(self.rises.query, behavior=AT_ONCE, **given)
        self.unknown = workload().scaled(self.gone.query, behavior=AT_ONCE, **given)
        for one, count in ((self.stable, 4), (self.cooling, 4), (self.rising, 2)):
            one.wait_for(count)
        self.unknown.wait_for(3)
        self.metric.set(0)
        self.cooling.wait_for(1)
        self.stable.wait_condition("AbleToScale", "True", "ScaleDownStabilized")
        self.held = [self.stable, self.cooling, self.unknown]
        self.fault = amp.set_fault("deny", query=self.gone.query)
        self.unknown.wait_event(reason="FailedGetMetric")
        self.counts = [(one.replicas(), one.generation()) for one in self.held]
        assert [count for count, _ in self.counts] == [4, 1, 3]

    def kept(self) -> None:
        """Nobody has written any of them, not even back and forth."""
        assert [(one.replicas(), one.generation()) for one in self.held] == self.counts


@pytest.fixture
def two_scalers(kube: Kube) -> Iterator[None]:
    """A second one beside the first; one again after the test, of pods that never crashed."""
    name = f"deployment/{SCALER}"
    kube("scale", name, "--replicas=2").accepted()
    kube("rollout", "status", name, "--timeout=60s").accepted()
    yield
    kube("scale", name, "--replicas=1").accepted()
    for pod in kube.list("pods", f"--selector=app.kubernetes.io/name={SCALER}"):
        if any(s["restartCount"] for s in pod["status"]["containerStatuses"]):
            kube("delete", "pod", pod["metadata"]["name"]).accepted()
    kube("rollout", "status", name, "--timeout=60s").accepted()
    wait_until(lambda: len(leaders(kube)) == 1, SECONDS, "one scaler leads")


def test_two_scalers(workload: Make, load: Loads, amp: Amp, kube: Kube, two_scalers: None) -> None:
    """One leads. Killed with SIGKILL, whoever is first takes over when the Lease has run out;
    asked to go, it gives the Lease away, and the other need not wait."""
    before = Promises(workload, load, amp)
    (leader,) = leaders(kube)
    amp.wait_for(6, 60, query=before.rises.query, since_ms=now_ms())
    gaps = amp.gaps_ms(before.rises.query)[-4:]
    assert min(gaps) > 500, f"one of the two asks: {gaps}"
    leader.kill()
    killed = time.monotonic()
    before.rises.set(6)
    before.rising.wait_for(6)
    assert time.monotonic() - killed < LEASE_S + SECONDS / 2
    before.metric.polls(3)
    before.kept()
    (second,) = leaders(kube)
    kube("rollout", "status", f"deployment/{SCALER}", "--timeout=60s").accepted()
    kube("delete", "pod", second.name, "--wait=false").accepted()
    asked = time.monotonic()
    before.rises.set(9)
    before.rising.wait_for(9)
    assert time.monotonic() - asked < LEASE_S, "the Lease was given away"
    before.metric.polls(3)
    before.kept()
    (third,) = leaders(kube)
    assert third.name != second.name
    amp.clear(before.fault)
    before.unknown.wait_event(reason="MetricRecovered")


@pytest.fixture
def hpa(kube: Kube) -> Iterator[Callable[[Workload], None]]:
    """hpa(workload): one of 3 to 10 replicas on that target."""
    made: list[str] = []

    def make(one: Workload) -> None:
        made.append(one.name)
        words = ["--min=3", "--max=10", "--cpu=80%"]
        kube("autoscale", "deployment", one.name, *words).accepted()

    yield make
    for name in made:
        kube("delete", "hpa", name, "--ignore-not-found").accepted()


def test_hpa_on_a_managed_target(
    workload: Make, load: Loads, kube: Kube, hpa: Callable[[Workload], None]
) -> None:
    """Held and said once, never a war: the HPA wants 3 at least, the metric 2."""
    metric = load(2)
    one = workload().scaled(metric.query, behavior=AT_ONCE, parked=True)
    one.wait_for(2)
    hpa(one)
    one.wait_condition("AbleToScale", "False", "AmbiguousSelector")
    event = one.wait_event(reason="ConflictingAutoscaler")
    assert f"HorizontalPodAutoscaler {one.name}" in event["message"]
    one.wait_for(3, timeout_s=120)  # the HPA's doing, each 15 s and later where it failed
    before = len(one.events(reason="SuccessfulRescale"))
    metric.set(7)
    stays(metric, one, polls=5)
    assert one.replicas() == 3
    assert len(one.events(reason="ConflictingAutoscaler")) == 1
    assert len(one.events(reason="SuccessfulRescale")) == before
    kube("delete", "hpa", one.name).accepted()
    one.wait_for(7)
    one.wait_condition("AbleToScale", "True")


def test_api_server_is_away_for_longer_than_a_lease(
    workload: Make, load: Loads, amp: Amp, api_server: Callable[..., None], kube: Kube
) -> None:
    """The scaler stops leading, and goes on where it was."""
    before = Promises(workload, load, amp)
    (pod,) = pods(kube)
    rising = before.rising.generation()
    api_server("--stop")
    began = time.monotonic()
    before.rises.set(7)
    wait_until(lambda: not pod.leads(), SECONDS, "it does not lead any more")
    wait_until(lambda: time.monotonic() - began > OUTAGE_S, SECONDS, "the outage lasted")
    api_server("--start")
    before.rising.wait_for(7)
    before.metric.polls(3)
    before.kept()
    assert before.rising.generation() == rising + 1, "one write, however often it was tried"


# Another autoscaler.
