"""The webhook as a process: started on loopback with a certificate of its own, ended and inspected.

The binary is $AMPSCALE_BIN/ampscale-webhook, by default the dev build's, so sanitizers watch every
test.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import waiting

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("AMPSCALE_BIN", ROOT / "build" / "dev" / "bin"))
DEADLINE_S = 20.0
JSON_TYPE = {"Content-Type": "application/json"}


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Poll until it holds."""
    waiting.until(what, condition, DEADLINE_S)


def make_pair(directory: Path, name: str) -> None:
    """Write a self-signed tls.crt and tls.key for loopback."""
    directory.mkdir(parents=True, exist_ok=True)
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        " -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout tls.key -out tls.crt -subj"
    )
    subprocess.run(
        [*command.split(), f"/CN={name}"], cwd=directory, check=True, capture_output=True
    )


class SecretVolume:
    """A directory as kubelet makes one: tls.crt -> ..data/tls.crt, and ..data is swapped."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.generation = 0
        directory.mkdir(parents=True, exist_ok=True)
        for name in ("tls.crt", "tls.key"):
            (directory / name).symlink_to(Path("..data") / name)

    def publish(self, name: str) -> None:
        """Swap in a new pair at once."""
        self.generation += 1
        target = self.directory / f"..{self.generation}"
        make_pair(target, name)
        link = self.directory / "..data_tmp"
        link.symlink_to(target.name)
        link.rename(self.directory / "..data")


class Webhook:
    """One running webhook."""

    def __init__(self, *flags: str, tls_dir: Path | None = None) -> None:
        self.scratch = tempfile.TemporaryDirectory(prefix="ampscale-test-")
        self.command = [str(BIN / "ampscale-webhook"), "--listen", "127.0.0.1:0"]
        self.command += ["--metrics-listen", "127.0.0.1:0"]
        if "--tls-self-managed" not in flags:
            if tls_dir is None:
                tls_dir = Path(self.scratch.name) / "tls"
                make_pair(tls_dir, "localhost")
            self.command += ["--tls-dir", str(tls_dir)]
        self.command += flags if "--kubeconfig" in flags else ("--no-cluster", *flags)
        self.process = subprocess.Popen(
            self.command,
            stderr=subprocess.PIPE,
            preexec_fn=waiting.die_with_parent,
        )
        self.lines: list[str] = []
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        try:
            serving = self.wait_log("serving")
        except AssertionError:
            self.process.kill()
            self.process.wait()
            raise
        self.port: int = serving["port"]
        self.metrics_port: int = serving["metrics_port"]

    def _read(self) -> None:
        assert self.process.stderr is not None
        for raw in self.process.stderr:
            with self.changed:
                self.lines.append(raw.decode(errors="replace").rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.lines.append("")  # the end
            self.changed.notify_all()

    def logs(self, message: str) -> list[dict[str, Any]]:
        """The log lines with this message so far."""
        with self.changed:
            lines = [line for line in self.lines if line.startswith("{")]
        return [entry for entry in map(json.loads, lines) if entry["msg"] == message]

    def wait_log(self, message: str, count: int = 1) -> dict[str, Any]:
        """The count-th log line with this message, as soon as it is there."""
        end = time.monotonic() + DEADLINE_S
        while True:
            found = self.logs(message)
            if len(found) >= count:
                return found[count - 1]
            with self.changed:
                ended = bool(self.lines) and self.lines[-1] == ""
                left = end - time.monotonic()
                if ended or left <= 0:
                    raise AssertionError(f"no log line {message!r} in:\n" + "\n".join(self.lines))
                self.changed.wait(min(left, 0.2))

    def context(self) -> ssl.SSLContext:
        """A client's context; the certificate is checked where a test is about it."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    def connect(self) -> http.client.HTTPSConnection:
        """A keep-alive connection to the TLS port."""
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=DEADLINE_S, context=self.context()
        )

    def raw(self) -> ssl.SSLSocket:
        """A TLS socket."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S)
        return self.context().wrap_socket(plain)

    def post(
        self, path: str, body: bytes, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """One request on a connection of its own."""
        connection = self.connect()
        try:
            return exchange(connection, path, body, headers)
        finally:
            connection.close()

    def review(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        """Post a review that must be answered 200: the `response`."""
        status, body = self.post(path, json.dumps(document).encode())
        assert status == 200, (status, body)
        answer = json.loads(body)
        assert answer["kind"] == "AdmissionReview"
        assert answer["response"]["uid"] == document["request"]["uid"]
        return answer["response"]

    def get(self, path: str) -> tuple[int, str]:
        """GET from the plain port."""
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=DEADLINE_S)
        connection.request("GET", path)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    def metric(self, sample: str) -> float:
        """Value of one sample, named with its labels as printed; 0 when it is not there."""
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(sample + " "):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def stop(self) -> int:
        """SIGTERM, wait, and fail when a sanitizer had something to say: the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=DEADLINE_S)
        self.reader.join(timeout=DEADLINE_S)
        assert self.process.stderr is not None
        self.process.stderr.close()
        self.scratch.cleanup()
        said = [line for line in self.lines if line and not line.startswith("{")]
        assert not said, "\n".join(said[:60])
        return status

    def __enter__(self) -> Webhook:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        status = self.stop()
        if kind is None:
            assert status == 0, status


def exchange(
    connection: http.client.HTTPConnection,
    path: str,
    body: bytes,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    """POST on an open connection."""
    connection.request("POST", path, body, JSON_TYPE if headers is None else headers)
    response = connection.getresponse()
    return response.status, response.read()


def review(
    annotations: dict[str, str] | None = None,
    *,
    uid: str = "11111111-2222-3333-4444-555555555555",
    **request: Any,
) -> dict[str, Any]:
    """An AdmissionReview for a Deployment with these annotations, as the API server sends it."""
    metadata: dict[str, Any] = {"name": "web", "namespace": "shop"}
    if annotations is not None:
        metadata["annotations"] = annotations
    container = {"name": "web", "image": "nginx", "env": [{"name": "PASSWORD", "value": "s3cr3t"}]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [container]},
            },
        },
    }
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    resource = {"group": "apps", "version": "v1", "resource": "deployments"}
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": kind,
            "resource": resource,
            "name": "web",
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {"username": "tester"},
            "object": deployment,
            "oldObject": None,
            "dryRun": False,
            **request,
        },
    }


def scaled(query: str = "vector(100)", threshold: str = "25", **more: str) -> dict[str, str]:
    """Annotations: scaled(max_replicas="3") has scale.amp/max-replicas."""
    values = {"query": query, "threshold": threshold, **more}
    return {f"scale.amp/{key.replace('_', '-')}": value for key, value in values.items()}
