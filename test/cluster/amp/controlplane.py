"""The stand-in's control plane: JSON over HTTP, on the loopback or a Unix socket. For tests alone.

    GET    /healthz              {"listen": "HOST:PORT"} of the data plane
    GET    /stats                sums (ledger.py)
    GET    /requests[?since_ms=N&query=…&path=…&…]   rows (ledger.py)
    POST   /reset                forget what came
    GET    /faults               rows in force
    POST   /faults  {row}        {"id": N}; the rows' form is in faults.py
    DELETE /faults[/N]           {"cleared": n}
    GET    /keys                 access keys that are accepted
    POST   /keys    {"access_key", "secret_key"?, "session_token"?, "expired"?}   add or change one
    DELETE /keys/ACCESS_KEY
    GET    /roles                IAM roles
    POST   /roles   {row}        add one, or change some of one; the rows' form is in roles.py
    POST   /samples [{"metric", "value", "labels"?, "t_ms"?}]   write to Prometheus (samples.py)

A value that JSON has no number for is a string: "NaN", "+Inf", "-Inf".
"""

from __future__ import annotations

import json
import os
import socket
import urllib.error
from collections.abc import Callable
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from amp.samples import Sample, push_all
from amp.sigv4 import Key
from amp.stand import QuietServer, Stand, host_port

UNIX = "unix:"


class ControlHandler(BaseHTTPRequestHandler):
    """One control connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: ControlServer

    def serve(self) -> None:
        parts = urlsplit(self.path)
        head, _, rest = parts.path.lstrip("/").partition("/")
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        action = ACTIONS.get((self.command, head))
        try:
            if action is None:
                self._answer(404, {"error": f"no such call: {self.command} {self.path}"})
                return
            given = json.loads(raw) if raw else None
            result = action(self.server, unquote(rest), dict(parse_qsl(parts.query)), given)
        except urllib.error.HTTPError as why:
            self._answer(502, {"error": f"prometheus: {why.code} {why.read().decode()}"})
        except (ValueError, KeyError, TypeError, OSError) as why:
            self._answer(400, {"error": f"{type(why).__name__}: {why}"})
        else:
            self._answer(200, result)

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Every method goes one way; the table below tells them apart."""
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)

    def _answer(self, status: int, result: Any) -> None:
        body = json.dumps(result, default=str).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Tests know what they asked for."""


class ControlServer(QuietServer):
    """The control plane on one address."""

    def __init__(self, address: Any, stand: Stand, listen: tuple[str, int]) -> None:
        self.stand = stand
        self.listen = f"{listen[0]}:{listen[1]}"
        super().__init__(address, ControlHandler)


class UnixControlServer(ControlServer):
    """The same on a Unix socket, reachable across network namespaces."""

    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        if os.path.exists(self.server_address):
            os.unlink(self.server_address)
        super().server_bind()


def control_server(where: str, stand: Stand, listen: tuple[str, int]) -> ControlServer:
    """where: HOST:PORT or unix:PATH."""
    if where.startswith(UNIX):
        return UnixControlServer(where.removeprefix(UNIX), stand, listen)
    return ControlServer(host_port(where), stand, listen)


def requests(server: ControlServer, _: str, asked: dict[str, str], __: Any) -> Any:
    since_ms = int(asked.pop("since_ms", "0"))
    return server.stand.ledger.rows(since_ms, **asked)


def reset(server: ControlServer, *_: Any) -> Any:
    server.stand.ledger.reset()
    return {}


def clear_faults(server: ControlServer, ident: str, *_: Any) -> Any:
    return {"cleared": server.stand.faults.clear(int(ident) if ident else None)}


def set_key(server: ControlServer, _: str, __: dict[str, str], given: Any) -> Any:
    keys = server.stand.verifier.keys
    known = keys.get(given["access_key"])
    keys[given["access_key"]] = replace(known, **given) if known else Key(**given)
    return {}


def drop_key(server: ControlServer, access_key: str, *_: Any) -> Any:
    del server.stand.verifier.keys[access_key]
    return {}


def set_role(server: ControlServer, _: str, __: dict[str, str], given: Any) -> Any:
    server.stand.roles.set(given)
    return {}


def push(server: ControlServer, _: str, __: dict[str, str], given: Any) -> Any:
    samples = [Sample(**{**s, "value": float(s["value"])}) for s in given]
    push_all(server.stand.prometheus, samples)
    return {"samples": len(samples)}


ACTIONS: dict[tuple[str, str], Callable[..., Any]] = {
    ("GET", "healthz"): lambda server, *_: {"listen": server.listen},
    ("GET", "stats"): lambda server, *_: server.stand.ledger.stats(),
    ("GET", "requests"): requests,
    ("POST", "reset"): reset,
    ("GET", "faults"): lambda server, *_: server.stand.faults.rows(),
    ("POST", "faults"): lambda server, _, __, row: {"id": server.stand.faults.add(row)},
    ("DELETE", "faults"): clear_faults,
    ("GET", "keys"): lambda server, *_: [asdict(k) for k in server.stand.verifier.keys.values()],
    ("POST", "keys"): set_key,
    ("DELETE", "keys"): drop_key,
    ("GET", "roles"): lambda server, *_: server.stand.roles.rows(),
    ("POST", "roles"): set_role,
    ("POST", "samples"): push,
}
