"""What chart-testing and a registry of charts expect of Chart.yaml, the package and its YAML."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from helmchart import CASES, CHART, TREE, helm

# https://helm.sh/docs/topics/charts: the fields of Chart.yaml.
FIELDS = {
    *("apiVersion", "name", "version", "kubeVersion", "description", "type", "keywords", "home"),
    *("sources", "dependencies", "maintainers", "icon", "appVersion", "deprecated", "annotations"),
}
SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?"
)


def metadata() -> dict[str, Any]:
    return yaml.safe_load((CHART / "Chart.yaml").read_text())


def test_chart_yaml_is_what_helm_and_chart_testing_want() -> None:
    chart = metadata()
    assert set(chart) <= FIELDS
    assert (chart["apiVersion"], chart["name"], chart["type"]) == ("v2", CHART.name, "application")
    assert SEMVER.fullmatch(chart["version"])
    assert chart["description"] and chart["keywords"] and chart["icon"]
    assert chart["kubeVersion"].endswith("-0"), "v1.30.3-eks-1 is a pre-release to Helm"
    assert [set(one) - {"email", "url"} for one in chart["maintainers"]] == [{"name"}]


def test_it_installs_the_programs_of_this_tree() -> None:
    header = (TREE / "common/base/version.h").read_text()
    version = re.findall(r'AMPSCALE_VERSION "([^"]+)"', header)
    chart = metadata()
    assert [chart["appVersion"]] == version
    images = yaml.safe_load(chart["annotations"]["artifacthub.io/images"])
    assert [image["image"] for image in images] == [f"ampscale:{chart['appVersion']}"]
    early = chart["version"].startswith("0.")
    assert chart["annotations"]["artifacthub.io/prerelease"] == str(early).lower()
    assert all(isinstance(value, str) for value in chart["annotations"].values())


def test_its_licence_is_the_trees() -> None:
    assert (CHART / "LICENSE").read_bytes() == (TREE / "LICENSE").read_bytes()


def test_a_package_holds_what_belongs_and_no_more(tmp_path: Path) -> None:
    done = helm("package", str(CHART), f"--destination={tmp_path}")
    assert done.returncode == 0, done.stderr
    [package] = tmp_path.iterdir()
    with tarfile.open(package) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"Chart.yaml", "values.yaml", "values.schema.json", "README.md", "LICENSE"}
    assert wanted | {".helmignore", "templates/NOTES.txt"} <= names
    others = names - wanted - {".helmignore"}
    assert all(re.fullmatch(r"(templates|dashboards)/.+\.(yaml|tpl|txt|json)", n) for n in others)
    assert not re.search(r"\.(orig|swp|bak|rej)$", "\n".join(names), re.MULTILINE)


@pytest.mark.parametrize("case", CASES)
def test_sample_values_say_what_they_are(case: str) -> None:
    assert (CHART / f"ci/{case}-values.yaml").read_text().startswith("# ")
