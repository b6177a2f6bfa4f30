"""`kubectl ampscale simulate` and an independent HPA agree, replica for replica.

Random specs and traces; TRACES and SEED in the environment choose how many and which.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import hpa_reference as hpa
import pytest

ROOT = Path(__file__).resolve().parents[2]
TRACES = int(os.environ.get("TRACES", "300"))
STEPS = 200
FIRST_SEED = int(os.environ.get("SEED", "1"))


@dataclass
class Tick:
    ms: int
    ready_share: float
    override: int | None  # somebody else's count
    values_milli: list[int | None]


@dataclass
class Trace:
    seed: int
    spec: hpa.Autoscaler
    annotations: dict[str, str]
    replicas: int
    ticks: list[Tick]


def random_rules(r: random.Random, default: hpa.Rules) -> tuple[hpa.Rules, dict[str, object]]:
    """Rules and how a user writes them; what is left out is autoscaling/v2's default."""
    written: dict[str, object] = {}
    rules = default
    if r.random() < 0.7:
        window = r.choice([0, 0, 15, 30, 45, 60, 100, 180, 300, 600, 3600])
        written["stabilizationWindowSeconds"] = window
        rules = hpa.Rules(window, rules.select, rules.policies, rules.tolerance)
    if r.random() < 0.6:
        select = r.choice(["Max", "Min", "Max", "Min", "Disabled"])
        written["selectPolicy"] = select
        rules = hpa.Rules(rules.stabilization_s, select, rules.policies, rules.tolerance)
    if r.random() < 0.7:
        policies = tuple(random_policy(r) for _ in range(r.randint(1, 3)))
        written["policies"] = [
            {"type": p.type, "value": p.value, "periodSeconds": p.period_s} for p in policies
        ]
        rules = hpa.Rules(rules.stabilization_s, rules.select, policies, rules.tolerance)
    if r.random() < 0.4:
        tolerance = r.choice([0.0, 0.01, 0.05, 0.2, 0.25, 0.5])
        written["tolerance"] = tolerance
        rules = hpa.Rules(rules.stabilization_s, rules.select, rules.policies, tolerance)
    return rules, written


def random_policy(r: random.Random) -> hpa.Policy:
    kind = r.choice(["Pods", "Percent"])
    value = r.choice([1, 2, 3, 4, 5, 10]) if kind == "Pods" else r.choice([1, 5, 10, 50, 90, 200])
    return hpa.Policy(kind, value, r.choice([1, 15, 30, 45, 60, 120, 300, 1800]))


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


def decimal(milli: int) -> str:
    sign = "-" if milli < 0 else ""
    return f"{sign}{abs(milli) // 1000}.{abs(milli) % 1000:03d}"


def random_spec(r: random.Random) -> tuple[hpa.Autoscaler, dict[str, str]]:
    behavior, written = random_behavior(r)
    metrics = tuple(
        hpa.Metric(r.choice([100, 300, 700, 1000, 2500, 7000, 25000, 33333]), r.random() < 0.6)
        for _ in range(r.choice([1, 1, 1, 2, 3]))
    )
    minimum = r.choice([1, 1, 2, 3, 5])
    maximum = minimum + r.choice([0, 3, 10, 30, 100, 1000])
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


def random_value(r: random.Random, metric: hpa.Metric, level: float, current: int) -> int | None:
    """Around `level` replicas' worth; often exactly at the edge of the tolerance, or lost."""
    dice = r.random()
    if dice < 0.05:
        return None
    if dice < 0.07:
        return r.choice([0, -1000, -1])
    factor = level if metric.average else level / 10
    if dice < 0.3:
        edge = r.choice([0.9, 1.0, 1.1, 0.95, 1.05, 0.8, 1.2, 0.5, 1.5, 0.75, 1.25])
        factor = edge * (current if metric.average else 1)
    return round(metric.target_milli * factor * r.choice([1, 1, 1, 1.01, 0.99]))


