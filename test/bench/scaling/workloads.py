"""The Deployments, whose pods run on a fake node (kwok), and what each is scaled on.

Most have a query that never changes, `vector(N)`, N different for each so that no answer can be
shared. The last few have a metric, to be changed while somebody watches how soon they are scaled.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node import paths

from scaling import backend
from scaling.kube import Api, wait_until
from scaling.processes import Process

NAMESPACE = "bench"
NODE = "kwok-0"
ANNOTATION = "kwok.x-k8s.io/node"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
REACTING = 10  # of the workloads
FIRST = 1000
SECONDS_EACH = 0.5
# What kwok does to nodes and pods, in the words of its own source.
STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat/node-heartbeat.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-delete.yaml",
)


@dataclass(frozen=True)
class Workload:
    name: str
    query: str
    threshold: str
    reacts: bool


@dataclass(frozen=True)
class Rules:
    """What all have in common, the same for both peers."""

    interval_s: int
    min_replicas: int


def workload(index: int, reacts: bool) -> Workload:
    name = f"w-{index:05d}"
    if reacts:
        # Older than Prometheus' five minutes of staleness it is still the level.
        query = f'last_over_time({backend.METRIC}{{workload="{name}"}}[1d])'
        return Workload(name, query, "1", True)
    return Workload(name, f"vector({FIRST + index})", str(FIRST + index), False)


def workloads(count: int) -> list[Workload]:
    return [workload(i, i >= count - REACTING) for i in range(count)]


def _deployment(w: Workload) -> dict[str, Any]:
    labels = {"app": w.name}
    pod = {
        "nodeSelector": {"type": "kwok"},
        "tolerations": [{"key": ANNOTATION, "operator": "Exists"}],
        "automountServiceAccountToken": False,
        "containers": [{"name": "app", "image": "fake"}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": w.name, "labels": {"reacts": str(w.reacts).lower()}},
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def start_kwok(api: Api, programs: Path, folder: Path) -> Process:
    kwok = Process(
        "kwok",
        [
            str(programs / "kwok"),
            f"--kubeconfig={paths.KUBECONFIG}",
            "--manage-all-nodes=false",
            f"--manage-nodes-with-annotation-selector={ANNOTATION}=fake",
            "--cidr=10.90.0.0/16",
            "--node-ip=10.90.0.1",
            "--server-address=127.0.0.1:10247",
            *(f"--config={programs}/kustomize/stage/{stage}" for stage in STAGES),
        ],
        folder / "kwok.log",
    )
    _add_node(api)

    def ready() -> bool:
        kwok.check()
        conditions = api.call("GET", f"/api/v1/nodes/{NODE}").get("status", {}).get("conditions")
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions or [])

    wait_until(ready, 60, "the fake node is Ready")
    return kwok


def _add_node(api: Api) -> None:
    metadata = {"name": NODE, "annotations": {ANNOTATION: "fake"}, "labels": {"type": "kwok"}}
    taint = {"key": ANNOTATION, "value": "fake", "effect": "NoSchedule"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": [taint]}}
    api.call("POST", "/api/v1/nodes", node)


def create(api: Api, all_: list[Workload]) -> None:
    metadata = {"name": NAMESPACE}
    api.call("POST", "/api/v1/namespaces", {"metadata": metadata})
    for w in all_:
        api.call("POST", DEPLOYMENTS, _deployment(w))


def wait_ready(api: Api, count: int) -> None:
    """Until each has its one pod ready and its status written: nothing moves any more."""

    def ready() -> bool:
        seen = [d["status"].get("readyReplicas") for d in api.items(DEPLOYMENTS)]
        return len(seen) == count and all(n == 1 for n in seen)

    wait_until(ready, 120 + count * SECONDS_EACH, "each Deployment has its pod ready")


def back_to_one(api: Api, all_: list[Workload]) -> None:
    """Undo what the reaction test did."""
    for w in all_:
        if w.reacts:
            api.patch(f"{DEPLOYMENTS}/{w.name}/scale", {"spec": {"replicas": 1}})
