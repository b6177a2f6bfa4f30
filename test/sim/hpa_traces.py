"""Random specs, and traces of readings for them, that the HPA and ours are compared on.

A trace says what a reading is like ("exactly at the edge of the tolerance"); ``play`` turns it into
the lines that `kubectl ampscale simulate` reads, with ``hpa_reference`` deciding what the count is
meanwhile. A seed is a trace.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import hpa_reference as hpa

STEPS = 200
Line = dict[str, object]


@dataclass(frozen=True)
class At:
    """A value so many thousandths of the target, per replica there is, and so much more."""

    permille: int
    more_milli: int


Value = int | At | None  # thousandths, or lost


@dataclass(frozen=True)
class Tick:
    ms: int
    ready_share: float
    override: int | None  # somebody else's count
    values: list[Value]


@dataclass(frozen=True)
class Trace:
    seed: int
    spec: hpa.Autoscaler
    annotations: dict[str, str]
    replicas: int
    ticks: list[Tick]

    def deployment(self) -> dict[str, object]:
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "app", "annotations": self.annotations},
            "spec": {"replicas": self.replicas},
        }


def decimal(milli: int) -> str:
    sign = "-" if milli < 0 else ""
    return f"{sign}{abs(milli) // 1000}.{abs(milli) % 1000:03d}"


# --- specs


def random_policy(r: random.Random) -> hpa.Policy:
    kind = r.choice(["Pods", "Percent"])
    few = [1, 2, 3, 4, 5, 10] if kind == "Pods" else [1, 5, 10, 50, 90, 100, 200]
    value = r.choice([*few, *few, r.randint(1, 1000), r.randint(1, 10**5)])
    return hpa.Policy(
        kind, value, r.choice([1, 15, 30, 45, 60, 120, 300, 1800, r.randint(1, 1800)])
    )


def random_rules(r: random.Random, default: hpa.Rules) -> tuple[hpa.Rules, dict[str, object]]:
    """Rules and how a user writes them; what is left out is autoscaling/v2's default."""
    written: dict[str, object] = {}
    rules = default
    if r.random() < 0.7:
        few = [0, 0, 0, 0, 15, 15, 30, 45, 60, 100, 180, 300, 600, 3600, r.randint(0, 3600)]
        rules = replace(rules, stabilization_s=r.choice(few))
        written["stabilizationWindowSeconds"] = rules.stabilization_s
    if r.random() < 0.6:
        rules = replace(rules, select=r.choice(["Max", "Min"] * 4 + ["Disabled"]))
        written["selectPolicy"] = rules.select
    if r.random() < 0.7:
        rules = replace(rules, policies=tuple(random_policy(r) for _ in range(r.randint(1, 3))))
        written["policies"] = [
            {"type": p.type, "value": p.value, "periodSeconds": p.period_s} for p in rules.policies
        ]
    if r.random() < 0.4:
        milli = r.choice([0, 10, 50, 200, 250, 500, r.randint(1, 99) * 10, r.randint(1, 1200)])
        rules = replace(rules, tolerance=hpa.tolerance_of(milli))
        written["tolerance"] = r.choice([milli / 1000, decimal(milli), f"{milli}m"])
    return rules, written


def random_behavior(r: random.Random) -> tuple[hpa.Behavior | None, str | None]:
    if r.random() < 0.3:
        return None, None
    up = hpa.Rules(0, "Max", (hpa.Policy("Pods", 4, 15), hpa.Policy("Percent", 100, 15)))
    down = hpa.Rules(300, "Max", (hpa.Policy("Percent", 100, 15),))
    written: dict[str, object] = {}
    if r.random() < 0.8:
        up, written["scaleUp"] = random_rules(r, up)
    if r.random() < 0.8:
        down, written["scaleDown"] = random_rules(r, down)
    return hpa.Behavior(up, down), json.dumps(written)


def random_metric(r: random.Random) -> hpa.Metric:
    few = [100, 300, 700, 1000, 2500, 7000, 25000, 33333]
    target = r.choice([*few, r.randint(1, 10**6), r.choice([1, 10**9, 2**30 * 1000])])
    return hpa.Metric(target, r.random() < 0.6)


def random_spec(r: random.Random) -> tuple[hpa.Autoscaler, dict[str, str]]:
    behavior, written = random_behavior(r)
    metrics = tuple(random_metric(r) for _ in range(r.choice([1, 1, 1, 2, 3])))
    minimum = r.choice([1, 1, 2, 3, 5])
    maximum = minimum + r.choice([3, 10, 30, 100, 100, 1000, r.randint(0, 2)])
    triggers = [
        {
            "name": f"m{i}",
            "query": "up",
            "threshold": decimal(m.target_milli),
            "metricType": "AverageValue" if m.average else "Value",
        }
        for i, m in enumerate(metrics)
    ]
    annotations = {
        "scale.amp/triggers": json.dumps(triggers),
        "scale.amp/min-replicas": str(minimum),
        "scale.amp/max-replicas": str(maximum),
    }
    if written is not None:
        annotations["scale.amp/behavior"] = written
    return hpa.Autoscaler(metrics, minimum, maximum, behavior), annotations


