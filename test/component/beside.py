"""The collector beside Prometheus: both scrape one target whose values step at known times, one
Prometheus stores what the collector sent, another what it scraped itself, and between steps the two
must hold the same series, labels and values, and miss the same ones.

    python3 test/component/beside.py [--seconds S] [--interval S]      (default: 600 and 5)

runs it for that long with $BUILD_DIR/bin/ampscale-collector, prints what differed, exits 1 then.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from badserver import Peer, Request
from collector_stage import OPENMETRICS, TEXT, Collector, Target
from waiting import die_with_parent, until

Vector = dict[tuple[tuple[str, str], ...], str]
# A step in intervals; both have scraped it, and stored that, when SETTLED of it are over.
STEP, SETTLED, MARGIN = 5.0, 2.2, 0.4
TIMED_ANEW = "scrape_duration_seconds"  # each has its own

CONFIG = """global:
  scrape_interval: {interval}s
  scrape_timeout: {interval}s
scrape_configs: {jobs}
"""
JOB = '[{{"job_name": "test", "static_configs": [{{"targets": ["{target}"]}}]}}]'


class Prometheus:
    """One of them, with data of its own."""

    def __init__(self, directory: Path, interval_s: float, target: str | None) -> None:
        program = shutil.which("prometheus")
        assert program, "prometheus is not installed: scripts/setup.sh check"
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{one.getsockname()[1]}"
        directory.mkdir()
        config = directory / "prometheus.yml"
        jobs = JOB.format(target=target) if target else "[]"
        config.write_text(CONFIG.format(interval=int(interval_s), jobs=jobs))
        with (directory / "log").open("w") as log:
            self.process = subprocess.Popen(
                [
                    program,
                    f"--config.file={config}",
                    f"--storage.tsdb.path={directory / 'data'}",
                    f"--web.listen-address={self.address}",
                    "--web.enable-remote-write-receiver",
                    "--log.level=warn",
                ],
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )
        until("Prometheus to be ready", self.ready, 60)

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def at(self, time_s: float) -> Vector:
        """What an evaluation at that time sees of the job."""
        query = urllib.parse.urlencode({"query": '{job="test"}', "time": f"{time_s:.3f}"})
        url = f"http://{self.address}/api/v1/query?{query}"
        with urllib.request.urlopen(url, timeout=20) as answer:
            rows = json.load(answer)["data"]["result"]
        return {tuple(sorted(row["metric"].items())): row["value"][1] for row in rows}

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def exposition(step: int, kind: str) -> str:
    """Values of this step; what vanishes and comes back does so by its number."""
    lines = [
        "# HELP steps_total Steps so far.",
        "# TYPE steps_total counter",
        f"steps_total {step % 7}",  # it resets, as a counter does
        "# TYPE temperature gauge",
        f'temperature{{room="a",odd=""}} {20 + step / 3}',
        f'temperature{{room="b",job="own",instance="own"}} -{step}e-3',
        f'quoted{{path="C:\\\\dir\\n\\"x\\"",name="Grüße"}} {step}',
        f"not_a_number {'NaN' if step % 2 else '+Inf'}",
        "# TYPE latency histogram",
        f'latency_bucket{{le="0.1"}} {step}',
        f'latency_bucket{{le="1"}} {2 * step}',
        f'latency_bucket{{le="+Inf"}} {3 * step}',
        f"latency_sum {step * 1.5}",
        f"latency_count {3 * step}",
        "# TYPE size summary",
        f'size{{quantile="0.5"}} {step}',
        f"size_sum {step}",
        f"size_count {step}",
    ]
    if step % 3 != 2:
        lines.append(f'comes_and_goes{{step="{step % 3}"}} {step}')
    if kind == OPENMETRICS:
        lines = [line for line in lines if not line.startswith("# HELP")]
        return "\n".join(lines) + "\n# EOF\n"
    return "\n".join(lines) + "\n"


@dataclass
class SteppingTarget:
    """The target's life: `turn` begins the next step."""

    target: Target = field(default_factory=Target)
    step: int = -1
    listening: bool = True

    def answer(self, peer: Peer, _: Request) -> None:
        fault = self.step % 10
        kind = OPENMETRICS if self.step % 4 == 1 else TEXT
        if fault == 4:
            peer.answer(500, b"no\n", TEXT)
        elif fault == 8:
            # Its first line: series before a broken line are not marked stale by Prometheus 2.42,
            # whose cache has seen them in the failed scrape (scrape/scrape.go, scrapeLoop.append).
            peer.answer(200, "broken{ 1\n" + exposition(self.step, TEXT), TEXT)
        else:
            peer.answer(200, exposition(self.step, kind), kind)

    def turn(self) -> None:
        """In the sixth of ten steps nobody listens: the app restarts."""
        self.step += 1
        self.target.answer = self.answer
        if self.step % 10 == 6:
            self.target.close()
            self.listening = False
        elif not self.listening:
            self.target.restart()
            self.listening = True


