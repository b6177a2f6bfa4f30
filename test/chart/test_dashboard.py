"""The dashboard without a Grafana: it is what its table says, Grafana's model accepts it, the chart
ships it, and it and the README name no metric that there is not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from helmchart import CHART, ENOUGH, TREE, objects, render

sys.path.insert(0, str(TREE / "test/cluster"))
from node import cache

FILE = CHART / "dashboards/ampscale.json"
ON = "--set=monitoring.dashboard.enabled=true"
SUFFIXES = re.compile(r"_(bucket|sum|count)$")


@pytest.fixture(scope="module")
def model() -> Path:
    """Grafana's own, as a program that complains."""
    subprocess.run([TREE / "test/cluster/build", "dashboard"], check=True)
    return cache.optional("dashboard").entry() / "dashboard"


def complaints(model: Path, board: Any) -> str:
    done = subprocess.run(
        [model], input=json.dumps(board), capture_output=True, text=True, check=False
    )
    assert done.returncode == (1 if done.stdout else 0), done.stderr
    return done.stdout


def board() -> dict[str, Any]:
    return json.loads(FILE.read_text())


def panels() -> list[dict[str, Any]]:
    return [panel for panel in board()["panels"] if panel["type"] != "row"]


def test_it_is_what_its_table_says() -> None:
    command = [sys.executable, TREE / "scripts/dashboard.py", "--check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_grafanas_model_accepts_it(model: Path) -> None:
    assert complaints(model, board()) == ""


# Where and what: [path, key, new value; None: without it], and the complaint.
WRONG = {
    "unknown": (["panels", 1], "titel", "x", "unexpected field 'titel'"),
    "type": (["panels", 1, "gridPos"], "w", "4", "panels[1].gridPos.w: json: cannot"),
    "panel": (["panels", 1, "options"], "textMode", None, "panels[1].options.textMode: required"),
    "query": (["panels", 1, "targets", 0], "expr", None, "panels[1].targets[0].expr: required"),
    "variable": (["templating", "list", 1], "type", None, "templating.list[1].type: required"),
    "mark": (["annotations", "list", 0], "iconColor", None, "annotations.list[0].iconColor: req"),
}


@pytest.mark.parametrize("what", WRONG)
def test_the_model_notices(model: Path, what: str) -> None:
    path, key, value, says = WRONG[what]
    changed = board()
    place: Any = changed
    for step in path:
        place = place[step]
    place.pop(key, None)
    if value is not None:
        place[key] = value
    assert says in complaints(model, changed)


def test_every_panel_says_what_it_answers() -> None:
    for panel in panels():
        assert panel["description"].endswith(("?", ".")), panel["title"]
        assert all(target["expr"] and target["legendFormat"] for target in panel["targets"])
    titles = [panel["title"] for panel in panels()]
    assert len(titles) == len(set(titles))


def test_no_panel_covers_another() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in board()["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


def test_each_variable_is_there_and_used() -> None:
    text = FILE.read_text()
    used = {a or b for a, b in re.findall(r"\$(?:\{(\w+)\}|(\w+))", text)}
    there = {one["name"] for one in board()["templating"]["list"]}
    assert {name for name in used if not name.startswith("__")} == there


def families() -> set[str]:
    """What the programs' tables of metrics have."""
    found: set[str] = set()
    for path in ("scaler/scaler_metrics.c", "webhook/families.c", "collector/own.c"):
        found |= set(re.findall(r'"(ampscale_[a-z_]+)"', (TREE / path).read_text()))
    return found


def test_it_asks_for_metrics_that_there_are() -> None:
    asked = set(re.findall(r"ampscale_(?:scaler|webhook|collector)_[a-z_]+", FILE.read_text()))
    assert {SUFFIXES.sub("", name) for name in asked} <= families()


def test_the_readme_lists_every_metric() -> None:
    section = (TREE / "README.md").read_text().partition("<!-- metrics")[2]
    table = section.partition("<!-- end of metrics -->")[0]
    assert set(re.findall(r"`(ampscale_[a-z_]+)`", table)) == families()


def test_the_readme_lists_every_row() -> None:
    section = (
        (TREE / "README.md").read_text().partition("\n## Dashboard\n")[2].partition("\n## ")[0]
    )
    rows = [panel["title"] for panel in board()["panels"] if panel["type"] == "row"]
    assert re.findall(r"^\| ([A-Z]\w+) \| ", section, re.MULTILINE) == rows


def test_the_chart_ships_it() -> None:
    given = "monitoring: {dashboard: {namespace: grafana, annotations: {grafana_folder: a b}}}"
    values = yaml.safe_load(given)
    made = objects(render(*ENOUGH, ON, values=values))
    (shipped,) = [one for one in made if one["metadata"]["name"].endswith("-dashboard")]
    assert shipped["kind"] == "ConfigMap"
    assert shipped["metadata"]["namespace"] == "grafana"
    assert shipped["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert shipped["metadata"]["annotations"] == {"grafana_folder": "a b"}
    assert shipped["data"] == {"ampscale.json": FILE.read_text()}
    assert "-dashboard" not in render(*ENOUGH)


def test_series_keep_the_namespace_they_are_about() -> None:
    """The scaler's have one of their own; the collector beside it, or the operator, adds none."""
    words = [
        "--set=monitoring.remoteWrite.enabled=true",
        "--set=monitoring.podMonitor.enabled=true",
    ]
    made = objects(render(*ENOUGH, *words))
    args = {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]["initContainers"][0]["args"]
        for one in made
        if one["kind"] == "Deployment"
    }
    mine = "--label=namespace=$(POD_NAMESPACE)"
    assert mine in args["ampscale-webhook"] and mine not in args["ampscale-scaler"]
    assert "--label=job=$(POD_NAMESPACE)/ampscale-scaler" in args["ampscale-scaler"]
    for one in made:
        if one["kind"] == "PodMonitor":
            assert all(place["honorLabels"] for place in one["spec"]["podMetricsEndpoints"])
