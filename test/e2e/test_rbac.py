"""What each ServiceAccount may do, and that it is no more than that: whole lists are compared, so
that a right that is added is seen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml
from chart import RELEASE, SYSTEM
from kube import Kube, run

ELSEWHERE = "default"
# "RESOURCE [NAME...] VERB..." as `kubectl auth can-i --list` has them.
SCALER_MAY = {
    "deployments.apps [] [get list watch]",
    "deployments.apps/scale [] [get patch]",
    "deployments.apps/status [] [patch]",
    "horizontalpodautoscalers.autoscaling [] [get list watch]",
    "events [] [create patch]",
    "events.events.k8s.io [] [create patch]",
    "leases.coordination.k8s.io [ampscale-scaler] [get update]",
}
# Where its pods are, and everywhere.
WEBHOOK_MAY_AT_HOME = {
    "secrets [ampscale-webhook-tls] [get update]",
    "leases.coordination.k8s.io [ampscale-webhook-certificates] [get update]",
}
WEBHOOK_MAY = {
    "horizontalpodautoscalers.autoscaling [] [list]",
    "scaledobjects.keda.sh [] [list]",
    "leases.coordination.k8s.io [ampscale-scaler] [get list watch]",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io [ampscale] [get patch]",
    "validatingwebhookconfigurations.admissionregistration.k8s.io [ampscale] [get patch]",
}
CHECK_MAY = {
    "deployments.apps [] [create]",
    "leases.coordination.k8s.io [ampscale-scaler] [get]",
}
KINDS = {row.split()[0] for row in SCALER_MAY | WEBHOOK_MAY | WEBHOOK_MAY_AT_HOME | CHECK_MAY}
# Asked one by one, lest a list that is read wrongly hides them.
SCALER_MAY_NOT = [
    "list secrets",
    "patch deployments.apps",
    "create pods/exec",
    "create serviceaccounts/token",
]
WEBHOOK_MAY_NOT = [
    "list secrets",
    "patch deployments.apps",
    "delete mutatingwebhookconfigurations.admissionregistration.k8s.io",
]


def may(account: str, what: str, namespace: str) -> bool:
    """Whether account (NAMESPACE:NAME) may do it there."""
    verb, _, resource = what.partition(" ")
    resource, _, subresource = resource.partition("/")
    words = ["kubectl", "auth", "can-i", verb, resource, f"--namespace={namespace}"]
    words += [f"--as=system:serviceaccount:{account}"]
    words += [f"--subresource={subresource}"] if subresource else []
    done = run(*words)
    answer = done.out.split()
    assert answer and answer[0] in ("yes", "no"), f"{what}: {done.err}"
    return answer[0] == "yes"


def listed(account: str, namespace: str) -> set[str]:
    """Rows of `kubectl auth can-i --list`, but for those about paths."""
    words = ["auth", "can-i", "--list", f"--as=system:serviceaccount:{account}"]
    done = run("kubectl", *words, f"--namespace={namespace}").accepted()
    assert not done.err, "a list that is not whole is said here"
    head, *rows = done.out.splitlines()
    starts = [head.index(title) for title in ("Resources", "Non-", "Resource Names", "Verbs")]
    found = set()
    for row in rows:
        resource, paths, names, verbs = (
            row[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)
        )
        if paths == "[]":
            found.add(f"{resource} {names} {verbs}")
    return found


@pytest.fixture(scope="module")
def anybody() -> dict[str, set[str]]:
    """What every ServiceAccount may: ask what it may. By namespace."""
    return {}


@pytest.fixture
def rights(anybody: dict[str, set[str]]) -> Rights:
    return Rights(anybody)


class Rights:
    """rights(account, namespace): what it may beyond what anybody may."""

    def __init__(self, anybody: dict[str, set[str]]) -> None:
        self.anybody = anybody

    def __call__(self, account: str, namespace: str) -> set[str]:
        if namespace not in self.anybody:
            self.anybody[namespace] = listed(f"{ELSEWHERE}:nobody", namespace)
        common = self.anybody[namespace]
        assert not {row.split()[0] for row in common} & KINDS, "what is anybody's is not looked at"
        return listed(account, namespace) - common


@pytest.fixture(scope="session")
def scaler(kube: Kube) -> str:
    return f"{kube.namespace}:ampscale-scaler"


WEBHOOK = f"{SYSTEM}:ampscale-webhook"


def test_scaler_may(kube: Kube, scaler: str, rights: Rights) -> None:
    assert rights(scaler, kube.namespace) == SCALER_MAY
    for other in (SYSTEM, ELSEWHERE):
        assert rights(scaler, other) == set(), "in its own namespace alone"


@pytest.mark.parametrize("what", SCALER_MAY_NOT)
def test_scaler_may_not(kube: Kube, scaler: str, what: str) -> None:
    assert not may(scaler, what, kube.namespace)


def test_webhook_may(kube: Kube, rights: Rights) -> None:
    assert rights(WEBHOOK, SYSTEM) == WEBHOOK_MAY | WEBHOOK_MAY_AT_HOME
    for other in (kube.namespace, ELSEWHERE):
        assert rights(WEBHOOK, other) == WEBHOOK_MAY


@pytest.mark.parametrize("what", WEBHOOK_MAY_NOT)
def test_webhook_may_not(what: str) -> None:
    assert not may(WEBHOOK, what, SYSTEM)


@pytest.fixture
def check() -> Iterator[str]:
    """The ServiceAccount of `helm test`, with the rights that it has meanwhile."""
    hooks = run("helm", "get", "hooks", RELEASE, f"--namespace={SYSTEM}").accepted().out
    made = [one for one in yaml.safe_load_all(hooks) if one and one["kind"] != "Pod"]
    text = yaml.safe_dump_all(made)
    run("kubectl", "apply", "-f", "-", stdin=text).accepted()
    (account,) = [one["metadata"]["name"] for one in made if one["kind"] == "ServiceAccount"]
    yield f"{SYSTEM}:{account}"
    run("kubectl", "delete", "-f", "-", stdin=text).accepted()


def test_check_may(kube: Kube, check: str, rights: Rights) -> None:
    assert rights(check, kube.namespace) == CHECK_MAY
    for other in (SYSTEM, ELSEWHERE):
        assert rights(check, other) == set()


def test_an_app_with_a_collector_may_nothing_more(kube: Kube, rights: Rights) -> None:
    assert rights(f"{kube.namespace}:default", kube.namespace) == set()


def test_pods_are_restricted(kube: Kube, system: Kube) -> None:
    """Both namespaces enforce the restricted level, so that what runs there keeps it."""
    for where in (kube, system):
        labels = where.get("namespace", where.namespace)["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
