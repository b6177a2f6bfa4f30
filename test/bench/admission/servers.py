"""Who is asked: the webhook, and plain H2O. And the Prometheus that the webhook asks."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import os
import re
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

SERVER_CORE, CLIENT_CORE = 0, (os.cpu_count() or 1) - 1
CPUCLOCK_SCHED = 2  # of a process: linux include/linux/posix-timers.h, in the clock id's low bits


class Prometheus(http.server.BaseHTTPRequestHandler):
    """Answers 100 to every query; the webhook asks once a minute."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        series = [{"metric": {}, "value": [1764000000.5, "100"]}]
        data = {"status": "success", "data": {"resultType": "vector", "result": series}}
        body = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def prometheus() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Prometheus) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


class Server:
    process: subprocess.Popen[bytes]
    port: int

    def cpu_s(self) -> float:
        return time.clock_gettime((~self.process.pid << 3) | CPUCLOCK_SCHED)

    def memory_kib(self, row: str) -> int:
        """VmRSS, or VmHWM since the start."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"^{row}:\s+(\d+) kB$", status, re.MULTILINE)
        return int(found[1]) if found else 0

    def close(self) -> None:
        raise NotImplementedError


def throw_away(stream: IO[bytes]) -> None:
    """What is logged; whoever collects it in a cluster reads it from a pipe too."""
    while os.read(stream.fileno(), 1 << 16):
        pass


class Webhook(Server):
    def __init__(self, program: Path, certificate: Path, prometheus: int) -> None:
        command = [
            str(program),
            "--listen=127.0.0.1:0",
            "--metrics-listen=127.0.0.1:0",
            f"--tls-dir={certificate}",
            f"--endpoint=http://127.0.0.1:{prometheus}",
            "--sigv4=off",
            "--no-cluster",
        ]
        self.process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), *command], stderr=subprocess.PIPE
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if b'"msg":"serving"' in line:
                self.port = int(json.loads(line)["port"])
                break
        else:
            raise SystemExit("bench: the webhook ended")
        threading.Thread(target=throw_away, args=[self.process.stderr], daemon=True).start()

    def ask(self, path: str, what: dict[str, Any]) -> bytes:
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        peer = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=trust)
        peer.request("POST", path, json.dumps(what), {"Content-Type": "application/json"})
        answer = peer.getresponse().read()
        peer.close()
        return answer

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)


class Plain(Server):
    def __init__(self, build: Path, certificate: Path, answers: dict[str, Path]) -> None:
        command = [str(build / "bench/bench_h2o")]
        command += [str(certificate / "tls.crt"), str(certificate / "tls.key")]
        command += [f"{path}={file}" for path, file in answers.items()]
        self.process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)
