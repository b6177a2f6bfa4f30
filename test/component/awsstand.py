"""Stand-ins for what hands out AWS credentials: STS, a container's agent, the instance's metadata.

One server on loopback. What is asked for says what happens: an STS role named `denied` is denied,
the agent at /agent/garbage answers garbage, the metadata service at /imds-none has no role. Whoever
asks AssumeRole must have signed with a key that is known: the static one of sigv4check.py, or one
that was handed out here before.

    python3 awsstand.py     prints the port, ends when standard input closes
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import sigv4check

ACCOUNT = "123456789012"
NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
LIFE_S = 3600.0
SHORT_S = 4.0
XML, JSON, TEXT = "text/xml", "application/json", "text/plain"


def role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


@dataclass
class Issued:
    """Credentials that were handed out."""

    access_key: str
    secret_key: str
    session_token: str
    expires: float  # Unix seconds
    to: str  # the role's ARN, or which stand-in

    def expiration(self) -> str:
        when = datetime.datetime.fromtimestamp(self.expires, datetime.UTC)
        return when.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    form: dict[str, str]


@dataclass
class Answer:
    status: int
    kind: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def fault(status: int, code: str, message: str, **headers: str) -> Answer:
    body = (
        f'<ErrorResponse xmlns="{NAMESPACE}">\n  <Error>\n    <Type>Sender</Type>\n'
        f"    <Code>{code}</Code>\n    <Message>{message}</Message>\n  </Error>\n"
        "  <RequestId>00000000-0000-0000-0000-000000000000</RequestId>\n</ErrorResponse>\n"
    )
    return Answer(status, XML, body.encode(), headers)


# Roles that STS refuses, each with its words on the wire.
REFUSALS: dict[str, Answer] = {
    "denied": fault(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
    "audience": fault(400, "InvalidIdentityToken", "Incorrect token audience"),
    "expired": fault(400, "ExpiredTokenException", "Token expired: current date/time 1 2"),
    "unreachable": fault(
        400, "IDPCommunicationError", "Error communicating with Identity Provider"
    ),
    "malformed": fault(400, "ValidationError", "Request ARN is invalid"),
    "region": fault(403, "RegionDisabledException", "STS is not activated in this region"),
    "broken": fault(500, "InternalFailure", "We made a mistake"),
    "throttled": fault(400, "Throttling", "Rate exceeded"),
    "unknown-key": fault(
        403, "InvalidClientTokenId", "The security token included in the request is invalid."
    ),
    "proxy": Answer(502, "text/html", b"<html><head><title>502 Bad Gateway</title></head></html>"),
    "garbage": Answer(200, XML, b"\x89PNG\r\n\x1a\n\x00"),
    "json": Answer(200, JSON, b'{"Credentials": {}}'),
    "empty": Answer(200, XML, b""),
    "entity": Answer(200, XML, b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
    "large": Answer(200, XML, b"<a>" + b" " * 100_000),
}


class Stand:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.asked: list[Asked] = []
        self.issued: dict[str, Issued] = {}
        self.numbers = itertools.count(1)
        self.clock_ahead_s = 0.0
        self.trusted: Callable[[str], str | None] = lambda _token: None  # why not
        stand = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def date_time_string(self, timestamp: float | None = None) -> str:
                now = time.time() if timestamp is None else timestamp
                return super().date_time_string(now + stand.clock_ahead_s)

            def do_GET(self) -> None:
                self.serve()

            def do_POST(self) -> None:
                self.serve()

            def do_PUT(self) -> None:
                self.serve()

            def serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with contextlib.suppress(OSError):
                    stand.serve(self, body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port: int = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    # ---- what tests look at ----

    def requests(self, action: str) -> list[Asked]:
        """STS's of one action, or those whose path starts with it."""
        with self.lock:
            asked = list(self.asked)
        if action.startswith("/"):
            return [a for a in asked if a.path.startswith(action)]
        return [a for a in asked if a.form.get("Action") == action]

    def keys(self) -> dict[str, tuple[str, str | None]]:
        """Every key that is good now: access key to secret and session token."""
        known: dict[str, tuple[str, str | None]] = {sigv4check.KEY: (sigv4check.SECRET, None)}
        with self.lock:
            for one in self.issued.values():
                if one.expires > time.time():
                    known[one.access_key] = (one.secret_key, one.session_token)
        return known

    def issue(self, to: str, life_s: float = LIFE_S) -> Issued:
        with self.lock:
            n = next(self.numbers)
            one = Issued(
                f"ASIA{n:016d}", f"secret/{n}+key==", f"token/{n}+==", time.time() + life_s, to
            )
            self.issued[one.access_key] = one
        return one

    # ---- serving ----

    def serve(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        path = handler.path.split("?")[0]
        form = dict(parse_qsl(body.decode("latin-1"))) if path == "/" else {}
        asked = Asked(handler.command, path, headers, form)
        with self.lock:
            self.asked.append(asked)
        if asked.form.get("RoleArn", path).endswith(("/slow", "/slow/credentials")):
            wait_until_gone(handler)
            return
        if path.endswith("/endless"):
            endless(handler)
            return
        answer = self.answer(asked, list(handler.headers.items()), body)
        handler.send_response(answer.status)
        handler.send_header("Content-Type", answer.kind)
        handler.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(answer.body)

    def answer(self, asked: Asked, headers: list[tuple[str, str]], body: bytes) -> Answer:
        if asked.path == "/":
            return self.sts(asked, headers, body)
        first, _, rest = asked.path.lstrip("/").partition("/")
        if first == "agent":
            return self.agent(asked, rest)
        if first.startswith("imds"):
            return self.imds(asked, first.removeprefix("imds").strip("-"), "/" + rest)
        return Answer(404, TEXT, b"no such path")

    # ---- STS ----

    def sts(self, asked: Asked, headers: list[tuple[str, str]], body: bytes) -> Answer:
        action = asked.form.get("Action", "")
        named = asked.form.get("RoleArn", "")
        name = named.rpartition("/")[2]
        if action == "AssumeRole":
            lower = [(n.lower(), v) for n, v in headers]
            wrong = sigv4check.verify("POST", "/", lower, body, self.keys(), "sts")
            if wrong is not None:
                return fault(403, "SignatureDoesNotMatch", "The request signature is not ours")
        elif action == "AssumeRoleWithWebIdentity":
            if "authorization" in asked.headers:
                return fault(400, "ValidationError", "a signature has no place here")
            wrong = self.trusted(asked.form.get("WebIdentityToken", ""))
            if wrong is not None:
                return REFUSALS[wrong]
        else:
            return fault(400, "InvalidAction", "Could not find operation")
        if name.startswith("once-") and self.times(named) == 1:
            return REFUSALS[name.removeprefix("once-")]
        if name in REFUSALS:
            return REFUSALS[name]
        if name == "echo":
            value = asked.form["WebIdentityToken"]
            text = f"1 validation error detected: Value '{value}' at 'webIdentityToken' failed"
            return fault(400, "ValidationError", text)
        life = {"short": SHORT_S, "past": -60.0}.get(name, LIFE_S)
        return self.credentials(action, self.issue(named, life))

    def times(self, named: str) -> int:
        with self.lock:
            return sum(a.form.get("RoleArn") == named for a in self.asked)

    def credentials(self, action: str, one: Issued) -> Answer:
        body = (
            f'<{action}Response xmlns="{NAMESPACE}">\n  <{action}Result>\n    <Credentials>\n'
            f"      <AccessKeyId>{one.access_key}</AccessKeyId>\n"
            f"      <SecretAccessKey>{one.secret_key}</SecretAccessKey>\n"
            f"      <SessionToken>{one.session_token}</SessionToken>\n"
            f"      <Expiration>{one.expiration()}</Expiration>\n    </Credentials>\n"
            f"  </{action}Result>\n</{action}Response>\n"
        )
        return Answer(200, XML, body.encode())

    # ---- a container's agent ----

    def agent(self, asked: Asked, name: str) -> Answer:
        refusals = {
            "400": Answer(400, TEXT, b"(InvalidTokenException): the token is expired"),
            "403": Answer(403, TEXT, b"(AccessDeniedException): Unauthorized Exception!"),
            "404": Answer(404, TEXT, b"(ResourceNotFoundException): association not found"),
            "429": Answer(429, TEXT, b"rate limit exceeded", {"Retry-After": "1"}),
            "500": Answer(500, TEXT, b"unable to fetch credentials"),
            "503": Answer(503, TEXT, b""),
            "garbage": Answer(200, JSON, b"\x00\xff garbage"),
            "lacking": Answer(200, JSON, b'{"AccessKeyId": "AKIA"}'),
            "large": Answer(200, JSON, b'"' + b" " * 100_000 + b'"'),
        }
        if name == "echo":
            token = asked.headers["authorization"].encode()
            return Answer(400, TEXT, b"x" * 150 + b" not a good token: " + token)
        if name.startswith("once-") and len(self.requests(asked.path)) == 1:
            return refusals[name.removeprefix("once-")]
        if name in refusals:
            return refusals[name]
        if "authorization" not in asked.headers and name != "open":
            return Answer(400, TEXT, b"(InvalidParameterException): no token")
        return Answer(
            200, JSON, in_json(self.issue("agent", SHORT_S if name == "short" else LIFE_S))
        )

    # ---- the instance ----

    def imds(self, asked: Asked, name: str, path: str) -> Answer:
        below = "/latest/meta-data/iam/security-credentials/"
        if path == "/latest/api/token":
            life = asked.headers.get("x-aws-ec2-metadata-token-ttl-seconds")
            if asked.method != "PUT" or life != "21600" or name == "off":
                return Answer(403, TEXT, b"Forbidden")
            return Answer(200, TEXT, b"session==")
        if asked.headers.get("x-aws-ec2-metadata-token") != "session==":
            return Answer(401, TEXT, b"Unauthorized")
        if path == below and name != "none":
            return Answer(200, TEXT, b"../x" if name == "strange" else b"node-role")
        if path == below + "node-role" and name == "failed":
            body = {"Code": "AssumeRoleUnauthorizedAccess", "Message": "EC2 cannot assume it"}
            return Answer(200, JSON, json.dumps(body).encode())
        if path == below + "node-role":
            return Answer(200, JSON, in_json(self.issue("imds"), Code="Success", Type="AWS-HMAC"))
        return Answer(404, "text/html", b"<title>404 - Not Found</title>")


def in_json(one: Issued, **more: str) -> bytes:
    document = {
        "AccessKeyId": one.access_key,
        "SecretAccessKey": one.secret_key,
        "Token": one.session_token,
        "Expiration": one.expiration(),
        **more,
    }
    return json.dumps(document).encode()


def wait_until_gone(handler: BaseHTTPRequestHandler) -> None:
    """Say nothing, until the peer has had enough (at most a minute)."""
    handler.connection.settimeout(60)
    handler.connection.recv(1)
    handler.close_connection = True


def endless(handler: BaseHTTPRequestHandler) -> None:
    """A body that does not end, until the peer has had enough."""
    handler.send_response(200)
    handler.send_header("Content-Type", JSON)
    handler.end_headers()
    handler.close_connection = True
    while True:
        handler.wfile.write(b" " * 4096)


@contextlib.contextmanager
def standing() -> Iterator[Stand]:
    stand = Stand()
    try:
        yield stand
    finally:
        stand.close()


if __name__ == "__main__":
    with standing() as here:
        print(here.port, flush=True)
        sys.stdin.read()
