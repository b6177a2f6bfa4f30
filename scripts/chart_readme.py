#!/usr/bin/env python3
"""Print the README of the chart: its head, and a table of all values from values.yaml's comments.

    chart_readme.py [--check]

A value is described by the `# -- ` comment above it, or above a map that it is in. --check: exit 1
when charts/ampscale/README.md is not what would be printed; without it the file is written.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parent.parent / "charts/ampscale"
HEAD = CHART / "README.head.md"
KEY = re.compile(r"^( *)([A-Za-z][A-Za-z0-9]*):")


def described(text: str) -> dict[str, str]:
    """Dotted name of each value that has a comment, and the comment."""
    found: dict[str, str] = {}
    parents: list[tuple[int, str]] = []
    comment = ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# -- "):
            comment = stripped.removeprefix("# -- ")
        elif stripped.startswith("# ") and comment:
            comment += " " + stripped.removeprefix("# ")
        elif match := KEY.match(line):
            depth = len(match[1])
            while parents and parents[-1][0] >= depth:
                parents.pop()
            parents.append((depth, match[2]))
            if comment:
                found[".".join(name for _, name in parents)] = comment
            comment = ""
        else:
            comment = ""
    return found


def look_up(values: Any, name: str) -> Any:
    for part in name.split("."):
        values = values[part]
    return values


def leaves(values: dict[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of what is no map with further values."""
    found = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        found += leaves(value, f"{name}.") if isinstance(value, dict) and value else [name]
    return found


def show(value: Any) -> str:
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, dict | list):
        return f"`{yaml.safe_dump(value, default_flow_style=True).strip()}`"
    return f"`{json.dumps(value)}`"


def readme() -> str:
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    comments = described(text)
    silent = [
        name
        for name in leaves(values)
        if not any(name == one or name.startswith(f"{one}.") for one in comments)
    ]
    if silent:
        sys.exit(f"chart_readme: values.yaml says nothing of {', '.join(silent)}")
    rows = ["| value | default | meaning |", "|---|---|---|"]
    for name, meaning in comments.items():
        default = show(look_up(values, name))
        rows.append(f"| `{name}` | {default} | {meaning.replace('|', chr(92) + '|')} |")
    return HEAD.read_text() + "\n".join(rows) + "\n"


def main() -> None:
    wanted = readme()
    file = CHART / "README.md"
    if sys.argv[1:] == ["--check"]:
        if not file.exists() or file.read_text() != wanted:
            sys.exit(
                "chart_readme: charts/ampscale/README.md is not up to date; run it without --check"
            )
    else:
        file.write_text(wanted)


if __name__ == "__main__":
    main()
