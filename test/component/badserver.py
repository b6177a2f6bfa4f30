#!/usr/bin/env python3
"""A server that misbehaves on purpose, for the component tests of the HTTP, Prometheus and
Kubernetes clients. Loopback only; every port is the kernel's choice.

Prints one line "HTTP HTTPS MTLS DIRECTORY" (ports, and where the certificates are: ca.crt,
server.crt/key for 127.0.0.1, client.crt/key, other-ca.crt) when it listens, and ends when its
standard input closes, so it never outlives the test. What each path does: ROUTES below.
"""

from __future__ import annotations

import email.utils
import gzip
import json
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import badkube
import sigv4check


class Gone(Exception):
    """The peer closed its connection."""


@dataclass
class Request:
    """One request as it arrived; header names in lower case."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def header(self, name: str) -> str | None:
        values = [v for n, v in self.headers if n == name]
        return values[0] if values else None

    def args(self) -> list[str]:
        """Path segments after the route's own."""
        return self.target.split("?")[0].strip("/").split("/")[1:]


@dataclass
class Peer:
    """One connection: reads requests, writes whatever a route wants written."""

    sock: socket.socket
    seen: int = 0
    pending: bytes = b""
    closed: bool = False
    subject: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Gone from error

    def answer(
        self, status: int, body: bytes | str, kind: str = "application/json", *more: str
    ) -> None:
        data = body.encode() if isinstance(body, str) else body
        lines = [
            f"HTTP/1.1 {status} Status",
            f"Content-Type: {kind}",
            f"Content-Length: {len(data)}",
            *more,
        ]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + data)

    def start_chunks(self) -> None:
        self.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )

    def chunk(self, data: str | bytes) -> None:
        raw = data.encode() if isinstance(data, str) else data
        self.send(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")

    def wait_gone(self) -> None:
        """Until the peer closes; at most a minute."""
        self.sock.settimeout(60)
        try:
            while self.sock.recv(4096):
                pass
        except OSError:
            pass
        raise Gone

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.closed = True

    def more(self) -> None:
        try:
            piece = self.sock.recv(65536)
        except OSError as error:
            raise Gone from error
        if not piece:
            raise Gone
        self.pending += piece

    def read(self) -> Request:
        while b"\r\n\r\n" not in self.pending:
            self.more()
        head, self.pending = self.pending.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        pairs = [line.partition(":")[::2] for line in lines[1:]]
        request = Request(method, target, [(n.lower(), v.strip()) for n, v in pairs])
        length = int(request.header("content-length") or 0)
        if request.header("expect"):
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(self.pending) < length:
            self.more()
        request.body, self.pending = self.pending[:length], self.pending[length:]
        return request


def echo(peer: Peer, request: Request) -> None:
    peer.answer(
        200,
        json.dumps(
            {
                "method": request.method,
                "target": request.target,
                "headers": dict(request.headers),
                "body": request.body.decode("latin-1"),
                "connection_requests": peer.seen,
                "subject": peer.subject,
            }
        ),
    )


def slow(peer: Peer, request: Request) -> None:
    time.sleep(int(request.args()[0]) / 1000)
    peer.answer(200, "{}")


def hang_body(peer: Peer, _: Request) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
    peer.wait_gone()


def close_after(peer: Peer, _: Request) -> None:
    """A whole answer that promises to keep the connection, which is then closed."""
    peer.answer(200, "{}")
    peer.closed = True


def truncated(peer: Peer, _: Request) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
    peer.closed = True


def reset(peer: Peer, request: Request) -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + 100 * b"x"
    peer.send(whole[: int(request.args()[0])])
    time.sleep(0.02)
    peer.reset()


def big(peer: Peer, request: Request) -> None:
    size, *status = request.args()
    peer.answer(int(status[0]) if status else 200, int(size) * b"x", "text/plain")


def many_headers(peer: Peer, request: Request) -> None:
    lines = [f"X-Filler-{i}: {1000 * 'f'}" for i in range(int(request.args()[0]) // 1000)]
    peer.answer(200, "{}", "application/json", *lines)


def status(peer: Peer, request: Request) -> None:
    peer.answer(int(request.args()[0]), '{"status":"as asked"}')


def retry(peer: Peer, request: Request) -> None:
    later = email.utils.formatdate(time.time() + 30, usegmt=True)
    value = later if request.args()[0] == "date" else request.args()[0]
    peer.answer(429, '{"message":"Rate exceeded"}', "application/json", f"Retry-After: {value}")


def aws(peer: Peer, request: Request) -> None:
    kind = "application/json"
    peer.answer(
        int(request.args()[0]),
        '{"message":"Missing Authentication Token"}',
        kind,
        "x-amzn-ErrorType: MissingAuthenticationTokenException:http://internal/",
    )


def html(peer: Peer, request: Request) -> None:
    peer.answer(
        int(request.args()[0]),
        "<html><head><title>502 Bad Gateway</title></head>"
        "<body><h1>502 Bad Gateway</h1></body></html>",
        "text/html",
    )


def redirect(peer: Peer, _: Request) -> None:
    peer.answer(302, "", "text/plain", "Location: /ok")


def garbage(peer: Peer, _: Request) -> None:
    peer.send(b"220 mail.example.org ESMTP ready\r\n")
    peer.closed = True


def empty(peer: Peer, _: Request) -> None:
    peer.closed = True


def stream(peer: Peer, request: Request) -> None:
    """N pieces of 1000 bytes, then the end of the answer."""
    peer.start_chunks()
    for _ in range(int(request.args()[0])):
        peer.chunk(999 * b"s" + b"\n")
    peer.chunk(b"")


def compressed(peer: Peer, request: Request) -> None:
    """N bytes of one letter; broken, or without its last byte, or all of it; twice in a row."""
    size, *flaw = request.args()
    body = gzip.compress(int(size) * b"g", 9)
    shapes = {
        "broken": body[:10] + 20 * b"\xff" + body[10:],
        "cut": body[:-1],
        "none": b"",
        "twice": body + body,
    }
    body = shapes[flaw[0]] if flaw else body
    peer.answer(200, body, "text/plain; version=0.0.4", "Content-Encoding: gzip")


def signed(peer: Peer, request: Request) -> None:
    complaint = sigv4check.verify(request.method, request.target, request.headers, request.body)
    peer.answer(403 if complaint else 200, complaint or "verified")


PROMETHEUS = {
    "vector(100)": (
        200,
        '{"status":"success","data":{"resultType":"vector","result":'
        '[{"metric":{},"value":[1700000000.5,"100"]}]}}',
    ),
    "empty": (200, '{"status":"success","data":{"resultType":"vector","result":[]}}'),
    "many": (
        200,
        '{"status":"success","data":{"resultType":"vector","result":['
        '{"metric":{"a":"1"},"value":[1,"1"]},{"metric":{"a":"2"},"value":[1,"2"]}]}}',
    ),
    "sum(": (
        400,
        '{"status":"error","errorType":"bad_data","error":"1:5: parse error: unclosed '
        'left parenthesis"}',
    ),
    "cut": (200, '{"status":"success","data":{"resu'),
    "503": (503, '{"status":"error","errorType":"timeout","error":"query timed out"}'),
}


def prometheus(peer: Peer, request: Request) -> None:
    """Signed requests are verified; the form's query picks the answer."""
    complaint = sigv4check.verify(request.method, request.target, request.headers, request.body)
    if request.header("authorization") and complaint:
        peer.answer(
            403,
            json.dumps({"message": complaint}),
            "application/json",
            "x-amzn-ErrorType: InvalidSignatureException",
        )
        return
    query = sigv4check.form(request.body).get("query", "")
    special = {"403": aws, "429": retry, "html": html, "slow": slow, "big": big}.get(
        query.split("/")[0]
    )
    if special is not None:
        special(peer, Request("POST", "/" + query, []))
        return
    code, body = PROMETHEUS.get(
        query,
        (
            200,
            json.dumps(
                {
                    "status": "success",
                    "warnings": [query, "signed" if complaint is None else "unsigned"],
                    "data": {"resultType": "scalar", "result": [1, "7"]},
                }
            ),
        ),
    )
    peer.answer(code, body)


Route = Callable[[Peer, Request], None]
ROUTES: dict[str, Route] = {
    "ok": lambda peer, _: peer.answer(200, '{"ok":true}'),
    "echo": echo,  # the request as JSON
    "slow": slow,  # /slow/MS: answers after MS
    "hang-body": hang_body,  # 10 of 100 bytes, then silence
    "close-after": close_after,  # a whole answer, then closes without having said so
    "truncated": truncated,  # 10 of 100 bytes, then closes
    "reset": reset,  # /reset/N: N bytes of the answer, then RST
    "big": big,  # /big/N[/STATUS]: a body of N bytes
    "headers": many_headers,  # /headers/N: N bytes of headers
    "status": status,  # /status/CODE
    "retry": retry,  # /retry/SECONDS or /retry/date: 429 with Retry-After
    "aws": aws,  # /aws/CODE: an error as AWS words it
    "html": html,  # /html/CODE
    "redirect": redirect,
    "garbage": garbage,  # not HTTP
    "empty": empty,  # closes without an answer
    "stream": stream,  # /stream/N
    "gzip": compressed,  # /gzip/N[/broken|cut|none|twice]
    "signed": signed,  # verifies the signature, whatever the body
    "workspaces": prometheus,  # /workspaces/ws-…/api/v1/query
    "kube": badkube.serve,  # /kube/SCENARIO/apis/…
    "log": badkube.log,  # /log/SCENARIO: the requests that came there
}


class Handler(socketserver.BaseRequestHandler):
    """One connection, kept alive until a route closes it."""

    def handle(self) -> None:
        peer = Peer(self.request)
        if isinstance(self.request, ssl.SSLSocket):
            certificate = self.request.getpeercert() or {}
            peer.subject = str(certificate.get("subject", ""))
        try:
            while not peer.closed:
                request = peer.read()
                peer.seen += 1
                name = request.target.strip("/").split("/")[0].split("?")[0]
                ROUTES.get(name, lambda p, _: p.answer(404, "{}"))(peer, request)
        except Gone:
            pass


def drain(sock: socket.socket) -> None:
    """Close in the order that lets the peer read our alert."""
    try:
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(4096):
            pass
    except OSError:
        pass
    sock.close()


class Server(socketserver.ThreadingTCPServer):
    """Plain, or TLS with `context`; the handshake is the connection's own thread's."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.context = context

    def finish_request(self, request: socket.socket, client_address: object) -> None:
        if self.context is not None:
            request = self.context.wrap_socket(
                request, server_side=True, do_handshake_on_connect=False
            )
            try:
                request.do_handshake()
            except OSError:
                drain(request)
                return
        Handler(request, client_address, self)

    def shutdown_request(self, request: socket.socket) -> None:
        self.close_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        pass


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def make_certificates(directory: Path) -> None:
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    for name in ("ca", "other-ca"):
        openssl(
            directory,
            "req",
            "-x509",
            *new_key,
            "-subj",
            f"/CN={name} of the test",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.crt",
        )
    for name, extra in (
        ("server", "subjectAltName=IP:127.0.0.1,DNS:api.test"),
        ("client", "extendedKeyUsage=clientAuth"),
    ):
        (directory / f"{name}.ext").write_text(extra + "\n")
        openssl(
            directory,
            "req",
            *new_key,
            "-subj",
            f"/CN={name}",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.csr",
        )
        openssl(
            directory,
            "x509",
            "-req",
            "-in",
            f"{name}.csr",
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            f"{name}.ext",
            "-out",
            f"{name}.crt",
        )


def tls(directory: Path, client: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.crt", directory / "server.key")
    if client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(directory / "ca.crt")
    return context


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ampscale-badserver-") as name:
        directory = Path(name)
        make_certificates(directory)
        servers = [Server(None), Server(tls(directory, False)), Server(tls(directory, True))]
        for server in servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        print(*(server.server_address[1] for server in servers), directory, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
