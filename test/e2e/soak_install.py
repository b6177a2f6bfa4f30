"""Certificates that are made anew every few seconds, under admissions that nothing lets pass
unanswered; and `helm test` of other installations than the stage's. `./run soak`; pytest does not
collect it by itself."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Any

import pytest
from amp.control import wait_until
from chart import CHART, RELEASE, helm, installed_values, put_back, rolled_out
from kube import SECONDS, Kube, Workload
from stream import Stream

LOAD_S = 60.0
LEAF_LIFE, CA_LIFE = "9s", "27s"  # each is made anew when two thirds are over
LEAVES, AUTHORITIES = 6, 3  # so many at least are seen within a minute
FAIL = {"failurePolicy": "Fail"}


@pytest.fixture
def values(kube: Kube, system: Kube) -> Iterator[dict[str, Any]]:
    """The stage's, which are in force again afterwards."""
    found = installed_values()
    yield found
    put_back(found, system, kube, Workload(kube, "probe"))


def seen(system: Kube) -> tuple[str, str]:
    """The certificate that is served, and the authorities the API server trusts."""
    data = system.get("secret", f"{RELEASE}-webhook-tls")["data"]
    hook = system.get("mutatingwebhookconfiguration", RELEASE)["webhooks"][0]
    return data["tls.crt"], base64.b64decode(hook["clientConfig"]["caBundle"]).decode()


def test_rotation_fails_no_admission(kube: Kube, system: Kube, values: dict[str, Any]) -> None:
    lives = [f"--tls-leaf-life={LEAF_LIFE}", f"--tls-ca-life={CA_LIFE}"]
    webhook = values["webhook"] | {
        "extraArgs": values["webhook"]["extraArgs"] + lives,
        "mutate": FAIL,
        "validate": FAIL,
    }
    helm("upgrade", CHART, "--wait", values=values | {"webhook": webhook}).accepted()
    rolled_out(system, kube)
    leaves: set[str] = set()
    authorities: set[str] = set()
    with Stream(kube.namespace) as stream:
        end = time.monotonic() + LOAD_S

        def watched() -> bool:
            leaf, bundle = seen(system)
            leaves.add(leaf)
            authorities.update(bundle.split("-----END CERTIFICATE-----")[:-1])
            return time.monotonic() > end

        wait_until(watched, LOAD_S + SECONDS, "a minute of admissions")
    print(
        f"{stream.answered} admissions, {len(stream.failed)} failed, "
        f"{len(leaves)} certificates of {len(authorities)} authorities"
    )
    stream.flawless(1000)
    assert len(leaves) >= LEAVES
    assert len(authorities) >= AUTHORITIES


def test_helm_test_of_one_scaler_for_all(kube: Kube, system: Kube, values: dict[str, Any]) -> None:
    scaler = values["scaler"] | {"namespaces": [], "allNamespaces": True}
    helm("upgrade", CHART, "--wait", values=values | {"scaler": scaler}).accepted()
    rolled_out(system, system)
    said = helm("test").accepted().err
    assert "namespace default" in said
    assert f"holds the Lease ampscale-scaler in {system.namespace}" in said
    assert "3 checks, 0 wrong" in said


@pytest.fixture
def tenant(kube: Kube) -> Iterator[Kube]:
    """A namespace with what the stage's has for programs of ours."""
    found = Kube("tenant")
    found("create", "namespace", found.namespace).accepted()
    for kind, name in (("secret", "ampscale-aws"), ("configmap", "ampscale-ca")):
        one = kube.get(kind, name)
        one["metadata"] = {"name": name}
        found.apply(one).accepted()
    yield found
    found("delete", "namespace", found.namespace).accepted()


def test_helm_test_of_a_tenant(tenant: Kube, values: dict[str, Any]) -> None:
    """Without a webhook of its own there is none to look for, and none that is looked for."""
    own = values | {
        "webhook": {"enabled": False},
        "scaler": values["scaler"] | {"namespaces": [{"name": tenant.namespace}]},
    }
    place = tenant.namespace
    helm("install", CHART, "--wait", values=own, namespace=place).accepted()
    assert "1 check, 0 wrong" in helm("test", namespace=place).accepted().err
    tenant("scale", "deployment/ampscale-scaler", "--replicas=0").accepted()
    wait_until(lambda: not tenant.names("pods"), SECONDS, "the scaler is gone")
    done = helm("test", namespace=place)
    assert done.code != 0
    assert "nobody holds the Lease ampscale-scaler in tenant" in done.err
    tenant("delete", "pod", "ampscale-check").accepted()
    helm("uninstall", "--wait", namespace=place).accepted()
