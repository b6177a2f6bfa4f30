"""Client of the stand-in's control plane, for tests (the calls are listed in controlplane.py).

amp = Amp.at("STATE")                 # the folder `up --state STATE` was given
amp.push("load", {"app": "shop"}, 100)
with amp.fault("throttle", path="query", retry_after=2):
    …
assert amp.stats()["invalid"] == 0
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

UNIX = "unix:"
POLL_S = 0.05


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class ControlError(RuntimeError):
    """The control plane refused a call; its words."""


class Amp:
    """One stand-in. settings: what `up` wrote (endpoint, region, access_key, …), if known."""

    def __init__(self, control: str, settings: dict[str, Any] | None = None) -> None:
        self.control = control
        self.settings = settings or {}

    @classmethod
    def at(cls, state: str | Path) -> Amp:
        settings = json.loads((Path(state) / "settings.json").read_text())
        return cls(f"{UNIX}{Path(state).resolve() / 'control.sock'}", settings)

    def call(self, method: str, path: str, given: Any = None, timeout_s: float = 10) -> Any:
        where = self.control
        line = (
            UnixConnection(where.removeprefix(UNIX), timeout_s)
            if where.startswith(UNIX)
            else http.client.HTTPConnection(where, timeout=timeout_s)
        )
        with contextlib.closing(line):
            line.request(method, path, None if given is None else json.dumps(given))
            answer = line.getresponse()
            result = json.loads(answer.read())
        if answer.status != 200:
            raise ControlError(result["error"])
        return result

    def listen(self) -> str:
        """HOST:PORT of the data plane. OSError if the stand-in does not run."""
        return self.call("GET", "/healthz")["listen"]

    def stats(self) -> dict[str, Any]:
        return self.call("GET", "/stats")

    def requests(self, since_ms: int = 0, **equal: str) -> list[dict[str, Any]]:
        """Rows (ledger.py), oldest first: requests(query="vector(100)", path="query")."""
        return self.call("GET", "/requests?" + urlencode({"since_ms": since_ms, **equal}))

    def answered(self, timeout_s: float, **where: Any) -> list[dict[str, Any]]:
        """The rows matching `where`, at a moment when each has its answer. TimeoutError: one of
        them never got it."""

        def none_waits() -> list[list[dict[str, Any]]]:
            rows = self.requests(**where)
            return [rows] if all(row["status"] is not None for row in rows) else []

        (rows,) = wait_until(none_waits, timeout_s, f"an answer to each request with {where}")
        return rows

    def gaps_ms(self, query: str, since_ms: int = 0) -> list[int]:
        """Times between one arrival of that query text and the next."""
        at = [r["t_ms"] for r in self.requests(since_ms, query=query)]
        return [b - a for a, b in itertools.pairwise(at)]

    def reset(self) -> None:
        """Forget what came, and clear all faults."""
        self.clear()
        self.call("POST", "/reset")

    def set_fault(self, mode: str, **fields: Any) -> int:
        """Put a fault in force (faults.py) until cleared or used up; its number."""
        return self.call("POST", "/faults", {"mode": mode, **fields})["id"]

    @contextlib.contextmanager
    def fault(self, mode: str, **fields: Any) -> Iterator[int]:
        """A fault in force inside a with block."""
        ident = self.set_fault(mode, **fields)
        try:
            yield ident
        finally:
            self.clear(ident)

    def faults(self) -> list[dict[str, Any]]:
        return self.call("GET", "/faults")

    def clear(self, ident: int | None = None) -> None:
        self.call("DELETE", "/faults" if ident is None else f"/faults/{ident}")

    def set_key(self, access_key: str, **fields: Any) -> None:
        """Add an access key, or change one: secret_key, session_token, expired."""
        self.call("POST", "/keys", {"access_key": access_key, **fields})

    def drop_key(self, access_key: str) -> None:
        self.call("DELETE", f"/keys/{quote(access_key, safe='')}")

    def set_role(self, arn: str, **fields: Any) -> None:
        """Add an IAM role, or change some of one: actions, subjects, principals, session_s."""
        self.call("POST", "/roles", {"arn": arn, **fields})

    def push(
        self, metric: str, labels: dict[str, str] | None, value: float, t_ms: int | None = None
    ) -> None:
        """Write one sample to the Prometheus behind."""
        self.call(
            "POST",
            "/samples",
            [{"metric": metric, "labels": labels or {}, "value": str(value), "t_ms": t_ms}],
        )

    def wait_for(self, count: int, timeout_s: float, **where: Any) -> list[dict[str, Any]]:
        """The rows matching `where` once there are `count` of them. TimeoutError."""
        return wait_until(
            lambda: rows if len(rows := self.requests(**where)) >= count else None,
            timeout_s,
            f"{count} requests with {where}",
        )


def wait_until(probe: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """probe()'s first true result. TimeoutError names what did not come."""
    deadline, tick = time.monotonic() + timeout_s, threading.Event()
    while not (result := probe()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s} s: {what}")
        tick.wait(POLL_S)
    return result
