"""The closed loop of the walkthrough: traffic, collector, AMP, query, replicas, and back. It began
with test_collector.py, whose tests went on meanwhile (loop.py)."""

from __future__ import annotations

from collections.abc import Callable

from amp.control import Amp
from conftest import Make, now_ms
from loop import CALLS, QUERY, Loop
from sidecar import WRITE_ROLE, Prom, writes


def test_at_zero_there_is_no_metric_yet(loop: Loop) -> None:
    """Nobody has called downstream when checkout is applied: it is let in and told so."""
    (warning,) = [w for w in loop.first_words if "no number now" in w]
    assert "empty result" in warning


def test_from_zero_to_five_and_back(loop: Loop) -> None:
    counts = loop.wait(loop.checkout, 0)
    assert counts[counts.index(5) :] == [5, 0], "straight from five to none"
    assert counts == [*sorted(counts[:-1]), 0], "never down on the way up"


def test_from_one_to_five_and_down_to_one(loop: Loop) -> None:
    counts = loop.wait(loop.wide, 1)
    assert max(counts) == 5
    rise = counts[: counts.index(5) + 1]
    assert rise == sorted(rise)


def test_each_call_was_counted(loop: Loop, prom: Prom, amp: Amp) -> None:
    assert loop.traffic.wait(10) == 0, "no call failed"
    prom.wait('ho11y_total{job="downstream"}', lambda value: value == CALLS)
    (labels,) = prom.labels('ho11y_total{job="downstream"}')
    (pod,) = loop.downstream.pods()
    assert labels == {
        "__name__": "ho11y_total",
        "http_status_code": "200",
        "job": "downstream",
        "namespace": loop.kube.namespace,
        "pod": pod["metadata"]["name"],
        "instance": f"{pod['status']['podIP']}:8765",
        "container": "ho11y",
        "deployment": "downstream",
        "node": "node-1",
    }
    assert {row["role"] for row in writes(amp, "downstream")} == {WRITE_ROLE}


def test_the_literal_query_while_it_is_one_series_and_when_it_is_two(
    loop: Loop, workload: Make, tagged: Callable[[str], str], prom: Prom, amp: Amp
) -> None:
    """frontend answers with several statuses: as many series, and the fix is named."""
    given = {"threshold": "0.25", "parked": True, "replicas": 0, "min_replicas": "0"}
    done = workload().apply(query=tagged(QUERY), **given).accepted()
    assert [w for w in done.warnings if w.startswith("query is 0 now")]
    assert loop.frontend.curl("-sS", "-o", "/dev/null", "http://localhost:8765/?n=[1-40]").code == 0
    prom.wait(f"count({QUERY})", lambda value: value is not None and value > 1)
    refusal = workload().apply(query=tagged(QUERY), **given).refusal()
    assert "wrap it in sum(…)" in refusal
    event = loop.wide.wait_event(type="Warning", reason="FailedGetMetric")
    assert "series" in event["message"]
    held = [one.replicas() for one in (loop.checkout, loop.wide)]
    amp.wait_for(6, 60, query=QUERY, since_ms=now_ms())
    assert [one.replicas() for one in (loop.checkout, loop.wide)] == held
    workload().apply(query=tagged(f"sum({QUERY})"), **given).accepted()
