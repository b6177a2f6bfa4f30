"""What the chart installs is told in the READMEs: certificates' flags, metrics and complaints."""

from __future__ import annotations

import re

import pytest
from helmchart import CHART, TREE

README = (TREE / "README.md").read_text()
CERTS = (TREE / "webhook/certs.c").read_text()
FLAGS = (TREE / "webhook/tls_flags.c").read_text()
FAMILIES = (TREE / "webhook/families.c").read_text()


def section(title: str) -> str:
    return re.split(r"^## ", README.partition(f"\n## {title}\n")[2], flags=re.MULTILINE)[0]


def troubles() -> list[str]:
    table = CERTS.partition("TROUBLES[TROUBLE_COUNT] = {")[2].partition("};")[0]
    return re.findall(r'= "([^"]+)",', table)


def test_all_troubles_are_found() -> None:
    header = (TREE / "webhook/certs_internal.h").read_text()
    names = header.partition("enum cert_trouble {")[2].partition("};")[0]
    assert len(troubles()) >= len(re.findall(r"^ +TROUBLE_\w+", names, re.MULTILINE)) - 1 > 0


@pytest.mark.parametrize("text", troubles())
def test_a_trouble_with_certificates_has_its_row(text: str) -> None:
    assert f"\n| `{text}` |" in section("Troubleshooting")


def test_each_flag_and_metric_of_certificates_is_told() -> None:
    flags = re.findall(r'"((?:tls|webhook)-[a-z-]+)"', FLAGS.partition("static bool is_name")[0])
    assert len(flags) == 7
    metrics = re.findall(r'"(ampscale_webhook_certificate[a-z_]+)"', FAMILIES)
    assert len(metrics) == 4
    text = section("Certificates")
    assert not [flag for flag in flags if f"`--{flag}" not in text]
    assert not [metric for metric in metrics if f"| `{metric}" not in text]


def test_the_charts_links_lead_somewhere() -> None:
    text = (CHART / "README.md").read_text()
    for file, anchor in re.findall(r"\]\(([^)#]+)(?:#([a-z-]+))?\)", text):
        target = (CHART / file).resolve()
        assert target.is_relative_to(TREE) and target.exists(), file
        titles = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
        assert not anchor or anchor in {title.lower().replace(" ", "-") for title in titles}
