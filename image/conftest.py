"""Our image, made once from the release build."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from released import HERE, OURS, ROOT, Released, archive, make


@pytest.fixture(scope="session")
def programs() -> tuple[Path, ...]:
    """Those of the release build: BUILD_DIR, or build/release."""
    build = Path(os.environ.get("BUILD_DIR", ROOT / "build" / "release"))
    found = tuple(build / "bin" / name for name in OURS)
    missing = [str(path) for path in found if not path.exists()]
    assert not missing, f"./run build release makes {', '.join(missing)}"
    return found


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory, programs: tuple[Path, ...]) -> Released:
    folder = tmp_path_factory.mktemp("released")
    tar, root = folder / "ampscale.tar", folder / "root"
    make(HERE / "make", "ampscale:dev", tar, *programs)
    with tarfile.open(tar) as outer:
        layer = outer.extractfile(archive(tar)[0]["Layers"][0])
        assert layer is not None
        root.mkdir()
        subprocess.run(["tar", "-x", "-C", root], input=layer.read(), check=True)
    return Released(programs, tar, root)
