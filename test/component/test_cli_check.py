"""`kubectl-ampscale check` against a fake cluster: what it asks for, what it makes of each answer,
and the fix it gives."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakekube import FakeKube, Object
from test_cli import run

REFUSAL = (
    'admission webhook "validate.scale.amp" denied the request: scale.amp: Deployment shop/x is '
    'not accepted:\n  scale.amp/threshold: "0": expected a number > 0'
)
HOOK: Object = {
    "metadata": {"name": "ampscale"},
    "webhooks": [
        {
            "failurePolicy": "Ignore",
            "clientConfig": {
                "service": {"namespace": "ampscale-system", "name": "ampscale-webhook"},
                "caBundle": "eA==",
            },
        }
    ],
}


def refused(text: str, code: int = 422) -> tuple[int, Object, list[str]]:
    return code, {"kind": "Status", "code": code, "reason": "Invalid", "message": text}, []


def webhook(wanted: Object) -> tuple[int, Object, list[str]]:
    """As ours answers."""
    annotations = wanted["metadata"]["annotations"]
    if annotations["scale.amp/threshold"] == "0":
        return refused(REFUSAL)
    annotations["scale.amp/min-replicas"] = "1"
    return 201, wanted, ["policy maxTriggers allows less"]


def lease(age_s: float, holder: str = "ampscale-scaler-x") -> Object:
    then = time.time() - age_s
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(then)) + f"{then % 1:.6f}"[1:] + "Z"
    return {
        "metadata": {"name": "ampscale-scaler", "resourceVersion": "1"},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 2, "renewTime": text},
    }


@pytest.fixture
def kube(tmp_path: Path) -> Iterator[FakeKube]:
    """A cluster with nothing wrong; its context's namespace is shop."""
    fake = FakeKube(tmp_path)
    fake.admit = webhook
    fake.hooks = {"mutating": HOOK, "validating": HOOK}
    fake.leases = {"shop": [lease(0)]}
    yield fake
    fake.close()


def check(kube: FakeKube, *args: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Its exit code, and its results by check; the last namespace's, when there are several."""
    done = run("check", "-ojson", *args, "--kubeconfig", kube.kubeconfig)
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert all(one["ok"] or one["fix"] for one in found)
    assert done.returncode == (0 if all(one["ok"] for one in found) else 1)
    return done.returncode, {one["check"]: one for one in found}


def wrong(kube: FakeKube, name: str, *args: str) -> tuple[str, str]:
    """Text and fix of the one check that is wrong."""
    code, found = check(kube, *args)
    assert code == 1
    assert [one["check"] for one in found.values() if not one["ok"]] == [name]
    return found[name]["text"], found[name]["fix"]


def with_hook(**changed: Any) -> Object:
    return HOOK | {"webhooks": [HOOK["webhooks"][0] | changed]}


def untouched(wanted: Object) -> tuple[int, Object, list[str]]:
    return 201, wanted, []


def test_all_is_well(kube: FakeKube) -> None:
    done = run("check", "--kubeconfig", kube.kubeconfig)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "namespace shop",
        '  ok     the webhook completes annotations: scale.amp/min-replicas: "1" came back. A dry '
        "run does not run the query: kubectl annotate does, and tells its value",
        "         Warning: policy maxTriggers allows less",
        '  ok     the webhook refuses wrong ones: scale.amp/threshold: "0": expected a number > 0',
        "  ok     a scaler is at work: ampscale-scaler-x holds the Lease ampscale-scaler in shop",
        "3 checks, 0 wrong",
    ]
    right, bad = kube.created
    assert right["metadata"]["annotations"]["scale.amp/threshold"] == "1"
    assert bad["metadata"]["annotations"]["scale.amp/threshold"] == "0"
    assert not [path for path in kube.asked if "webhookconfigurations" in path]
    code, found = check(kube)
    assert code == 0
    assert list(found) == ["completes", "refuses", "served"]
    assert found["completes"]["warnings"] == ["policy maxTriggers allows less"]


def test_several_namespaces(kube: FakeKube) -> None:
    kube.leases["bank"] = [lease(0)]
    done = run("check", "shop", "bank", "--kubeconfig", kube.kubeconfig)
    assert [line for line in done.stdout.splitlines() if not line.startswith("  ")] == [
        "namespace shop",
        "namespace bank",
        "6 checks, 0 wrong",
    ]
    assert done.returncode == 0
    del kube.leases["shop"]
    assert run("check", "shop", "bank", "--kubeconfig", kube.kubeconfig).returncode == 1


@pytest.mark.parametrize(
    ("hook", "says", "fix"),
    [
        (None, "there are no mutatingwebhookconfigurations of ampscale", "helm upgrade --install"),
        (HOOK, "ampscale has failurePolicy Ignore, which lets pass", "-n ampscale-system get pods"),
        (
            with_hook(clientConfig={"service": {"namespace": "ampscale-system", "name": "w"}}),
            "ampscale has no caBundle",
            "-n ampscale-system get pods",
        ),
        (
            with_hook(clientConfig={"service": {"namespace": "shop", "name": "w"}}),
            "ampscale leaves out this namespace",
            "name another namespace",
        ),
        (
            with_hook(failurePolicy="Fail"),
            "ampscale leaves it out, by namespaceSelector",
            "kubectl get mutatingwebhookconfigurations ampscale -o yaml",
        ),
    ],
    ids=["none", "ignore", "no-authority", "its-own", "fail"],
)
def test_nobody_completes(kube: FakeKube, hook: Object | None, says: str, fix: str) -> None:
    kube.hooks = {"mutating": hook} if hook else {}
    kube.admit = lambda d: untouched(d) if "1" in threshold(d) else webhook(d)
    text, how = wrong(kube, "completes")
    assert text.startswith("a Deployment came back as it was sent: ")
    assert says in text
    assert fix in how


