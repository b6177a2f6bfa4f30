"""Scanners find nothing in what the chart renders but what scans.yaml gives a reason for.

checkov and yamllint come from an environment of their own (requirements.txt), kube-score is built
as the node's programs are.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from helmchart import CASES, CHART, GOLDEN, TREE

sys.path.insert(0, str(TREE / "test/cluster"))
from node import cache

HERE = Path(__file__).parent
EXCEPTIONS = yaml.safe_load((HERE / "scans.yaml").read_text())
# As chart-testing's lintconf.yaml.
YAML_RULES = {
    "braces": {"min-spaces-inside": 0, "max-spaces-inside": 0},
    "brackets": {"min-spaces-inside": 0, "max-spaces-inside": 0},
    "colons": {"max-spaces-before": 0, "max-spaces-after": 1},
    "commas": {"max-spaces-before": 0, "min-spaces-after": 1, "max-spaces-after": 1},
    "comments": {"require-starting-space": True, "min-spaces-from-content": 1},
    "empty-lines": {"max": 1},
    "hyphens": {"max-spaces-after": 1},
    "indentation": {"spaces": "consistent", "indent-sequences": "whatever"},
    "key-duplicates": "enable",
    "new-line-at-end-of-file": "enable",
    "new-lines": {"type": "unix"},
    "trailing-spaces": "enable",
}


class Finding(NamedTuple):
    check: str
    at: str  # "CASE KIND/NAME"
    text: str


@functools.cache
def environment() -> Path:
    """The scanners' own, beside that of the tests."""
    done = subprocess.run(
        [TREE / "scripts/venv.sh", HERE / "requirements.txt"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return Path(done.stdout.splitlines()[-1]).parent


def said_by(*words: str | Path) -> str:
    """What a scanner prints; its exit code says only whether it found anything."""
    return subprocess.run(words, check=False, stdout=subprocess.PIPE, text=True).stdout


@functools.cache
def of_checkov() -> list[Finding]:
    """All renders at once: it is slow to start."""
    flags = "--skip-download --framework=kubernetes --output=json --compact --quiet"
    done = said_by(environment() / "checkov", *flags.split(), f"--directory={GOLDEN}")
    said = json.loads(done)
    assert said["summary"]["parsing_errors"] == 0 < said["summary"]["passed"], done
    found = []
    for one in said["results"]["failed_checks"]:
        kind, _, name = one["resource"].split(".")
        at = f"{Path(one['file_path']).stem} {kind}/{name}"
        found.append(Finding(one["check_id"], at, one["check_name"]))
    return found


@functools.cache
def of_kube_score() -> list[Finding]:
    subprocess.run([TREE / "test/cluster/build", "kubescore"], check=True)
    program = cache.optional("kubescore").entry() / "kube-score"
    found, asked = [], 0
    for case in CASES:
        flags = ("--output-format=json", "--kubernetes-version=v1.30")
        for one in json.loads(said_by(program, "score", *flags, GOLDEN / f"{case}.yaml")):
            at = f"{case} {one['type_meta']['kind']}/{one['object_meta']['name']}"
            for check in one["checks"]:
                asked += not check["skipped"]
                if check["grade"] < 10 and not check["skipped"]:
                    texts = ", ".join(comment["summary"] for comment in check["comments"] or [])
                    found.append(Finding(check["check"]["id"], at, texts))
    assert asked > 0
    return found


def explains(row: dict[str, str], finding: Finding) -> bool:
    return row["check"] == finding.check and re.search(row.get("at", ""), finding.at) is not None


@pytest.mark.parametrize("scanner", [of_checkov, of_kube_score])
def test_no_finding_is_unexplained(scanner: functools._lru_cache_wrapper[list[Finding]]) -> None:
    open_ = [one for one in scanner() if not any(explains(row, one) for row in EXCEPTIONS)]
    assert not open_, "\n".join(map(str, open_))


def test_no_reason_is_left_over() -> None:
    found = of_checkov() + of_kube_score()
    idle = [row for row in EXCEPTIONS if not any(explains(row, one) for one in found)]
    assert not idle
    assert all(set(row) | {"at"} == {"check", "at", "why"} for row in EXCEPTIONS)


def test_yaml_is_written_as_chart_testing_wants_it() -> None:
    files = [CHART / "Chart.yaml", CHART / "values.yaml", *CHART.glob("ci/*.yaml")]
    rules = f"--config-data={json.dumps({'rules': YAML_RULES})}"
    assert said_by(environment() / "yamllint", "--strict", rules, *files) == ""
