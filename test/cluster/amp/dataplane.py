"""The data plane: AMP's HTTPS API in front of a real Prometheus.

    https://HOST:PORT/workspaces/WS/api/v1/{query,query_range,series,labels,…,remote_write}

Each request's SigV4 signature is verified (sigv4.py) and whether its key may do that, then it meets
a fault if one is in force (faults.py), else AMP's limits on what is written (writes.py), else
Prometheus' own answer. Refusals have the shapes of AMP and its API gateway. Calls to / are STS'
(sts.py), since its name leads here as well.
"""

from __future__ import annotations

import datetime
import http.client
import itertools
import socket
import ssl
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from amp import defaults, sts
from amp.faults import ANSWERS, Answer, Fault, aws_error, deny, spoil
from amp.ledger import Row
from amp.sigv4 import Key, Request, SignatureError
from amp.stand import QuietServer, Stand
from amp.writes import examine

READ = ("GET",)
FORM = ("GET", "POST")
# operation -> (methods, IAM action, Prometheus' path)
OPERATIONS = {
    "query": (FORM, "aps:QueryMetrics", "query"),
    "query_range": (FORM, "aps:QueryMetrics", "query_range"),
    "series": (FORM, "aps:GetSeries", "series"),
    "labels": (FORM, "aps:GetLabels", "labels"),
    "metadata": (READ, "aps:GetMetricMetadata", "metadata"),
    "remote_write": (("POST",), "aps:RemoteWrite", "write"),
}
LABEL_VALUES = (READ, "aps:GetLabels", "")
MAX_READ_BYTES = 16 << 20
MAX_WRITE_BYTES = 1 << 20  # AMP's quota for a remote write request
MAX_STALL_S = 600.0
UPSTREAM_TIMEOUT_S = 75
IDLE_TIMEOUT_S = 350  # AWS load balancers' own
TOO_LONG = aws_error(413, "RequestEntityTooLargeException", "Request Too Long")
PASSED_ON = ("Content-Type", "Content-Encoding", "X-Prometheus-Remote-Write-Version")


@dataclass
class Route:
    """Where a request wants to go. path is the operation's name, "" if AMP has no such path."""

    workspace: str = ""
    path: str = ""
    methods: tuple[str, ...] = ()
    action: str = ""
    upstream: str = ""


def route(target: str) -> Route:
    parts = urlsplit(target).path.split("/")
    if len(parts) < 6 or parts[:2] != ["", "workspaces"] or parts[3:5] != ["api", "v1"]:
        return Route()
    name, is_label = "/".join(parts[5:]), parts[5] == "label" and parts[7:] == ["values"]
    methods, action, upstream = LABEL_VALUES if is_label else OPERATIONS.get(name, ((), "", ""))
    if not methods:
        return Route(parts[2])
    return Route(parts[2], name, methods, action, f"/api/v1/{upstream or name}")


def query_text(request: Request) -> str | None:
    """The PromQL text, from the URL or the form; None if there is none."""
    if request.one("content-encoding") is not None:
        return None
    form = parse_qs(urlsplit(request.target).query)
    if request.method == "POST":
        form.update(parse_qs(request.body.decode("utf-8", "replace")))
    return form["query"][0] if "query" in form else None


