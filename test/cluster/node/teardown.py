"""Remove the node: whatever state it was left in, afterwards nothing of it exists.

Killing pid 1 of the node ends every process in its pid namespace, and with them go its network and
mounts. What is left then are cgroups and files. The caller holds record.lock().
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
from pathlib import Path

from node import cgroups, paths, record


def _end(process: record.Process | None, seconds: float = 20) -> bool:
    """Kill a process of ours and wait until it is gone; pid 1 goes after all others of its node."""
    if process is None or process.pid == os.getpid():
        return True
    handle = process.pidfd()
    if handle is None:
        return True
    process.kill()
    gone, _, _ = select.select([handle], [], [], seconds)
    os.close(handle)
    return bool(gone)


def _unmount() -> None:
    """Mounts of the node are in its own namespace; this is for what should not be there."""
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        target = line.split()[1]
        if target == str(paths.RUN) or target.startswith(f"{paths.RUN}/"):
            subprocess.run(["umount", "--lazy", target], check=False)


def remove() -> list[str]:
    """Take the node away. Returns what could not be removed (empty: nothing is left)."""
    known = record.load()
    left = []
    if known is not None:
        for name in ("watcher", "init", "unshare"):
            process = getattr(known, name)
            if not _end(process):
                left.append(f"process {process.pid} ({name})")
    left += [f"cgroup {group}" for group in cgroups.remove()]
    _unmount()
    shutil.rmtree(paths.STATE, ignore_errors=True)
    with contextlib.suppress(OSError):
        paths.RUN.rmdir()  # stays while something else of ours uses it
    if paths.STATE.exists():
        left.append(f"directory {paths.STATE}")
    return left
