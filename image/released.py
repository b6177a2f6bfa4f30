"""What the tests of images share."""

from __future__ import annotations

import json
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SPDX = "usr/share/doc/ampscale/ampscale.spdx.json"
OURS = ("ampscale-collector", "ampscale-scaler", "ampscale-webhook", "kubectl-ampscale")


def run(*command: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **more)


def make(*command: str | Path) -> None:
    done = run(*command)
    assert done.returncode == 0, done.stderr


def archive(tar_file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The manifest's first image and its configuration."""
    with tarfile.open(tar_file) as tar:

        def read(name: str) -> Any:
            member = tar.extractfile(name)
            assert member is not None
            return json.load(member)

        image = read("manifest.json")[0]
        return image, read(image["Config"])


@dataclass(frozen=True)
class Released:
    """The programs of a release build, and what image/make makes of them."""

    programs: tuple[Path, ...]
    tar: Path
    root: Path

    @property
    def bill(self) -> dict[str, Any]:
        """The bill of materials that lies in it."""
        whole: dict[str, Any] = json.loads((self.root / SPDX).read_text())
        return whole
