"""The policy of an installation: each rule and action through kubectl, by namespace, loaded anew.

It is the chart's ConfigMap that is edited, as a platform team without Helm at hand would.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from amp.control import wait_until
from conftest import Make, setting
from kube import SECONDS, Kube

CONFIG = "ampscale-config"
MARK = "\n# put back by "  # another content each time, so that it is told of
TWO = "[{query: a, threshold: 1}, {query: b, threshold: 1}]"
ROLE = "arn:aws:iam::000000000000:role/of-nobody"
COLLECTS = {"collector": "enabled", "scrape_port": "8080"}
USUAL = {"query": "vector(3)", "threshold": "1"}
Load = Callable[[str], None]


def breaches() -> dict[str, tuple[str, dict[str, str]]]:
    """Of each rule: its value, and what breaks it. Places are such as the flags allow."""
    return {
        "maxReplicas": ("value: 100, ", {"max_replicas": "500"}),
        "minPollingInterval": ("value: 10s, ", {"polling_interval": "5s"}),
        "maxTriggers": ("value: 1, ", {"triggers": TWO}),
        "forbidZero": ("", {"min_replicas": "0"}),
        "allowedEndpoints": ("values: [], ", {"endpoint": setting("AMPSCALE_ALLOWED")}),
        "allowedWorkspaces": ("values: [ws-1], ", {"workspace": setting("AMPSCALE_WORKSPACE")}),
        "allowedRoles": ("values: [], ", COLLECTS | {"collector_role_arn": ROLE}),
    }


def webhooks(system: Kube) -> set[str]:
    return system.names("pods", "--selector=app.kubernetes.io/name=ampscale-webhook")


@pytest.fixture
def publish(system: Kube) -> Iterator[Load]:
    """publish(text): the policy, as soon as every webhook has looked at it. As before, after the
    test."""
    if not system.get("configmap", CONFIG):
        pytest.skip(f"no ConfigMap {CONFIG}: not installed by the chart")
    found = system.get("configmap", CONFIG)
    original = found["data"]["policy.yaml"]
    manifest = {key: found[key] for key in ("apiVersion", "kind", "data")}
    manifest["metadata"] = {
        key: found["metadata"][key] for key in ("name", "labels", "annotations")
    }
    # Helm's fields stay Helm's: an upgrade after these tests finds no conflict.
    as_helm = ("--server-side", "--field-manager=helm", "--force-conflicts")

    def files_seen() -> dict[str, int]:
        """How often each has said something of a file."""
        logs = {pod: system("logs", pod).accepted().out for pod in webhooks(system)}
        return {pod: log.count('"file":"/etc/ampscale/config/policy') for pod, log in logs.items()}

    def write(text: str) -> None:
        before = files_seen()
        manifest["data"]["policy.yaml"] = text
        system.apply(manifest, *as_helm).accepted()
        # kubelet brings a pod's volumes up to date when the pod changes; else within a minute.
        nudge = f"ampscale.test/nudge={uuid.uuid4().hex}"
        system("annotate", "pods", "--overwrite", *webhooks(system), nudge).accepted()

        def looked() -> bool:
            return all(count > before.get(pod, 0) for pod, count in files_seen().items())

        wait_until(looked, 3 * SECONDS, "every webhook has looked at the policy")

    yield write
    write(f"{original.split(MARK)[0]}{MARK}{uuid.uuid4().hex}\n")


def all_rules(action: str) -> str:
    rules = "".join(
        f"  {name}: {{{value}action: {action}}}\n" for name, (value, _) in breaches().items()
    )
    return f"version: 1\ncontact: '#platform'\ndefaults:\n{rules}"


def breaking(name: str) -> dict[str, str]:
    """Annotations that break this rule alone; a dry run sends no query."""
    _, breach = breaches()[name]
    return breach if "triggers" in breach else USUAL | breach


def verdicts(system: Kube) -> list[dict[str, Any]]:
    """What the webhooks logged of it."""
    lines = [line for pod in webhooks(system) for line in system("logs", pod).out.splitlines()]
    return [json.loads(line) for line in lines if '"msg":"policy"' in line]


def test_each_rule_and_action(workload: Make, kube: Kube, system: Kube, publish: Load) -> None:
    publish(all_rules("deny"))
    for name in breaches():
        refusal = workload().apply("--dry-run=server", **breaking(name)).refusal()
        assert f"policy {name} allows" in refusal
        assert f"in namespace {kube.namespace}; ask #platform" in refusal
    publish(all_rules("warn"))
    for name in breaches():
        done = workload().apply("--dry-run=server", **breaking(name)).accepted()
        assert any(f"policy {name} allows" in warning for warning in done.warnings)
    publish(all_rules("audit"))
    one = workload()
    for name in breaches():
        done = one.apply("--dry-run=server", **breaking(name)).accepted()
        assert not any("policy" in warning for warning in done.warnings)
    told = [line for line in verdicts(system) if line["name"] == one.name]
    assert {line["rule"] for line in told} == set(breaches())
    assert {(line["action"], line["namespace"]) for line in told} == {("audit", kube.namespace)}


def test_overrides(workload: Make, kube: Kube, publish: Load) -> None:
    """A namespace's rule stands in place of the default one, its action too, or lifts it; another
    namespace's does not."""
    publish(
        "version: 1\ndefaults: {maxReplicas: {value: 10}, minPollingInterval: {value: 10s}, "
        "forbidZero: {}, maxTriggers: {value: 1}}\nnamespaces:\n"
        f"  {kube.namespace}: {{maxReplicas: {{value: 20}}, forbidZero: {{action: none}}, "
        "minPollingInterval: {value: 20s, action: warn}}\n"
        "  elsewhere: {maxTriggers: {value: 9}}\n"
    )
    usual = USUAL | {"max_replicas": "20", "polling_interval": "30s"}
    workload().apply("--dry-run=server", **usual, min_replicas="0").accepted()
    refusal = workload().apply("--dry-run=server", **usual | {"max_replicas": "21"}).refusal()
    assert f"policy maxReplicas allows at most 20 in namespace {kube.namespace}" in refusal
    done = workload().apply("--dry-run=server", **usual | {"polling_interval": "15s"}).accepted()
    assert any("policy minPollingInterval allows no less than 20s" in w for w in done.warnings)
    bounds = {"max_replicas": "20", "polling_interval": "30s"}
    assert "maxTriggers" in workload().apply("--dry-run=server", triggers=TWO, **bounds).refusal()


