"""Remove the node: whatever state it was left in, afterwards nothing of it exists.

Killing pid 1 of the node ends every process in its pid namespace, and with them go its network and
mounts. What is left then are cgroups and files. The caller holds record.lock().
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path

from node import cgroups, paths, record


def _members(network: int) -> list[str]:
    """The processes that live in a network namespace; a dying one has already left it."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}/ns/net").st_ino == network:
                found.append(pid)
    return found


def _end(known: record.Record, seconds: float = 20) -> list[str]:
    """Kill the node and wait until nothing of it lives; what still does is returned.

    Not waited for: pid 1 itself. Its end is held up while a process that entered the node is a
    zombie of the host's, and some containers have no one to reap those.
    """
    network = known.network if known.init is not None and known.init.alive() else 0
    others = [p for p in (known.watcher, known.unshare) if p and p.pid != os.getpid()]
    if known.init is not None:
        known.init.kill()
    for process in others:
        process.kill()
    deadline = time.monotonic() + seconds
    while True:
        left = [f"process {process.pid}" for process in others if process.alive()]
        if network:
            left += [f"process {pid} on the node" for pid in _members(network)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.02)


def _unmount() -> None:
    """Mounts of the node are in its own namespace; this is for what should not be there."""
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        target = line.split()[1]
        if target == str(paths.RUN) or target.startswith(f"{paths.RUN}/"):
            subprocess.run(["umount", "--lazy", target], check=False)


def remove() -> list[str]:
    """Take the node away. Returns what could not be removed (empty: nothing is left)."""
    known = record.load()
    left = _end(known) if known is not None else []
    left += [f"cgroup {group}" for group in cgroups.remove()]
    _unmount()
    shutil.rmtree(paths.STATE, ignore_errors=True)
    with contextlib.suppress(OSError):
        paths.RUN.rmdir()  # stays while something else of ours uses it
    if paths.STATE.exists():
        left.append(f"directory {paths.STATE}")
    return left
