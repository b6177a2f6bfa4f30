#!/usr/bin/env python3
"""Find mutable globals and function-level statics in compiled objects, by the section they are in.

    globals.py BUILD_DIR

Looks at the object of every source that BUILD_DIR/compile_commands.json compiles outside test/.
Only main.c may have any (the stop flag, the log level): state elsewhere belongs into a struct that
somebody owns.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

# objdump -t: value, flags ("O": an object, blank: a thread-local one), section, size, name.
# Constants with pointers live in .data.rel.ro; ASan's own tables are not ours.
SYMBOL = re.compile(r"^[0-9a-f]+ .{5} [O ] (\.t?(?:data|bss)\S*)\s+[0-9a-f]+ (?:\.hidden )?(\S+)$")

# Never written, but not const for what it is handed to: H2O's iovec of a protocol's name.
EXCUSED = {"name_h2", "name_http1"}


def mutable(object_file: Path) -> list[str]:
    command = ["objdump", "-t", str(object_file)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = []
    for line in out.splitlines():
        match = SYMBOL.match(line)
        if not match or match[1].startswith(".data.rel.ro") or "asan" in match[2]:
            continue
        if match[2] not in EXCUSED:
            found.append(match[2])
    return found


def main(build: Path) -> int:
    commands = json.loads((build / "compile_commands.json").read_text())
    seen = bad = 0
    for entry in commands:
        words = shlex.split(entry["command"])
        target = words[words.index("-o") + 1]
        ours = not target.startswith("test/") and Path(entry["file"]).name != "main.c"
        if not ours or not (build / target).exists():
            continue
        seen += 1
        for name in mutable(build / target):
            bad += 1
            print(f"{target}: {name} is a mutable global", file=sys.stderr)
    print(f"globals: {seen} objects, {bad} mutable globals")
    return 1 if bad or not seen else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