# --- readings


def edges(spec: hpa.Autoscaler) -> list[int]:
    """Thousandths of the target where something is decided."""
    up, down = hpa.tolerances(spec)
    own = [1000 + round(1000 * up), max(0, 1000 - round(1000 * down))]
    return [*own, *own, 1000, 900, 1100, 950, 1050, 800, 1200, 500, 1500]


def random_value(r: random.Random, spec: hpa.Autoscaler, metric: hpa.Metric, level: float) -> Value:
    """Around `level` replicas' worth; often exactly at an edge, or lost. Value says a ratio to
    the count there is, so `level` is nothing to it."""
    dice = r.random()
    if dice < 0.05:
        return None
    if dice < 0.07:
        return r.choice([0, -1000, -1, 1, 10**15])
    if dice < 0.3:
        return At(r.choice(edges(spec)), r.choice([0, 0, 0, 1, -1]))
    factor = level if metric.average else r.choice([0.3, 0.6, 0.8, 1, 1, 1.2, 1.5, 2, 4])
    return round(metric.target_milli * factor * r.choice([1, 1, 1, 1.01, 0.99]))


def random_ticks(r: random.Random, spec: hpa.Autoscaler) -> Iterator[Tick]:
    now = 1_700_000_000_000 + r.randrange(10**6)
    highest = min(1.3 * spec.maximum, 3000)
    level = r.uniform(0, highest)
    steady = r.random() < 0.6
    lost_until = [0] * len(spec.metrics)
    for step in range(STEPS):
        if r.random() < 0.3:
            level = level * r.choice([0.1, 0.5, 0.9, 1.1, 2, 10]) + r.choice([-1, 0, 1])
            level = min(max(level, 0), highest)
        if r.random() < 0.03:
            level = r.uniform(0, highest)
        few = [0, 1, 1000, 5000, 14999, 15000, 15001, 17000, 30000, r.choice([15000, 4 * 10**6])]
        now += 15000 if steady else r.choice(few)
        override = None
        if r.random() < 0.015:
            override = r.choice([r.randint(1, spec.maximum + 5), spec.minimum, spec.maximum, 1])
        values: list[Value] = []
        for i, metric in enumerate(spec.metrics):
            if r.random() < 0.01:
                lost_until[i] = step + r.randint(1, 30)
            value = random_value(r, spec, metric, level)
            values.append(None if step < lost_until[i] else value)
        ready_share = r.choice([1.0, 1.0, 1.0, 0.5, 0.9, 1.3, r.random(), 0.0])
        yield Tick(now, ready_share, override, values)


def random_trace(seed: int) -> Trace:
    r = random.Random(seed)
    spec, annotations = random_spec(r)
    replicas = r.randint(1, spec.maximum + 2)
    return Trace(seed, spec, annotations, replicas, list(random_ticks(r, spec)))


# --- lines


def milli_of(value: Value, metric: hpa.Metric, current: int) -> int | None:
    if not isinstance(value, At):
        return value
    share = metric.target_milli * value.permille * (current if metric.average else 1)
    return max(0, -(-share // 1000) + value.more_milli)


def is_hair(metric: hpa.Metric, milli: int | None, ready: int) -> bool:
    """Whether the quotient is so near above a whole number that ours takes it for that one."""
    if milli is None or milli <= 0:
        return False
    quotient = milli / metric.target_milli * (1 if metric.average else ready)
    nearest = round(quotient)
    return 0 < quotient - nearest <= 2e-9 * nearest


@dataclass(frozen=True)
class Course:
    counts: list[int]  # after each line, as the reference has them
    lines: list[Line]


def play(trace: Trace, hairs: bool = True) -> Course:
    """What the reference makes of it, and the lines that drive others through the same.

    Readings never depend on others: ready pods follow the reference's own count. An override that
    restores the count of before a step is left out: nobody who sees counts alone can tell it from
    a write that failed. Without `hairs`, quotients a hair off a whole number are moved away.
    """
    state = hpa.State()
    current = before = trace.replicas
    counts: list[int] = []
    lines: list[Line] = []
    for tick in trace.ticks:
        line: Line = {"t": tick.ms}
        if tick.override is not None and tick.override != before:
            current = line["replicas"] = tick.override
        line["ready"] = ready = int(current * tick.ready_share)
        values = [
            milli_of(value, metric, current)
            for value, metric in zip(tick.values, trace.spec.metrics, strict=True)
        ]
        for i, metric in enumerate(trace.spec.metrics):
            value = values[i]
            while not hairs and value is not None and is_hair(metric, value, ready):
                values[i] = value = value + max(1, value >> 28)
        line["readings"] = {
            f"m{i}": None if value is None else value / 1000 for i, value in enumerate(values)
        }
        lines.append(line)
        before = current
        current = hpa.reconcile(trace.spec, state, current, ready, values, tick.ms)
        counts.append(current)
    return Course(counts, lines)
