"""examples/from-keda: each field of the ScaledObjects is in the Deployments they become."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import TREE, Make, setting
from kube import PREFIX, run

FOLDER = TREE / "examples/from-keda"
OBJECTS = sorted(FOLDER.glob("*.scaledobject.yaml"))
SECONDS_OF = {"s": 1, "m": 60, "h": 3600}
# What has no place here, and why it needs none: README.md, "From KEDA".
DROPPED = {"serverAddress", "metricName", "awsRegion", "identityOwner"}


def read(path: Path) -> dict[str, Any]:
    """kubectl reads YAML for us, also of kinds that no cluster here knows."""
    words = ["annotate", "--local", "-f", str(path), "example.com/read=yes", "-o", "json"]
    return json.loads(run("kubectl", *words).accepted().out)


def seconds(text: str) -> int:
    return int(text[:-1]) * SECONDS_OF[text[-1]]


def expected(keda: dict[str, Any]) -> dict[str, Any]:
    """Annotations by their short names, from a ScaledObject of one trigger."""
    spec = keda["spec"]
    (trigger,) = spec["triggers"]
    assert trigger["type"] == "prometheus"
    plain = {
        "minReplicaCount": "min-replicas",
        "maxReplicaCount": "max-replicas",
        "pollingInterval": "polling-interval",
        "cooldownPeriod": "cooldown-period",
    }
    of_trigger = {
        "query": "query",
        "threshold": "threshold",
        "activationThreshold": "activation-threshold",
    }
    known = {"scaleTargetRef", "triggers", *plain}
    assert set(spec) <= known, "a field that this test does not look at"
    assert set(trigger["metadata"]) <= {*of_trigger, *DROPPED}
    found = {name: spec[key] for key, name in plain.items() if key in spec}
    found |= {
        name: trigger["metadata"][key]
        for key, name in of_trigger.items()
        if key in trigger["metadata"]
    }
    return found


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.name.partition(".")[0])
def test_every_field_is_carried_over(path: Path) -> None:
    keda = read(path)
    deployment = read(path.with_name(path.name.replace(".scaledobject", "")))
    assert deployment["metadata"]["name"] == keda["spec"]["scaleTargetRef"]["name"]
    annotations = {
        key.removeprefix(PREFIX): value
        for key, value in deployment["metadata"]["annotations"].items()
        if key.startswith(PREFIX)
    }
    wanted = expected(keda)
    assert set(annotations) == set(wanted)
    for key, value in wanted.items():
        timed = key in ("polling-interval", "cooldown-period")
        assert (seconds(annotations[key]) if timed else annotations[key]) == (
            value if timed else str(value)
        ), key
    assert "replicas" not in deployment["spec"]


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.name.partition(".")[0])
def test_lint_likes_it(path: Path) -> None:
    plugin = str(TREE / setting("AMPSCALE_PROGRAMS") / "kubectl-ampscale")
    translated = path.with_name(path.name.replace(".scaledobject", ""))
    run(plugin, "lint", "-f", str(translated)).accepted()


def test_it_is_admitted(workload: Make) -> None:
    """What they become is what a cluster takes: the walkthrough's synthetic one ends at four."""
    annotations = read(FOLDER / "synthetic.yaml")["metadata"]["annotations"]
    one = workload()
    one.apply(parked=True, **{k: v for k, v in annotations.items() if k.startswith(PREFIX)})
    one.wait_for(4)
