"""The node's cgroups: one directory ``ampscale`` in each hierarchy, with kubelet's pods below it.

cgroup v1, v2 and the hybrid of both are met. Nothing outside of that directory is ever written,
except that v2 must be told to hand controllers down.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from node import paths

NEEDED = ("cpu", "memory", "pids")
WANTED = (*NEEDED, "cpuset", "io", "hugetlb")


class Missing(Exception):
    """A feature of the machine that the node cannot do without."""


def hierarchies() -> list[tuple[Path, str]]:
    """Every mounted hierarchy with its type, ``cgroup`` or ``cgroup2``."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind = right.split()[0]
        if kind in ("cgroup", "cgroup2"):
            found.append((Path(left.split()[4]), kind))
    return found


def _controllers(root: Path, kind: str) -> set[str]:
    if kind == "cgroup2":
        return set((root / "cgroup.controllers").read_text().split())
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        if left.split()[4] == str(root):
            return set(right.split()[2].split(","))
    return set()


def _hand_down(group: Path) -> None:
    """Let the children of a v2 group have the controllers."""
    offered = set((group / "cgroup.controllers").read_text().split())
    enabled = set((group / "cgroup.subtree_control").read_text().split())
    for controller in WANTED:
        if controller in offered - enabled:
            try:
                (group / "cgroup.subtree_control").write_text(f"+{controller}")
            except OSError as error:
                if controller in NEEDED:
                    what = f"cgroup v2 controller {controller} in {group}"
                    raise Missing(f"{what}: {error.strerror}") from None


def create() -> None:
    """Make our parent group in every hierarchy; Missing if a controller is nowhere."""
    have: set[str] = set()
    for root, kind in hierarchies():
        have |= _controllers(root, kind)
    absent = [name for name in NEEDED if name not in have]
    if absent:
        raise Missing(f"cgroup controllers: {', '.join(absent)}")
    for root, kind in hierarchies():
        group = root / paths.CGROUP
        if kind == "cgroup2" and _controllers(root, kind) & set(NEEDED):
            _hand_down(root)
        try:
            group.mkdir(exist_ok=True)
        except OSError as error:
            raise Missing(f"writable cgroups: {group}: {error.strerror}") from None
        if kind == "cgroup2" and _controllers(root, kind) & set(NEEDED):
            _hand_down(group)
        # A v1 cpuset starts without any CPU; nothing could run in it.
        for name in ("cpuset.cpus", "cpuset.mems"):
            if kind == "cgroup" and (group / name).exists():
                (group / name).write_text((root / name).read_text())


def _groups() -> list[Path]:
    """All directories of ours, children before parents."""
    found = []
    for root, _ in hierarchies():
        for folder, _, _ in os.walk(root / paths.CGROUP, topdown=False):
            found.append(Path(folder))
    return found


def remove(seconds: float = 10) -> list[Path]:
    """Kill what still runs in our groups and remove them; what resisted is returned."""
    deadline = time.monotonic() + seconds
    while True:
        for group in _groups():
            with contextlib.suppress(OSError):
                for pid in (group / "cgroup.procs").read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
            with contextlib.suppress(OSError):
                group.rmdir()
        left = _groups()
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)