def threshold(wanted: Object) -> str:
    return wanted["metadata"]["annotations"]["scale.amp/threshold"]


def test_nobody_refuses(kube: FakeKube) -> None:
    kube.admit = lambda d: untouched(d) if "0" in threshold(d) else webhook(d)
    text, how = wrong(kube, "refuses")
    assert "was admitted with a wrong threshold: the webhook is away, and ampscale has" in text
    assert how.endswith("kubectl get validatingwebhookconfigurations ampscale -o yaml")


def test_why_is_not_to_be_known(kube: FakeKube) -> None:
    kube.admit = untouched
    kube.denied = {"/apis/admissionregistration.k8s.io/"}
    code, found = check(kube)
    assert code == 1
    assert "Which of these cannot be told: User" in found["completes"]["text"]
    assert found["completes"]["fix"] == "kubectl get mutatingwebhookconfigurations -o yaml"


@pytest.mark.parametrize(
    ("code", "text", "fix"),
    [
        (
            500,
            'Internal error occurred: failed calling webhook "mutate.scale.amp": no endpoints',
            "no annotated Deployment is admitted until it answers: kubectl -n ampscale-system get",
        ),
        (403, 'admission webhook "other" denied the request: no', "whose rule that is"),
        (404, 'namespaces "shop" not found', "kubectl create namespace shop"),
        (429, "too many requests", "the answer is the API server's"),
    ],
)
def test_a_dry_run_that_fails(kube: FakeKube, code: int, text: str, fix: str) -> None:
    kube.admit = lambda d: refused(text, code) if "1" in threshold(d) else webhook(d)
    said, how = wrong(kube, "completes")
    assert text in said
    assert fix in how


def test_a_refusal_in_other_words(kube: FakeKube) -> None:
    other = 'admission webhook "other" denied the request: no'
    kube.admit = lambda d: refused(other) if "0" in threshold(d) else webhook(d)
    assert wrong(kube, "refuses")[0] == other


def test_no_right_to_create(kube: FakeKube) -> None:
    kube.denied = {"/apis/apps/"}
    code, found = check(kube)
    assert code == 1
    for name in ("completes", "refuses"):
        assert "cannot create resource" in found[name]["text"]
        assert "needs the right to create deployments.apps" in found[name]["fix"]


def test_no_scaler(kube: FakeKube) -> None:
    kube.leases = {}
    text, how = wrong(kube, "served")
    assert text == "there is no Lease ampscale-scaler in shop"
    assert "add it to scaler.namespaces" in how
    kube.leases = {"shop": [lease(0, "")]}
    text, how = wrong(kube, "served")
    assert text == "nobody holds the Lease ampscale-scaler in shop"
    assert how.startswith("kubectl -n shop get pods")
    kube.leases = {"shop": [lease(60)]}
    text, _ = wrong(kube, "served")
    assert "ampscale-scaler-x, which holds the Lease" in text
    assert re.search("renewed it 6[0-9]s ago", text)
    kube.denied = {"/apis/coordination.k8s.io/"}
    assert "needs the right to get leases" in wrong(kube, "served")[1]


@pytest.mark.parametrize("skew_s", [3600.0, -3600.0])
def test_a_scaler_whose_clock_is_wrong_lives(kube: FakeKube, skew_s: float) -> None:
    kube.leases = {"shop": [lease(skew_s), lease(skew_s), lease(skew_s - 1)]}
    assert check(kube)[0] == 0


def test_the_scaler_of_all_namespaces(kube: FakeKube) -> None:
    kube.leases = {"ampscale-system": [lease(0)]}
    _, found = check(kube)
    assert found["served"]["text"].endswith("ampscale-scaler in ampscale-system")
    kube.leases = {"elsewhere": [lease(0)]}
    assert "no Lease ampscale-scaler in shop" in wrong(kube, "served")[0]
    assert check(kube, "--scaler-namespace", "elsewhere")[0] == 0


def test_a_scaler_alone(kube: FakeKube) -> None:
    kube.admit = untouched
    kube.hooks = {}
    code, found = check(kube, "--no-webhook")
    assert (code, list(found)) == (0, ["served"])
    assert kube.created == []


def test_a_webhook_alone(kube: FakeKube) -> None:
    kube.leases = {}
    code, found = check(kube, "--no-scaler")
    assert (code, list(found)) == (0, ["completes", "refuses"])


def test_waits_until_all_is_well(kube: FakeKube) -> None:
    kube.leases = {"shop": [lease(0, ""), lease(0, ""), lease(0)]}
    assert check(kube, "--wait", "30s")[0] == 0
    kube.leases = {"shop": [lease(0, "")]}
    assert check(kube, "--wait=600ms")[0] == 1


def test_no_cluster(kube: FakeKube) -> None:
    kube.kubeconfig.write_text(kube.kubeconfig.read_text().replace(kube.url, "http://127.0.0.1:9"))
    done = run("check", "--kubeconfig", kube.kubeconfig)
    assert done.returncode == 1
    assert "127.0.0.1:9" in done.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["a/b"], '"a/b" is no name of a namespace'),
        (["--scaler-namespace", "A"], '"A" is no name of a namespace'),
        (["-n", "a", "b"], "either by -n or without it"),
        (["--no-webhook", "--no-scaler"], "leave nothing to check"),
        (["--wait", "15"], 'did you mean "15s"'),
    ],
)
def test_usage(args: list[str], said: str) -> None:
    done = run("check", *args)
    assert done.returncode == 2
    assert said in done.stderr
