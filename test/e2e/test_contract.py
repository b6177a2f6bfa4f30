"""What each annotation does on a node that runs: bounds, activity and idling, cooldowns, triggers,
metric types, intervals, restoring. Pacing, fallbacks and pauses have files of their own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from amp.control import Amp
from conftest import Load, Make, stays
from kube import AT_ONCE, Kube

Loads = Callable[[Any], Load]
LATE_S = 0.9  # an interval of a second may begin a little before a change is seen


def triggers(*rows: dict[str, Any]) -> str:
    """scale.amp/triggers. JSON is YAML too."""
    return json.dumps(list(rows))


def test_several_triggers(workload: Make, load: Loads, amp: Amp) -> None:
    """The largest wins; what is unknown lets the others only raise; one may come and go."""
    a, b = load(4), load(9)
    both = [
        {"name": "a", "query": a.query, "threshold": 2},
        {"name": "b", "query": b.query, "threshold": "3"},
    ]
    one = workload().polled(triggers=triggers(*both), behavior=AT_ONCE, parked=True)
    one.wait_for(3)
    a.set(14)
    one.wait_for(7)
    with amp.fault("deny", query=b.query):
        event = one.wait_event(reason="FailedGetMetric")
        assert "trigger b" in event["message"]
        a.set(2)
        stays(a, one)
        one.wait_condition("ScalingLimited", "Unknown", "FailedGetMetric")
        a.set(18)
        one.wait_for(9)
    one.annotate(triggers=triggers(both[0])).accepted()
    one.wait_for(9)
    a.set(4)
    one.wait_for(2)
    one.annotate(triggers=triggers(*both)).accepted()
    one.wait_for(3)


def test_triggers_are_written_in_yaml(workload: Make, load: Loads) -> None:
    """Each with its own activation-threshold and metric type."""
    quiet, busy = load(3), load(2)
    text = f"""
- name: quiet
  query: {quiet.query}
  threshold: 1
  activationThreshold: 5
- name: busy
  query: {busy.query}
  threshold: 2
  metricType: Value
  activationThreshold: 1
