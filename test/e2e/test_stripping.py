"""When the user's keys go, everything of ours goes with them; and writing twice is writing once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from amp.control import wait_until
from conftest import Make
from kube import SECONDS, Done, Kube, Workload, keyed, manifest_of, run

CHART = str(Path(__file__).parent / "charts/app")
DEFAULTS = {
    "scale.amp/min-replicas": "1",
    "scale.amp/max-replicas": "100",
    "scale.amp/polling-interval": "15s",
}
USER = {"query": "vector(4)", "threshold": "2"}
KEYS = keyed(USER)


def assert_managed(one: Workload) -> None:
    found = one.get()["metadata"]
    assert DEFAULTS.items() <= found["annotations"].items()
    assert found["labels"]["scale.amp/managed"] == "true"
    assert json.loads(found["annotations"]["scale.amp/injected"])["version"] == 1
    one.wait_for(2)


def assert_clean(one: Workload, replicas: int = 2) -> None:
    assert one.ours() == []
    assert one.replicas() == replicas
    text = json.dumps(one.get()["metadata"].get("annotations", {}))
    assert "scale.amp" not in text


@pytest.mark.parametrize("server_side", [False, True], ids=["client-side", "server-side"])
def test_apply_without_our_keys(workload: Make, server_side: bool) -> None:
    words = ["--server-side"] if server_side else []
    one = workload()
    one.apply(*words, **USER).accepted()
    assert_managed(one)
    one.apply(*words).accepted()
    assert_clean(one)


def test_annotate_away(workload: Make) -> None:
    one = workload()
    one.apply(replicas=1).accepted()
    one.annotate(**USER).accepted()
    assert_managed(one)
    one.annotate("query", "threshold").accepted()
    assert_clean(one)


def test_replace_without_our_keys(workload: Make, kube: Kube) -> None:
    one = workload()
    one.apply(**USER).accepted()
    assert_managed(one)
    one.apply(replicas=2, **USER).accepted()
    one.manifest["metadata"].pop("annotations")
    kube("replace", "-f", "-", stdin=json.dumps(one.manifest)).accepted()
    assert_clean(one)


def test_defaults_give_way_to_the_user(workload: Make) -> None:
    one = workload()
    one.apply(**USER, parked=True).accepted()
    one.apply(**USER, parked=True, max_replicas="7").accepted()
    assert one.annotations()["scale.amp/max-replicas"] == "7"
    one.apply(**USER, parked=True).accepted()
    assert one.annotations()["scale.amp/max-replicas"] == "100"


def test_one_key_away_is_refused(workload: Make) -> None:
    one = workload()
    one.apply(**USER, parked=True).accepted()
    assert "scale.amp/threshold: missing" in one.annotate("threshold").refusal()
    assert one.annotations()["scale.amp/threshold"] == "2"


# Helm.


class Release:
    """A Deployment by way of helm."""

    def __init__(self, kube: Kube, one: Workload, words: list[str]) -> None:
        self.one = one
        self.common = [one.name, CHART, "--namespace", kube.namespace, *words]

    def __call__(self, verb: str, annotations: dict[str, str]) -> Done:
        values = f"annotations={json.dumps(annotations)}"
        return run("helm", verb, *self.common, "--set-json", values).accepted()


@pytest.fixture(params=["true", "false"], ids=["server-side", "client-side"])
def release(request: pytest.FixtureRequest, kube: Kube, workload: Make) -> Iterator[Release]:
    one = workload()
    yield Release(kube, one, [f"--server-side={request.param}"])
    run("helm", "uninstall", one.name, "--namespace", kube.namespace)


def test_helm_upgrade_without_our_keys(release: Release) -> None:
    release("install", KEYS)
    assert_managed(release.one)
    release("upgrade", KEYS | {"scale.amp/max-replicas": "9"})
    assert release.one.annotations()["scale.amp/max-replicas"] == "9"
    release("upgrade", {})
    assert_clean(release.one)


# Twice is once.


def state_of(one: Workload) -> tuple[str, int, dict[str, str]]:
    found = one.get()["metadata"]
    return found["uid"], found["generation"], found["annotations"]


def replica_sets(one: Workload) -> set[str]:
    return one.kube.names("replicasets", "--selector", f"app={one.name}")


@pytest.mark.parametrize("server_side", [False, True], ids=["client-side", "server-side"])
def test_applied_again_changes_nothing(workload: Make, server_side: bool) -> None:
    words = ["--server-side"] if server_side else []
    one = workload()
    one.apply(*words, **USER).accepted()
    one.wait_for(2)
    one.wait_running(2)
    before, sets = state_of(one), replica_sets(one)
    one.apply(*words, **USER).accepted()
    assert state_of(one) == before
    one.annotate(**{"example.com/touched": "yes"}).accepted()
    touched = one.get()["metadata"]["annotations"]
    assert touched == before[2] | {"example.com/touched": "yes"}
    assert replica_sets(one) == sets, "no rollout"
    assert len(sets) == 1


def test_what_get_prints_can_be_applied(workload: Make, kube: Kube) -> None:
    """get, then replace, as an editor does: what we wrote is still known as ours."""
    one = workload()
    kube("create", "-f", "-", stdin=json.dumps(manifest_of(one.name, KEYS, parked=True))).accepted()
    assert_managed(one)
    one.settle()
    before = state_of(one)

    def replaced() -> bool:
        """Not when its status was written meanwhile: that is a conflict."""
        printed = kube("get", "deployment", one.name, "-o", "yaml").accepted().out
        return kube("replace", "-f", "-", stdin=printed).code == 0

    wait_until(replaced, SECONDS, "it is replaced")
    assert state_of(one) == before
    one.annotate("query", "threshold").accepted()
    assert_clean(one)


def test_defaults_do_not_become_the_users(workload: Make, kube: Kube) -> None:
    """A manifest saved from the cluster, our record included, still lets go of all of ours."""
    one, copy = workload(), workload()
    one.apply(**USER, parked=True).accepted()
    saved = one.get()
    copied = {key: saved[key] for key in ("apiVersion", "kind", "spec")} | {
        "metadata": {
            "name": copy.name,
            "labels": saved["metadata"]["labels"],
            "annotations": saved["metadata"]["annotations"],
        }
    }
    kube("create", "-f", "-", stdin=json.dumps(copied)).accepted()
    assert_managed(copy)
    copy.annotate("query", "threshold").accepted()
    assert [path for path in copy.ours() if "last-applied" not in path] == []
