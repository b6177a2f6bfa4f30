"""Who the running node is: its processes, told apart from later ones that got the same pid.

``up`` writes the record, everything else reads it. A process is a pid together with its start time
and the boot, so that nothing of ours ever signals a stranger.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from node import paths


@dataclass(frozen=True)
class Process:
    pid: int
    start: int  # clock ticks after boot, field 22 of /proc/PID/stat
    boot: str

    def alive(self) -> bool:
        return identify(self.pid) == self

    def pidfd(self) -> int | None:
        """A handle that turns readable when the process ends; None if it already has."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return None
        if self.alive():
            return handle
        os.close(handle)
        return None

    def kill(self) -> None:
        handle = self.pidfd()
        if handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            os.close(handle)


@dataclass(frozen=True)
class Record:
    instance: str
    unshare: Process
    init: Process | None = None  # pid 1 of the node, as the host sees it
    watcher: Process | None = None
    network: int = 0  # inode of the node's network namespace
    bin: str = ""

    def alive(self) -> bool:
        """Without its unshare, pid 1 is on its way out."""
        return self.init is not None and self.init.alive() and self.unshare.alive()


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on (index 0 is field 3)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def identify(pid: int) -> Process | None:
    """The live process with this pid; None if there is none, or only its zombie."""
    fields = _stat(pid)
    if fields is None or fields[0] in "ZX":
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return Process(pid, int(fields[19]), boot)


def child_of(parent: int) -> Process | None:
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = _stat(int(entry))
            if fields is not None and int(fields[1]) == parent:
                return identify(int(entry))
    return None


def save(record: Record) -> None:
    part = paths.RECORD.with_suffix(".part")
    part.write_text(json.dumps(asdict(record), indent=2) + "\n")
    part.rename(paths.RECORD)


def load() -> Record | None:
    try:
        fields = json.loads(paths.RECORD.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    for name in ("unshare", "init", "watcher"):
        fields[name] = Process(**fields[name]) if fields[name] else None
    return Record(**fields)


def inside(record: Record | None) -> bool:
    """Whether the caller already runs within the node."""
    return record is not None and os.stat("/proc/self/ns/net").st_ino == record.network


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """One change of the node at a time. The lock is on /run: a lock file would stay behind."""
    handle = os.open("/run", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
