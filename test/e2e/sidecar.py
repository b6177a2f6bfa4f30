"""Apps with a collector in their pods, and what of them arrived at AMP's stand-in."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from amp.client import Client
from amp.control import Amp, wait_until
from kube import SECONDS, Done, Kube, Workload, keyed, run
from pods import processes_of

TREE = Path(__file__).resolve().parents[2]
EXAMPLES = TREE / "examples/app"
WRITE_ROLE = "arn:aws:iam::000000000000:role/ampscale-write"
SIDECAR = "ampscale-collector"
APP = "/usr/bin/ho11y"
EACH_SECOND = {"collector": "enabled", "scrape_port": "8765", "scrape_interval": "1s"}


def several(text: str) -> list[dict[str, Any]]:
    """One JSON value after another; what is cut short at the end is left out."""
    at, found = 0, []
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        try:
            item, at = json.JSONDecoder().raw_decode(text, at)
        except ValueError:
            break
        found.append(item)
    return found


def documents(path: Path) -> list[dict[str, Any]]:
    """The objects of a manifest; kubectl reads YAML for us."""
    words = ["annotate", "--local", "-f", str(path), "example.com/read=yes", "-o", "json"]
    found = several(run("kubectl", *words).accepted().out)
    for item in found:
        del item["metadata"]["annotations"]["example.com/read"]
    return found


def named(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    """The same Deployment by another name."""
    changed = copy.deepcopy(manifest)
    changed["metadata"]["name"] = name
    changed["spec"]["selector"]["matchLabels"] = {"app": name}
    changed["spec"]["template"]["metadata"]["labels"] = {"app": name}
    return changed


class App(Workload):
    """A Deployment of the example app, with a collector that scrapes it each second."""

    def __init__(self, kube: Kube, name: str) -> None:
        super().__init__(kube, name)
        plain = next(d for d in documents(EXAMPLES / "app.yaml") if d["kind"] == "Deployment")
        self.plain = named(plain, name)
        del self.plain["metadata"]["annotations"]
        self.plain["spec"]["template"]["spec"]["containers"][0]["env"] = []

    def given(self, **annotations: str) -> dict[str, Any]:
        """The manifest with these annotations and no others."""
        manifest = copy.deepcopy(self.plain)
        manifest["metadata"]["annotations"] = keyed(annotations)
        return manifest

    def collected(self, *words: str, **annotations: str) -> Done:
        self.manifest = self.given(**(EACH_SECOND | annotations))
        return self.kube.apply(self.manifest, *words)

    def ready(self, replicas: int = 1) -> App:
        self.wait_running(replicas)
        return self

    def template(self) -> dict[str, Any]:
        return self.get()["spec"]["template"]

    def pods(self) -> list[dict[str, Any]]:
        """Those that are not on their way out, the oldest first."""
        items = self.kube.list("pods", f"--selector=app={self.name}")
        alive = [item for item in items if "deletionTimestamp" not in item["metadata"]]
        return sorted(alive, key=lambda item: item["metadata"]["creationTimestamp"])

    def pod(self) -> str:
        return self.pods()[0]["metadata"]["name"]

    def curl(self, *words: str) -> Done:
        return self.kube("exec", f"deployment/{self.name}", "-c", "ho11y", "--", "curl", *words)


def container_of(pod: dict[str, Any], name: str, part: str = "status") -> dict[str, Any]:
    """Status or spec of one of a pod's containers, a sidecar's too; {} if it has none."""
    lists = {
        "status": ("containerStatuses", "initContainerStatuses"),
        "spec": ("containers", "initContainers"),
    }
    items = [item for key in lists[part] for item in pod[part].get(key, [])]
    return next((item for item in items if item["name"] == name), {})


@contextlib.contextmanager
def ends_of(one: App) -> Iterator[Callable[[], dict[str, int]]]:
    """codes(): the exit code of each collector of the app's pods that ended meanwhile, by its
    pod."""
    command = ["kubectl", "-n", one.kube.namespace, "get", "pods", f"--selector=app={one.name}"]

    def codes() -> dict[str, int]:
        found = {}
        for pod in several(path.read_text()):
            ended = container_of(pod, SIDECAR).get("state", {}).get("terminated")
            if ended:
                found[pod["metadata"]["name"]] = ended["exitCode"]
        return found

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pods"
        with path.open("wb") as out:
            watch = subprocess.Popen([*command, "--watch", "-o", "json"], stdout=out)
        try:
            yield codes
        finally:
            watch.kill()
            watch.wait()


def processes(pod: str, word: str) -> list[int]:
    """Processes in a pod whose command line has that word."""
    return processes_of(pod, lambda line: word.encode() in line)


def signal_in(pod: str, word: str, number: int) -> None:
    found = processes(pod, word)
    assert found, f"{pod} has no process {word}"
    for process in found:
        os.kill(process, number)


class Prom:
    """Queries of the tests' own."""

    def __init__(self, amp: Amp) -> None:
        self.amp = amp

    def value(self, query: str) -> float | None:
        """The one value; None if there is no series."""
        client = Client(self.amp.settings)
        try:
            text = client.value(query)
        finally:
            client.line.close()
        return None if text is None else float(text)

    def labels(self, query: str) -> list[dict[str, str]]:
        client = Client(self.amp.settings)
        try:
            return [row["metric"] for row in client.query(query).json()["data"]["result"]]
        finally:
            client.line.close()

    def wait(
        self, query: str, holds: Callable[[float | None], bool], timeout_s: float = SECONDS
    ) -> float | None:
        """The value once it is so."""
        seen: list[float | None] = []

        def probe() -> bool:
            seen[:] = [self.value(query)]
            return holds(seen[0])

        try:
            wait_until(probe, timeout_s, query)
        except TimeoutError as why:
            raise TimeoutError(f"{why}: {seen}") from why
        return seen[0]

    def some(self, query: str, timeout_s: float = SECONDS) -> float:
        """The value once there is one."""
        value = self.wait(query, lambda v: v is not None, timeout_s)
        assert value is not None
        return value


def writes(amp: Amp, job: str, **where: Any) -> Iterator[dict[str, Any]]:
    """The ledger's rows of remote writes with samples of that job."""
    for row in amp.requests(path="remote_write", **where):
        if job in row.get("written", {}).get("jobs", []):
            yield row
