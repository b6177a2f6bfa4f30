"""`policy` and `scaler.namespaces`: the schema and the webhook's own readers agree.

The readers are those of the programs in $AMPSCALE_BIN, by default the dev build's.
"""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from helmchart import ENOUGH, TREE, objects, refused, render

BIN = Path(os.environ.get("AMPSCALE_BIN", TREE / "build" / "dev" / "bin"))
CASES = yaml.safe_load((Path(__file__).parent / "policies.yaml").read_text())
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, annotations: {scale.amp/query: up, scale.amp/threshold: "1"}}
spec:
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: a}]}}
"""


def read(policy: str, file: Path) -> subprocess.CompletedProcess[str]:
    """By the webhook's own reader."""
    file.write_text(policy)
    return subprocess.run(
        [BIN / "kubectl-ampscale", "lint", "-f", "-", "--policy", file],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        input=DEPLOYMENT,
    )


def rendered(text: str) -> str:
    """The policy's file in what Helm rendered."""
    [config] = [one for one in objects(text) if "policy.yaml" in one.get("data", {})]
    return config["data"]["policy.yaml"]


def in_scopes(rows: list[Any]) -> dict[str, Any]:
    """Each set of rules as those of a namespace of its own."""
    return {"version": 1, "namespaces": {f"row-{i}": row for i, row in enumerate(rows)}}


@functools.cache
def all_complaints() -> str:
    return refused(*ENOUGH, values={"policy": in_scopes(CASES["wrong"])})


@pytest.mark.parametrize("row", range(len(CASES["wrong"])))
def test_wrong_rules_stop_at_the_schema_and_at_the_reader(row: int, tmp_path: Path) -> None:
    rules = CASES["wrong"][row]
    assert f"at '/policy/namespaces/row-{row}" in all_complaints(), rules
    said = read(yaml.safe_dump(in_scopes([rules])), tmp_path / "policy.yaml")
    assert said.returncode == 2 and "namespaces.row-0" in said.stderr, (rules, said)


def test_right_rules_pass_the_schema_and_the_reader_takes_what_is_rendered(tmp_path: Path) -> None:
    text = rendered(render(*ENOUGH, values={"policy": in_scopes(CASES["right"])}))
    said = read(text, tmp_path / "policy.yaml")
    assert said.returncode == 0, said.stderr


@pytest.mark.parametrize("policy", CASES["right_files"], ids=str)
def test_a_right_policy_is_taken(policy: Any, tmp_path: Path) -> None:
    said = read(rendered(render(*ENOUGH, values={"policy": policy})), tmp_path / "policy.yaml")
    assert said.returncode == 0, said.stderr


@pytest.mark.parametrize("policy", CASES["wrong_files"], ids=str)
def test_a_wrong_policy_stops_twice(policy: Any, tmp_path: Path) -> None:
    assert "at '/policy" in refused(*ENOUGH, values={"policy": policy})
    said = read(yaml.safe_dump(policy), tmp_path / "policy.yaml")
    assert said.returncode == 2, said
