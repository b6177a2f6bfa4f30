#!/usr/bin/env python3
"""Write the chart's Grafana dashboard, charts/ampscale/dashboards/ampscale.json, from the table of
its panels in dashboard_panels.py.

    dashboard.py [--check]

--check: exit 1 when the file is not what would be written. test/chart holds it against Grafana's
own model, test/e2e runs every expression in it.
"""

from __future__ import annotations

import json
import string
import sys
from pathlib import Path
from typing import Any

from dashboard_panels import ANNOTATIONS, ROWS, VARIABLES, Panel, Query, Variable

FILE = Path(__file__).resolve().parent.parent / "charts/ampscale/dashboards/ampscale.json"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
COLUMNS = 100
MODEL = 39  # Grafana 10.4, the oldest that Amazon Managed Grafana has; newer ones read it


def target(query: Query, letter: str) -> dict[str, Any]:
    return {
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend,
        "range": True,
        "refId": letter,
    }


def dashed(letter: str) -> dict[str, Any]:
    """A line to compare with."""
    style = {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 8]}}
    hollow = {"id": "custom.fillOpacity", "value": 0}
    return {
        "matcher": {"id": "byFrameRefID", "options": letter},
        "properties": [style, hollow],
    }


def mappings(panel: Panel) -> list[dict[str, Any]]:
    if not panel.words:
        return []
    options = {
        str(value): {"text": text, "color": color, "index": value}
        for value, (text, color) in panel.words.items()
    }
    return [{"type": "value", "options": options}]


def custom(panel: Panel) -> dict[str, Any]:
    if panel.kind == "state-timeline":
        return {"fillOpacity": 80, "lineWidth": 0}
    if panel.kind != "timeseries":
        return {}
    return {
        "drawStyle": "line",
        "fillOpacity": 20 if panel.stacked else 5,
        "lineInterpolation": "stepAfter" if panel.steps_in_time else "linear",
        "lineWidth": 1,
        "showPoints": "never",
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
    }


def field_config(panel: Panel) -> dict[str, Any]:
    steps = panel.limits or [(None, "green")]
    defaults: dict[str, Any] = {
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "custom": custom(panel),
        "mappings": mappings(panel),
        "thresholds": {
            "mode": "absolute",
            "steps": [{"value": value, "color": color} for value, color in steps],
        },
        "unit": panel.unit,
    }
    if panel.kind == "timeseries" and panel.from_zero:
        defaults["min"] = 0
    letters = zip(string.ascii_uppercase, panel.queries, strict=False)
    overrides = [dashed(letter) for letter, query in letters if query.dashed]
    return {"defaults": defaults, "overrides": overrides}


def options(panel: Panel) -> dict[str, Any]:
    reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    legend = {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True}
    tooltip = {"mode": "multi", "sort": "desc"}
    by_kind: dict[str, dict[str, Any]] = {
        "timeseries": {"legend": legend, "tooltip": tooltip},
        "state-timeline": {
            "alignValue": "left",
            "legend": legend | {"showLegend": False},
            "mergeValues": True,
            "rowHeight": 0.9,
            "showValue": "never",
            "tooltip": {"mode": "single", "sort": "none"},
        },
        "stat": {
            "colorMode": "value",
            "graphMode": "area",
            "justifyMode": "auto",
            "orientation": "auto",
            "percentChangeColorMode": "standard",
            "reduceOptions": reduce,
            "showPercentChange": False,
            "textMode": "auto",
            "wideLayout": True,
        },
        "bargauge": {
            "displayMode": "basic",
            "legend": legend | {"showLegend": False},
            "maxVizHeight": 300,
            "minVizHeight": 12,
            "minVizWidth": 8,
            "namePlacement": "left",
            "orientation": "horizontal",
            "reduceOptions": reduce,
            "showUnfilled": True,
            "sizing": "auto",
            "valueMode": "color",
        },
    }
    return by_kind[panel.kind]


def panel_of(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    letters = zip(string.ascii_uppercase, panel.queries, strict=False)
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.answers,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "fieldConfig": field_config(panel),
        "options": options(panel),
        "targets": [target(query, letter) for letter, query in letters],
    }


def row_of(title: str, number: int, y: int) -> dict[str, Any]:
    place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
    return {
        "id": number,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": place,
        "panels": [],
    }


def panels() -> list[dict[str, Any]]:
    """Rows from top to bottom, their panels from left to right, as many in a line as fit."""
    made: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS:
        made.append(row_of(title, len(made) + 1, y))
        x, y, tallest = 0, y + 1, 0
        for panel in row:
            if x + panel.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            made.append(panel_of(panel, len(made) + 1, x, y))
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    return made


def variable_of(one: Variable) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": one.name,
        "label": one.label,
        "description": one.help,
        "type": one.kind,
        "query": one.query,
    }
    if one.kind == "textbox":
        chosen = {"selected": True, "text": one.query, "value": one.query}
        return made | {"current": chosen, "options": [chosen]}
    if one.kind == "datasource":
        return made | {"includeAll": False, "multi": False, "refresh": 1, "regex": ""}
    return made | {
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "datasource": SOURCE,
        "definition": one.query,
        "includeAll": True,
        "multi": True,
        "query": {"query": one.query, "refId": f"variable-{one.name}"},
        "refresh": 2,
        "regex": "",
        "sort": 1,
    }


def annotation_of(name: str, color: str, query: Query) -> dict[str, Any]:
    """`expr` is where Grafana before 10 looks, `target` where later ones do."""
    return {
        "name": name,
        "datasource": SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "expr": query.expr,
        "target": target(query, "Anno"),
        "titleFormat": query.legend,
        "textFormat": query.legend,
        "tagKeys": "namespace,deployment",
    }


def dashboard() -> dict[str, Any]:
    return {
        "uid": "ampscale",
        "title": "ampscale",
        "description": "What ampscale scales, on which values, and how it is itself.",
        "tags": ["ampscale", "autoscaling", "kubernetes"],
        "schemaVersion": MODEL,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": [],
        "templating": {"list": [variable_of(one) for one in VARIABLES]},
        "annotations": {"list": [annotation_of(*one) for one in ANNOTATIONS]},
        "panels": panels(),
    }


def printed(value: Any, indent: int = 0) -> str:
    """JSON: what fits on a line is on one, the rest an item a line."""
    flat = json.dumps(value, ensure_ascii=False)
    if indent + len(flat) <= COLUMNS or not isinstance(value, dict | list):
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, list):
        items = [f"{pad}{printed(item, indent + 2)}" for item in value]
    else:
        items = [f"{pad}{json.dumps(k)}: {printed(v, indent + 2)}" for k, v in value.items()]
    begin, end = "[]" if isinstance(value, list) else "{}"
    return begin + "\n" + ",\n".join(items) + f"\n{' ' * indent}{end}"


def main() -> None:
    wanted = printed(dashboard()) + "\n"
    if sys.argv[1:] == ["--check"]:
        if not FILE.exists() or FILE.read_text() != wanted:
            sys.exit(f"dashboard: {FILE.name} is not up to date; run it without --check")
    else:
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(wanted)


if __name__ == "__main__":
    main()
