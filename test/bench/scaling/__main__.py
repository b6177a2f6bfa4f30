"""The part of test/bench/scaler that runs on the node: set up, measure one, then the other."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from pathlib import Path

from node import cache

from scaling import measure, report, workloads
from scaling.backend import Backend
from scaling.keda import Keda
from scaling.kube import Api, wait_until
from scaling.ours import Ours, buckets, quantile
from scaling.report import Result

STARTED = time.monotonic()
POLLS_SEEN = 2  # of each workload, before the window begins
OURS_REACT_S = 3.0  # intervals
KEDA_REACT_S = 180.0


def say(text: str) -> None:
    spent = int(time.monotonic() - STARTED)
    print(f"[{spent // 60:3d}:{spent % 60:02d}] {text}", flush=True)


class Bench:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.folder: Path = options.folder
        self.interval_s: int = options.interval
        self.all = workloads.workloads(options.workloads)
        self.api = Api()
        self.backend = Backend(self.folder)

    def prepare(self, stack: contextlib.ExitStack) -> None:
        say(f"making {len(self.all)} Deployments on a fake node")
        kwok = workloads.start_kwok(self.api, cache.optional("kwok").entry(), self.folder)
        stack.callback(kwok.stop)
        workloads.create(self.api, self.all)
        self.backend.wait_ready()
        self.backend.set_levels(measure.levels(self.all, up=False))
        workloads.wait_ready(self.api, len(self.all))

    def settle(self, peer: Ours | Keda, seconds: float) -> None:
        """Until it serves all and each was queried a few times; then all is as it stays."""
        since = time.time()

        def steady() -> bool:
            asked = self.backend.count(since)
            seen = all(asked[w.query] >= POLLS_SEEN for w in self.all)
            return seen and peer.settled(len(self.all))

        try:
            wait_until(steady, seconds, "all are being served")
        except TimeoutError:
            asked = self.backend.count(since)
            late = sum(asked[w.query] < POLLS_SEEN for w in self.all)
            say(f"after {seconds:.0f} s it does not serve all: {late} were hardly queried")

    def both_measures(self, peer: Ours | Keda, react_s: float) -> Result:
        say(f"{peer.title}: measuring {self.options.seconds} s")
        window = measure.window(peer.processes, self.backend, self.all, float(self.options.seconds))
        say(f"{peer.title}: changing metrics")
        reactions = measure.react(self.api, self.backend, self.all, react_s)
        return Result(peer.title, list(peer.processes), window, reactions)

    def ours(self) -> Result:
        peer = Ours(self.api, self.options.program, self.interval_s, self.folder)
        try:
            peer.wait_ready()
            say(f"{peer.title}: annotating")
            peer.register(self.all)
            self.settle(peer, 60 + 4 * self.interval_s)
            before = buckets(peer.metrics())
            result = self.both_measures(peer, OURS_REACT_S * self.interval_s)
            result.window.lateness_s = quantile(0.99, before, buckets(peer.metrics()))
        finally:
            peer.stop()
        peer.unregister(self.all)
        return result

    def between(self) -> None:
        """As it was before the first."""
        self.backend.set_levels(measure.levels(self.all, up=False))
        workloads.back_to_one(self.api, self.all)
        workloads.wait_ready(self.api, len(self.all))

    def keda(self) -> Result:
        peer = Keda(self.api, cache.optional("keda"), self.interval_s, self.folder)
        try:
            peer.start()
            say(f"{peer.title}: creating ScaledObjects")
            peer.register(self.all)
            self.settle(peer, 120 + len(self.all) * workloads.SECONDS_EACH)
            return self.both_measures(peer, KEDA_REACT_S)
        finally:
            peer.stop()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--workloads", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--interval", type=int, required=True)
    parser.add_argument("--without-keda", default="", metavar="WHY")
    return parser.parse_args()


def main() -> int:
    options = parse()
    bench = Bench(options)
    why = options.without_keda
    with contextlib.ExitStack() as stack:
        stack.callback(bench.backend.stop)
        bench.prepare(stack)
        results = [bench.ours()]
        if not why:
            try:
                bench.between()
                results.append(bench.keda())
            except Exception as error:
                why = f"it did not run: {type(error).__name__}: {error}"
    if len(results) == 2:
        report.print_ratios(results[0], results[1], options.interval)
    report.print_table(results, options.interval, options.workloads)
    report.print_machine()
    if why:
        print(f"\nnothing to compare with, KEDA is missing: {why}", file=sys.stderr)
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main())
