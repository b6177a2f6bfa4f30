"""The chart without a cluster: what it renders, for each Kubernetes there is, and what it refuses.

`charts/ampscale/ci/NAME-values.yaml` renders to `test/golden/chart/NAME.yaml` and tells what is
in NAME.notes.txt; UPDATE_GOLDEN=1 writes them anew.
"""

from __future__ import annotations

import os
import subprocess
import sys

import kubernetes_validate
import pytest
from helmchart import CASES, CHART, ENOUGH, GOLDEN, TREE, golden, helm, is_hook, refused, render

VERSIONS = ("1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
SHOP = [
    "--set=scaler.namespaces[0].name=shop",
    "--set=scaler.namespaces[0].endpoint=https://s.example.com",
]
FOREIGN = {"Certificate", "Issuer", "PodMonitor"}


@pytest.mark.parametrize("case", CASES)
def test_renders_as_the_golden_file(case: str) -> None:
    got = render(f"--values={CHART}/ci/{case}-values.yaml")
    wanted = GOLDEN / f"{case}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        wanted.write_text(got)
    assert got == wanted.read_text()


@pytest.mark.parametrize("case", CASES)
def test_tells_the_next_step_as_the_golden_file(case: str) -> None:
    flags = ["--dry-run=client", "--namespace=ampscale-system"]
    done = helm(
        "install", "ampscale", str(CHART), *flags, f"--values={CHART}/ci/{case}-values.yaml"
    )
    assert done.returncode == 0, done.stderr
    got = done.stdout.partition("\nNOTES:\n")[2]
    wanted = GOLDEN / f"{case}.notes.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        wanted.write_text(got)
    assert got == wanted.read_text()


def test_a_tenant_is_told_of_no_webhook() -> None:
    flags = ["--dry-run=client", f"--values={CHART}/ci/tenant-values.yaml", "--set=aws.sigv4=on"]
    told = helm("install", "ampscale", str(CHART), *flags).stdout.partition("\nNOTES:\n")[2]
    assert "annotate them: scaler.serviceAccount.annotations." in told
    assert "webhook." not in told


@pytest.mark.parametrize("case", CASES)
def test_is_valid_for_each_kubernetes(case: str) -> None:
    made = golden(case)
    for version in VERSIONS:
        for one in made:
            if one["kind"] not in FOREIGN:
                kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("case", CASES)
def test_lints(case: str) -> None:
    done = helm("lint", "--strict", str(CHART), f"--values={CHART}/ci/{case}-values.yaml")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("case", CASES)
def test_pods_are_restricted(case: str) -> None:
    """What Pod Security's *restricted* asks, and no service links, writable root or latest tag."""
    for one in golden(case):
        pod = (
            one["spec"].get("template", one).get("spec") if one["kind"] in {"Deployment"} else None
        )
        pod = one["spec"] if one["kind"] == "Pod" else pod
        if pod is None:
            continue
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["enableServiceLinks"] is False
        for container in pod["containers"] + pod.get("initContainers", []):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
            assert not container["image"].endswith(":latest")


def test_a_tenant_needs_no_right_to_the_cluster() -> None:
    made = golden("tenant")
    kinds = {one["kind"] for one in made if not is_hook(one)}
    assert kinds == {"Deployment", "Lease", "Role", "RoleBinding", "ServiceAccount"}
    assert {one["kind"] for one in made if is_hook(one)} <= kinds | {"Pod"}


def test_nobody_may_read_secrets_or_write_workloads() -> None:
    for case in CASES:
        for one in golden(case):
            for rule in one.get("rules", []) if "Role" in one["kind"] else []:
                writes = set(rule["verbs"]) - {"get", "list", "watch"}
                assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
                assert "secrets" not in rule["resources"] or rule["resourceNames"]
                if is_hook(one) and "deployments" in rule["resources"]:
                    assert rule["verbs"] == ["create"]  # in a dry run
                else:
                    assert not (writes and {"deployments", "pods"} & set(rule["resources"]))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "--set scaler.namespaces[0].name=NAMESPACE "),
        ([], "--set scaler.allNamespaces=true "),
        ([*ENOUGH, "--set=scaler.namespaces[0].name=shop"], "exclude each other"),
        (["--set=scaler.allNamespaces=true"], "--set aws.workspace=ws-… --set aws.region=REGION "),
        (["--set=scaler.allNamespaces=true"], "--set aws.endpoint=URL "),
        (
            ["--set=scaler.namespaces[0].name=shop", "--set=aws.workspace=ws-1"],
            "aws: workspace ws-1 needs a region: --set aws.region=REGION",
        ),
        (
            [
                *SHOP,
                "--set=scaler.namespaces[1].name=bank",
                "--set=scaler.namespaces[1].workspace=ws-2",
            ],
            "scaler.namespaces[1] (bank): workspace ws-2 needs a region",
        ),
        (
            ["--set=scaler.namespaces[0].name=shop"],
            "scaler.namespaces[0] (shop): where are its metrics?",
        ),
        (
            [*SHOP, "--set=scaler.namespaces[0].workspace=ws-1"],
            "[0] (shop): endpoint https://s.example.com and workspace ws-1 exclude each other",
        ),
        ([*SHOP, "--set=scaler.namespaces[1].name=shop"], "lists namespace shop twice"),
        ([*ENOUGH, "--set=aws.workspace=ws-1"], "exclude each other"),
        ([*ENOUGH, "--set=certificates.mode=existingSecret"], "needs certificates.existingSecret"),
        (
            [*ENOUGH, r"--set=scaler.podLabels.app\.kubernetes\.io/name=mine"],
            "scaler.podLabels: label app.kubernetes.io/name is the chart's own",
        ),
        ([*ENOUGH, "--set=webhook.metricsPort=8443"], "are both 8443"),
        ([*ENOUGH, "--set=webhook.hostNetwork=true,webhook.port=10250"], "is kubelet's"),
        (
            [*ENOUGH, "--set=webhook.enabled=false,scaler.enabled=false"],
            "nothing would be installed",
        ),
        ([*ENOUGH, "--kube-version=1.29.0"], "incompatible with Kubernetes"),
    ],
)
def test_refuses_what_cannot_work(words: list[str], says: str) -> None:
    assert says in refused(*words)


def test_the_readme_lists_each_value() -> None:
    done = subprocess.run(
        [sys.executable, TREE / "scripts/chart_readme.py", "--check"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
