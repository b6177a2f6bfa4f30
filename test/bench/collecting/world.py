"""What one agent sees: a target of its own to scrape and a receiver that takes all it writes.

A process apart, so that its processor time is not the agent's. The next body is made while nobody
asks, a third of an interval after the last scrape. The receiver answers 204 at once and keeps what
came; it is counted when `/stats` asks, which is after the window.

    python -m collecting.world --metrics N --interval S [--gzip] [--certificate PEM --key PEM]

prints {"target": PORT, "sink": PORT} on one line. On the target's port: GET /metrics; GET /seen
(counts since the start); POST /mark begins the window; GET /stats ends it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import ssl
import sys
import threading
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from collecting import writes
from collecting.exposition import Exposition

GZIP_LEVEL = 1


class Bodies:
    """The next body, made ahead of the scrape that asks for it."""

    def __init__(self, exposition: Exposition, interval_s: float) -> None:
        self._exposition = exposition
        self._pause_s = interval_s / 3
        self._lock = threading.Lock()
        self._next: bytes | None = exposition.render()

    def take(self) -> bytes:
        with self._lock:
            body = self._next if self._next is not None else self._exposition.render()
            self._next = None
        timer = threading.Timer(self._pause_s, self._prepare)
        timer.daemon = True
        timer.start()
        return body

    def _prepare(self) -> None:
        with self._lock:
            if self._next is None:
                self._next = self._exposition.render()


@dataclass
class Ledger:
    scrapes: int = 0
    requests: int = 0
    sent_bytes: int = 0
    kept: list[bytes] = field(default_factory=list)
    keeping: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def seen(self) -> dict[str, int]:
        return {"scrapes": self.scrapes, "requests": self.requests, "sent_bytes": self.sent_bytes}

    def mark(self) -> None:
        with self.lock:
            self.scrapes = self.requests = self.sent_bytes = 0
            self.kept.clear()
            self.keeping = True

    def stats(self) -> dict[str, int]:
        with self.lock:
            self.keeping = False
            found, bodies = self.seen(), self.kept
            self.kept = []
        counted = writes.Counted()
        for body in bodies:
            writes.count(body, counted)
        return found | asdict(counted)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a line a request would be noise."""


def target_handler(bodies: Bodies, ledger: Ledger, zipped: bool) -> type[Handler]:
    class Target(Handler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self.metrics()
            elif self.path in ("/seen", "/stats"):
                found = ledger.seen() if self.path == "/seen" else ledger.stats()
                self.answer(200, json.dumps(found).encode())
            else:
                self.answer(404)

        def do_POST(self) -> None:
            ledger.mark()
            self.answer(204)

        def metrics(self) -> None:
            body = bodies.take()
            headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
            if zipped and "gzip" in self.headers.get("Accept-Encoding", ""):
                body = gzip.compress(body, GZIP_LEVEL)
                headers["Content-Encoding"] = "gzip"
            self.answer(200, body, headers)
            with ledger.lock:
                ledger.scrapes += 1

    return Target


def sink_handler(ledger: Ledger) -> type[Handler]:
    class Sink(Handler):
        def do_POST(self) -> None:
            body = self.body()
            self.answer(204)
            with ledger.lock:
                ledger.requests += 1
                ledger.sent_bytes += len(body)
                if ledger.keeping:
                    ledger.kept.append(body)

    return Sink


def serve(handler: type[Handler], context: ssl.SSLContext | None = None) -> int:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_address[1])


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--metrics", type=int, required=True)
    parser.add_argument("--interval", type=float, required=True)
    parser.add_argument("--gzip", action="store_true")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    options = parser.parse_args()
    context = None
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
    ledger = Ledger()
    bodies = Bodies(Exposition(options.metrics), options.interval)
    target = serve(target_handler(bodies, ledger, options.gzip))
    print(json.dumps({"target": target, "sink": serve(sink_handler(ledger), context)}), flush=True)
    sys.stdin.read()  # the benchmark closes it
    return 0


if __name__ == "__main__":
    sys.exit(main())
