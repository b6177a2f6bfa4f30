"""kubectl, and a Deployment under test, as the tests speak of them.

Everything that is done goes through kubectl, as a user's would: what it prints is part of what is
tested. What is only looked at comes from the API server itself (api.py).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amp.control import wait_until
from api import api, path_of

PREFIX = "scale.amp/"
SECONDS = 40.0  # for a condition that holds within two or three on an idle machine
# Neither direction paced: what the metric proposes is there at once.
AT_ONCE = json.dumps(
    {
        "scaleUp": {"policies": [{"type": "Pods", "value": 1000, "periodSeconds": 1}]},
        "scaleDown": {"stabilizationWindowSeconds": 0},
    }
)


@dataclass
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def warnings(self) -> list[str]:
        lines = self.err.splitlines()
        return [line.removeprefix("Warning: ") for line in lines if line.startswith("Warning: ")]

    def refusal(self) -> str:
        """The complaint of a command that was to be refused."""
        assert self.code != 0, f"expected a refusal, but: {self.out}{self.err}"
        return self.err

    def accepted(self) -> Done:
        assert self.code == 0, self.err
        return self


def run(*command: str, stdin: str | None = None, timeout_s: float = 60) -> Done:
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


class Kube:
    """kubectl in one namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def __call__(self, *words: str, stdin: str | None = None) -> Done:
        return run("kubectl", "-n", self.namespace, *words, stdin=stdin)

    def get(self, kind: str, *words: str) -> dict[str, Any]:
        """The object, or the list of them; {} if there is none."""
        server, path = api(), path_of(self.namespace, (kind, *words))
        if server is not None and path is not None:
            return server.get(path)
        done = self("get", kind, *words, "-o", "json", "--ignore-not-found").accepted()
        return json.loads(done.out) if done.out else {}

    def list(self, kind: str, *words: str) -> list[dict[str, Any]]:
        return self.get(kind, *words).get("items", [])

    def names(self, kind: str, *words: str) -> set[str]:
        return {item["metadata"]["name"] for item in self.list(kind, *words)}

    def apply(self, manifest: dict[str, Any], *words: str) -> Done:
        return self("apply", *words, "-f", "-", stdin=json.dumps(manifest))


def keyed(annotations: dict[str, str]) -> dict[str, str]:
    """Annotations by their short names: min_replicas and min-replicas are scale.amp/min-replicas;
    one with a slash stays."""
    return {
        key if "/" in key else PREFIX + key.replace("_", "-"): value
        for key, value in annotations.items()
    }


def manifest_of(
    name: str, annotations: dict[str, str], replicas: int | None = None, parked: bool = False
) -> dict[str, Any]:
    """A Deployment of the pause image. parked: of pods that no node takes, where only counts
    matter."""
    spec: dict[str, Any] = {
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 65532,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "app",
                        "image": "local/pause:1",
                        "imagePullPolicy": "IfNotPresent",
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }
                ],
            },
        },
    }
    if replicas is not None:
        spec["replicas"] = replicas
    if parked:
        spec["template"]["spec"]["nodeSelector"] = {"parked": "yes"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, **({"annotations": annotations} if annotations else {})},
        "spec": spec,
    }


