"""What every test of a process needs: to wait for something, a free port, and not to outlive."""

from __future__ import annotations

import ctypes
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

POLL_S = 0.02


def until(what: str, holds: Callable[[], Any], within_s: float = 20) -> Any:
    """Look until it holds, and give what it gave."""
    end, tick = time.monotonic() + within_s, threading.Event()
    while not (found := holds()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {within_s} s: {what}")
        tick.wait(POLL_S)
    return found


def die_with_parent() -> None:
    """In the child: get SIGKILL when the test is killed (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
