"""What is measured of one peer: a steady window, and how soon it reacts."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from scaling import processes
from scaling.backend import Backend
from scaling.kube import Api, Watch, wait_until
from scaling.processes import Process, Use
from scaling.workloads import DEPLOYMENTS, Workload

CONTROL_PLANE = ("kube-controller-manager", "kube-apiserver", "etcd")
FEW = 4.0  # replicas asked for: what the HPA grants in one step from 1
MANY = 100.0  # and for the last one, what takes it several


class Peer(Protocol):
    title: str
    processes: dict[str, Process]

    def register(self, all_: list[Workload]) -> None: ...

    def check(self) -> None:
        """Raises Failed when a process of it has ended."""
        ...

    def settled(self, count: int) -> bool:
        """Whether it says itself that it serves so many."""
        ...

    def lateness(self) -> Callable[[], float | None]:
        """Starts to observe; the call ends it: the p99 since, of those that tell."""
        ...


@dataclass
class Window:
    """What was used and asked while nothing changed."""

    seconds: float
    cpu: dict[str, float]  # percent of a core, by process
    use: dict[str, Use]  # at the end
    queries: list[int]  # of each workload
    busy: float  # percent of all cores, by everybody on this machine
    load: float
    lateness_s: float | None

    def total_cpu(self, names: list[str]) -> float:
        return sum(self.cpu[name] for name in names)

    def total_mib(self, names: list[str], of: Callable[[Use], int]) -> float:
        return sum(of(self.use[name]) for name in names) / 1024


def window(peer: Peer, backend: Backend, all_: list[Workload], seconds: float) -> Window:
    own = peer.processes
    pids = {name: process.pid for name, process in own.items()}
    pids |= {name: processes.find(name) for name in CONTROL_PLANE}
    lateness = peer.lateness()
    busy = processes.machine_busy()
    since = time.time()
    before = {name: processes.look(pid) for name, pid in pids.items()}
    time.sleep(seconds)
    after = {name: processes.look(pid) for name, pid in pids.items()}
    until = time.time()
    for process in own.values():
        process.check()
    busy_s, all_s = (b - a for a, b in zip(busy, processes.machine_busy(), strict=True))
    asked = backend.count(since, until)
    return Window(
        seconds=until - since,
        cpu={name: processes.cpu_percent(before[name], after[name]) for name in pids},
        use=after,
        queries=[asked[w.query] for w in all_],
        busy=100 * busy_s / all_s,
        load=os.getloadavg()[0],
        lateness_s=lateness(),
    )


@dataclass
class Reaction:
    """One workload whose metric changed; seconds from when a query could see it."""

    target: int
    first_s: float | None = None  # until spec.replicas changed
    last_s: float | None = None  # until it was what the metric asks for
    poll_s: float | None = None  # from the answer to the first query until spec.replicas changed


@dataclass
class _Seen:
    """spec.replicas as a watch reports it."""

    changes: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, kind: str, thing: dict, at: float) -> None:
        name, replicas = thing["metadata"]["name"], thing["spec"]["replicas"]
        with self.lock:
            known = self.changes.setdefault(name, [])
            if not known or known[-1][1] != replicas:
                known.append((at, replicas))

    def of(self, name: str) -> list[tuple[float, int]]:
        with self.lock:
            return list(self.changes.get(name, []))


def levels(all_: list[Workload], up: bool) -> dict[str, float]:
    reacting = [w.name for w in all_ if w.reacts]
    found = dict.fromkeys(reacting, FEW if up else 1.0)
    if up:
        found[reacting[-1]] = MANY
    return found


def react(api: Api, backend: Backend, all_: list[Workload], limit_s: float) -> list[Reaction]:
    wanted = levels(all_, up=True)
    seen = _Seen()
    watch = Watch(f"{DEPLOYMENTS}?labelSelector=reacts%3Dtrue", seen)
    wait_until(lambda: len(seen.changes) == len(wanted), 30, "the watch shows all that react")
    since = backend.set_levels(wanted)

    def done() -> bool:
        return all(seen.of(name)[-1][1] == target for name, target in wanted.items())

    try:
        wait_until(done, limit_s, "all are scaled")
    except TimeoutError:
        pass  # told by what is missing in the result
    finally:
        watch.close()
    found = []
    for w in all_:
        if w.reacts:
            found.append(_reaction(backend, w, since, int(wanted[w.name]), seen.of(w.name)))
    return found


def _reaction(
    backend: Backend, w: Workload, since: float, target: int, seen: list[tuple[float, int]]
) -> Reaction:
    changes = [(at, n) for at, n in seen if n > 1]
    if not changes:
        return Reaction(target)
    first = changes[0][0]
    asked = backend.first_after(w.query, since)
    reached = next((at - since for at, n in changes if n == target), None)
    poll_s = None if asked is None or asked > first else first - asked
    return Reaction(target, first - since, reached, poll_s)


def median(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return statistics.median(known) if known else None
