"""What the README says of EKS, uninstalling, its diagrams and error texts is so in this tree."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SCRIPT = (ROOT / "examples/eks/aws.sh").read_text()
FIRST_TEXTS = README.partition("\n## Troubleshooting\n")[2].partition("<!-- texts:")[0]
TEXTS = README.partition("<!-- texts:")[2].partition("<!-- end of texts -->")[0]
LITERAL = r'"(?:[^"\\]|\\.)*"'
NO_LITERAL = re.compile(rf"({LITERAL})|/\*.*?\*/|//.*?$|'\\?\"'", re.DOTALL | re.MULTILINE)
SPECIFIER = re.compile(r"%[-0-9.*]*(?:hh|h|ll|l|z|j|t)?[a-zA-Z]")


def section(title: str) -> str:
    return re.split(r"^## ", README.partition(f"\n## {title}\n")[2], flags=re.MULTILINE)[0]


def steps_of_script() -> list[str]:
    found = re.search(r"^steps=\(([^)]*)\)", SCRIPT, re.MULTILINE)
    assert found is not None
    return found[1].split()


def test_every_step_is_in_the_readme_and_there() -> None:
    text = section("On EKS, step by step") + section("Upgrade") + section("Uninstall")
    named = {w for line in re.findall(r"aws\.sh((?: [a-z_]+)+)", text) for w in line.split()}
    named |= set(re.findall(r"^\| `([a-z_]+)` \|", section("Uninstall"), re.MULTILINE))
    named |= {"left"} if "`left`" in text else set()
    assert named == set(steps_of_script())
    for step in steps_of_script():
        assert re.search(rf"^{step}\(\) \{{$", SCRIPT, re.MULTILINE), step


def test_every_file_of_the_example_is_read() -> None:
    for file in (ROOT / "examples/eks").iterdir():
        stem = re.sub(r"^policy-.*", "policy-$1.json", file.name)
        assert file.name == "aws.sh" or stem in SCRIPT, file.name
    for file in (ROOT / "examples/eks").glob("*.json"):
        text = file.read_text()
        for name in ("SUBJECTS", "NAMESPACES_JSON"):
            text = text.replace(f"${{{name}}}", "[]")
        json.loads(text)
    yaml.safe_load((ROOT / "examples/eks/cluster.yaml").read_text())


def test_strip_takes_every_annotation_off(tmp_path: Path) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    kubectl.chmod(0o755)
    done = subprocess.run(
        [ROOT / "examples/strip.sh", "--dry-run=server"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    words = done.stdout.split()
    table = README.partition("<!-- annotations")[2].partition("<!-- end of annotations")[0]
    keys = re.findall(r"^\| `(scale\.amp/[a-z-]+)` \|", table, re.MULTILINE)
    assert [w for w in words if w.startswith("scale.amp/") and w.endswith("-")] == [
        f"{key}-" for key in keys
    ]
    assert "--dry-run=server" in words


def test_every_arrow_names_a_test() -> None:
    text = section("How it hangs together")
    for part in text.split("```mermaid")[1:]:
        diagram, _, rest = part.partition("```")
        arrows = [int(n) for n in re.findall(r"-->\|(\d+)\|", diagram)]
        rows = re.findall(r"^\| (\d+) \| .* \| `([^`]+)` `([^`]+)` \|$", rest, re.MULTILINE)
        assert sorted(arrows) == [int(n) for n, _, _ in rows] != []
        for _, file, test in rows:
            assert f"def {test}(" in (ROOT / file).read_text(), (file, test)


@cache
def said() -> list[str]:
    """Every text in our sources: neighbouring literals joined, what printf fills in as one mark."""
    texts = []
    for directory in ("common", "webhook", "scaler", "collector", "cli"):
        for file in (ROOT / directory).rglob("*.[ch]"):
            source = file.read_text().replace("SPEC_PREFIX", '"scale.amp/"')
            source = NO_LITERAL.sub(lambda match: match[1] or " ", source)
            source = re.sub(r"\bPRI[a-zA-Z0-9]+", '"d"', source)
            for run in re.findall(rf"{LITERAL}(?:\s*{LITERAL})*", source):
                joined = "".join(part[1:-1] for part in re.findall(LITERAL, run))
                texts.append(SPECIFIER.sub("…", joined.replace('\\"', '"')))
    return texts


def test_every_error_text_is_said() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| .+ \| .+ \|$", TEXTS, re.MULTILINE)
    assert len(rows) == TEXTS.count("\n| `")
    for text in rows:
        pattern = re.compile(".*".join(re.escape(part) for part in text.split("…")))
        assert any(pattern.search(one) for one in said()), f"nobody says: {text}"


def test_every_text_that_is_put_together_is_seen() -> None:
    """In the table's first part stands what users read, as the tests of it expect it whole."""
    files = [*(ROOT / "test/golden").rglob("*.*"), *(ROOT / "test/component").glob("test_*.py")]
    seen = "\n".join(file.read_text() for file in files)
    rows = re.findall(r"^\| `([^`]+)` \|", FIRST_TEXTS, re.MULTILINE)
    assert len(rows) >= 8
    for text in rows:
        pattern = ".*".join(re.escape(part) for part in text.split("…"))
        whole = any(re.search(pattern, one) for one in said())
        assert whole or re.search(pattern, seen), f"nobody reads: {text}"
