"""One load: all agents side by side, each with a world of its own, and what they used meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from collecting.agents import Agent, Failed, Kind, Place

HERE = Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_S = 1.0  # between two looks at the memory
FIRST_SCRAPES = 2  # before the warm-up counts
CPUCLOCK_SCHED = 2  # of a process: linux include/linux/posix-timers.h, in the clock id's low bits


@dataclass(frozen=True)
class Rules:
    interval_s: int
    warm_s: int
    window_s: int
    zipped: bool
    certificate: Path | None  # the receiver's; None: plain HTTP
    key: Path | None
    authorities: Path | None


@dataclass
class Used:
    """What one agent used and did in the window."""

    kind: Kind
    seconds: float = 0
    cpu_s: float = 0
    start_cpu_s: float = 0  # until the window, starting included
    rss_kib: list[int] = field(default_factory=list)
    anonymous_kib: list[int] = field(default_factory=list)
    peak_kib: int = 0  # since its start
    pss_kib: int = 0  # at the end
    did: dict[str, int] = field(default_factory=dict)  # of its world

    @property
    def cpu_percent(self) -> float:
        return 100 * self.cpu_s / self.seconds

    @property
    def rss_mib(self) -> float:
        return statistics.fmean(self.rss_kib) / 1024

    @property
    def anonymous_mib(self) -> float:
        return statistics.fmean(self.anonymous_kib) / 1024


@dataclass
class Load:
    """One load's outcome."""

    series: int
    used: list[Used]
    busy_percent: float  # of all cores, by everybody on the machine
    failed: dict[str, str]  # by the kind's name


def cpu_seconds(pid: int) -> float:
    """Of the process, threads that ended included, to the nanosecond."""
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


def fields(path: str) -> dict[str, int]:
    """The sizes in KiB of a file of /proc."""
    found = {}
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if value.endswith("kB"):
            found[name] = int(value.split()[0])
    return found


def machine_busy() -> tuple[float, float]:
    """Seconds of all cores that were not idle, and all seconds, since boot."""
    ticks = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / TICKS, sum(ticks) / TICKS


class World:
    def __init__(self, metrics: int, rules: Rules) -> None:
        command = [sys.executable, "-m", "collecting.world", f"--metrics={metrics}"]
        command.append(f"--interval={rules.interval_s}")
        if rules.zipped:
            command.append("--gzip")
        if rules.certificate:
            command += [f"--certificate={rules.certificate}", f"--key={rules.key}"]
        self._process = subprocess.Popen(
            command,
            env=os.environ | {"PYTHONPATH": str(HERE.parent)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Failed("the target's process did not start")
        ports = json.loads(line)
        self.target, self.sink = int(ports["target"]), int(ports["sink"])

    def ask(self, path: str, post: bool = False) -> dict[str, int]:
        url = f"http://127.0.0.1:{self.target}{path}"
        request = urllib.request.Request(url, method="POST" if post else "GET")
        with urllib.request.urlopen(request, timeout=300) as answer:
            body = answer.read()
        return dict(json.loads(body)) if body else {}

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


@dataclass
class Pair:
    agent: Agent
    world: World
    used: Used


def begin(
    kind: Kind, program: Path, metrics: int, rules: Rules, folder: Path, stack: contextlib.ExitStack
) -> Pair:
    world = World(metrics, rules)
    stack.callback(world.stop)
    folder.mkdir(parents=True)
    place = Place(folder, world.target, world.sink, rules.interval_s, rules.authorities)
    agent = Agent(kind, program, place)
    stack.callback(agent.stop)
    return Pair(agent, world, Used(kind))


def wait_until(check: Callable[[], bool], limit_s: float, what: str) -> None:
    deadline = time.monotonic() + limit_s
    while not check():
        if time.monotonic() > deadline:
            raise Failed(f"not within {limit_s:.0f} s: {what}")
        time.sleep(0.5)


def serving(pair: Pair) -> bool:
    pair.agent.check()
    seen = pair.world.ask("/seen")
    return seen["scrapes"] >= FIRST_SCRAPES and seen["requests"] > 0


def at_work(pairs: list[Pair], rules: Rules) -> tuple[list[Pair], dict[str, str]]:
    """Those that scrape and write, and why the others do not."""
    good, failed = [], {}
    for pair in pairs:
        name = pair.agent.kind.title
        try:
            limit_s = 60 + 4 * rules.interval_s
            wait_until(lambda p=pair: serving(p), limit_s, f"{name} scrapes and writes")
            good.append(pair)
        except Failed as error:
            failed[pair.agent.kind.name] = str(error)
    return good, failed


def moments(seconds: float) -> Iterator[None]:
    """One every SAMPLE_S until the seconds are over."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        yield
        time.sleep(min(SAMPLE_S, left))


def window(pairs: list[Pair], seconds: float) -> None:
    since = {}
    for pair in pairs:
        pair.world.ask("/mark", post=True)
        since[pair.agent.pid] = (time.monotonic(), cpu_seconds(pair.agent.pid))
    for _ in moments(seconds):
        for pair in pairs:
            memory = fields(f"/proc/{pair.agent.pid}/status")
            pair.used.rss_kib.append(memory["VmRSS"])
            pair.used.anonymous_kib.append(memory["RssAnon"])
    for pair in pairs:
        pair.agent.check()
        begun, cpu_s = since[pair.agent.pid]
        pair.used.seconds = time.monotonic() - begun
        pair.used.cpu_s = cpu_seconds(pair.agent.pid) - cpu_s
        pair.used.start_cpu_s = cpu_s
        pair.used.peak_kib = fields(f"/proc/{pair.agent.pid}/status")["VmHWM"]
        pair.used.pss_kib = fields(f"/proc/{pair.agent.pid}/smaps_rollup")["Pss"]
    for pair in pairs:
        pair.used.did = pair.world.ask("/stats")


def load(
    programs: list[tuple[Kind, Path]],
    metrics: int,
    series: int,
    rules: Rules,
    folder: Path,
    say: Callable[[str], None],
) -> Load:
    with contextlib.ExitStack() as stack:
        begun = time.monotonic()
        pairs = [
            begin(kind, program, metrics, rules, folder / kind.name, stack)
            for kind, program in programs
        ]
        good, failed = at_work(pairs, rules)
        for name, why in failed.items():
            say(f"{name} does not work: {why}")
        warm_s = max(0.0, rules.warm_s - (time.monotonic() - begun))
        say(f"{series} series: warming up {warm_s:.0f} s, then measuring {rules.window_s} s")
        time.sleep(warm_s)
        busy = machine_busy()
        window(good, rules.window_s)
        spent, all_ = (b - a for a, b in zip(busy, machine_busy(), strict=True))
        return Load(series, [pair.used for pair in good], 100 * spent / all_, failed)
