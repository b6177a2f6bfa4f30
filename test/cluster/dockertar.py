"""Make a deterministic docker-archive tar out of a root file system.

    dockertar.py ROOTFS TAR NAME:TAG [--user UID] [--env K=V]... ENTRYPOINT [ARG]...

The image is tagged ``local/NAME:TAG``; containerd knows it as ``docker.io/local/NAME:TAG``. The
same folder gives the same bytes: entries are sorted, owned by root, and dated 1970. Pods use it
with ``imagePullPolicy: Never`` or ``IfNotPresent``; crane pushes it to a registry.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

NOBODY = 65532


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = 0
    return info


def layer(rootfs: Path) -> bytes:
    """The folder as one uncompressed layer."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(rootfs.rglob("*")):
            name = str(path.relative_to(rootfs))
            tar.add(path, arcname=name, recursive=False, filter=_plain)
    return out.getvalue()


def write(
    rootfs: Path,
    target: Path,
    tag: str,
    entrypoint: Sequence[str],
    user: int = NOBODY,
    env: Mapping[str, str] | None = None,
) -> None:
    """Write ``target``. ``tag`` is NAME:TAG; the archive appears under its name only complete."""
    blob = layer(rootfs)
    digest = hashlib.sha256(blob).hexdigest()
    image = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, "amd64"),
        "os": "linux",
        "config": {
            "Entrypoint": list(entrypoint),
            "User": f"{user}:{user}",
            "WorkingDir": "/",
            "Env": [f"{key}={value}" for key, value in sorted((env or {}).items())],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    config = json.dumps(image, sort_keys=True).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    layer_name = f"{digest}/layer.tar"
    manifest = [{"Config": config_name, "RepoTags": [f"local/{tag}"], "Layers": [layer_name]}]
    files = {
        config_name: config,
        layer_name: blob,
        "manifest.json": json.dumps(manifest).encode(),
    }
    part = target.with_name(f"{target.name}.part")
    with tarfile.open(part, "w") as tar:
        for name, data in sorted(files.items()):
            info = _plain(tarfile.TarInfo(name))
            info.mode = 0o644
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    part.rename(target)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rootfs", type=Path)
    parser.add_argument("tar", type=Path)
    parser.add_argument("tag", metavar="NAME:TAG")
    parser.add_argument("--user", type=int, default=NOBODY)
    parser.add_argument("--env", action="append", default=[], metavar="K=V")
    parser.add_argument("entrypoint", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    env = dict(item.split("=", 1) for item in options.env)
    write(options.rootfs, options.tar, options.tag, options.entrypoint, options.user, env)


if __name__ == "__main__":
    main()
