"""Our programs' own pods, as the tests look into them: metrics, logs, and their processes."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api import api
from kube import Kube, Workload

SCALER = "ampscale-scaler"


def processes_of(pod: str, ours: Callable[[list[bytes]], bool]) -> list[int]:
    """A pod's processes whose command line is ours: pods' are the node's as well, where we are."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().split(b"\0")
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if ours(line) and f"HOSTNAME={pod}".encode() in variables:
            found.append(int(process.name))
    return found


@dataclass
class Pod:
    kube: Kube
    name: str
    address: str
    port: int = 8080

    def metrics(self) -> str:
        with urllib.request.urlopen(
            f"http://{self.address}:{self.port}/metrics", timeout=5
        ) as answer:
            return answer.read().decode()

    def metric(self, start: str) -> float:
        """The sum of the samples whose line starts so: a name, or a name and labels."""
        lines = re.findall(rf"^{re.escape(start)}(?:{{.*}})? (\S+)$", self.metrics(), re.MULTILINE)
        return sum(float(value) for value in lines)

    def leads(self) -> bool:
        try:
            return self.metric("ampscale_scaler_leader") > 0
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL for its program, not for the collector beside it."""

        def is_program(line: list[bytes]) -> bool:
            return line[0] in (b"/usr/bin/ampscale-scaler", b"/usr/bin/ampscale-webhook")

        for process in processes_of(self.name, is_program):
            os.kill(process, signal.SIGKILL)
            return
        raise AssertionError(f"{self.name} has no process here")


def pods(kube: Kube, program: str = SCALER) -> list[Pod]:
    """Those that are not on their way out."""
    items = kube.list("pods", f"--selector=app.kubernetes.io/name={program}")
    return [
        Pod(kube, item["metadata"]["name"], item["status"].get("podIP", ""))
        for item in items
        if "deletionTimestamp" not in item["metadata"]
    ]


def leaders(kube: Kube) -> list[Pod]:
    return [pod for pod in pods(kube) if pod.leads()]


def decisions(one: Workload) -> list[dict[str, Any]]:
    """The scaler's log lines of that kind, oldest first."""
    lines = [line for pod in pods(one.kube) for line in log_of(pod).splitlines()]
    mine = f'"deployment":"{one.name}"'
    return [json.loads(line) for line in lines if '"msg":"decision"' in line and mine in line]


def log_of(pod: Pod) -> str:
    """All that it said."""
    server = api()
    if server is None:
        return pod.kube("logs", pod.name).accepted().out
    text = server.read(f"/api/v1/namespaces/{pod.kube.namespace}/pods/{pod.name}/log")
    assert text is not None, f"there is no pod {pod.name}"
    return text
