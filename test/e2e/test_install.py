"""The chart's release as its users live with it: uninstalled, installed anew, tested, upgraded and
rolled back. One after the other; the stage's own release is put back in the end."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from amp.control import wait_until
from chart import (
    CHART,
    RELEASE,
    SYSTEM,
    TREE,
    helm,
    installed_values,
    is_asked,
    program_pods,
    put_back,
    rolled_out,
)
from conftest import SANITIZER, setting
from kube import SECONDS, Kube, Workload, run
from stream import Stream

pytestmark = pytest.mark.alone

READY_S = 30.0  # from `helm install` until all pods are
GONE_S = 90.0  # a webhook's pod goes on for 15 s after it was told to end: --shutdown-delay
# Objects called after us that are the stage's: namespaces, credentials, an authority.
STAGES = {"ampscale-system", "ampscale-aws", "ampscale-ca"}
PART = r".metadata.labels.app\.kubernetes\.io/part-of"
COLUMNS = (
    f"KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name,PART:{PART},"
    "ENDING:.metadata.deletionTimestamp"
)


@pytest.fixture(scope="module")
def values(kube: Kube, system: Kube) -> Iterator[dict[str, Any]]:
    """What the stage installed with, and again after these tests."""
    found = installed_values()
    complaints = [
        f"{name}: {line}"
        for name, where in program_pods(kube, system).items()
        for line in where("logs", name).out.splitlines()
        if any(word in line for word in SANITIZER)
    ]
    assert not complaints, "said by pods that these tests replace"
    yield found
    put_back(found, system, kube, Workload(kube, "probe"))


@pytest.fixture(scope="module")
def plain(values: dict[str, Any]) -> dict[str, Any]:
    """One workspace, one namespace, and where the image is; else the chart's own values. What a
    sanitizer needs stays."""
    return {
        "image": values["image"],
        "ca": values["ca"],
        "aws": {
            "workspace": setting("AMPSCALE_WORKSPACE"),
            "region": values["aws"]["region"],
            "credentialsSecret": values["aws"]["credentialsSecret"],
        },
        "scaler": {key: values["scaler"][key] for key in ("namespaces", "resources")},
        "webhook": {"resources": values["webhook"]["resources"]},
        "test": values["test"],
    }


def ours_left() -> list[str]:
    """All that a release or our programs made, events and pods that are ending aside."""
    kinds = run("kubectl", "api-resources", "--verbs=list", "-oname").accepted().out.split()
    kinds = [kind for kind in kinds if not kind.startswith("events")]
    words = ["--all-namespaces", "--no-headers", f"-ocustom-columns={COLUMNS}"]
    done = run("kubectl", "get", ",".join(kinds), *words).accepted()
    rows = [line.split() for line in done.out.splitlines()]
    return [
        " ".join(row)
        for row in rows
        if (row[3] == "ampscale" or "ampscale" in row[2])
        and row[2] not in STAGES
        and not (row[0] == "Pod" and row[4] != "<none>")
    ]


def freely_edited(kube: Kube, one: Workload) -> None:
    """It takes any edit, wrong annotations included: nobody is waited for."""
    one.annotate(max_replicas="many").accepted()
    kube("scale", "deployment", one.name, "--replicas=2").accepted()
    kube("set", "env", "deployment", one.name, "FREE=yes").accepted()
    assert one.replicas() == 2


@pytest.fixture(scope="module")
def user(kube: Kube) -> Iterator[Callable[[str], Workload]]:
    """user("left"): a Deployment of a user's, of these tests."""
    made: dict[str, Workload] = {}

    def named(name: str) -> Workload:
        return made.setdefault(name, Workload(kube, f"install-{name}"))

    yield named
    for one in made.values():
        one.delete()


@pytest.fixture(scope="module")
def ended() -> set[str]:
    """Pods that were told to end."""
    return set()


def test_uninstalled_and_nothing_is_left(
    kube: Kube,
    system: Kube,
    values: dict[str, Any],
    user: Callable[[str], Workload],
    ended: set[str],
) -> None:
    stripped, left = user("stripped"), user("left")
    for one in (stripped, left):
        one.apply(parked=True).accepted()
    stripped.annotate(query="vector(1)", threshold="1").accepted()
    run(str(TREE / "examples/strip.sh")).accepted()
    assert stripped.ours() == []
    left.annotate(query="vector(1)", threshold="1").accepted()
    ended |= set(program_pods(kube, system))
    helm("uninstall").accepted()
    for one in (stripped, left):
        freely_edited(kube, one)
    assert left.annotations()["scale.amp/query"] == "vector(1)"
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not ours_left(), GONE_S, "all of ours is gone")
    assert ours_left() == []
    for one in (stripped, left):
        one.annotate("max-replicas").accepted()


