"""The reference itself gives what upstream's own tests of the HPA give."""

from __future__ import annotations

import hpa_reference as hpa
import pytest
from hpa_reference import Autoscaler, Behavior, Event, Metric, Policy, Recommendation, Rules, State

MINUTE = 60_000
NOW = 10**9
UP = Rules(0, "Max", (Policy("Pods", 4, 15), Policy("Percent", 100, 15)))
DOWN = Rules(300, "Max", (Policy("Percent", 100, 15),))
AVERAGE = True


def spec(
    target: int, average: bool, behavior: Behavior | None = None, tolerance: float | None = None
) -> Autoscaler:
    if tolerance is not None:
        behavior = Behavior(Rules(0, "Max", UP.policies, tolerance), DOWN)
    return Autoscaler((Metric(target, average),), 0, hpa.MAX_INT32, behavior)


@pytest.mark.parametrize(
    ("current", "value", "target", "tolerance", "want"),
    [
        (3, 8600, 2150, None, 4),
        (5, 8600, 2867, None, 3),
        (3, 8600, 2900, None, 3),
        (3, 8600, 2800, 0.01, 4),
        (1, 2**63 - 1, 1, None, hpa.MAX_INT32),
        (1, 2**63 - 1, 2**63 - 1, None, 1),
    ],
)
def test_average(current: int, value: int, target: int, tolerance: float | None, want: int) -> None:
    autoscaler = spec(target, AVERAGE, tolerance=tolerance)
    assert hpa.compute_replicas(autoscaler, [value], current, current) == want


@pytest.mark.parametrize(
    ("current", "ready", "value", "target", "tolerance", "want"),
    [
        (3, 1, 8600, 4400, None, 2),
        (5, 5, 8600, 14334, None, 3),
        (3, 3, 8600, 8888, None, 3),
        (3, 3, 8900, 8800, 0.01, 4),
    ],
)
def test_value(
    current: int, ready: int, value: int, target: int, tolerance: float | None, want: int
) -> None:
    autoscaler = spec(target, not AVERAGE, tolerance=tolerance)
    assert hpa.compute_replicas(autoscaler, [value], current, ready) == want


@pytest.mark.parametrize(
    ("values", "current", "want"), [([None, 4], 3, 4), ([None, 2], 5, -1), ([None, None], 3, -1)]
)
def test_partial_failure(values: list[int | None], current: int, want: int) -> None:
    autoscaler = Autoscaler((Metric(1, AVERAGE), Metric(1, AVERAGE)), 1, 100, None)
    assert hpa.compute_replicas(autoscaler, values, current, current) == want


def recommendations(text: str) -> list[Recommendation]:
    """ "4@2 5@1": 4 was proposed two minutes ago, …"""
    pairs = [item.split("@") for item in text.split()]
    return [Recommendation(NOW - int(age) * MINUTE, int(count)) for count, age in pairs]


@pytest.mark.parametrize(
    ("past", "desired", "want"),
    [
        ("", 5, 5),
        ("4@2 5@1", 3, 5),
        ("1@2 2@1", 3, 3),
        ("10@10 9@9", 3, 3),
        ("10@10 4@1 5@2 9@9", 3, 5),
    ],
)
def test_stabilize_without_behavior(past: str, desired: int, want: int) -> None:
    state = State(recommendations(past))
    assert hpa.normalize(spec(1, AVERAGE), state, desired, NOW) == want


@pytest.mark.parametrize(
    ("current", "desired", "past", "windows", "want"),
    [
        (100, 5, "", (0, 0), 5),
        (100, 3, "4@2 5@1", (0, 180), 5),
        (1, 7, "4@2 5@1", (300, 0), 4),
        (100, 3, "1@2 2@1", (300, 0), 3),
        (1, 3, "4@2 5@1", (0, 300), 3),
        (1, 100, "10@100 6@1 5@2 9@3", (300, 0), 5),
        (2, 1, "2@100 3@3", (300, 300), 2),
        (2, 3, "2@100 1@3", (300, 300), 2),
    ],
)
def test_stabilize_with_behavior(
    current: int, desired: int, past: str, windows: tuple[int, int], want: int
) -> None:
    behavior = Behavior(
        Rules(windows[0], "Max", UP.policies), Rules(windows[1], "Max", DOWN.policies)
    )
    state = State(recommendations(past))
    assert hpa.stabilize(behavior, state, current, desired, NOW) == want


def policies(text: str) -> tuple[Policy, ...]:
    """ "5p/120 150%/60": five pods in 120 s, 150 per cent in 60 s."""
    found = []
    for item in text.split():
        value, period = item.split("/")
        kind = "Pods" if value[-1] == "p" else "Percent"
        found.append(Policy(kind, int(value[:-1]), int(period)))
    return tuple(found)


@pytest.mark.parametrize(
    ("current", "desired", "bounds", "up", "down", "events", "want"),
    [
        (20, 1000, (1, 10), "", "", ((), ()), 10),
        (100, 1000, (100, 150), "", "", ((), ()), 150),
        (3, 1000, (1, 2000), "1%/60", "", ((), ()), 4),
        (10, 50, (1, 1000), "", "", ((), ()), 20),
        (10, 500, (1, 1000), "100p/60 100%/60", "", ((), ()), 110),
        (10, 500, (1, 1000), "2p/60 100%/60", "", ((), ()), 20),
        (10, 500, (1, 1000), "30p/60", "", ((), ()), 40),
        (10, 500, (1, 1000), "200%/60", "", ((), ()), 30),
        (100, 2, (1, 1000), "", "20p/60 1%/60", ((), ()), 80),
        (100, 2, (1, 1000), "", "2p/60 1%/60", ((), ()), 98),
        (10, 0, (1, 1000), "", "100p/60", ((), ()), 1),
        (10, 2, (5, 1000), "", "100%/60", ((), ()), 5),
        (10, 2, (1, 1000), "", "5p/60", ((), ()), 5),
        (100, 500, (1, 1000), "5p/120", "", ((1, 5, 9), ()), 100),
        (100, 500, (1, 1000), "150p/120", "", ((1, 5, 9), ()), 235),
        (100, 500, (1, 1000), "200%/120", "", ((1, 5, 9), ()), 255),
        (6, 24, (1, 1000), "300%/300", "", ((4,), (2,)), 16),
        (100, 0, (1, 1000), "", "50%/120", ((), (2, 4, 6)), 56),
        (10, 1, (1, 1000), "", "50%/180", ((2,), (4,)), 6),
        (100, 0, (1, 1000), "", "10%/120", ((), (10, 10, 10)), 100),
        (100, 2, (1, 1000), "", "5p/120", ((), (1, 5, 9)), 100),
        (10, 5, (1, 1000), "", "1000%/120", ((), ()), 5),
    ],
)
def test_rates(
    current: int,
    desired: int,
    bounds: tuple[int, int],
    up: str,
    down: str,
    events: tuple[tuple[int, ...], tuple[int, ...]],
    want: int,
) -> None:
    behavior = Behavior(
        Rules(0, "Max", policies(up) or UP.policies),
        Rules(0, "Max", policies(down) or DOWN.policies),
    )
    autoscaler = Autoscaler((Metric(1000, AVERAGE),), *bounds, behavior)
    ups, downs = ([Event(NOW - MINUTE // 2, change) for change in changes] for changes in events)
    state = State([], ups, downs)
    if current > bounds[1]:
        got = hpa.reconcile(autoscaler, state, current, current, [desired * 1000], NOW)
    else:
        got = hpa.normalize_with_behavior(autoscaler, state, current, desired, NOW)
    assert got == want
