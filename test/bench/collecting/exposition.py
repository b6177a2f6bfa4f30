"""The target's body: one counter, gauge, histogram and summary after the other, all of them moving.

The mix is that of ADOT's own load generator (aws-otel-test-framework, sample-apps/prometheus): of N
each counters, gauges, histograms of six series and summaries of five: 13·N series. Every metric is
a family of its own with HELP and TYPE, and bears the same three labels.
"""

from __future__ import annotations

import random

SERIES_EACH = 13
PREFIX = "load_"  # of all names, to tell the target's samples from an agent's own
BOUNDS = ("0.1", "0.5", "1", "+Inf")
QUANTILES = ("0.5", "0.9", "0.99")
SEED = 20260824


class Exposition:
    """Bodies for N metrics of each kind; each render is another step of the same counters."""

    def __init__(self, count: int) -> None:
        self._random = random.Random(SEED)
        self._counters = [0] * count
        self._observed = [[0] * len(BOUNDS) for _ in range(count)]
        self._sums = [0.0] * count
        self._labels = [
            f'region="eu-west-1",shard="{i % 16}",datapoint_id="{i}"' for i in range(count)
        ]

    @property
    def series(self) -> int:
        return SERIES_EACH * len(self._counters)

    def render(self) -> bytes:
        lines: list[str] = []
        for i, labels in enumerate(self._labels):
            self._step(i)
            self._counter(lines, i, labels)
            self._gauge(lines, i, labels)
            self._histogram(lines, i, labels)
            self._summary(lines, i, labels)
        lines.append("")
        return "\n".join(lines).encode()

    def _step(self, i: int) -> None:
        draw = self._random.random()
        self._counters[i] += 1 + int(draw * 40)
        self._sums[i] += draw
        for place in range(int(draw * len(BOUNDS)), len(BOUNDS)):
            self._observed[i][place] += 3 + i % 5

    def _head(self, lines: list[str], name: str, kind: str) -> None:
        lines.append(f"# HELP {name} Made up by the load of the benchmark, a {kind}")
        lines.append(f"# TYPE {name} {kind}")

    def _counter(self, lines: list[str], i: int, labels: str) -> None:
        name = f"{PREFIX}counter_{i}_total"
        self._head(lines, name, "counter")
        lines.append(f"{name}{{{labels}}} {self._counters[i]}")

    def _gauge(self, lines: list[str], i: int, labels: str) -> None:
        name = f"{PREFIX}gauge_{i}"
        self._head(lines, name, "gauge")
        lines.append(f"{name}{{{labels}}} {self._random.random() * 1000}")

    def _histogram(self, lines: list[str], i: int, labels: str) -> None:
        name, observed = f"{PREFIX}histogram_{i}", self._observed[i]
        self._head(lines, name, "histogram")
        for bound, count in zip(BOUNDS, observed, strict=True):
            lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {count}')
        lines.append(f"{name}_sum{{{labels}}} {self._sums[i]}")
        lines.append(f"{name}_count{{{labels}}} {observed[-1]}")

    def _summary(self, lines: list[str], i: int, labels: str) -> None:
        name = f"{PREFIX}summary_{i}"
        self._head(lines, name, "summary")
        for quantile in QUANTILES:
            lines.append(f'{name}{{{labels},quantile="{quantile}"}} {self._random.random()}')
        lines.append(f"{name}_sum{{{labels}}} {self._sums[i]}")
        lines.append(f"{name}_count{{{labels}}} {self._counters[i]}")
