"""The oldest Helm that the chart promises renders the same objects, and complains of the same."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml
from helmchart import CASES, CHART, ENOUGH, TREE, golden, objects

sys.path.insert(0, str(TREE / "test/cluster"))
from node import cache

# Built from source it takes the API server to be v1.20.
KUBERNETES = "--kube-version=1.30.0"


@pytest.fixture(scope="module")
def helm3() -> str:
    subprocess.run([TREE / "test/cluster/build", "helm3"], check=True)
    return str(cache.optional("helm3").entry() / "helm")


def template(helm3: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [helm3, "template", "ampscale", CHART, "--namespace=ampscale-system", KUBERNETES, *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_it_is_the_oldest_promised(helm3: str) -> None:
    assert cache.optional("helm3").version().startswith("v3.14.")
    assert "Helm 3.14 or newer" in (CHART / "README.md").read_text()


@pytest.mark.parametrize("case", CASES)
def test_it_renders_the_same_objects(helm3: str, case: str) -> None:
    """Their order and the empty lines between them are each Helm's own."""
    done = template(helm3, f"--values={CHART}/ci/{case}-values.yaml")
    assert done.returncode == 0, done.stderr
    ours, theirs = (
        sorted(map(yaml.safe_dump, each)) for each in (objects(done.stdout), golden(case))
    )
    assert ours == theirs


def test_it_names_the_path_of_a_wrong_value(helm3: str) -> None:
    said = template(helm3, *ENOUGH, "--set=webhook.replicas=0,policy.version=2,aws.regoin=x").stderr
    assert "webhook.replicas: Must be greater than or equal to 1" in said
    assert "policy.version" in said
    assert "Additional property regoin is not allowed" in said