class Upstream:
    """One connection's way to Prometheus, kept alive, and opened anew where it broke while idle."""

    def __init__(self, base_url: str) -> None:
        self._at = urlsplit(base_url)
        self._line: http.client.HTTPConnection | None = None

    def ask(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        reused = self._line is not None
        try:
            return self._ask_once(method, target, headers, body)
        except (OSError, http.client.HTTPException):
            self.close()
            if not reused:
                raise
        return self._ask_once(method, target, headers, body)

    def _ask_once(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        if self._line is None:
            self._line = http.client.HTTPConnection(
                self._at.hostname or "", self._at.port, timeout=UPSTREAM_TIMEOUT_S
            )
        try:
            self._line.request(method, target, body, headers)
            got = self._line.getresponse()
            answer = Answer(got.status, got.read())
        except BaseException:
            self.close()
            raise
        kind = got.getheader("Content-Type")
        if kind is not None:
            answer.headers["Content-Type"] = kind
        return answer

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


class DataHandler(BaseHTTPRequestHandler):
    """One TLS connection of a client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: DataServer
    numbers = itertools.count(1)

    def setup(self) -> None:
        self.request.settimeout(10)
        self.request.do_handshake()
        self.timeout = IDLE_TIMEOUT_S
        super().setup()
        self.stand = self.server.stand
        self.upstream = Upstream(self.stand.prometheus)
        self.number = next(self.numbers)

    def finish(self) -> None:
        self.upstream.close()
        super().finish()

    def serve(self) -> None:
        arrived_ms = time.time_ns() // 1_000_000
        request = self._read_request()
        if request is None:
            return
        if sts.is_for_sts(request):
            self._serve_sts(request, arrived_ms)
        else:
            self._serve_data(request, arrived_ms)

    def _serve_data(self, request: Request, arrived_ms: int) -> None:
        key, refused = self._verify(request)
        to = route(request.target)
        about = self._about(to.path, to.action, key)
        about |= {"workspace": to.workspace, "query": query_text(request) or ""}
        fault = None if refused else self.stand.faults.take(about)
        row = self._row(request, to.path, arrived_ms) | {
            "workspace": to.workspace,
            "query": query_text(request),
            "signature": refused.reason if refused else "valid",
            "message": refused.message if refused else None,
            "fault": fault.row["mode"] if fault else None,
        }
        if key is not None:
            row.update(access_key=key.access_key, role=key.role, session=key.session)
        self.stand.ledger.arrive(row)
        answer: Answer | None
        if refused:
            answer = aws_error(refused.status, refused.error_type, refused.message)
        elif to.action and key and not key.may(to.action):
            answer = deny({}, about)
        else:
            answer = self._met(fault, about, lambda: self._real(request, to, row))
        self._send(answer, row)

    def _serve_sts(self, request: Request, arrived_ms: int) -> None:
        call = sts.call_of(request)
        about = self._about(call.operation, f"sts:{call.operation}", None)
        fault = self.stand.faults.take(about)
        row = self._row(request, call.operation, arrived_ms) | {"signature": "none"}
        row["fault"] = fault.row["mode"] if fault else None
        if fault and fault.row["mode"] in sts.FAULTS:
            real = sts.fault_answer(fault.row, call)
            fault = None
        else:
            real = sts.answer(self.stand, request, call, datetime.datetime.now(datetime.UTC))
        row.update(call.row)
        self.stand.ledger.arrive(row)
        self._send(self._met(fault, about, lambda: real), row)

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Every method goes one way; the operation says which it takes."""
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)

    def handle_expect_100(self) -> bool:
        go_on = super().handle_expect_100()
        self.wfile.flush()
        return go_on

    def _read_request(self) -> Request | None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._write(aws_error(411, "LengthRequiredException", "Length Required"))
            return None
        if int(length) > MAX_READ_BYTES:
            self.close_connection = True
            self._write(TOO_LONG)
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            return None
        return Request(self.command, self.path, list(self.headers.items()), body)

    def _verify(self, request: Request) -> tuple[Key | None, SignatureError | None]:
        try:
            now = datetime.datetime.now(datetime.UTC)
            return self.stand.verifier.verify(request, now), None
        except SignatureError as why:
            return None, why

    def _about(self, path: str, action: str, key: Key | None) -> dict[str, str]:
        """What faults select by, and what their texts name."""
        return {
            "path": path,
            "workspace": "",
            "query": "",
            "action": action,
            "region": self.stand.verifier.region,
            "account": defaults.ACCOUNT,
            "who": sts.who(key) if key else "",
            "role": (key.role if key else None) or "",
        }

    def _row(self, request: Request, path: str, arrived_ms: int) -> Row:
        return {
            "t_ms": arrived_ms,
            "method": request.method,
            "path": path,
            "workspace": "",
            "query": None,
            "status": None,
            "signature": "",
            "message": None,
            "access_key": "",
            "role": None,
            "session": None,
            "fault": None,
            "bytes_in": len(request.body),
            "bytes_out": 0,
            "connection": self.number,
        }

    def _real(self, request: Request, to: Route, row: Row) -> Answer:
        """Prometheus' answer, in AMP's shape."""
        if not to.path or request.method not in to.methods:
            return aws_error(404, "UnknownOperationException", "Not Found")
        if to.workspace not in self.stand.workspaces:
            return aws_error(
                404, "ResourceNotFoundException", f"Workspace not found: {to.workspace}"
            )
        if to.path == "remote_write":
            refusal = self._refusal_of_write(request, row)
            if refusal is not None:
                return refusal
        query = urlsplit(request.target).query
        headers = {n: v for n in PASSED_ON if (v := request.one(n.lower())) is not None}
        try:
            answer = self.upstream.ask(
                request.method, f"{to.upstream}?{query}", headers, request.body
            )
        except (OSError, http.client.HTTPException):
            return aws_error(503, "ServiceUnavailableException", "Service Unavailable")
        if to.path == "remote_write" and answer.status == 204:
            return Answer(200)
        return answer

    def _refusal_of_write(self, request: Request, row: Row) -> Answer | None:
        """What AMP refuses of what Prometheus takes. The row says what was to be written."""
        if len(request.body) > MAX_WRITE_BYTES:
            return TOO_LONG
        try:
            seen = examine(request.body, row["t_ms"])
        except ValueError:
            return None  # Prometheus says what it thinks of that
        row["written"] = {
            "samples": seen.samples,
            "stale": seen.stale,
            "oldest_ms": seen.oldest_ms,
            "newest_ms": seen.newest_ms,
            "jobs": sorted(seen.jobs),
        }
        if seen.complaint is None:
            return None
        row["message"] = seen.complaint
        return aws_error(400, "ValidationException", seen.complaint)

    def _met(
        self, fault: Fault | None, about: dict[str, str], real: Callable[[], Answer]
    ) -> Answer | None:
        """The real answer, or what a fault makes of it."""
        if fault is None:
            return real()
        mode = fault.row["mode"]
        if mode == "close":
            return None
        if mode in ANSWERS:
            return ANSWERS[mode](fault.row, about)
        if mode == "stall":
            fault.cleared.wait(min(float(fault.row.get("seconds", 60)), MAX_STALL_S))
        return spoil(fault.row, real())

    def _send(self, answer: Answer | None, row: Row) -> None:
        sent: int | None = None
        try:
            if answer is not None:
                self._write(answer)
                sent = answer.status
        except OSError:
            self.close_connection = True
        self.stand.ledger.finish(row, sent, len(answer.body) if answer and sent else 0)
        if answer is None or answer.cut is not None:
            self.close_connection = True
            self.request.shutdown(socket.SHUT_RDWR)

    def _write(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        self.send_header("Date", self.date_time_string())
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body[: answer.cut])
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """The ledger is the log."""


class DataServer(QuietServer):
    """The HTTPS front. A slow or broken handshake holds up its own connection only."""

    def __init__(self, address: tuple[str, int], stand: Stand, tls: ssl.SSLContext) -> None:
        self.stand = stand
        self._tls = tls
        super().__init__(address, DataHandler)

    def get_request(self) -> tuple[ssl.SSLSocket, Any]:
        sock, peer = super().get_request()
        return self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False), peer