def scrapes_by(target: Target, program: str) -> int:
    agents = [request.header("user-agent") or "" for request in list(target.requests)]
    return sum(one.startswith(program) for one in agents)


@dataclass
class Comparison:
    evaluations: int = 0
    series: set[tuple[tuple[str, str], ...]] = field(default_factory=set)
    vanished: int = 0  # evaluations at which a series that was there is not
    differences: list[str] = field(default_factory=list)


def same(ours: str, theirs: str) -> bool:
    a, b = float(ours), float(theirs)
    return a == b or (math.isnan(a) and math.isnan(b))


def compare(time_s: float, step: int, ours: Vector, theirs: Vector, into: Comparison) -> None:
    into.evaluations += 1
    into.vanished += len(into.series - set(theirs))
    into.series |= set(theirs)
    for labels in set(ours) ^ set(theirs):
        who = "ours" if labels in ours else "Prometheus"
        into.differences.append(f"step {step} at {time_s:.1f}: only {who} has {dict(labels)}")
    for labels in set(ours) & set(theirs):
        timed = ("__name__", TIMED_ANEW) in labels
        if not timed and not same(ours[labels], theirs[labels]):
            into.differences.append(
                f"step {step} at {time_s:.1f}: {dict(labels)} is {ours[labels]}, "
                f"in Prometheus {theirs[labels]}"
            )


def live(stepping: SteppingTarget, steps: int, interval_s: float) -> list[float]:
    """Let the steps pass; when each began (Unix)."""
    begun = []
    for _ in range(steps):
        stepping.turn()
        begun.append(time.time())
        end = time.monotonic() + STEP * interval_s
        while time.monotonic() < end:
            time.sleep(0.02)
    begun.append(time.time())
    return begun


def evaluations(begun: list[float], interval_s: float) -> list[tuple[int, float]]:
    """Each half interval, while a step is settled."""
    found = []
    for step, (begin, end) in enumerate(itertools.pairwise(begun)):
        at = begin + SETTLED * interval_s
        while at < end - MARGIN * interval_s:
            found.append((step, at))
            at += interval_s / 2
    return found


def run(directory: Path, seconds: float, interval_s: float) -> Comparison:
    steps = max(10, round(seconds / (STEP * interval_s)))
    stepping = SteppingTarget()
    stepping.step = 0  # what is exposed before the first step
    stepping.target.answer = stepping.answer
    stored = Prometheus(directory / "stored", interval_s, None)
    direct = Prometheus(directory / "direct", interval_s, stepping.target.instance)
    collector = Collector(
        directory,
        f"--target={stepping.target.url}",
        f"--endpoint=http://{stored.address}",
        f"--interval={interval_s:g}s",
        "--label=job=test",
        "--own-metrics=false",
    )
    found = Comparison()
    programs = ("Prometheus/", "ampscale-collector/")
    try:
        until(
            "scrapes of both",
            lambda: min(scrapes_by(stepping.target, one) for one in programs) >= 2,
            60,
        )
        begun = live(stepping, steps, interval_s)
        collector.close()
        for step, at in evaluations(begun, interval_s):
            compare(at, step + 1, stored.at(at), direct.at(at), found)
    finally:
        collector.process.kill()
        collector.process.wait()
        stored.close()
        direct.close()
        stepping.target.server.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--interval", type=float, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ampscale-beside-") as directory:
        found = run(Path(directory), arguments.seconds, arguments.interval)
    print(*found.differences, sep="\n")
    print(
        f"{found.evaluations} evaluations of {len(found.series)} series, "
        f"{found.vanished} times one had vanished: {len(found.differences)} differences"
    )
    return 1 if found.differences or not found.evaluations else 0


if __name__ == "__main__":
    sys.exit(main())
