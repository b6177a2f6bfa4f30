"""scale.amp/behavior: what autoscaling/v2 calls HorizontalPodAutoscalerBehavior, on a node."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Load, Make, stays
from kube import AT_ONCE, Workload

Loads = Callable[[Any], Load]
NOW = {"stabilizationWindowSeconds": 0}
FREE = {"policies": [{"type": "Pods", "value": 1000, "periodSeconds": 1}]}


def policy(kind: str, value: int) -> dict[str, Any]:
    return {"type": kind, "value": value, "periodSeconds": 60}


# name: count before, value (of which each replica carries one), behavior, count after, why no more
CASES: dict[str, tuple[int, float, dict[str, Any], int, str]] = {
    "up by pods": (1, 9, {"scaleUp": {"policies": [policy("Pods", 2)]}}, 3, "ScaleUpLimit"),
    "up by percent": (2, 9, {"scaleUp": {"policies": [policy("Percent", 100)]}}, 4, "ScaleUpLimit"),
    "up by the larger": (
        2,
        9,
        {"scaleUp": {"policies": [policy("Percent", 100), policy("Pods", 4)]}},
        6,
        "ScaleUpLimit",
    ),
    "up by the smaller": (
        2,
        9,
        {
            "scaleUp": {
                "policies": [policy("Percent", 100), policy("Pods", 4)],
                "selectPolicy": "Min",
            }
        },
        4,
        "ScaleUpLimit",
    ),
    "never up": (2, 9, {"scaleUp": {"selectPolicy": "Disabled"}}, 2, "ScaleUpLimit"),
    "down by pods": (
        6,
        1,
        {"scaleDown": NOW | {"policies": [policy("Pods", 1)]}},
        5,
        "ScaleDownLimit",
    ),
    "down by percent": (
        6,
        1,
        {"scaleDown": NOW | {"policies": [policy("Percent", 50)]}},
        3,
        "ScaleDownLimit",
    ),
    "down by the smaller": (
        8,
        1,
        {
            "scaleDown": NOW
            | {"policies": [policy("Pods", 1), policy("Percent", 50)], "selectPolicy": "Min"}
        },
        7,
        "ScaleDownLimit",
    ),
    "never down": (6, 1, {"scaleDown": NOW | {"selectPolicy": "Disabled"}}, 6, "ScaleDownLimit"),
    "within tolerance up": (4, 5.9, {"scaleUp": FREE | {"tolerance": 0.5}}, 4, ""),
    "beyond tolerance up": (4, 6.1, {"scaleUp": FREE | {"tolerance": 0.5}}, 7, ""),
    "within tolerance down": (4, 2.1, {"scaleDown": NOW | {"tolerance": "500m"}}, 4, ""),
    "beyond tolerance down": (4, 1.9, {"scaleDown": NOW | {"tolerance": "500m"}}, 2, ""),
    "usual tolerance": (10, 10.9, {"scaleDown": NOW}, 10, ""),
}


def test_policies(workload: Make, load: Loads) -> None:
    """All of CASES at once, since each then has to stay as it is."""
    rows: list[tuple[str, Workload, Load]] = []
    for name, (before, value, behavior, _, _) in CASES.items():
        one, metric = workload(), load(value)
        one.scaled(
            metric.query,
            behavior=json.dumps(behavior),
            max_replicas="20",
            replicas=before,
            parked=True,
        )
        rows.append((name, one, metric))
    for name, one, _ in rows:
        one.wait_for(CASES[name][3])
    stays(rows[-1][2], *(one for _, one, _ in rows))
    limits = {name: one.condition("ScalingLimited")[1] for name, one, _ in rows}
    assert limits == {name: row[4] or "DesiredWithinRange" for name, row in CASES.items()}


def test_stabilization(workload: Make, load: Loads) -> None:
    """Down to the highest proposal of the window, up to the lowest of the other."""
    metric = load(2)
    down = {"scaleUp": FREE, "scaleDown": {"stabilizationWindowSeconds": 6}}
    up = {"scaleUp": FREE | {"stabilizationWindowSeconds": 6}, "scaleDown": NOW}
    given = {"replicas": 2, "parked": True}
    falls = workload().scaled(metric.query, behavior=json.dumps(down), **given)
    rises = workload().scaled(metric.query, behavior=json.dumps(up), **given)
    usual = workload().scaled(metric.query, **given)
    for one in (falls, rises, usual):
        one.wait_condition("Active", "True")
    began = time.monotonic()
    metric.set(6)
    falls.wait_for(6)
    usual.wait_for(6)
    assert rises.replicas() == 2
    rises.wait_condition("AbleToScale", "True", "ScaleUpStabilized")
    rises.wait_for(6)
    assert time.monotonic() - began > 5
    metric.set(1)
    began = time.monotonic()
    falls.wait_condition("AbleToScale", "True", "ScaleDownStabilized")
    rises.wait_for(1)
    assert falls.replicas() == 6
    falls.wait_for(1)
    assert time.monotonic() - began > 5
    assert usual.replicas() == 6, "the window is five minutes by default"
    assert usual.condition("AbleToScale") == ("True", "ScaleDownStabilized")
    metric.set(8)
    usual.wait_for(8)


BAD = [
    ("scaleDown: {policies: [{type: Pods, value: 1, periodSeconds: 0}]}", "periodSeconds"),
    ("scaleDown: {policies: [{type: Pods, value: 1, periodSeconds: 1801}]}", "periodSeconds"),
    ("scaleDown: {policies: [{type: Replicas, value: 1, periodSeconds: 60}]}", "type"),
    ("scaleDown: {policies: [{type: Pods, value: 0, periodSeconds: 60}]}", "value"),
    ("scaleDown: {stabilizationWindowSeconds: 3601}", "stabilizationWindowSeconds"),
    ("scaleDown: {selectPolicy: Average}", "selectPolicy"),
    ("scaleDown: {speed: 3}", "scaleDown.speed"),
    ("scaleSideways: {}", "scaleSideways"),
    ("scaleUp: {tolerance: -1}", "tolerance"),
    ("scaleUp:\n\tpolicies: []", "line 2"),
    ("a: &a [1]\nb: *a", ""),
    ("[]", ""),
]


@pytest.mark.parametrize(("behavior", "place"), BAD, ids=[text for text, _ in BAD])
def test_bad_behavior(workload: Make, behavior: str, place: str) -> None:
    one = workload()
    refusal = one.apply(query="vector(1)", threshold="1", behavior=behavior).refusal()
    assert "scale.amp/behavior" in refusal
    assert place in refusal
    assert not one.get()


def test_behavior_in_yaml_is_that_in_json(workload: Make, load: Loads) -> None:
    metric = load(3)
    text = """
scaleUp:
  policies:
    - type: Pods
      value: 1000
      periodSeconds: 1
scaleDown:
  stabilizationWindowSeconds: 0
"""
    pair = [
        workload().scaled(metric.query, behavior=given, parked=True) for given in (text, AT_ONCE)
    ]
    for one in pair:
        one.wait_for(3)
    metric.set(1)
    for one in pair:
        one.wait_for(1)
