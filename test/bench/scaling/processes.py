"""Processes of ours on the node, and what any process there used: /proc, no estimates."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
STOP_S = 20.0
SHOWN_LINES = 15


class Failed(RuntimeError):
    """A process ended, or did not do its part; the text carries the end of its log."""


@dataclass
class Use:
    """One look at a process."""

    at: float  # monotonic seconds
    cpu_s: float
    rss_kib: int
    anonymous_kib: int


def look(pid: int) -> Use:
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    memory = {line.split(":")[0]: line.split()[1] for line in status if line.startswith("Rss")}
    rss = sum(int(memory[name]) for name in ("RssAnon", "RssFile", "RssShmem"))
    cpu_s = (int(stat[11]) + int(stat[12])) / TICKS
    return Use(time.monotonic(), cpu_s, rss, int(memory["RssAnon"]))


def cpu_percent(before: Use, after: Use) -> float:
    """Of one core."""
    return 100 * (after.cpu_s - before.cpu_s) / (after.at - before.at)


def machine_busy() -> tuple[float, float]:
    """Seconds of all cores that were not idle, and all seconds, since boot."""
    fields = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS, sum(fields) / TICKS


def find(name: str) -> int:
    """A component of the node, by the name it was started with."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")[0] == name.encode():
                    return int(entry)
    raise Failed(f"{name} does not run on the node")


@dataclass
class Process:
    name: str
    command: list[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=os.environ | self.environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
        return "\n".join(line[:300] for line in lines)

    def check(self) -> None:
        if self.popen.poll() is not None:
            raise Failed(f"{self.name} ended ({self.popen.returncode}):\n{self.tail()}")

    def stop(self) -> None:
        self.popen.terminate()
        try:
            self.popen.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