"""
    one = workload().polled(triggers=text, min_replicas="0", replicas=0, cooldown_period="1s")
    one.wait_for(3)  # busy activates it, and quiet asks for the most
    busy.set(1)
    one.wait_for(0)
    refusal = one.annotate(query="vector(1)").refusal()
    assert "scale.amp/query" in refusal
    assert "scale.amp/triggers" in refusal


def test_metric_type(workload: Make, load: Loads) -> None:
    """Value: ceil(ready pods × value / threshold), so it grows while the value is above."""
    metric = load(4)
    average = workload().scaled(metric.query, "2", behavior=AT_ONCE, parked=True)
    each = workload().scaled(
        metric.query, "2", metric_type="Value", behavior=AT_ONCE, max_replicas="5"
    )
    each.wait_for(5)
    average.wait_for(2)
    each.wait_running(5)
    metric.set(2)
    average.wait_for(1)
    stays(metric, each)
    metric.set(1)
    each.wait_for(3)


def test_no_ready_pod_is_unknown(workload: Make, load: Loads) -> None:
    """With Value and pods that none of are ready the formula would say zero."""
    metric = load(1)
    one = workload().scaled(
        metric.query, "2", metric_type="Value", behavior=AT_ONCE, replicas=3, parked=True
    )
    stays(metric, one)
    assert one.replicas() == 3


def test_activation_threshold(workload: Make, load: Loads) -> None:
    """KEDA's own Prometheus test: a load below activation stays at 0, a high one goes up, none
    goes back."""
    metric = load(10)
    one = workload().scaled(
        metric.query,
        "20",
        activation_threshold="20",
        min_replicas="0",
        max_replicas="2",
        cooldown_period="1s",
        replicas=0,
        parked=True,
    )
    stays(metric, one)
    one.wait_condition("Active", "False")
    metric.set(60)
    one.wait_for(2)
    one.wait_condition("Active", "True", "ScalerActive")
    metric.set(0)
    one.wait_for(0)
    one.wait_condition("Active", "False", "ScalerNotActive")


def test_idle_replicas(workload: Make, load: Loads) -> None:
    """0 or any other count below min while inactive; straight to what is asked for after it."""
    metric = load(0)
    given = {"behavior": AT_ONCE, "cooldown_period": "2s", "max_replicas": "4", "parked": True}
    none = workload().scaled(metric.query, min_replicas="2", idle_replicas="0", **given)
    some = workload().scaled(metric.query, min_replicas="3", idle_replicas="1", **given)
    none.wait_for(0)
    some.wait_for(1)
    metric.set(2)
    none.wait_for(2)
    some.wait_for(3)
    metric.set(9)
    none.wait_for(4)
    some.wait_for(4)
    metric.set(0)
    none.wait_for(0)
    some.wait_for(1)
    assert "idle-replicas" in none.annotate(idle_replicas="2").refusal()


def test_cooldowns(workload: Make, load: Loads) -> None:
    """Inactive, it may fall as far as one, and to zero when the cooldown is over. The initial one
    is for who was never active."""
    metric, never = load(5), load(0)
    given = {"behavior": AT_ONCE, "min_replicas": "0", "parked": True}
    one = workload().scaled(metric.query, cooldown_period="6s", **given)
    began = time.monotonic()
    fresh = workload().scaled(
        never.query, cooldown_period="1s", initial_cooldown_period="8s", replicas=1, **given
    )
    one.wait_for(5)
    inactive = time.monotonic()
    metric.set(0)
    one.wait_for(1)
    one.wait_condition("Active", "False", "ScalerCooldown")
    fresh.wait_for(0)
    assert time.monotonic() - began > 8
    one.wait_for(0)
    assert time.monotonic() - inactive > 6 - LATE_S
    metric.set(3)
    one.wait_for(3)


def test_polling_interval(workload: Make, load: Loads, amp: Amp) -> None:
    """A value is seen at the next poll, a changed annotation at once."""
    metric, rare = load(2), load(2)
    slow = workload().scaled(metric.query, polling_interval="6s", parked=True)
    slow.wait_for(2)
    seldom = workload().scaled(rare.query, polling_interval="1h", parked=True)
    seldom.wait_for(2)
    metric.set(5)
    rare.set(5)
    slow.wait_for(5)
    assert seldom.replicas() == 2
    seldom.annotate(max_replicas="9").accepted()
    seldom.wait_for(5)
    amp.wait_for(6, 40, query=metric.query)
    gaps = amp.gaps_ms(metric.query)[3:]  # without the webhooks' own, and the way to its phase
    assert min(gaps) > (6 - LATE_S) * 1000, gaps


def test_bounds_edited_live(workload: Make, load: Loads) -> None:
    metric, nothing = load(50), load(0)
    given = {"behavior": AT_ONCE, "parked": True}
    one = workload().scaled(metric.query, max_replicas="5", **given)
    other = workload().scaled(nothing.query, min_replicas="0", cooldown_period="1s", **given)
    one.wait_for(5)
    other.wait_for(0)
    one.annotate(max_replicas="15").accepted()
    other.annotate(min_replicas="5").accepted()
    one.wait_for(15)
    other.wait_for(5)
    one.wait_condition("ScalingLimited", "True", "TooManyReplicas")
    other.wait_condition("ScalingLimited", "True", "TooFewReplicas")
    one.annotate(max_replicas="5").accepted()
    other.annotate(min_replicas="0").accepted()
    one.wait_for(5)
    other.wait_for(0)


def test_force_activation(workload: Make, load: Loads) -> None:
    metric = load(0)
    one = workload().scaled(
        metric.query,
        idle_replicas="0",
        min_replicas="2",
        max_replicas="5",
        cooldown_period="1s",
        parked=True,
    )
    one.wait_for(0)
    one.annotate(force_activation="true").accepted()
    one.wait_for(2)
    one.wait_condition("Active", "True", "ForcedActivation")
    one.annotate("force-activation").accepted()
    one.wait_for(0)


# When the annotations go.


def test_restore_replicas(workload: Make, load: Loads) -> None:
    """Back to the count before, when asked for, by the webhook itself: in that very change."""
    back, left = workload(), workload()
    usual = {"query": load(4).query, "threshold": "1", "polling_interval": "1s"}
    for one, more in ((back, {"restore_replicas": "true"}), (left, {})):
        one.apply(replicas=2, parked=True).accepted()
        one.annotate(**usual, **more).accepted()
    for one in (back, left):
        one.wait_for(4)
        one.wait_condition("Active", "True")
    generation = back.generation()
    done = back.annotate("query", "threshold", "polling-interval", "restore-replicas").accepted()
    assert "replicas go back from 4 to 2" in " ".join(done.warnings)
    left.annotate("query", "threshold", "polling-interval").accepted()
    assert (back.replicas(), back.generation()) == (2, generation + 1)
    assert left.replicas() == 4
    for one in (back, left):
        assert one.ours() == []
        one.wait_condition("Active", "")


def test_restored_where_no_webhook_saw_it(
    workload: Make, load: Loads, no_webhook: None, kube: Kube
) -> None:
    """The scaler goes back to the original count that stands in the Deployment."""
    one = workload()
    one.polled(
        query=load(4).query,
        threshold="1",
        restore_replicas="true",
        original_replicas="2",
        replicas=2,
        parked=True,
    )
    one.wait_for(4)
    drop_two = ["scale.amp/query-", "scale.amp/threshold-"]
    kube("annotate", "deployment", one.name, *drop_two).accepted()
    one.wait_for(2)
