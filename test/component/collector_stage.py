"""ampscale-collector as a process between a target and a receiver, both on loopback and both as
ill-behaved as a test wants them.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import remotewrite
from badserver import Gone, Peer, Request
from remotewrite import Series
from waiting import die_with_parent, until

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD_DIR", ROOT / "build" / "dev"))
PROGRAM = BUILD / "bin" / "ampscale-collector"
SANITIZER = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:")
TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Server(socketserver.ThreadingTCPServer):
    """Each request of each connection goes to `serve`; Gone ends the connection."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self,
        serve: Callable[[Peer, Request], None],
        port: int = 0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.serve, self.context = serve, context
        self.peers: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)
        self.port = int(self.server_address[1])
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Nobody listens any more, and connections are cut."""
        self.shutdown()
        self.server_close()
        for sock in list(self.peers):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class Handler(socketserver.BaseRequestHandler):
    server: Server

    def handle(self) -> None:
        self.server.peers.add(self.request)
        try:
            if self.server.context is not None:
                self.request = self.server.context.wrap_socket(self.request, server_side=True)
            peer = Peer(self.request)
            while not peer.closed:
                request = peer.read()
                peer.seen += 1
                self.server.serve(peer, request)
        except (Gone, OSError):
            pass
        finally:
            self.server.peers.discard(self.request)


class Target:
    """An app. `answer` may be replaced while it runs; by default it exposes `body`."""

    def __init__(self, body: str = "", kind: str = TEXT) -> None:
        self.body, self.kind = body, kind
        self.answer: Callable[[Peer, Request], None] = self.expose
        self.requests: list[Request] = []
        self.context: ssl.SSLContext | None = None
        self.server = Server(self._serve)

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def instance(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.instance}/metrics"

    def _serve(self, peer: Peer, request: Request) -> None:
        self.requests.append(request)
        self.answer(peer, request)

    def expose(self, peer: Peer, _: Request) -> None:
        peer.answer(200, self.body, self.kind)

    def close(self) -> None:
        self.server.close()

    def restart(self) -> None:
        self.server = Server(self._serve, self.port, self.context)


@dataclass
class Push:
    """One remote write as it came."""

    at: float  # monotonic seconds
    request: Request
    series: list[Series] = field(default_factory=list)

    def times(self) -> set[int]:
        return {sample.time_ms for one in self.series for sample in one.samples}


def take(peer: Peer, _: Push) -> None:
    peer.answer(204, b"")


Judge = Callable[[Peer, Push], None]


class Receiver:
    """`judge` answers a push; `taken` are those it was content with (2xx by `take`)."""

    def __init__(self, judge: Judge = take) -> None:
        self.judge = judge
        self.pushes: list[Push] = []
        self.bad: list[str] = []
        self.server = Server(self.serve)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}/push"

    def serve(self, peer: Peer, request: Request) -> None:
        push = Push(time.monotonic(), request)
        try:
            push.series = remotewrite.write_request(request.body)
        except (remotewrite.Bad, UnicodeDecodeError) as error:
            self.bad.append(repr(error))
        self.pushes.append(push)
        self.judge(peer, push)

    def series(self) -> Iterator[Series]:
        for push in list(self.pushes):
            yield from push.series

    def named(self, name: str) -> list[Series]:
        return [one for one in self.series() if one.name == name]

    def values(self, name: str, **labels: str) -> list[float]:
        """Of all samples of a metric, in the order they came; markers left out."""
        return [
            sample.value
            for one in self.named(name)
            if labels.items() <= dict(one.labels).items()
            for sample in one.samples
            if not sample.stale
        ]

    def close(self) -> None:
        self.server.close()


class Collector:
    """One process; ended and inspected by close()."""

    def __init__(
        self,
        directory: Path,
        *flags: str,
        env: dict[str, str] | None = None,
        behind: Sequence[str] = (),
    ) -> None:
        number = len(list(directory.glob("collector-*.log")))
        self.log_file = directory / f"collector-{number}.log"
        self.flags = flags
        clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                [*behind, str(PROGRAM), *flags],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=clean | (env or {}),
                preexec_fn=die_with_parent,
            )

    def log(self) -> list[dict[str, Any]]:
        lines = self.log_file.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def logged(self, message: str) -> list[dict[str, Any]]:
        return [one for one in self.log() if one["msg"] == message]

    def resident_bytes(self) -> int:
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGESIZE")

    def kill(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, within_s: float = 20) -> int:
        return self.process.wait(timeout=within_s)

    def end(self, number: int = signal.SIGINT, within_s: float = 20) -> int:
        self.kill(number)
        return self.wait(within_s)

    def ask(self, flag: str, *behind: str) -> subprocess.CompletedProcess[str]:
        target = next(one for one in self.flags if one.startswith("--target="))
        command = [*behind, str(PROGRAM), target, flag]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    def probe_socket(self) -> str:
        """The name that its probes ask by; none until it listens."""
        inodes = set()
        for one in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                inodes.add(str(one.readlink()))
        for line in Path("/proc/net/unix").read_text().splitlines():
            row = line.split()
            if len(row) > 7 and f"socket:[{row[6]}]" in inodes:
                return row[7].removeprefix("@")
        return ""

    def asking(self, question: bytes = b"") -> socket.socket:
        """Who asks this process and no other, or connects to it and says nothing."""
        name = until("its socket", self.probe_socket)
        one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for limit in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):  # of a connect, too
            one.setsockopt(socket.SOL_SOCKET, limit, struct.pack("ll", 20, 0))
        one.connect("\0" + name)
        if question:
            one.send(question)
        return one

    def close(self) -> None:
        if self.process.poll() is None:
            assert self.end() == 0, self.log_file.read_text()
        text = self.log_file.read_text(errors="replace")
        assert not any(word in text for word in SANITIZER), text


class Stage:
    """A target, a receiver, and the collectors of one test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.target = Target()
        self.receiver = Receiver()
        self.collectors: list[Collector] = []

    def collector(
        self, *flags: str, env: dict[str, str] | None = None, behind: Sequence[str] = ()
    ) -> Collector:
        """Scrapes each half second, unless told otherwise."""
        given = {flag.split("=")[0] for flag in flags}
        standard = {
            "--target": self.target.url,
            "--remote-write-url": self.receiver.url,
            "--interval": "500ms",
            "--own-metrics": "false",
        }
        if given & {"--endpoint", "--workspace"}:
            del standard["--remote-write-url"]
        rest = [f"{name}={value}" for name, value in standard.items() if name not in given]
        self.collectors.append(Collector(self.directory, *rest, *flags, env=env, behind=behind))
        return self.collectors[-1]

    def flush(self) -> None:
        """End the last collector as a test suite does, so that all it has is sent."""
        assert self.collectors[-1].end(signal.SIGINT) == 0

    def close(self) -> None:
        for one in self.collectors:
            one.close()
        self.target.close()
        self.receiver.close()
        assert not self.receiver.bad, self.receiver.bad


@contextmanager
def staging(directory: Path) -> Iterator[Stage]:
    stage = Stage(directory)
    try:
        yield stage
        stage.close()
    finally:
        for one in stage.collectors:
            if one.process.poll() is None:
                one.process.kill()
                one.process.wait()
