"""The stage scripts/e2e.sh built, as fixtures; and what to print when a test fails there.

All tests share one namespace, since a scaler serves one; each makes Deployments of its own names.
They run side by side, but for those that are marked `alone`, or whose fixtures are ALONE: what they
do to the API server, to Prometheus, to the webhook or to the scaler, everybody would notice. They
come after the others, one by one (scripts/e2e.sh).
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from amp.control import Amp, wait_until
from kube import SECONDS, Done, Kube, Workload, run
from loop import Loop
from sidecar import SIDECAR, App, Prom
from xdist.scheduler import LoadScopeScheduling

TREE = Path(__file__).resolve().parents[2]
RESTART = str(TREE / "test/cluster/restart")
API_SERVICE = ("10.96.0.1", 443)
PROXY_S = 180.0  # kube-proxy lists again after pauses that grow with each outage
SANITIZER = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:")
Make = Callable[[], Workload]
ALONE = {"api_server", "no_webhook", "prometheus", "publish", "two_scalers"}
# Files whose tests go to one worker, in this order: they follow the same loop, make the same
# endpoint fail, or share what a fixture took long to set up. Any other test goes to any.
TOGETHER = {
    "test_collector": "loop",
    "test_dashboard": "loop",
    "test_collector_loop": "loop",
    "test_collector_scales": "loop",
    "test_endpoint": "endpoint",
    "test_identity": "identity",
}
EARLY = (*TOGETHER, "test_clock")  # these take longest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "alone: everybody would notice, so nobody is to be there")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which may not run beside others, put first what takes longest, and last what goes without
    the webhook."""

    def fixtures_of(item: pytest.Item) -> set[str]:
        return set(getattr(item, "fixturenames", ()))

    def rank(item: pytest.Item) -> int:
        name = item.path.stem
        last = len(EARLY) + ("no_webhook" in fixtures_of(item))
        return EARLY.index(name) if name in EARLY else last

    for item in items:
        if ALONE & fixtures_of(item) or item.path.stem.startswith("soak_"):
            item.add_marker("alone")
    items.sort(key=rank)


