"""What an operator may say against the metric: paused, paused-replicas, -scale-in, -scale-out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from amp.control import Amp
from conftest import Load, Make, now_ms, stays
from kube import AT_ONCE

Loads = Callable[[Any], Load]


def test_paused(workload: Make, load: Loads, amp: Amp) -> None:
    """The count stays and nothing is asked, until it goes on."""
    metric, witness = load(3), load(1)
    one = workload().scaled(metric.query, parked=True, behavior=AT_ONCE)
    other = workload().scaled(witness.query, parked=True)
    one.wait_for(3)
    other.wait_condition("Active", "True")
    one.annotate(paused="true").accepted()
    one.wait_condition("Paused", "True", "Paused")
    metric.set(6)
    since = now_ms()
    stays(witness, one)
    assert amp.requests(since, query=metric.query) == []
    one.annotate(paused="false").accepted()
    one.wait_for(6)
    one.wait_condition("Paused", "False")


def test_paused_replicas(workload: Make, load: Loads) -> None:
    """That count whatever the metric says; 0 too; it wins over the other pauses."""
    metric, witness = load(8), load(1)
    one = workload().scaled(metric.query, max_replicas="5", parked=True)
    other = workload().scaled(witness.query, parked=True)
    other.wait_condition("Active", "True")
    one.wait_for(5)
    one.annotate(paused_replicas="0").accepted()
    one.wait_for(0)
    one.annotate("paused-replicas").accepted()
    one.wait_for(5)
    one.annotate(paused_replicas="3", paused="true").accepted()
    one.wait_for(3)
    one.annotate(paused_replicas="7").accepted()
    one.wait_for(7)
    one.annotate("paused-replicas").accepted()  # paused is left: it freezes there
    stays(witness, one)
    one.annotate(paused_replicas="4", paused_scale_in="true").accepted()
    one.wait_for(4)
    one.annotate("paused", "paused-replicas", "paused-scale-in").accepted()
    one.wait_for(5)


def test_paused_scale_in(workload: Make, load: Loads) -> None:
    """Never down, not to the bounds either; up as ever. What else is annotated is left alone."""
    metric = load(0)
    given = {"paused_scale_in": "true", "behavior": AT_ONCE, "replicas": 2, "parked": True}
    one = workload().scaled(metric.query, **given, **{"example.com/mine": "kept"})
    bound = workload().scaled(metric.query, **(given | {"max_replicas": "1"}))
    one.wait_condition("Paused", "True", "ScaleInPaused")
    bound.wait_condition("ScalingLimited", "True", "ScaleInPaused")
    stays(metric, one, bound)
    metric.set(4)
    one.wait_for(4)
    metric.set(0)
    stays(metric, one)
    one.annotate("paused-scale-in").accepted()
    one.wait_for(1)
    assert one.annotations()["example.com/mine"] == "kept"


def test_paused_scale_out(workload: Make, load: Loads) -> None:
    metric = load(6)
    given = {"paused_scale_out": "true", "behavior": AT_ONCE, "parked": True}
    resting = workload().scaled(metric.query, min_replicas="0", replicas=0, **given)
    one = workload().scaled(metric.query, replicas=4, **given)
    one.wait_condition("ScalingLimited", "True", "ScaleOutPaused")
    resting.wait_condition("Paused", "True", "ScaleOutPaused")
    stays(metric, resting, one)
    one.annotate(min_replicas="5").accepted()
    stays(metric, one)
    one.annotate(min_replicas="1").accepted()
    metric.set(2)
    one.wait_for(2)
    metric.set(6)
    stays(metric, one)
    resting.annotate("paused-scale-out").accepted()
    one.annotate("paused-scale-out").accepted()
    resting.wait_for(6)
    one.wait_for(6)


@pytest.mark.parametrize("key", ["paused", "paused-scale-in", "paused-scale-out", "keep-replicas"])
@pytest.mark.parametrize("word", ["yes", "", "True "])
def test_a_word_that_is_no_boolean(workload: Make, key: str, word: str) -> None:
    one = workload()
    given = {key.replace("-", "_"): word}
    refusal = one.apply(query="vector(1)", threshold="1", **given).refusal()
    assert f'scale.amp/{key}: "{word}": expected true or false' in refusal
