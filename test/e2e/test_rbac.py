"""What each ServiceAccount may do, and that it is no more than that."""

from __future__ import annotations

import pytest
from kube import Kube, run

SCALER_MAY = {
    "get deployments.apps",
    "list deployments.apps",
    "watch deployments.apps",
    "get deployments.apps/scale",
    "patch deployments.apps/scale",
    "patch deployments.apps/status",
    "list horizontalpodautoscalers.autoscaling",
    "watch horizontalpodautoscalers.autoscaling",
    "create events",
    "patch events",
}
SCALER_MAY_NOT = [
    "get secrets",
    "list secrets",
    "get configmaps",
    "patch deployments.apps",
    "update deployments.apps",
    "create deployments.apps",
    "delete deployments.apps",
    "update deployments.apps/scale",
    "list pods",
    "delete pods",
    "create pods",
    "create pods/exec",
    "get serviceaccounts",
    "create serviceaccounts/token",
    "create rolebindings.rbac.authorization.k8s.io",
    "patch replicasets.apps",
    "patch horizontalpodautoscalers.autoscaling",
    "delete horizontalpodautoscalers.autoscaling",
    "get leases.coordination.k8s.io",
    "update leases.coordination.k8s.io",
    "create leases.coordination.k8s.io",
]
WEBHOOK_MAY_NOT = [
    "get secrets",
    "list deployments.apps",
    "patch deployments.apps",
    "get horizontalpodautoscalers.autoscaling",
    "patch horizontalpodautoscalers.autoscaling",
    "list pods",
    "create events",
    "patch mutatingwebhookconfigurations.admissionregistration.k8s.io",
]


def may(kube: Kube, account: str, what: str, namespace: str, name: str = "") -> bool:
    """Whether account (NAMESPACE:NAME) may do it there, to the object of that name if given;
    namespace "" is everywhere."""
    verb, _, resource = what.partition(" ")
    resource, _, subresource = resource.partition("/")
    words = ["kubectl", "auth", "can-i", verb, f"{resource}/{name}" if name else resource]
    words += [f"--as=system:serviceaccount:{account}"]
    words += [f"--subresource={subresource}"] if subresource else []
    words += ["--namespace", namespace] if namespace else ["--all-namespaces"]
    done = run(*words)
    answer = done.out.split()
    assert answer and answer[0] in ("yes", "no"), f"{what}: {done.err}"
    return answer[0] == "yes"


@pytest.fixture(scope="session")
def scaler(kube: Kube) -> str:
    return f"{kube.namespace}:ampscale-scaler"


WEBHOOK = "ampscale-system:ampscale-webhook"


@pytest.mark.parametrize("what", sorted(SCALER_MAY))
def test_scaler_may(kube: Kube, scaler: str, what: str) -> None:
    assert may(kube, scaler, what, kube.namespace)
    assert not may(kube, scaler, what, "default"), "in its own namespace alone"


@pytest.mark.parametrize("what", SCALER_MAY_NOT)
def test_scaler_may_not(kube: Kube, scaler: str, what: str) -> None:
    assert not may(kube, scaler, what, kube.namespace)


def test_scaler_may_hold_its_own_lease(kube: Kube, scaler: str) -> None:
    for verb in ("get", "update"):
        what = f"{verb} leases.coordination.k8s.io"
        assert may(kube, scaler, what, kube.namespace, "ampscale-scaler")
        assert not may(kube, scaler, what, kube.namespace, "another")


def test_webhook_may(kube: Kube) -> None:
    assert may(kube, WEBHOOK, "list horizontalpodautoscalers.autoscaling", "")


@pytest.mark.parametrize("what", WEBHOOK_MAY_NOT)
def test_webhook_may_not(kube: Kube, what: str) -> None:
    assert not may(kube, WEBHOOK, what, "")
    assert not may(kube, WEBHOOK, what, "ampscale-system")


def test_pods_are_restricted(kube: Kube, system: Kube) -> None:
    """Both namespaces enforce the restricted level, so that what runs there keeps it."""
    for where in (kube, system):
        labels = where.get("namespace", where.namespace)["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
