#!/usr/bin/env python3
"""The load of the demo "app" and its chart: traffic, the metric, and replicas that follow it.

    demo_chart.py --state DIR --namespace NS await QUERY
    demo_chart.py --state DIR --namespace NS follow QUERY CALLS EVERY_S PEAK NAME=REST...

await waits until the query yields a series. follow calls downstream from frontend's pod by kubectl
exec, CALLS times, one each EVERY_S seconds, and goes on until each Deployment was at PEAK replicas
and then at its REST; exit 1 when a call fails, one goes beyond PEAK, or it takes too long. On a
terminal the chart moves; else there is a line at each change and each half minute. It runs on the
node.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "test/cluster"))
from amp.client import Client

BARS = " ▁▂▃▄▅▆▇█"
LABEL_COLUMNS = 26
VALUE_COLUMNS = 30
SAMPLE_S = 1.0
LINE_S = 30
AWAIT_S = 120
AFTER_S = 900  # from the last call: the cooldown is 300, the way down as long


class Traffic(threading.Thread):
    """The calls, in a thread of their own."""

    def __init__(self, namespace: str, calls: int, every_s: float) -> None:
        super().__init__(daemon=True)
        self.command = ["kubectl", "-n", namespace, "exec", "deployment/frontend", "-c", "ho11y"]
        self.command += ["--", "curl", "-sS", "--fail", "http://downstream"]
        self.calls = calls
        self.every_s = every_s
        self.made: list[float] = []  # when each ended
        self.failure = ""
        self.ending = threading.Event()

    def run(self) -> None:
        due = time.monotonic()
        for _ in range(self.calls):
            done = subprocess.run(self.command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                self.failure = done.stderr.strip()
                return
            self.made.append(time.monotonic())
            due += self.every_s
            if self.ending.wait(max(0.0, due - time.monotonic())):
                return

    def rate(self) -> float:
        """Calls a second over the last ten."""
        since = time.monotonic() - 10
        return sum(t > since for t in self.made[-100:]) / 10


@dataclass
class Row:
    """One line of the chart: a value each second, the largest of each column shown."""

    label: str
    top: float  # value of a full bar
    values: list[float] = field(default_factory=list)

    def line(self, width: int, seconds: int) -> str:
        step = -(-max(seconds, width) // width)
        columns = [self.values[i : i + step] for i in range(0, len(self.values), step)]
        cells = [BARS[min(8, round(max(c) / self.top * 8))] for c in columns[-width:]]
        return f"{self.label[:LABEL_COLUMNS]:{LABEL_COLUMNS}} {''.join(cells):{width}}"


class Chart:
    """Draws the rows in place on a terminal, and tells of changes elsewhere."""

    def __init__(self, rows: list[Row], seconds: int) -> None:
        self.rows = rows
        self.seconds = seconds
        self.moves = sys.stdout.isatty()
        self.drawn = False
        self.last: tuple[str, float] = ("", 0.0)

    def show(self, texts: list[str], changing: str) -> None:
        """A text for each row. changing: what makes a new line where the chart does not move."""
        if self.moves:
            width = max(10, shutil.get_terminal_size().columns - LABEL_COLUMNS - VALUE_COLUMNS)
            up = f"\x1b[{len(self.rows)}A" if self.drawn else ""
            lines = [
                f"{row.line(width, self.seconds)} {text:.{VALUE_COLUMNS - 3}}\x1b[K\n"
                for row, text in zip(self.rows, texts, strict=True)
            ]
            print(up + "".join(lines), end="", flush=True)
            self.drawn = True
        elif changing != self.last[0] or time.monotonic() - self.last[1] > LINE_S:
            self.last = (changing, time.monotonic())
            named = [f"{r.label} {t}" for r, t in zip(self.rows, texts, strict=True)]
            print("  ".join(named), flush=True)


@dataclass
class Deployment:
    """One that is followed: to the peak, and back to rest."""

    name: str
    rest: int
    replicas: int = 0
    ready: int = 0
    peaked_s: float | None = None
    rested_s: float | None = None

    def take(self, item: dict, peak: int, now_s: float) -> None:
        self.replicas = item["spec"]["replicas"]
        self.ready = item["status"].get("readyReplicas", 0)
        if self.replicas == peak and self.peaked_s is None:
            self.peaked_s = now_s
        if self.peaked_s is not None and self.replicas == self.rest and self.rested_s is None:
            self.rested_s = now_s


class Follower:
    """All of it: what is asked, what is drawn, and when it is over."""

    def __init__(self, options: argparse.Namespace, value: Callable[[str], float | None]) -> None:
        self.options = options
        self.value = value
        given = (word.partition("=") for word in options.deployments)
        self.deployments = [Deployment(name, int(rest)) for name, _, rest in given]
        self.traffic = Traffic(options.namespace, options.calls, options.every_s)
        self.limit_s = options.calls * options.every_s + AFTER_S
        self.started = time.monotonic()
        tops = [Row("calls a second", 1.5), Row(options.query, 1.5)]
        rows = [*tops, *(Row(f"replicas of {d.name}", options.peak) for d in self.deployments)]
        self.chart = Chart(rows, int(self.limit_s - AFTER_S / 2))

    def run(self) -> str:
        """Follow to the end; what went wrong, or ""."""
        self.traffic.start()
        try:
            while True:
                now_s = time.monotonic() - self.started
                self.sample(now_s)
                if all(d.rested_s for d in self.deployments) and not self.traffic.is_alive():
                    return self.traffic.failure
                beyond = [d.name for d in self.deployments if d.replicas > self.options.peak]
                if beyond or self.traffic.failure or now_s > self.limit_s:
                    return self.traffic.failure or f"beyond the peak: {beyond}, or out of time"
                self.traffic.ending.wait(SAMPLE_S)
        finally:
            self.traffic.ending.set()

    def sample(self, now_s: float) -> None:
        names = [d.name for d in self.deployments]
        command = ["kubectl", "-n", self.options.namespace, "get", "deployments", *names]
        done = subprocess.run([*command, "-o", "json"], capture_output=True, text=True, check=True)
        answer = json.loads(done.stdout)
        for one, item in zip(self.deployments, answer.get("items", [answer]), strict=True):
            one.take(item, self.options.peak, now_s)
        load, metric = self.traffic.rate(), self.value(self.options.query)
        values = [load, metric or 0.0, *(float(d.replicas) for d in self.deployments)]
        for row, value in zip(self.chart.rows, values, strict=True):
            row.values.append(value)
        clock = f"{int(now_s) // 60}:{int(now_s) % 60:02}"
        texts = [f"{load:.2f}  ({len(self.traffic.made)} of {self.traffic.calls}, {clock})"]
        texts += ["no series" if metric is None else f"{metric:.2f}"]
        texts += [f"{d.replicas} ({d.ready} ready)" for d in self.deployments]
        self.chart.show(texts, " ".join(texts[2:]))

    def summary(self) -> list[str]:
        return [
            f"{d.name}: {self.options.peak} after {d.peaked_s:.0f} s, {d.rest} after "
            f"{d.rested_s:.0f} s"
            for d in self.deployments
        ]


def asker(state: str) -> Callable[[str], float | None]:
    """value(QUERY): the first value, None if there is no series or no answer."""
    settings = json.loads((Path(state) / "settings.json").read_text())

    def value(query: str) -> float | None:
        client = Client(settings)
        try:
            text = client.value(query)
            return None if text is None else float(text)
        except (OSError, KeyError):
            return None
        finally:
            client.line.close()

    return value


def wait_for(value: Callable[[str], float | None], query: str) -> str:
    """Until the query yields a series; "" or what did not come."""
    deadline, pause = time.monotonic() + AWAIT_S, threading.Event()
    while value(query) is None:
        if time.monotonic() > deadline:
            return f"nothing within {AWAIT_S} s: {query}"
        pause.wait(SAMPLE_S)
    return ""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--state", required=True, help="the stand-in's folder")
    parser.add_argument("--namespace", required=True)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("await").add_argument("query")
    follow = verbs.add_parser("follow")
    follow.add_argument("query")
    follow.add_argument("calls", type=int)
    follow.add_argument("every_s", type=float)
    follow.add_argument("peak", type=int)
    follow.add_argument("deployments", nargs="+", metavar="NAME=REST")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    value = asker(options.state)
    if options.verb == "await":
        sys.exit(wait_for(value, options.query) or 0)
    follower = Follower(options, value)
    failure = follower.run()
    if failure:
        sys.exit(f"demo: {failure}")
    print("\n".join(follower.summary()))


if __name__ == "__main__":
    main()
