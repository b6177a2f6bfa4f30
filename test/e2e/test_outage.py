"""Nothing scales on what is not known: each way AMP can fail holds the count, is told once, and is
got over without help."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from amp.control import Amp, wait_until
from conftest import Make, now_ms, setting
from kube import SECONDS, Workload

WARNING = {"type": "Warning"}


def warnings(one: Workload) -> list[str]:
    return [event["reason"] for event in one.events(**WARNING)]


def test_prometheus_stopped(
    workload: Make,
    amp: Amp,
    metric: Callable[[float], str],
    prometheus: Callable[[str], None],
) -> None:
    query = metric(30)
    one = workload().scaled(query, "10")
    one.wait_for(3)
    generation = one.generation()
    prometheus("down")
    event = one.wait_event(**WARNING)
    assert event["reason"] == "FailedGetMetric"
    assert "Held at 3 replicas" in event["message"]
    # One asks for all until there is an answer, and each time waits twice as long.
    amp.wait_for(3, 60, path="query", since_ms=now_ms())
    assert (one.replicas(), one.generation()) == (3, generation)
    assert warnings(one) == ["FailedGetMetric"], "told once, not each tick"
    prometheus("up")
    one.wait_event(reason="MetricRecovered")
    metric(50)
    one.wait_for(5)
    assert warnings(one) == ["FailedGetMetric"]


# What concerns one query alone; for what concerns a whole endpoint, test_endpoint.py. Mode and its
# fields, reason, text.
OF_A_QUERY: list[tuple[dict[str, Any], str, str]] = [
    ({"mode": "deny"}, "FailedGetMetric", "is not authorized to perform: aps:QueryMetrics"),
    ({"mode": "expire"}, "FailedGetMetric", "security token included in the request is exp"),
    ({"mode": "stall"}, "FailedGetMetric", ""),
    ({"mode": "empty"}, "EmptyMetric", "empty"),
]


def test_faults_of_a_query_hold(workload: Make, amp: Amp, tagged: Callable[[str], str]) -> None:
    """Each on a query of its own, all at once."""
    rows = [(workload(), tagged("vector(4)"), *fault) for fault in OF_A_QUERY]
    for one, query, *_ in rows:
        one.scaled(query, "2", parked=True)
    for one, *_ in rows:
        one.wait_for(2)
    generations = [one.generation() for one, *_ in rows]
    for _, query, fault, *_ in rows:
        amp.set_fault(**fault, query=query)
    for one, _, fault, reason, text in rows:
        event = one.wait_event(**WARNING)
        assert (event["reason"], text in event["message"]) == (reason, True), (fault, event)
    since = now_ms()
    for _, query, fault, *_ in rows:
        amp.wait_for(2, 60, query=query, since_ms=since, fault=fault["mode"])
    assert [one.generation() for one, *_ in rows] == generations
    assert [warnings(one) for one, *_ in rows] == [[reason] for *_, reason, _ in rows], "told once"
    amp.clear()
    for one, *_ in rows:
        one.wait_event(reason="MetricRecovered")
    assert [one.replicas() for one, *_ in rows] == [2] * len(rows)


@pytest.mark.parametrize(("series", "text"), [("NaN", "NaN"), ("+Inf", "+Inf"), ("-Inf", "-Inf")])
def test_no_number_holds(
    workload: Make, amp: Amp, metric: Callable[[Any], str], series: str, text: str
) -> None:
    query = metric(2)
    one = workload().scaled(query, parked=True)
    one.wait_for(2)
    metric(series)
    event = one.wait_event(reason="EmptyMetric")
    assert text in event["message"]
    amp.wait_for(2, 30, query=query, since_ms=now_ms())
    assert one.replicas() == 2
    metric(5)
    one.wait_for(5)


def test_unknown_from_the_start(workload: Make, amp: Amp, tagged: Callable[[str], str]) -> None:
    query = tagged('e2e_load{test="never"}')
    one = workload()
    one.scaled(query, replicas=3, parked=True)
    one.wait_event(reason="EmptyMetric")
    amp.wait_for(3, 30, query=query)
    assert one.replicas() == 3


def test_one_slow_query_delays_no_other(
    workload: Make, amp: Amp, tagged: Callable[[str], str]
) -> None:
    slow, quick = tagged("vector(2)"), tagged("vector(3)")
    stuck = workload().scaled(slow, parked=True)
    stuck.wait_for(2)
    with amp.fault("stall", query=slow):
        wait_until(
            lambda: amp.requests(query=slow, fault="stall"), 30, "the slow query is under way"
        )
        workload().scaled(quick, parked=True).wait_for(3)
        amp.wait_for(4, 30, query=quick, since_ms=now_ms())


def test_a_dead_endpoint_holds_nobody_else_up(workload: Make) -> None:
    """KEDA's test of a broken ScaledObject: the others scale on time."""
    broken = [
        workload().scaled(
            f"vector({n})", endpoint=setting("AMPSCALE_DEAD"), replicas=2, parked=True
        )
        for n in (3, 4)
    ]
    for one in broken:
        one.wait_event(reason="FailedGetMetric")
    since = time.monotonic()
    workload().scaled("vector(5)", parked=True).wait_for(5)
    assert time.monotonic() - since < SECONDS / 4
    assert [one.replicas() for one in broken] == [2, 2]
