"""The HorizontalPodAutoscaler's rules for external metrics, written anew from their description.

A second opinion for decide(): kubernetes' pkg/controller/podautoscaler (replica_calculator.go,
horizontal.go) for targets of type AverageValue and Value. It shares no code with ours; the names
are the HPA's own. Values and targets are integers of thousandths, as the HPA sees them.

Where ampscale differs from the HPA on purpose, a comment starts with "Difference:".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

MAX_INT32 = 2**31 - 1
MIN_INT32 = -(2**31)
DEFAULT_TOLERANCE = 0.1
DOWNSCALE_STABILIZATION_S = 300


@dataclass(frozen=True)
class Policy:
    type: str  # Pods, Percent
    value: int
    period_s: int


@dataclass(frozen=True)
class Rules:
    stabilization_s: int
    select: str  # Max, Min, Disabled
    policies: tuple[Policy, ...]
    tolerance: float = DEFAULT_TOLERANCE


@dataclass(frozen=True)
class Behavior:
    up: Rules
    down: Rules


@dataclass(frozen=True)
class Metric:
    target_milli: int
    average: bool  # AverageValue; else Value


@dataclass(frozen=True)
class Autoscaler:
    metrics: tuple[Metric, ...]
    minimum: int
    maximum: int
    behavior: Behavior | None


@dataclass
class Recommendation:
    ms: int
    replicas: int


@dataclass
class Event:
    ms: int
    change: int


@dataclass
class State:
    recommendations: list[Recommendation] | None = None
    ups: list[Event] = field(default_factory=list)
    downs: list[Event] = field(default_factory=list)


def saturated_ceil(x: float) -> int:
    """Difference: what rounding pushed a hair past a whole number is that number."""
    if x >= MAX_INT32:
        return MAX_INT32
    nearest = round(x)
    return nearest if abs(x - nearest) <= 1e-9 * abs(nearest) else math.ceil(x)


def tolerance_of(milli: int) -> float:
    """The API has it as "410m", and that times 0.001 is a hair more than 0.41."""
    return milli / 1000 if milli % 1000 == 0 else milli * 0.001


def tolerances(spec: Autoscaler) -> tuple[float, float]:
    if spec.behavior is None:
        return DEFAULT_TOLERANCE, DEFAULT_TOLERANCE
    return spec.behavior.up.tolerance, spec.behavior.down.tolerance


def is_within(spec: Autoscaler, ratio: float) -> bool:
    up, down = tolerances(spec)
    return 1.0 - down <= ratio <= 1.0 + up


def proposal_of(
    spec: Autoscaler, metric: Metric, value_milli: int | None, current: int, ready: int
) -> int | None:
    """What one metric asks for; None: it cannot be computed."""
    if value_milli is None:
        return None
    # Difference: a negative value counts as 0 (for AverageValue the HPA takes it for the largest).
    usage = float(max(value_milli, 0))
    target = float(metric.target_milli)
    if metric.average:
        # Difference: spec.replicas, where the HPA takes status.replicas.
        ratio = usage / (target * float(current))
        if is_within(spec, ratio):
            return current
        return saturated_ceil(usage / target)
    # Difference: with no ready pod the metric is unknown, where the HPA proposes none.
    if ready == 0:
        return None
    ratio = usage / target
    if is_within(spec, ratio):
        return current
    return saturated_ceil(ratio * float(ready))


def compute_replicas(
    spec: Autoscaler, values_milli: list[int | None], current: int, ready: int
) -> int:
    """The largest of the valid proposals; -1: no action."""
    replicas = 0
    failed = 0
    for metric, value in zip(spec.metrics, values_milli, strict=True):
        proposal = proposal_of(spec, metric, value, current, ready)
        if proposal is None:
            failed += 1
        elif replicas == 0 or proposal > replicas:
            replicas = proposal
    if failed == len(spec.metrics) or (failed > 0 and replicas < current):
        return -1
    return replicas


def normalize(spec: Autoscaler, state: State, desired: int, now_ms: int) -> int:
    """Without behavior: the largest of the last five minutes.

    Difference: no limit to a step up, where the HPA stops at twice the count or 4.
    """
    assert state.recommendations is not None
    cutoff = now_ms - DOWNSCALE_STABILIZATION_S * 1000
    stabilized = desired
    for rec in state.recommendations:
        if rec.ms >= cutoff:
            stabilized = max(stabilized, rec.replicas)
    state.recommendations.append(Recommendation(now_ms, desired))
    return min(max(stabilized, spec.minimum), spec.maximum)


def stabilize(behavior: Behavior, state: State, current: int, desired: int, now_ms: int) -> int:
    assert state.recommendations is not None
    up_cutoff = now_ms - behavior.up.stabilization_s * 1000
    down_cutoff = now_ms - behavior.down.stabilization_s * 1000
    up = down = desired
    for rec in state.recommendations:
        if rec.ms > up_cutoff:
            up = min(up, rec.replicas)
        if rec.ms > down_cutoff:
            down = max(down, rec.replicas)
    result = current
    if result < up:
        result = up
    if result > down:
        result = down
    state.recommendations.append(Recommendation(now_ms, desired))
    return result


def changed(events: list[Event], period_s: int, now_ms: int) -> int:
    return sum(e.change for e in events if e.ms > now_ms - period_s * 1000)


def period_start(state: State, current: int, policy: Policy, now_ms: int) -> int:
    added = changed(state.ups, policy.period_s, now_ms)
    deleted = changed(state.downs, policy.period_s, now_ms)
    return current - added + deleted


def scale_up_limit(rules: Rules, state: State, current: int, now_ms: int) -> int:
    """Difference: a limit beyond 32 bits does not wrap, where the HPA's does."""
    if rules.select == "Disabled":
        return current
    proposed = []
    for policy in rules.policies:
        start = period_start(state, current, policy, now_ms)
        if policy.type == "Pods":
            proposed.append(start + policy.value)
        else:
            proposed.append(math.ceil(float(start) * (1 + float(policy.value) / 100)))
    limit = min(proposed) if rules.select == "Min" else max(proposed)
    return max(limit, current)