class Scheduling(LoadScopeScheduling):
    """xdist's, by TOGETHER."""

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER.get(Path(nodeid.partition("::")[0]).stem, nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


def setting(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        pytest.exit(f"{name} is not set: run scripts/e2e.sh", 2)
    return value


@pytest.fixture(scope="session")
def kube() -> Kube:
    """kubectl in the namespace whose scaler runs."""
    return Kube(setting("AMPSCALE_NAMESPACE"))


@pytest.fixture(scope="session")
def system() -> Kube:
    """kubectl in the webhook's namespace."""
    return Kube("ampscale-system")


@pytest.fixture(scope="session")
def endpoint() -> str:
    """The URL the programs query."""
    return setting("AMPSCALE_ENDPOINT")


class OwnFaults(Amp):
    """The stand-in, and of its faults those alone that were set here."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.mine: list[int] = []

    def set_fault(self, mode: str, **fields: Any) -> int:
        self.mine.append(super().set_fault(mode, **fields))
        return self.mine[-1]

    def clear(self, ident: int | None = None) -> None:
        for one in self.mine if ident is None else [ident]:
            super().clear(one)


@pytest.fixture
def amp() -> Iterator[Amp]:
    """AMP's stand-in, after the test without its faults; what it counted is kept."""
    stand = OwnFaults.at(setting("AMPSCALE_AMP"))
    yield stand
    stand.clear()


@pytest.fixture
def workload(kube: Kube) -> Iterator[Make]:
    """workload(): a new name for a Deployment, deleted after the test."""
    made: list[Workload] = []

    def make() -> Workload:
        made.append(Workload(kube, f"t-{uuid.uuid4().hex[:8]}"))
        return made[-1]

    yield make
    names = [one.name for one in made]
    if names:
        kube("delete", "deployment", "--ignore-not-found", *names).accepted()


@pytest.fixture
def tagged() -> Callable[[str], str]:
    """tagged("vector(1)"): the same query with a text no other test's has, for faults and
    counting."""
    return lambda query: f"{query} # {uuid.uuid4().hex[:8]}"


@pytest.fixture
def metric(amp: Amp) -> Callable[[float], str]:
    """metric(3): write a series of this test's own; the query for it. Again to change its value."""
    labels = {"test": uuid.uuid4().hex[:8]}

    def write(value: float) -> str:
        amp.push("e2e_load", labels, value)
        return f'sum(e2e_load{{test="{labels["test"]}"}})'

    return write


class Load:
    """A series of its own, and the query for it."""

    def __init__(self, amp: Amp, value: Any) -> None:
        self.amp = amp
        self.labels = {"test": uuid.uuid4().hex[:8]}
        self.query = f'sum(e2e_load{{test="{self.labels["test"]}"}})'
        self.set(value)

    def set(self, value: Any) -> None:
        self.amp.push("e2e_load", self.labels, value)

    def polls(self, count: int, timeout_s: float = 60) -> None:
        """Until the query was asked so often from now on."""
        self.amp.wait_for(count, timeout_s, query=self.query, since_ms=now_ms())


@pytest.fixture
def load(amp: Amp) -> Callable[[Any], Load]:
    """load(3): a new series of that value."""
    return lambda value: Load(amp, value)


def stays(load: Load, *workloads: Workload, polls: int = 3) -> None:
    """While load's query is asked so often, nobody sets another count for any of them."""
    before = [(one.replicas(), one.generation()) for one in workloads]
    load.polls(polls)
    assert [(one.replicas(), one.generation()) for one in workloads] == before


@pytest.fixture
def prometheus(amp: Amp) -> Iterator[Callable[[str], None]]:
    """prometheus("down"), prometheus("up"): the one behind the proxy. Up again after the test."""

    def command(verb: str) -> None:
        launcher = str(TREE / "test/cluster/amp" / verb)
        run(launcher, "--state", setting("AMPSCALE_AMP"), "--only", "prometheus").accepted()

    yield command
    command("up")


def service_answers() -> bool:
    """Whether kube-proxy leads to the API server: no pod is served before that."""
    with contextlib.suppress(OSError), socket.create_connection(API_SERVICE, 1):
        return True
    return False


@pytest.fixture
def api_server(kube: Kube) -> Iterator[Callable[..., None]]:
    """api_server("--stop"), api_server("--start"), api_server(): restart. Serves after the test."""
    stopped = threading.Event()

    def command(*words: str) -> None:
        run(RESTART, *words, "kube-apiserver", timeout_s=180).accepted()
        (stopped.set if "--stop" in words else stopped.clear)()
        if not stopped.is_set():
            wait_until(service_answers, PROXY_S, "the API server answers at its Service")

    yield command
    if stopped.is_set():
        command("--start")
    wait_until(lambda: kube("get", "pods").code == 0, SECONDS, "the API server answers kubectl")


@pytest.fixture(scope="session")
def prom() -> Prom:
    """Queries of the tests' own."""
    return Prom(Amp.at(setting("AMPSCALE_AMP")))


@pytest.fixture
def app(kube: Kube) -> Iterator[Callable[[], App]]:
    """app(): a new name for a Deployment of the example app, deleted after the test."""
    made: list[App] = []

    def make() -> App:
        made.append(App(kube, f"t-{uuid.uuid4().hex[:8]}"))
        return made[-1]

    yield make
    complaints = complaints_of(kube, *made)
    for one in made:
        one.delete()
    assert not complaints, "\n".join(complaints)


@pytest.fixture(scope="session")
def loop(kube: Kube) -> Iterator[Loop]:
    """The closed loop, under way from the first test that wants it."""
    running = Loop(kube)
    yield running
    complaints = complaints_of(kube, running.frontend, running.downstream)
    running.end()
    assert not complaints, "\n".join(complaints)


def complaints_of(kube: Kube, *apps: App) -> list[str]:
    """What sanitizers say in the collectors of these."""
    names = [pod["metadata"]["name"] for one in apps for pod in one.pods()]
    logs = {name: kube("logs", name, "-c", SIDECAR, "--prefix").out for name in names}
    return [
        f"{n}: {log[log.index(w) :][:4000]}"
        for n, log in logs.items()
        for w in SANITIZER
        if w in log
    ]


@pytest.fixture(scope="session")
def no_webhook(kube: Kube, system: Kube) -> Iterator[None]:
    """The webhook is away from the first test that wants it so, and is asked again after the last:
    its pods go on for a quarter of a minute each time."""
    deployment, probe = "deployment/ampscale-webhook", Workload(kube, "probe")

    def pods() -> set[str]:
        return system.names("pods", "--selector=app.kubernetes.io/name=ampscale-webhook")

    def is_asked() -> bool:
        return bool(probe.apply("--dry-run=server", query="1", threshold="0").code)

    system("scale", deployment, "--replicas=0").accepted()
    wait_until(lambda: not pods(), SECONDS, "the webhook is gone")
    yield
    system("scale", deployment, "--replicas=2").accepted()
    system("rollout", "status", deployment, "--timeout=60s").accepted()
    wait_until(is_asked, SECONDS, "the API server asks the webhook")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def pods_of_ours(*kubes: Kube) -> list[tuple[Kube, dict[str, Any]]]:
    selector = "app.kubernetes.io/name in (ampscale-webhook,ampscale-scaler)"
    return [(k, pod) for k in kubes for pod in k.list("pods", "--selector", selector)]


@pytest.fixture(scope="session", autouse=True)
def nothing_broke(kube: Kube, system: Kube) -> Iterator[None]:
    """At the end: no program of ours was restarted, and no sanitizer complained."""
    since = now_ms()
    yield
    complaints = []
    for where, pod in pods_of_ours(kube, system):
        name = pod["metadata"]["name"]
        beside = pod["status"].get("initContainerStatuses", [])
        for status in [*pod["status"].get("containerStatuses", []), *beside]:
            if status["restartCount"] > 0:
                program = status["name"]
                complaints.append(f"{name} {program} was restarted: {status.get('lastState')}")
                complaints.append(where("logs", name, "-c", program, "-p", "--tail=60").out)
        log = where("logs", name, "--all-containers").out
        complaints += [f"{name}: {log[log.index(w) :][:4000]}" for w in SANITIZER if w in log]
    stats = Amp.at(setting("AMPSCALE_AMP")).requests(since)
    unsigned = [row for row in stats if row["signature"] not in ("valid", "none")]
    assert not complaints, "\n".join(complaints)
    assert not unsigned, f"not every signature was valid: {unsigned[:3]}"


def told(title: str, done: Done) -> tuple[str, str]:
    lines = f"{done.out}{done.err}".splitlines()
    return title, "\n".join(lines[-60:])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    """A failed test shows what the cluster and the stand-in have to say."""
    report = yield
    if report.when != "call" or not report.failed:
        return report
    kube, system = Kube(setting("AMPSCALE_NAMESPACE")), Kube("ampscale-system")
    label = "--selector=app.kubernetes.io/name"
    report.sections += [
        told("deployments and pods", kube("get", "deployments,pods", "-o", "wide")),
        told("warnings", run("kubectl", "get", "events", "-A", "--field-selector=type=Warning")),
        told("events", kube("get", "events", "--field-selector=involvedObject.kind=Deployment")),
        told("scaler", kube("logs", label, "--prefix", "--tail=60")),
        told("webhook", system("logs", label, "--prefix", "--tail=30")),
    ]
    try:
        stand = Amp.at(setting("AMPSCALE_AMP"))
        report.sections.append(("stand-in", f"{stand.stats()}\n{stand.faults()}"))
    except OSError as error:
        report.sections.append(("stand-in", f"does not answer: {error}"))
    return report