def test_unreachable(workload: Make, publish: Load) -> None:
    """A query that cannot be tried: nobody listens where it would go. A dry run tries none."""
    nowhere = USUAL | {"endpoint": setting("AMPSCALE_DEAD")}
    rule = "version: 1\ncontact: '#platform'\ndefaults: {unreachable: {action: %s}}\n"
    publish(rule % "deny")
    refusal = workload().apply(**nowhere).refusal()
    assert "could not be tried" in refusal and "#platform" in refusal
    workload().apply(**USUAL, parked=True).accepted()
    publish(rule % "warn")
    done = workload().apply(**nowhere, parked=True).accepted()
    assert any("could not be tried, admitted unchecked" in w for w in done.warnings)
    publish(rule % "audit")
    done = workload().apply(**nowhere, parked=True).accepted()
    assert not any("could not be tried" in w for w in done.warnings)


def test_ratcheting(workload: Make, publish: Load) -> None:
    one = workload()
    one.apply(**USUAL, max_replicas="500", parked=True).accepted()
    publish("version: 1\ndefaults: {maxReplicas: {value: 100}}\n")
    done = one.annotate(cooldown_period="1m").accepted()
    assert any("(as before)" in warning for warning in done.warnings)
    assert "policy maxReplicas" in one.annotate(max_replicas="501").refusal()
    one.annotate(max_replicas="400").accepted()


def test_a_wrong_one_changes_nothing(workload: Make, publish: Load) -> None:
    publish("version: 1\ndefaults: {maxReplicas: {value: 100}}\n")
    publish("version: 1\ndefaults: {maxReplicas: {value: many}}\n")
    refusal = workload().apply("--dry-run=server", **USUAL, max_replicas="500").refusal()
    assert "policy maxReplicas allows at most 100" in refusal
