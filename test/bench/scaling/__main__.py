"""The part of test/bench/scaler that runs on the node: set up, measure one, then the other."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from pathlib import Path

import machine
from node import cache

from scaling import measure, report, workloads
from scaling.backend import Backend
from scaling.keda import Keda
from scaling.kube import Api, wait_until
from scaling.measure import Peer
from scaling.ours import Ours
from scaling.report import Result
from scaling.workloads import Rules

STARTED = time.monotonic()
POLLS_SEEN = 2  # of each workload, before the window begins
OURS_REACT_INTERVALS = 3
KEDA_REACT_S = 180.0
KEDA_SETTLE_S = 1.0  # each; its client's 20 requests a second are what takes long


def say(text: str) -> None:
    spent = int(time.monotonic() - STARTED)
    print(f"[{spent // 60:3d}:{spent % 60:02d}] {text}", flush=True)


class Bench:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.folder: Path = options.folder
        self.rules = Rules(options.interval, options.min_replicas)
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

    def serve(self, peer: Peer, seconds: float) -> float | None:
        """Hand it all workloads; the seconds until each was queried a few times and it says that
        it serves all: from then on all is as it stays. None when that takes too long."""
        since = time.time()
        say(f"{peer.title}: registering {len(self.all)} workloads")
        peer.register(self.all)

        def steady() -> bool:
            peer.check()
            asked = self.backend.count(since)
            seen = all(asked[w.query] >= POLLS_SEEN for w in self.all)
            return seen and peer.settled(len(self.all))

        try:
            wait_until(steady, seconds, "all are being served")
        except TimeoutError:
            asked = self.backend.count(since)
            late = sum(asked[w.query] < POLLS_SEEN for w in self.all)
            say(f"after {seconds:.0f} s it does not serve all: {late} were hardly queried")
            return None
        return time.time() - since

    def measure(self, peer: Peer, settle_s: float, react_s: float) -> Result:
        served_s = self.serve(peer, settle_s)
        say(f"{peer.title}: measuring {self.options.seconds} s")
        window = measure.window(peer, self.backend, self.all, float(self.options.seconds))
        say(f"{peer.title}: changing metrics")
        reactions = measure.react(self.api, self.backend, self.all, react_s)
        return Result(peer.title, list(peer.processes), served_s, window, reactions)

    def ours(self) -> Result:
        peer = Ours(self.api, self.options.program, self.rules, self.folder)
        try:
            peer.wait_ready()
            settle_s = 60 + 4 * self.rules.interval_s + len(self.all) * workloads.SECONDS_EACH
            result = self.measure(peer, settle_s, OURS_REACT_INTERVALS * self.rules.interval_s)
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
        module = cache.optional("keda")
        peer = Keda(self.api, module, self.rules, self.folder, self.options.keda_qps)
        try:
            peer.start()
            return self.measure(peer, 120 + len(self.all) * KEDA_SETTLE_S, KEDA_REACT_S)
        finally:
            peer.stop()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--workloads", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--interval", type=int, required=True)
    parser.add_argument("--min-replicas", type=int, required=True)
    parser.add_argument("--keda-qps", type=int, default=0)
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
    machine.print_machine()
    if why:
        print(f"\nnothing to compare with, KEDA is missing: {why}", file=sys.stderr)
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main())
