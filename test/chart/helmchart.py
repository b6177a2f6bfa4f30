"""The chart, and Helm as the node has it: what the tests here have in common."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

TREE = Path(__file__).resolve().parents[2]
CHART = TREE / "charts/ampscale"
GOLDEN = TREE / "test/golden/chart"
CASES = sorted(path.name.removesuffix("-values.yaml") for path in CHART.glob("ci/*-values.yaml"))
# The least that renders.
ENOUGH = [f"--values={TREE}/test/chart/enough.yaml"]


def helm_program() -> str:
    found = subprocess.run(
        [TREE / "test/cluster/build", "--bin"], check=True, capture_output=True, text=True
    )
    return f"{found.stdout.strip()}/helm"


HELM = helm_program()


def helm(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HELM, *words], check=False, capture_output=True, text=True, timeout=60, input=given
    )


def template(*words: str, values: Any = None) -> subprocess.CompletedProcess[str]:
    """`values` come last, so they win over those of the words."""
    given = [] if values is None else ["--values=-"]
    return helm(
        *("template", "ampscale", str(CHART), "--namespace=ampscale-system"),
        *words,
        *given,
        given=yaml.safe_dump(values),
    )


def render(*words: str, values: Any = None) -> str:
    done = template(*words, values=values)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(*words: str, values: Any = None) -> str:
    done = template(*words, values=values)
    assert done.returncode != 0, "it was rendered"
    return done.stderr


def objects(text: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(text) if one]


def golden(case: str) -> list[dict[str, Any]]:
    return objects((GOLDEN / f"{case}.yaml").read_text())


def is_hook(one: dict[str, Any]) -> bool:
    """It is there during `helm test` alone."""
    return one["metadata"].get("annotations", {}).get("helm.sh/hook") == "test"


def set_at(values: Any, pointer: str, value: Any) -> None:
    """Set what a JSON pointer names, and make the maps and lists on the way there."""
    *parents, last = [int(part) if part.isdigit() else part for part in pointer.split("/")[1:]]
    for part, following in zip(parents, [*parents, last][1:], strict=True):
        made: Any = [] if isinstance(following, int) else {}
        if isinstance(part, int):
            values.extend({} for _ in range(len(values), part + 1))
            values[part] = values[part] or made
        else:
            values.setdefault(part, made)
        values = values[part]
    if isinstance(last, int):
        values.extend(None for _ in range(len(values), last + 1))
    values[last] = value