def test_installed_and_scaled(
    kube: Kube,
    system: Kube,
    plain: dict[str, Any],
    user: Callable[[str], Workload],
    metric: Callable[[float], str],
    record_property: Callable[[str, object], None],
) -> None:
    began = time.monotonic()
    helm("install", CHART, "--wait", f"--timeout={READY_S:.0f}s", values=plain).accepted()
    ready_s = time.monotonic() - began
    print(f"all pods were ready {ready_s:.1f} s after helm install")
    record_property("ready_s", ready_s)
    one = user("stripped")
    one.delete()
    wait_until(lambda: is_asked(one), SECONDS, "the API server asks the webhook")
    one.apply(parked=True, replicas=1).accepted()
    done = one.annotate(query=metric(75), threshold="25").accepted()
    assert any("75/25 → 3 replicas" in line for line in done.warnings)
    one.wait_for(3)


def test_what_was_left_is_taken_up_again(user: Callable[[str], Workload]) -> None:
    left = user("left")
    left.annotate(query="vector(4)").accepted()
    left.wait_for(4)


def test_helm_test(kube: Kube, system: Kube, plain: dict[str, Any]) -> None:
    done = helm("test").accepted()
    assert "3 checks, 0 wrong" in done.err, "helm shows the pod's log before it deletes it"
    for where in (kube, system):
        for kind in ("pods", "roles", "rolebindings", "serviceaccounts"):
            assert f"{RELEASE}-check" not in where.names(kind)


def test_upgraded_and_rolled_back_under_admissions(
    kube: Kube, system: Kube, plain: dict[str, Any], ended: set[str]
) -> None:
    """Each pod of the webhook is replaced twice, and no admission goes without it. In the end those
    of before the uninstallation are gone too."""
    first = set(program_pods(system)) - ended
    changed = plain | {"webhook": plain["webhook"] | {"podAnnotations": {"changed": "yes"}}}
    with Stream(kube.namespace) as stream:
        helm("upgrade", CHART, "--wait", values=changed).accepted()
        second = set(program_pods(system)) - first - ended
        assert len(second) == 2
        helm("rollback", "--wait").accepted()

        ended |= first | second

        def over() -> bool:
            return not ended & set(program_pods(kube, system))

        wait_until(over, GONE_S, "only the third pair is there")
    print(f"{stream.answered} admissions, {len(stream.failed)} failed")
    stream.flawless(100)
    assert len(program_pods(system)) == 2
    rolled_out(system, kube)


def test_helm_test_finds_what_is_wrong(kube: Kube, system: Kube, plain: dict[str, Any]) -> None:
    """It fails, says why, and its pod stays for the log; what it was allowed to do does not."""
    probe = Workload(kube, "probe")
    system("delete", "mutatingwebhookconfiguration", RELEASE).accepted()
    wait_until(lambda: not is_asked(probe), SECONDS, "the API server asks nobody")
    done = helm("test")
    assert done.code != 0
    log = system("logs", f"{RELEASE}-check").accepted().out
    assert "WRONG  the webhook completes annotations: a Deployment came back as it was sent" in log
    assert "ok     the webhook refuses wrong ones" in log
    assert "ok     a scaler is at work" in log
    assert "3 checks, 1 wrong" in log
    assert f"{RELEASE}-check" not in kube.names("roles") | system.names("serviceaccounts")
    system("delete", "pod", f"{RELEASE}-check").accepted()


def test_the_plugin_says_what_to_do(kube: Kube, plain: dict[str, Any]) -> None:
    """From outside, by one who may see the configurations, it says what is not there."""
    plugin = f"{setting('AMPSCALE_PROGRAMS')}/kubectl-ampscale"
    found = run(plugin, "check", "-ojson", kube.namespace)
    assert found.code == 1
    (wrong,) = [one for one in json.loads(found.out) if not one["ok"]]
    assert "there are no mutatingwebhookconfigurations of ampscale" in wrong["text"]
    assert "helm upgrade --install" in wrong["fix"]
    own = json.loads(run(plugin, "check", "-ojson", "--no-scaler", SYSTEM).out)
    assert f"{RELEASE} leaves out this namespace" in own[1]["text"]
