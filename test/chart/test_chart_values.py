"""Values: each wrong one is refused with its path (wrong.yaml), each is used (used.yaml)."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_readme import described, leaves
from helmchart import CHART, ENOUGH, refused, render, set_at

HERE = Path(__file__).resolve().parent
WRONG = yaml.safe_load((HERE / "wrong.yaml").read_text())
USED = yaml.safe_load((HERE / "used.yaml").read_text())


def path_of(row: dict[str, Any]) -> str:
    return row.get("told", row["at"])


@functools.cache
def all_complaints() -> str:
    """Helm names all that is wrong at once."""
    values: dict[str, Any] = {}
    for row in WRONG:
        set_at(values, row["at"], row["value"])
    return refused(*ENOUGH, values=values)


@pytest.mark.parametrize("row", WRONG, ids=[row["at"] for row in WRONG])
def test_a_wrong_value_is_refused_by_its_path(row: dict[str, Any]) -> None:
    lines = [line for line in all_complaints().splitlines() if f"at '{path_of(row)}': " in line]
    assert any(row["says"] in line for line in lines), lines or all_complaints()


def value_at(values: Any, name: str) -> Any:
    for part in name.split("."):
        values = values[part]
    return values


def plain(value: Any) -> str:
    """The innermost last text of a value."""
    while value and isinstance(value, dict | list):
        value = value[-1] if isinstance(value, list) else list(value.values())[-1]
    return str(value)


@functools.cache
def least() -> str:
    return render(*ENOUGH)


def has_word(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


def shown_names(part: dict[str, Any]) -> list[str]:
    return leaves(part["values"])


@pytest.mark.parametrize("part", USED["shown"])
def test_what_is_set_shows(part: dict[str, Any]) -> None:
    text = render(*ENOUGH, values=part["values"])
    shows = part.get("shows", {})
    assert set(shows) <= set(shown_names(part))
    wanted = {
        name: shows.get(name, plain(value_at(part["values"], name))) for name in shown_names(part)
    }
    assert not {name: one for name, one in wanted.items() if not has_word(text, one)}
    assert not {name: one for name, one in wanted.items() if has_word(least(), one)}


@pytest.mark.parametrize("row", USED["switches"], ids=[row["at"] for row in USED["switches"]])
def test_a_switch_switches(row: dict[str, Any]) -> None:
    values = row.get("beside", {})
    without = render(*ENOUGH, values=values)
    set_at(values, row["at"], row["to"])
    assert render(*ENOUGH, values=values) != without


def test_each_value_is_tried() -> None:
    tried = {row["at"][1:].replace("/", ".") for row in USED["switches"]}
    for part in USED["shown"]:
        tried.update(shown_names(part))
    silent = [
        name
        for name in described((CHART / "values.yaml").read_text())
        if not any(one == name or one.startswith(f"{name}.") for one in tried)
    ]
    assert not silent, f"test/chart/used.yaml does not try {', '.join(silent)}"
