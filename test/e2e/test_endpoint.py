"""What concerns a whole endpoint, which then is left alone for a while, whoever asks: the count is
held, it is told once, and got over without help. On an endpoint that nobody else uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from amp.control import Amp
from conftest import Make, now_ms, setting
from test_outage import WARNING, warnings

# Mode and its fields, text.
OF_AN_ENDPOINT: list[tuple[dict[str, Any], str]] = [
    ({"mode": "throttle", "retry_after": 1}, "Rate exceeded"),
    ({"mode": "fail", "status": 500}, "Internal server error"),
    ({"mode": "fail", "status": 503}, "Service Unavailable"),
    ({"mode": "html"}, "502 Bad Gateway"),
    ({"mode": "html", "status": 200}, ""),
    ({"mode": "answer", "body": '{"status":"success"}'}, ""),
    ({"mode": "answer", "body": ""}, ""),
    ({"mode": "close"}, ""),
    ({"mode": "truncate"}, ""),
]


@pytest.fixture(scope="module")
def endpoint() -> str:
    """The stand-in by another name."""
    return setting("AMPSCALE_SPARE")


@pytest.mark.parametrize(
    ("fault", "text"),
    OF_AN_ENDPOINT,
    ids=lambda given: "-".join(map(str, given.values())) if isinstance(given, dict) else None,
)
def test_fault_of_an_endpoint_holds(
    workload: Make,
    amp: Amp,
    tagged: Callable[[str], str],
    endpoint: str,
    fault: dict[str, Any],
    text: str,
) -> None:
    query = tagged("vector(4)")
    one = workload().scaled(query, "2", endpoint=endpoint, parked=True)
    one.wait_for(2)
    generation = one.generation()
    with amp.fault(**fault, query=query):
        event = one.wait_event(**WARNING)
        assert (event["reason"], text in event["message"]) == ("FailedGetMetric", True), event
        amp.wait_for(1, 60, query=query, since_ms=now_ms(), fault=fault["mode"])
        assert (one.replicas(), one.generation()) == (2, generation)
        assert warnings(one) == ["FailedGetMetric"]
    one.wait_event(reason="MetricRecovered")
    assert one.replicas() == 2


def test_bounds_hold_even_in_an_outage(
    workload: Make, amp: Amp, tagged: Callable[[str], str], endpoint: str
) -> None:
    query = tagged("vector(4)")
    one = workload().scaled(query, endpoint=endpoint, parked=True)
    one.wait_for(4)
    with amp.fault("fail", query=query):
        one.wait_event(**WARNING)
        one.annotate(max_replicas="3")
        one.wait_for(3)


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ({"mode": "close"}, ""),
        ({"mode": "fail", "status": 503}, "Service Unavailable"),
        ({"mode": "deny"}, "is not authorized to perform"),
        ({"mode": "throttle"}, "Rate exceeded"),
        ({"mode": "html"}, "502"),
        ({"mode": "stall"}, ""),
    ],
    ids=lambda given: given["mode"] if isinstance(given, dict) else None,
)
def test_unreachable_is_admitted_with_a_warning(
    workload: Make,
    amp: Amp,
    tagged: Callable[[str], str],
    endpoint: str,
    fault: dict[str, object],
    text: str,
) -> None:
    given = {"query": tagged("vector(1)"), "endpoint": endpoint, "threshold": "1"}
    with amp.fault(**fault, query=given["query"]):
        done = workload().apply(**given, parked=True).accepted()
    assert any("could not be tried, admitted unchecked" in w and text in w for w in done.warnings)
