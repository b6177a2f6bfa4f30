"""The chart's release on the stage, through helm as its users have it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from amp.control import wait_until
from kube import SECONDS, Done, Kube, Workload, run

TREE = Path(__file__).resolve().parents[2]
CHART = str(TREE / "charts/ampscale")
RELEASE, SYSTEM = "ampscale", "ampscale-system"
HELM_S = 120.0
PROGRAMS = "app.kubernetes.io/component in (webhook,scaler)"


def helm(
    verb: str, *words: str, values: dict[str, Any] | None = None, namespace: str = SYSTEM
) -> Done:
    """helm VERB ampscale WORDS, with values on its standard input."""
    given = [] if values is None else ["--values=-"]
    stdin = None if values is None else json.dumps(values)
    command = ["helm", verb, RELEASE, *words, *given, f"--namespace={namespace}"]
    return run(*command, stdin=stdin, timeout_s=HELM_S)


def installed_values() -> dict[str, Any]:
    """The values that the stage gave."""
    done = run("helm", "get", "values", RELEASE, f"--namespace={SYSTEM}", "-ojson").accepted()
    values: dict[str, Any] = json.loads(done.out)
    return values


def is_asked(probe: Workload) -> bool:
    """Whether the API server asks our webhook before it admits a Deployment."""
    done = probe.apply("--dry-run=server", "-ojson", query="vector(1)", threshold="1")
    return '"scale.amp/min-replicas"' in done.out


def program_pods(*kubes: Kube) -> dict[str, Kube]:
    """Names of the pods of webhook and scalers, those that are ending too, and where they are."""
    return {name: one for one in kubes for name in one.names("pods", "--selector", PROGRAMS)}


def rolled_out(system: Kube, kube: Kube) -> None:
    for where, name in ((system, "ampscale-webhook"), (kube, "ampscale-scaler")):
        where("rollout", "status", f"deployment/{name}", f"--timeout={SECONDS:.0f}s").accepted()


def put_back(values: dict[str, Any], system: Kube, kube: Kube, probe: Workload) -> None:
    """The release as the stage made it, whatever became of it."""
    helm("upgrade", CHART, "--install", values=values).accepted()
    rolled_out(system, kube)
    wait_until(lambda: is_asked(probe), SECONDS, "the API server asks the webhook again")
