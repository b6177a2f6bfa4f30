"""ampscale-webhook on loopback, between a Prometheus and an API server that are made up here.

The program comes from BUILD_DIR (default build/dev). Its log is read as it is written: it says
where it listens, and what it thinks.
"""

from __future__ import annotations

import base64
import copy
import http.client
import itertools
import json
import os
import queue
import ssl
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import waiting

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "scale.amp/"
LEASES = "/apis/coordination.k8s.io/v1/leases"
SECONDS = 30.0  # for what takes well below one


def until(probe: Callable[[], Any], what: str) -> Any:
    """probe()'s first true result."""
    return waiting.until(what, probe, SECONDS)


class Handler(BaseHTTPRequestHandler):
    """Quiet, HTTP/1.1, and JSON."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def answer(self, status: int, body: object) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Server:
    """An HTTP server in threads; `owner` is for its handler."""

    def __init__(self, handler: type[BaseHTTPRequestHandler], owner: object) -> None:
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        self.http.block_on_close = False
        self.http.owner = owner  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


# ---- Prometheus ----


class PrometheusHandler(Handler):
    """POST /api/v1/query: the value of vector(VALUE); no series for any other query."""

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        query = parse_qs(form)["query"][0]
        self.server.owner.queries.append(query)  # type: ignore[attr-defined]
        value = query.removeprefix("vector(").removesuffix(")")
        series = [{"metric": {}, "value": [1764000000.5, value]}] if value != query else []
        data = {"resultType": "vector", "result": series}
        self.answer(200, {"status": "success", "data": data})


class Prometheus:
    def __init__(self) -> None:
        self.queries: list[str] = []
        self.server = Server(PrometheusHandler, self)


# ---- the API server ----


class KubeHandler(Handler):
    def do_GET(self) -> None:
        kube: Kube = self.server.owner  # type: ignore[attr-defined]
        parts = urlsplit(self.path)
        words = {k: v[0] for k, v in parse_qs(parts.query).items()}
        kube.requests.append((parts.path, words))
        if parts.path == LEASES and kube.refuses:
            status = {"kind": "Status", "message": "leases is forbidden", "code": 403}
            self.answer(403, status)
        elif parts.path == LEASES and "watch" in words:
            self.stream(kube)
        elif parts.path == LEASES:
            self.answer(200, kube.listing())
        elif "horizontalpodautoscalers" in parts.path:
            self.answer(200, {"kind": "HorizontalPodAutoscalerList", "items": []})
        else:
            self.answer(404, {"kind": "Status", "message": "not found", "code": 404})

    def stream(self, kube: Kube) -> None:
        events = kube.subscribe()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while (event := events.get()) is not None:
            line = json.dumps(event).encode() + b"\n"
            try:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.flush()
            except OSError:
                return
        self.close_connection = True


class Kube:
    """Leases alone, listed and watched. `refuses`: nobody may see them."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.refuses = False
        self.leases: dict[str, dict[str, Any]] = {}
        self.watchers: list[queue.Queue[dict[str, Any] | None]] = []
        self.versions = itertools.count(1)
        self.lock = threading.Lock()
        self.server = Server(KubeHandler, self)

    def listing(self) -> dict[str, Any]:
        with self.lock:
            metadata = {"resourceVersion": str(next(self.versions))}
            return {"kind": "LeaseList", "metadata": metadata, "items": list(self.leases.values())}

    def subscribe(self) -> queue.Queue[dict[str, Any] | None]:
        with self.lock:
            self.watchers.append(queue.Queue())
            return self.watchers[-1]

    def write(self, namespace: str, holder: str = "pod-1", lasts_s: int = 15) -> None:
        """The Lease of that namespace, written (again) by its holder."""
        with self.lock:
            version = next(self.versions)
            lease = {
                "metadata": {
                    "name": "ampscale-scaler",
                    "namespace": namespace,
                    "resourceVersion": str(version),
                },
                "spec": {
                    "holderIdentity": holder,
                    "leaseDurationSeconds": lasts_s,
                    "renewTime": f"2026-01-01T00:00:00.{version:06}Z",
                },
            }
            self.leases[namespace] = lease
            for watcher in self.watchers:
                watcher.put({"type": "MODIFIED", "object": lease})

    def hang_up(self) -> None:
        """End the streams under way."""
        with self.lock:
            for watcher in self.watchers:
                watcher.put(None)
            self.watchers = []


def kubeconfig(path: Path, url: str, namespace: str) -> Path:
    one = {"cluster": "c", "user": "u", "namespace": namespace}
    config = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": one}],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path.write_text(json.dumps(config))
    return path


# ---- the webhook ----


class Answer:
    """What the webhook said of one review."""

    def __init__(self, response: dict[str, Any]) -> None:
        self.allowed: bool = response["allowed"]
        self.warnings: list[str] = response.get("warnings", [])
        self.message: str = response.get("status", {}).get("message", "")
        self.patch: list[dict[str, Any]] = json.loads(
            base64.b64decode(response["patch"]) if "patch" in response else "[]"
        )

    def written(self, path: str) -> object:
        """The value that the patch writes there, or None."""
        return next((op.get("value") for op in self.patch if op["path"] == path), None)


class Webhook:
    """The program, running; `flags` beside those that name ports, files and Prometheus."""

    def __init__(self, certificate: Path, prometheus: str, *flags: str) -> None:
        build = Path(os.environ.get("BUILD_DIR", ROOT / "build" / "dev"))
        self.lines: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [
                build / "bin" / "ampscale-webhook",
                "--listen=127.0.0.1:0",
                "--metrics-listen=127.0.0.1:0",
                f"--tls-dir={certificate}",
                f"--endpoint={prometheus}",
                "--sigv4=off",
                "--log-level=debug",
                *flags,
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self.read_log, daemon=True).start()
        self.port = until(lambda: self.logged("serving"), "listening")["port"]
        self.trust = ssl.create_default_context(cafile=str(certificate / "ca.crt"))
        self.trust.check_hostname = False

    def read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(json.loads(line) if line.startswith("{") else {"msg": line})

    def logged(self, message: str) -> dict[str, Any] | None:
        return next((one for one in self.lines if one["msg"] == message), None)

    def review(self, path: str, request: dict[str, Any]) -> Answer:
        body = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=SECONDS, context=self.trust
        )
        connection.request(
            "POST", f"{path}?timeout=10s", json.dumps(body), {"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        assert answer.status == 200, text
        response = json.loads(text)["response"]
        assert response["uid"] == request["uid"]
        return Answer(response)

    def stop(self) -> None:
        """It ends well, without a word of a sanitizer."""
        self.process.terminate()
        assert self.process.wait(SECONDS) == 0, self.lines[-20:]


# ---- reviews ----

TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "nginx"}]},
}


def deployment(replicas: int, **annotations: str) -> dict[str, Any]:
    keyed = {PREFIX + key.replace("_", "-"): value for key, value in annotations.items()}
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": "web", "namespace": "shop", "annotations": keyed},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": copy.deepcopy(TEMPLATE),
        },
    }


def request(
    new: dict[str, Any], old: dict[str, Any] | None = None, dry_run: bool = False
) -> dict[str, Any]:
    return {
        "uid": "3f1c",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "name": "web",
        "namespace": new["metadata"]["namespace"],
        "operation": "CREATE" if old is None else "UPDATE",
        "userInfo": {"username": "alice"},
        "object": new,
        "oldObject": old,
        "dryRun": dry_run,
    }
