"""Faults the stand-in can be told to show, and which request meets which.

A fault is a row {"mode": …} with
  path, workspace, query  only requests of that operation ("query", "remote_write"), workspace or
                          exact query text; absent: all of the data plane. STS' are met by
                          "AssumeRole" and "AssumeRoleWithWebIdentity" alone
  role                    only requests by a key of that role (its ARN); absent: by any
  count                   how many requests it meets before it is used up; absent: until cleared
and what its mode adds (see MODES). The oldest fault that matches a request wins.
"""

from __future__ import annotations

import itertools
import json
import threading
from dataclasses import dataclass, field
from typing import Any

JSON_TYPE = "application/json"
SELECTORS = ("path", "workspace", "query", "role")
HTML = (
    "<html>\n<head><title>{status} {reason}</title></head>\n<body>\n"
    "<center><h1>{status} {reason}</h1></center>\n</body>\n</html>\n"
)
REASONS = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


@dataclass
class Answer:
    """One HTTP answer. cut: only that many octets of the body are sent, then the line drops."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None


def aws_error(status: int, error_type: str, message: str, key: str = "message") -> Answer:
    body = json.dumps({key: message}, separators=(",", ":")).encode()
    return Answer(status, body, {"Content-Type": JSON_TYPE, "x-amzn-errortype": error_type})


def throttle(row: dict[str, Any], _: dict[str, str]) -> Answer:
    """429. retry_after: seconds or an HTTP date; message."""
    answer = aws_error(429, "ThrottlingException", row.get("message", "Rate exceeded"))
    if "retry_after" in row:
        answer.headers["Retry-After"] = str(row["retry_after"])
    return answer


def fail(row: dict[str, Any], _: dict[str, str]) -> Answer:
    """5xx. status: 500 (default), 503, …; message."""
    status = int(row.get("status", 500))
    known = {
        500: ("InternalServerException", "Internal server error"),
        503: ("ServiceUnavailableException", "Service Unavailable"),
    }
    error_type, text = known.get(status, ("InternalServerException", REASONS.get(status, "")))
    return aws_error(status, error_type, row.get("message", text))


def deny(row: dict[str, Any], about: dict[str, str]) -> Answer:
    """403 by IAM: the identity may not do this. message."""
    text = (
        f"User: {about['who']} is not authorized to "
        f"perform: {about['action']} on resource: arn:aws:aps:{about['region']}:"
        f"{about['account']}:workspace/{about['workspace']}"
    )
    return aws_error(403, "AccessDeniedException", row.get("message", text), key="Message")


def expire(row: dict[str, Any], _: dict[str, str]) -> Answer:
    """403: the credentials have expired."""
    return aws_error(
        403,
        "ExpiredTokenException",
        row.get("message", "The security token included in the request is expired"),
    )


def html(row: dict[str, Any], _: dict[str, str]) -> Answer:
    """A page instead of JSON. status: 502 (default), 200, …"""
    status = int(row.get("status", 502))
    page = HTML.format(status=status, reason=REASONS.get(status, "OK"))
    return Answer(status, page.encode(), {"Content-Type": "text/html"})


def empty(_: dict[str, Any], about: dict[str, str]) -> Answer:
    """A query that yields no series."""
    kind = "matrix" if about["path"] == "query_range" else "vector"
    data: Any = {"resultType": kind, "result": []} if about["path"].startswith("query") else []
    return Answer(
        200, json.dumps({"status": "success", "data": data}).encode(), {"Content-Type": JSON_TYPE}
    )


def literal(row: dict[str, Any], _: dict[str, str]) -> Answer:
    """Whatever the test says. status, body (text, or any JSON value), content_type, headers."""
    body = row.get("body", "")
    text = body if isinstance(body, str) else json.dumps(body)
    headers = {"Content-Type": row.get("content_type", JSON_TYPE), **row.get("headers", {})}
    return Answer(int(row.get("status", 200)), text.encode(), headers)


# Modes that answer instead of Prometheus.
ANSWERS = {
    "throttle": throttle,
    "fail": fail,
    "deny": deny,
    "expire": expire,
    "html": html,
    "empty": empty,
    "answer": literal,
}

# Modes that spoil the real exchange: mode -> what it does, with its own fields.
SPOILERS = {
    "stall": "waits `seconds` (default 60, or until cleared), then goes on as usual",
    "close": "drops the connection without an answer",
    "truncate": "sends the real headers and the first half of the real body, or `bytes` of it",
    "warnings": "adds `warnings` (list of text) to the real answer",
}
MODES = (*ANSWERS, *SPOILERS)


def spoil(row: dict[str, Any], answer: Answer) -> Answer:
    """What a spoiling mode makes of the real answer."""
    if row["mode"] == "truncate":
        answer.cut = int(row.get("bytes", len(answer.body) // 2))
    if row["mode"] == "warnings" and answer.headers.get("Content-Type", "") == JSON_TYPE:
        body = json.loads(answer.body)
        body["warnings"] = row.get("warnings", ["a test's warning"])
        answer.body = json.dumps(body).encode()
    return answer


@dataclass
class Fault:
    """One row in force."""

    ident: int
    row: dict[str, Any]
    left: int | None
    cleared: threading.Event = field(default_factory=threading.Event)

    def matches(self, about: dict[str, str]) -> bool:
        if about["action"].startswith("sts:") and "path" not in self.row:
            return False
        return all(self.row.get(k) in (None, about[k]) for k in SELECTORS)


class Faults:
    """The rows in force, shared by all connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idents = itertools.count(1)
        self._rows: list[Fault] = []

    def add(self, row: dict[str, Any]) -> int:
        """Put a row in force; its number. ValueError names what is wrong with it."""
        if row.get("mode") not in MODES:
            raise ValueError(f"mode: one of {', '.join(MODES)}, got {row.get('mode')!r}")
        count = row.get("count")
        if count is not None and (not isinstance(count, int) or count < 1):
            raise ValueError(f"count: a number of requests from 1, got {count!r}")
        with self._lock:
            fault = Fault(next(self._idents), dict(row), count)
            self._rows.append(fault)
        return fault.ident

    def take(self, about: dict[str, str]) -> Fault | None:
        """The fault this request meets, its count taken down."""
        with self._lock:
            fault = next((f for f in self._rows if f.matches(about)), None)
            if fault is not None and fault.left is not None:
                fault.left -= 1
                if fault.left == 0:
                    self._rows.remove(fault)
        return fault

    def clear(self, ident: int | None = None) -> int:
        """Take one row (or all) out of force and let its stalled requests go on."""
        with self._lock:
            gone = [f for f in self._rows if ident in (None, f.ident)]
            self._rows = [f for f in self._rows if f not in gone]
        for fault in gone:
            fault.cleared.set()
        return len(gone)

    def rows(self) -> list[dict[str, Any]]:
        with self._lock:
            return [{"id": f.ident, **f.row, "left": f.left} for f in self._rows]
