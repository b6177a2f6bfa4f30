"""What no value means: on-no-data, and the fallback-… annotations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amp.control import Amp
from conftest import Load, Make, stays
from kube import AT_ONCE

Loads = Callable[[Any], Load]
# fallback-behavior, fallback-replicas: the count that comes of two when there is no value
FALLBACKS = {
    ("static", 5): 5,
    ("static", 1): 1,
    ("currentReplicas", 5): 2,
    ("currentReplicasIfHigher", 5): 5,
    ("currentReplicasIfHigher", 1): 2,
    ("currentReplicasIfLower", 5): 2,
    ("currentReplicasIfLower", 1): 1,
    ("", 5): 5,
}


def test_fallbacks(workload: Make, load: Loads, amp: Amp) -> None:
    """All behaviors at once: known, then away, then back."""
    metric, zero = load(2), load(0)
    given = {"behavior": AT_ONCE, "fallback_after": "2s", "parked": True}
    rows = []
    for (kind, count), expected in FALLBACKS.items():
        more = {"fallback_behavior": kind} if kind else {}
        one = workload().scaled(
            metric.query, replicas=2, fallback_replicas=str(count), **more, **given
        )
        rows.append((one, expected))
    held = workload().scaled(metric.query, replicas=2, behavior=AT_ONCE, parked=True)
    resting = workload().scaled(
        zero.query, replicas=0, min_replicas="0", fallback_replicas="3", **given
    )
    for one, _ in rows:
        one.wait_condition("Fallback", "False", "NoFallbackFound")
    resting.wait_condition("Fallback", "False")
    with amp.fault("deny", query=metric.query), amp.fault("deny", query=zero.query):
        for one, expected in rows:
            one.wait_condition("Fallback", "True", "FallbackExists")
            one.wait_for(expected)
        resting.wait_for(3)
        stays(metric, held, *(one for one, _ in rows))
        assert held.condition("Fallback") == ("", "")
        assert held.replicas() == 2
    metric.set(4)
    for one, _ in rows:
        one.wait_for(4)
        one.wait_condition("Fallback", "False")


def test_fallback_waits(workload: Make, load: Loads, amp: Amp) -> None:
    """Not before fallback-after, which is three intervals if not given."""
    metric = load(2)
    one = workload().scaled(metric.query, fallback_replicas="5", parked=True)
    late = workload().scaled(
        metric.query, fallback_replicas="5", fallback_after="1h", replicas=2, parked=True
    )
    one.wait_for(2)
    late.wait_condition("Active", "True")
    with amp.fault("deny", query=metric.query):
        one.wait_event(reason="FailedGetMetric")
        assert one.replicas() == 2
        one.wait_for(5)
        assert late.replicas() == 2


def test_on_no_data(workload: Make, load: Loads, amp: Amp) -> None:
    """Empty holds, is zero, or counts as an error for the fallback."""
    metric = load(3)
    given = {"behavior": AT_ONCE, "parked": True}
    fallback = {"fallback_replicas": "7", "fallback_after": "2s"}
    hold = workload().scaled(metric.query, **fallback, **given)
    zero = workload().scaled(metric.query, on_no_data="zero", **given)
    gone = workload().scaled(
        metric.query, on_no_data="zero", min_replicas="0", cooldown_period="1s", **given
    )
    back = workload().scaled(metric.query, on_no_data="fallback", **fallback, **given)
    for one in (hold, zero, gone, back):
        one.wait_for(3)
    with amp.fault("empty", query=metric.query):
        zero.wait_for(1)
        gone.wait_for(0)
        back.wait_for(7)
        stays(metric, hold)
        assert hold.replicas() == 3
        assert [e["reason"] for e in hold.events(type="Warning")] == ["EmptyMetric"]
    back.wait_for(3)
    gone.wait_for(3)
