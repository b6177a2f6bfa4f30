"""Two builds by the Dockerfile's own commands, elsewhere and later, come to the same image. Some
minutes, part of `./run soak`; pytest does not collect it by itself."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from released import ROOT, make
from test_image import listing
from test_released import stages

# What a build may differ in: its folder, umask, language, home, how much is done at once.
PLACES = (
    ("a", "022", {"LC_ALL": "C.UTF-8"}),
    (
        "somewhere else/with a longer name",
        "077",
        {"LC_ALL": "C", "TZ": "Pacific/Auckland", "HOME": "/nonexistent", "NINJA_STATUS": "%p "},
    ),
)


def copied(target: Path) -> Path:
    """The tree as `COPY . .` has it, without its history: each program then says "unknown"."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def built(folder: Path, umask: str, environment: dict[str, str]) -> tuple[Path, Path]:
    """Root file system and archive, by the commands of the Dockerfile's build stage."""
    tree, root = copied(folder / "src"), folder / "rootfs"
    commands = [rest for word, rest in stages()[1] if word == "RUN"][-1]
    line = re.sub(r"(?<= )/rootfs\b", '"$ROOTFS"', commands)
    done = subprocess.run(
        ["sh", "-euc", f"umask {umask}; {line}"],
        cwd=tree,
        env=os.environ | environment | {"ROOTFS": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    tar = folder / "ampscale.tar"
    make(tree / "image/make", "ampscale:dev", tar, *(tree / "build/release/bin").iterdir())
    return root, tar


def test_built_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (one, first), (two, second) = [built(tmp_path / p, mask, env) for p, mask, env in PLACES]
    assert listing(one) == listing(two)
    digests = {hashlib.sha256(tar.read_bytes()).hexdigest() for tar in (first, second)}
    assert len(digests) == 1
    for program in (one / "usr/bin").iterdir():
        assert str(tmp_path).encode() not in program.read_bytes(), program.name
    with capsys.disabled():
        print(f"\nthe image of both builds: sha256:{digests.pop()}")
