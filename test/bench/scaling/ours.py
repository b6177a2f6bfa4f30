"""ampscale-scaler as a process on the node, with the rights that the chart gives it."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from scaling import account, backend
from scaling.kube import Api, wait_until
from scaling.processes import Failed, Process
from scaling.workloads import DEPLOYMENTS, NAMESPACE, Rules, Workload

TREE = Path(__file__).resolve().parents[3]
METRICS = "127.0.0.1:18080"
NAME = "ampscale-scaler"
PREFIX = "scale.amp/"
READY_S = 30.0
LATENESS = "ampscale_scaler_due_lateness_seconds"


def _install(api: Api, folder: Path) -> Path:
    """Its ServiceAccount, Role and Lease; not the Deployment, since it runs beside the pods."""
    values = ["webhook.enabled=false", f"scaler.namespaces[0].name={NAMESPACE}"]
    values += [f"aws.endpoint={backend.URL}", "aws.sigv4=off"]
    text = subprocess.run(
        ["helm", "template", NAME, f"{TREE}/charts/ampscale", *(f"--set={v}" for v in values)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    parts = [p for p in re.split(r"^---$", text, flags=re.M) if "\nkind: Deployment\n" not in p]
    subprocess.run(
        ["kubectl", "apply", "-f", "-"],
        input="---\n".join(parts),
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    file = folder / "ours.kubeconfig"
    account.kubeconfig(api, NAMESPACE, NAME, file)
    return file


class Ours:
    title = "ampscale"

    def __init__(self, api: Api, program: Path, rules: Rules, folder: Path) -> None:
        self.api = api
        self.rules = rules
        self.process = Process(
            NAME,
            [
                str(program),
                f"--namespace={NAMESPACE}",
                f"--kubeconfig={_install(api, folder)}",
                f"--endpoint={backend.URL}",
                "--sigv4=off",
                f"--metrics-listen={METRICS}",
            ],
            folder / "ours.log",
        )
        self.processes = {NAME: self.process}

    def wait_ready(self) -> None:
        wait_until(self._ready, READY_S, f"{NAME} is ready")

    def _ready(self) -> bool:
        self.process.check()
        try:
            return "ampscale_scaler_synced 1" in self.metrics()
        except OSError:
            return False

    def register(self, all_: list[Workload]) -> None:
        common = {
            "polling-interval": f"{self.rules.interval_s}s",
            "min-replicas": str(self.rules.min_replicas),
        }
        for w in all_:
            self._annotate(w, {"query": w.query, "threshold": w.threshold} | common)

    def unregister(self, all_: list[Workload]) -> None:
        keys = ("query", "threshold", "polling-interval", "min-replicas")
        for w in all_:
            self._annotate(w, dict.fromkeys(keys))

    def _annotate(self, w: Workload, values: Mapping[str, str | None]) -> None:
        annotations = {f"{PREFIX}{key}": value for key, value in values.items()}
        self.api.patch(f"{DEPLOYMENTS}/{w.name}", {"metadata": {"annotations": annotations}})

    def check(self) -> None:
        self.process.check()

    def settled(self, count: int) -> bool:
        found = re.search(r"^ampscale_scaler_workloads (\d+)$", self.metrics(), re.M)
        return found is not None and int(found[1]) == count

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://{METRICS}/metrics", timeout=5) as answer:
            return answer.read().decode()

    def lateness(self) -> Callable[[], float | None]:
        before = _buckets(self.metrics())
        return lambda: _quantile(0.99, before, _buckets(self.metrics()))

    def stop(self) -> None:
        self.process.stop()


def _buckets(text: str, name: str = LATENESS) -> dict[float, float]:
    """A histogram's cumulative counts by upper bound."""
    found = re.findall(rf'^{name}_bucket{{le="([^"]+)"}} (\S+)$', text, re.M)
    if not found:
        raise Failed(f"{NAME} has no metric {name}")
    return {float(bound.replace("+Inf", "inf")): float(count) for bound, count in found}


def _quantile(q: float, before: dict[float, float], after: dict[float, float]) -> float:
    """Of what was observed in between: the upper bound of the bucket that holds it."""
    counts = {bound: after[bound] - before[bound] for bound in sorted(after)}
    total = counts[float("inf")]
    return next((bound for bound, count in counts.items() if count >= q * total), float("nan"))
