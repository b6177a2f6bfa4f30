"""Outages of minutes, and scalers killed again and again. `./run soak`; pytest does not collect it
by itself."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from amp.control import Amp, wait_until
from conftest import Load, Make, now_ms
from kube import AT_ONCE, SECONDS, Kube
from pods import leaders, pods
from test_leader import Promises

Loads = Callable[[Any], Load]
AWAY_S = float(os.environ.get("AMPSCALE_SOAK_S", "600"))
API_SERVER_S = 60
LATEST_S = 60.0  # after an outage: the endpoint's backoff is 30 s at most, the Lease's term 15 s
KILLS = 10


def pass_time(seconds: float) -> None:
    """The outage lasts: not a wait for something, but the thing itself."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end, seconds + SECONDS, "the time has passed")


def test_prometheus_is_away(
    workload: Make, load: Loads, prometheus: Callable[[str], None], amp: Amp
) -> None:
    """Nothing goes down, the one that has a fallback goes up, each says so once."""
    metric = load(4)
    given = {"behavior": AT_ONCE, "parked": True}
    held = [
        workload().scaled(metric.query, parked=True),
        workload().scaled(metric.query, **given),
        workload().scaled(metric.query, min_replicas="0", cooldown_period="30s", **given),
        workload().scaled(metric.query, min_replicas="2", idle_replicas="0", **given),
        workload().scaled(metric.query, fallback_replicas="2", fallback_after="10s", **given),
    ]
    higher = workload().scaled(metric.query, fallback_replicas="6", fallback_after="10s", **given)
    for one in (*held, higher):
        one.wait_for(4)
    counts = [(one.replicas(), one.generation()) for one in held]
    prometheus("down")
    since = now_ms()
    higher.wait_for(6)
    pass_time(AWAY_S)
    assert [(one.replicas(), one.generation()) for one in held] == counts
    assert higher.replicas() == 6
    for one in held:
        warnings = one.events(type="Warning")
        assert {event["reason"] for event in warnings} == {"FailedGetMetric"}
        assert len({event["metadata"]["name"] for event in warnings}) == 1
    asked = len(amp.requests(since, query=metric.query))
    assert asked < AWAY_S / 10 + 20, f"{asked} queries to an endpoint that is away"
    prometheus("up")
    metric.set(7)
    for one in (*held, higher):
        one.wait_for(7, LATEST_S)


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_api_server_is_away(
    workload: Make, load: Loads, amp: Amp, api_server: Callable[..., None], how: str
) -> None:
    before = Promises(workload, load, amp)
    rising = before.rising.generation()
    api_server("--stop")
    before.rises.set(3 if how == "stopped" else 8)
    pass_time(API_SERVER_S)
    if how == "killed":
        api_server("--start")
        api_server("--kill")
    else:
        api_server("--start")
    before.rising.wait_for(3 if how == "stopped" else 8, LATEST_S)
    before.metric.polls(5)
    before.kept()
    assert before.rising.generation() == rising + 1


def test_scalers_are_killed(workload: Make, load: Loads, amp: Amp, kube: Kube) -> None:
    """KEDA's disruption test, ten times, at moments of chance: all is reached, nothing breaks."""
    before = Promises(workload, load, amp)
    seed = int(os.environ.get("AMPSCALE_SEED", time.time_ns() % 10_000))
    print(f"AMPSCALE_SEED={seed}")
    moments = random.Random(seed)
    for step in range(KILLS):
        target = 3 + step % 2 * 5
        before.rises.set(target)
        pass_time(moments.uniform(0, 2))
        for pod in pods(kube):
            pod.kill()  # and a new pod for it, since a container that crashes often has to wait
            kube("delete", "pod", pod.name, "--force", "--grace-period=0").accepted()
        before.rising.wait_for(target, LATEST_S * 2)
        before.kept()
        wait_until(lambda: len(leaders(kube)) == 1, LATEST_S, "one scaler leads")
    before.metric.polls(5)
    before.kept()
