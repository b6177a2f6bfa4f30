"""The machine that a benchmark ran on, as its report's last line says it."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def print_machine() -> None:
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    print(
        f"\n{os.cpu_count()} cores ({model}), {pages / (1 << 30):.0f} GiB, "
        f"Linux {platform.release()} {platform.machine()}"
    )