def scale_down_limit(rules: Rules, state: State, current: int, now_ms: int) -> int:
    if rules.select == "Disabled":
        return current
    proposed = []
    for policy in rules.policies:
        start = period_start(state, current, policy, now_ms)
        if policy.type == "Pods":
            proposed.append(start - policy.value)
        else:
            proposed.append(math.trunc(float(start) * (1 - float(policy.value) / 100)))
    limit = max(proposed) if rules.select == "Min" else min(proposed)
    return min(limit, current)


def normalize_with_behavior(
    spec: Autoscaler, state: State, current: int, desired: int, now_ms: int
) -> int:
    assert spec.behavior is not None
    result = stabilize(spec.behavior, state, current, desired, now_ms)
    if result > current:
        limit = scale_up_limit(spec.behavior.up, state, current, now_ms)
        return min(result, spec.maximum, limit)
    if result < current:
        limit = scale_down_limit(spec.behavior.down, state, current, now_ms)
        return max(result, spec.minimum, limit)
    return result


def store_scale_event(
    behavior: Behavior, state: State, current: int, desired: int, now_ms: int
) -> None:
    """The last event that its own direction's policies have outlived gives up its slot."""
    up = desired > current
    events = state.ups if up else state.downs
    policies = (behavior.up if up else behavior.down).policies
    cutoff = now_ms - max(p.period_s for p in policies) * 1000
    old = [i for i, event in enumerate(events) if event.ms < cutoff]
    event = Event(now_ms, abs(desired - current))
    if old:
        events[old[-1]] = event
    else:
        events.append(event)


def reconcile(
    spec: Autoscaler,
    state: State,
    current: int,
    ready: int,
    values_milli: list[int | None],
    now_ms: int,
) -> int:
    """One sync: the new spec.replicas. `current` is at least 1."""
    if state.recommendations is None:
        state.recommendations = [Recommendation(now_ms, current)]
    if current > spec.maximum:
        desired = spec.maximum
    elif current < spec.minimum:
        desired = spec.minimum
    else:
        desired = compute_replicas(spec, values_milli, current, ready)
        if desired < 0:
            return current
        if spec.behavior is None:
            desired = normalize(spec, state, desired, now_ms)
        else:
            desired = normalize_with_behavior(spec, state, current, desired, now_ms)
    if spec.behavior is not None and desired != current:
        store_scale_event(spec.behavior, state, current, desired, now_ms)
    return desired
