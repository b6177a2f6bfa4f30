#!/usr/bin/env python3
"""Check that release programs are what the flags promise, by what readelf sees in them.

    hardened.py PROGRAM...

Position independent, RELRO with all bindings at start, no executable stack, CET's mark, stack
protector and fortified calls, no sanitizer, no run path, and no path of the machine that built it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# what it is called -> options of readelf, pattern that must be in its output
PRESENT = {
    "position independent": ("-h", r"Type:\s+DYN .*Position-Independent"),
    "bindings at start": ("-d", r"\bNOW\b"),
    "RELRO": ("-l", r"GNU_RELRO"),
    "a stack that is not executable": (
        "-l",
        r"GNU_STACK\s+\S+\s+\S+\s+\S+\s*\n?\s*\S+\s+\S+\s+RW\s",
    ),
    "CET's shadow stack": ("-n", r"\bSHSTK\b"),
    "stack protector": ("-s", r"__stack_chk_fail"),
    "fortified calls": ("-s", r"__\w+_chk\b"),
}
ABSENT = {
    "run path": ("-d", r"\b(RPATH|RUNPATH)\b"),
    "text relocations": ("-d", r"\bTEXTREL\b"),
    "sanitizer": ("-s", r"\b__(asan|ubsan)_"),
}


def readelf(option: str, program: Path) -> str:
    command = ["readelf", "-W", option, str(program)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def complaints(program: Path, root: Path = ROOT) -> list[str]:
    found = []
    for name, (option, pattern) in PRESENT.items():
        if not re.search(pattern, readelf(option, program)):
            found.append(f"lacks {name}")
    for name, (option, pattern) in ABSENT.items():
        if re.search(pattern, readelf(option, program)):
            found.append(f"has {name}")
    if str(root).encode() + b"/" in program.read_bytes():
        found.append(f"names {root}")
    return found


def main(programs: list[str]) -> int:
    failed = 0
    for program in programs:
        bad = complaints(Path(program))
        failed += bool(bad)
        print(f"{program}: {'; '.join(bad) or 'hardened'}")
    print(f"{len(programs) - failed} passed, {failed} failed")
    return 1 if failed or not programs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
