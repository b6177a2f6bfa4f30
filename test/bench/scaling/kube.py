"""The API server, as its administrator: one kept connection, and watches on their own."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from node import paths

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
SECONDS = 30.0
POLL_S = 0.5


class ApiError(RuntimeError):
    """The API server refused; its words."""


def _connection(timeout: float | None) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=f"{paths.PKI}/ca.crt")
    context.load_cert_chain(f"{paths.PKI}/admin.crt", f"{paths.PKI}/admin.key")
    return http.client.HTTPSConnection(paths.NODE_IP, 6443, timeout=timeout, context=context)


class Api:
    def __init__(self) -> None:
        self.connection = _connection(SECONDS)

    def call(self, method: str, path: str, body: Any = None, kind: str = "") -> Any:
        """The answer's object; ApiError for every status but 2xx."""
        headers = {"Content-Type": kind or "application/json"} if body is not None else {}
        data = None if body is None else json.dumps(body)
        for last in (False, True):
            try:
                self.connection.request(method, path, data, headers)
                answer = self.connection.getresponse()
                text = answer.read()
                break
            except (OSError, http.client.HTTPException):
                self.connection.close()
                if last:
                    raise
        if answer.status >= 300:
            raise ApiError(f"{method} {path}: {answer.status} {text.decode(errors='replace')}")
        return json.loads(text)

    def patch(self, path: str, body: Any) -> Any:
        return self.call("PATCH", path, body, MERGE)

    def apply(self, path: str, body: Any) -> Any:
        return self.call("PATCH", f"{path}?fieldManager=bench&force=true", body, APPLY)

    def items(self, path: str) -> list[dict[str, Any]]:
        """A list as the watch cache has it: cheap for the API server, maybe a moment old."""
        found: list[dict[str, Any]] = self.call("GET", f"{path}?resourceVersion=0")["items"]
        return found


class Watch:
    """Calls ``each(type, object, time)`` in a thread of its own until closed."""

    def __init__(self, path: str, each: Callable[[str, dict[str, Any], float], None]) -> None:
        self.connection = _connection(SECONDS)
        self.connection.request("GET", f"{path}{'&' if '?' in path else '?'}watch=1")
        self.answer = self.connection.getresponse()
        if self.answer.status != 200:
            raise ApiError(f"watch {path}: {self.answer.status}")
        self.socket = self.connection.sock
        self.socket.settimeout(None)
        self.each = each
        self.closed = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            for line in self.answer:
                event = json.loads(line)
                self.each(event["type"], event["object"], time.time())
        except (OSError, http.client.HTTPException):
            if not self.closed:
                raise

    def close(self) -> None:
        self.closed = True
        # Not SSLSocket's: the thread may be reading.
        socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
        self.thread.join()
        self.connection.close()


def wait_until(holds: Callable[[], Any], seconds: float, what: str) -> Any:
    """What ``holds`` answers once it is true; TimeoutError names what did not come."""
    deadline = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"not after {seconds:.0f} s: {what}")
        time.sleep(POLL_S)