class Workload:
    """One Deployment of a test."""

    def __init__(self, kube: Kube, name: str) -> None:
        self.kube = kube
        self.name = name
        self.manifest: dict[str, Any] = {}

    def apply(
        self,
        *words: str,
        replicas: int | None = None,
        parked: bool = False,
        **annotations: str,
    ) -> Done:
        """kubectl apply of it with these annotations: query=…, threshold=…, min_replicas=…"""
        self.manifest = manifest_of(self.name, keyed(annotations), replicas, parked)
        return self.kube.apply(self.manifest, *words)

    def scaled(self, query: str, threshold: str = "1", **more: Any) -> Workload:
        """Applied with a query that is polled each second."""
        return self.polled(query=query, threshold=threshold, **more)

    def polled(self, **given: Any) -> Workload:
        """Applied with an interval of a second and one to ten replicas, unless given."""
        usual = {"polling_interval": "1s", "min_replicas": "1", "max_replicas": "10"}
        self.apply(**(usual | given)).accepted()
        return self

    def annotate(self, *drop: str, **annotations: str) -> Done:
        """kubectl annotate: set some, and drop others by their short names."""
        words = [f"{key}={value}" for key, value in keyed(annotations).items()]
        words += [f"{PREFIX}{key}-" for key in drop]
        return self.kube("annotate", "--overwrite", "deployment", self.name, *words)

    def delete(self) -> None:
        self.kube("delete", "deployment", self.name, "--ignore-not-found").accepted()

    def get(self) -> dict[str, Any]:
        return self.kube.get("deployment", self.name)

    def replicas(self) -> int:
        return self.get()["spec"]["replicas"]

    def generation(self) -> int:
        return self.get()["metadata"]["generation"]

    def annotations(self) -> dict[str, str]:
        return self.get()["metadata"].get("annotations", {})

    def wait_for(self, replicas: int, timeout_s: float = SECONDS) -> None:
        self.wait(lambda d: d["spec"]["replicas"] == replicas, f"{replicas} replicas", timeout_s)

    def wait_running(self, replicas: int) -> None:
        self.wait(
            lambda d: d["status"].get("readyReplicas") == replicas, f"{replicas} ready replicas"
        )

    def wait(
        self, holds: Callable[[dict[str, Any]], bool], what: str, timeout_s: float = SECONDS
    ) -> None:
        """Until the Deployment, as the API server has it, is so."""
        wait_until(lambda: holds(self.get()), timeout_s, f"{self.name} has {what}")

    def settle(self) -> None:
        """Until the Deployment controller has written all that it has to say about it."""

        def is_settled(whole: dict[str, Any]) -> bool:
            metadata, status = whole["metadata"], whole["status"]
            told = {one["type"] for one in status.get("conditions", [])}
            return (
                status.get("observedGeneration") == metadata["generation"]
                and status.get("updatedReplicas", 0) == whole["spec"]["replicas"]
                and {"Available", "Progressing"} <= told
                and "deployment.kubernetes.io/revision" in metadata.get("annotations", {})
            )

        self.wait(is_settled, "settled")

    def events(self, **equal: str) -> list[dict[str, Any]]:
        """Events about it: events(type="Warning", reason="FailedGetMetric"). Each counts once for
        every time it was told."""
        fields = f"involvedObject.kind=Deployment,involvedObject.name={self.name}"
        found = []
        for item in self.kube.list("events", "--field-selector", fields):
            if all(item.get(key) == value for key, value in equal.items()):
                series = item.get("series") or {}
                found += [item] * max(item.get("count") or 0, series.get("count") or 0, 1)
        return found

    def wait_event(self, **equal: str) -> dict[str, Any]:
        """The first such event."""
        found: list[dict[str, Any]] = wait_until(
            lambda: self.events(**equal), SECONDS, f"an event {equal} of {self.name}"
        )
        return found[0]

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason of scale.amp/KIND; two empty texts if it has none."""
        for one in self.get()["status"].get("conditions", []):
            if one["type"] == PREFIX + kind:
                return one["status"], one["reason"]
        return "", ""

    def wait_condition(self, kind: str, status: str, reason: str = "") -> None:
        """Until it is so; whatever the reason, if none is given. Status "": there is none."""
        wanted = (status, reason)
        wait_until(
            lambda: self.condition(kind)[: 2 if reason else 1] == wanted[: 2 if reason else 1],
            SECONDS,
            f"{self.name} is {kind}={status} {reason}",
        )

    def ours(self) -> list[str]:
        """Every trace of ampscale in its metadata and pod template."""
        whole = self.get()
        metadata = whole["metadata"]
        kept = {key: metadata.get(key, {}) for key in ("annotations", "labels", "finalizers")}
        kept["template"] = whole["spec"]["template"]
        found: list[str] = []

        def search(path: str, node: object) -> None:
            if isinstance(node, dict):
                for key, value in node.items():
                    search(f"{path}/{key}", value)
            elif isinstance(node, list):
                for index, value in enumerate(node):
                    search(f"{path}/{index}", value)
            if "scale.amp" in path or (isinstance(node, str) and "scale.amp" in node):
                found.append(path)

        search("", kept)
        return found
