"""Remove the node when it dies by itself, or when the process it is tied to ends.

    watcher.py INSTANCE [PID START BOOT]

Started by ``up`` outside of the node. It sleeps on process handles, so it costs nothing.
"""

from __future__ import annotations

import select
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from node import record, teardown


def main() -> None:
    instance = sys.argv[1]
    known = record.load()
    if known is None or known.instance != instance:
        return
    watched = [known.unshare.pidfd()]
    if len(sys.argv) > 2:
        tied = record.Process(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
        watched.append(tied.pidfd())
    if None not in watched:
        select.select(watched, [], [])
    with record.lock():
        known = record.load()
        if known is not None and known.instance == instance:
            teardown.remove()


if __name__ == "__main__":
    main()
