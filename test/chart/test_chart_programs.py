"""The programs take the flags and the files that the chart gives them.

Each is started as its container would be, without an API server to talk to: it has to get as far as
missing that. The programs are those in $AMPSCALE_BIN, by default the dev build's.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helmchart import CASES, TREE, golden, is_hook

BIN = Path(os.environ.get("AMPSCALE_BIN", TREE / "build" / "dev" / "bin"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is mounted at /etc/ampscale: a certificate that may be anybody's."""
    etc = tmp_path_factory.mktemp("etc")
    for name in ("tls", "ca", "config"):
        (etc / name).mkdir()
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=a"
    where = ["-keyout", etc / "tls/tls.key", "-out", etc / "tls/tls.crt"]
    subprocess.run([*made.split(), *where], check=True, capture_output=True)
    (etc / "ca/ca.crt").write_bytes((etc / "tls/tls.crt").read_bytes())
    return etc


def containers(case: str) -> Iterator[dict[str, Any]]:
    for one in golden(case):
        if one["kind"] == "Deployment" and not is_hook(one):
            pod = one["spec"]["template"]["spec"]
            yield from pod["containers"] + pod.get("initContainers", [])


def started(container: dict[str, Any], etc: Path, *more: str) -> subprocess.CompletedProcess[str]:
    variables = {"POD_IP": "192.0.2.1", "POD_NAME": "a", "POD_NAMESPACE": "b"}
    words = [word.replace("/etc/ampscale", str(etc)) for word in container["args"]]
    for name, value in variables.items():
        words = [word.replace(f"$({name})", value) for word in words]
    return subprocess.run(
        [BIN / Path(container["command"][0]).name, *words, *more],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
    )


@pytest.mark.parametrize("case", CASES)
def test_programs_take_their_flags(case: str, files: Path) -> None:
    for one in golden(case):
        for name, text in one.get("data", {}).items() if one["kind"] == "ConfigMap" else ():
            (files / "config" / name).write_text(text)
    seen = set()
    for container in containers(case):
        seen.add(container["name"])
        if container["name"] == "ampscale-collector":
            said = started(container, files, "--check")
            assert (
                said.returncode,
                "no collector of this target" in said.stdout + said.stderr,
            ) == (
                1,
                True,
            ), said
        else:
            said = started(container, files)
            assert said.returncode == 1 and "not in a pod" in said.stderr, said
    assert "scaler" in seen