def random_trace(seed: int) -> Trace:
    r = random.Random(seed)
    spec, annotations = random_spec(r)
    now = 1_700_000_000_000 + r.randrange(10**6)
    replicas = r.randint(1, spec.maximum + 2)
    level = float(r.randint(1, 40))
    steady = r.random() < 0.6
    ticks = []
    for _ in range(STEPS):
        if r.random() < 0.15:
            level = max(0.0, level * r.choice([0.1, 0.5, 0.9, 1.1, 2, 10]) + r.choice([-1, 0, 1]))
            level = min(level, 3000.0)
        now += 15000 if steady else r.choice([1000, 5000, 14999, 15000, 15001, 17000, 30000])
        override = r.randint(1, spec.maximum + 5) if r.random() < 0.01 else None
        guess = r.randint(1, max(1, min(50, spec.maximum)))
        values = [random_value(r, m, level, guess) for m in spec.metrics]
        ready_share = r.choice([1.0, 1.0, 1.0, 0.5, 0.9, 0.0])
        ticks.append(Tick(now, ready_share, override, values))
    return Trace(seed, spec, annotations, replicas, ticks)


def expected(trace: Trace) -> tuple[list[int], list[str]]:
    """What the HPA makes of it, and the lines that drive ours through the same.

    Readings never depend on ours: ready pods follow the HPA's own count. An override that restores
    the count of before a step is left out: nobody who sees counts alone can tell it from a write
    that failed.
    """
    state = hpa.State()
    current = before = trace.replicas
    counts, lines = [], []
    for tick in trace.ticks:
        line: dict[str, object] = {"t": tick.ms}
        if tick.override is not None and tick.override != before:
            current = line["replicas"] = tick.override
        line["ready"] = ready = int(current * tick.ready_share)
        line["readings"] = {
            f"m{i}": None if value is None else value / 1000
            for i, value in enumerate(tick.values_milli)
        }
        lines.append(json.dumps(line))
        before = current
        current = hpa.reconcile(trace.spec, state, current, ready, tick.values_milli, tick.ms)
        counts.append(current)
    return counts, lines


def program() -> Path:
    path = Path(os.environ.get("BUILD_DIR", ROOT / "build" / "dev")) / "bin/kubectl-ampscale"
    if not path.exists():
        pytest.fail(f"{path} is not there: ./run build dev")
    return path


def simulate(manifest: Path, trace: Trace, lines: list[str]) -> list[dict[str, object]]:
    """What ours decides at each line."""
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "app", "annotations": trace.annotations},
        "spec": {"replicas": trace.replicas},
    }
    manifest.write_text(json.dumps(deployment))
    done = subprocess.run(
        [program(), "simulate", "-f", manifest],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"SEED={trace.seed} TRACES=1: {done.stderr}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(directory: Path, seed: int) -> str | None:
    """None, or where ours and the HPA part, with what led there."""
    trace = random_trace(seed)
    counts, lines = expected(trace)
    ours = simulate(directory / f"{seed}.json", trace, lines)
    assert len(ours) == len(counts)
    for step, (mine, theirs) in enumerate(zip(ours, counts, strict=True)):
        if mine["replicas"] != theirs:
            shown = [json.dumps(trace.annotations), *lines[max(0, step - 20) : step + 1]]
            return "\n".join(
                [f"SEED={seed} TRACES=1: tick {step}: {mine}, the HPA says {theirs}", *shown]
            )
    return None


def test_agrees_with_the_hpa(tmp_path: Path) -> None:
    seeds = range(FIRST_SEED, FIRST_SEED + TRACES)
    with ThreadPoolExecutor(2) as pool:
        found = [text for text in pool.map(lambda seed: compare(tmp_path, seed), seeds) if text]
    assert not found, f"{len(found)} of {TRACES} traces differ, the first:\n{found[0]}"
