"""keep-replicas: whoever applies a manifest that names `replicas` does not reset the count."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Load, Make, stays
from kube import AT_ONCE, Done, Kube, Workload, keyed, run

Loads = Callable[[Any], Load]
CHART = str(Path(__file__).parent / "charts/app")
FORCED = ("--server-side", "--force-conflicts")
KEPT = "replicas stay at 4, as scaled; leave replicas out of the manifest"


def kept(done: Done) -> None:
    assert [w for w in done.accepted().warnings if KEPT in w], done.err


@pytest.fixture
def at_four(workload: Make, load: Loads) -> Callable[..., Workload]:
    """A Deployment applied with `replicas: 1` and scaled to 4."""

    def make(*words: str, **more: Any) -> Workload:
        one = workload()
        given = {"query": load(4).query, "threshold": "1", "polling_interval": "1s"}
        one.apply(*words, replicas=1, parked=True, **given, **more).accepted()
        one.wait_for(4)
        one.settle()
        return one

    return make


@pytest.mark.parametrize("words", [(), FORCED], ids=["client-side", "server-side"])
def test_apply_again(at_four: Callable[..., Workload], words: tuple[str, ...]) -> None:
    one = at_four(*words)
    generation = one.generation()
    one.manifest["metadata"]["annotations"]["example.com/build"] = "2"
    kept(one.kube.apply(one.manifest, *words))
    assert (one.replicas(), one.generation()) == (4, generation + 1), "that one change"
    assert one.annotations()["example.com/build"] == "2"
    shown = one.kube.apply(one.manifest, *words, "--dry-run=server", "-o", "json").accepted()
    assert json.loads(shown.out)["spec"]["replicas"] == 4, "a dry run shows what would be"


def test_replace(at_four: Callable[..., Workload]) -> None:
    one = at_four()
    kept(one.kube("replace", "-f", "-", stdin=json.dumps(one.manifest)))
    assert one.replicas() == 4
    assert one.annotations()["scale.amp/original-replicas"] == "1", "it is still known"


def test_unforced_server_side_apply(at_four: Callable[..., Workload]) -> None:
    """It meets its conflict before any webhook: the count is ours, and the message says so."""
    one = at_four("--server-side")
    refusal = one.kube.apply(one.manifest, "--server-side").refusal()
    assert 'conflict with "ampscale" with subresource "scale"' in refusal
    assert ".spec.replicas" in refusal
    assert one.replicas() == 4
    del one.manifest["spec"]["replicas"]  # the fix
    assert one.kube.apply(one.manifest, "--server-side").accepted().warnings == []
    assert one.replicas() == 4


def test_self_heal(at_four: Callable[..., Workload]) -> None:
    """A GitOps controller applies what is in Git whenever it differs, which it always does."""
    words = (*FORCED, "--field-manager=gitops-controller")
    one = at_four(*words)
    generation = one.generation()
    for _ in range(5):
        kept(one.kube.apply(one.manifest, *words))
        assert (one.replicas(), one.generation()) == (4, generation)


def test_rollouts(at_four: Callable[..., Workload], load: Loads) -> None:
    """A restart changes no count. An undo brings back the annotations of its revision: they are a
    part of it, and then in force."""
    one = at_four(behavior=AT_ONCE)
    name = f"deployment/{one.name}"

    def revision(number: str) -> Callable[[dict[str, Any]], bool]:
        key = "deployment.kubernetes.io/revision"
        return lambda d: d["metadata"]["annotations"].get(key) == number

    one.wait(revision("1"), "revision 1")
    assert one.kube("rollout", "restart", name).accepted().warnings == []
    assert one.replicas() == 4
    one.wait(revision("2"), "revision 2")
    one.annotate(threshold="2").accepted()
    one.wait_for(2)
    one.kube("rollout", "undo", name).accepted()
    assert one.annotations()["scale.amp/threshold"] == "1"
    one.wait_for(4)


def test_not_asked_to_keep(at_four: Callable[..., Workload], workload: Make, load: Loads) -> None:
    """keep-replicas: "false", and paused: then the count is the applier's, without a warning."""
    witness = load(1)
    other = workload().scaled(witness.query, parked=True)
    loose, paused = at_four(keep_replicas="false"), at_four()
    generation = loose.generation()
    assert [w for w in loose.kube.apply(loose.manifest).accepted().warnings if "stay" in w] == []
    loose.wait(lambda d: d["metadata"]["generation"] >= generation + 2, "been reset and scaled")
    loose.wait_for(4)
    paused.manifest["metadata"]["annotations"]["scale.amp/paused"] = "true"
    paused.manifest["spec"]["replicas"] = 2
    paused.kube.apply(paused.manifest).accepted()
    assert paused.replicas() == 2
    stays(witness, paused, other)


def test_a_deployment_that_is_annotated_now_takes_its_count(workload: Make, load: Loads) -> None:
    """The first apply with the keys is no reset: there is nothing to keep yet."""
    one = workload()
    one.apply(replicas=3, parked=True).accepted()
    one.polled(query=load(1).query, threshold="1", replicas=2, parked=True)
    assert one.replicas() <= 2
    assert one.annotations()["scale.amp/original-replicas"] == "2"


# Helm.


@pytest.fixture(params=["true", "false"], ids=["server-side", "client-side"])
def helm(request: pytest.FixtureRequest, kube: Kube) -> Iterator[Callable[..., Done]]:
    """helm(verb, name, annotations, words…): that chart, with `replicas: 1`."""
    released = []

    def command(verb: str, name: str, annotations: dict[str, str], *words: str) -> Done:
        released.append(name)
        values = {"annotations": annotations, "replicas": 1}
        given = [f"{key}={json.dumps(value)}" for key, value in values.items()]
        place = ["--namespace", kube.namespace, f"--server-side={request.param}"]
        sets = [word for text in given for word in ("--set-json", text)]
        return run("helm", verb, name, CHART, *place, *sets, *words)

    yield command
    if released:
        run("helm", "uninstall", released[0], "--namespace", kube.namespace)


def test_helm_upgrade(
    helm: Callable[..., Done], workload: Make, load: Loads, request: pytest.FixtureRequest
) -> None:
    """By a three-way merge nothing is said; server-side it has to be told to force, as kubectl."""
    server_side = "server-side" in request.node.name
    one = workload()
    keys = keyed({"query": load(4).query, "threshold": "1", "polling_interval": "1s"})
    helm("install", one.name, keys).accepted()
    one.wait_for(4)
    generation = one.generation()
    more = keys | {"example.com/build": "2"}
    if server_side:
        refusal = helm("upgrade", one.name, more).refusal()
        assert 'conflict with "ampscale" with subresource "scale"' in refusal
        assert (one.replicas(), one.generation()) == (4, generation)
    done = helm("upgrade", one.name, more, *(["--force-conflicts"] if server_side else []))
    done.accepted()
    assert (one.replicas(), one.generation()) == (4, generation + 1), "that one change"
    assert one.annotations()["example.com/build"] == "2"
