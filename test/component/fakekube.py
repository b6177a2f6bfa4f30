"""A small API server and Prometheus in one, for the CLI: Deployments that the test sets, their
events, Leases, webhook configurations, one watch at a time, what becomes of a Deployment that is
created by dry run, and queries answered from a table. Runs in a thread."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Object = dict[str, Any]

KUBECONFIG = """\
current-context: test
contexts:
- {{name: test, context: {{cluster: c, user: u, namespace: shop}}}}
clusters:
- {{name: c, cluster: {{server: '{url}'}}}}
users:
- {{name: u, user: {{token: t}}}}
"""


def condition(kind: str, status: str, reason: str, message: str) -> Object:
    return {
        "type": f"scale.amp/{kind}",
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


def deployment(
    name: str,
    annotations: dict[str, str],
    replicas: int = 4,
    conditions: list[Object] | None = None,
    namespace: str = "shop",
) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{namespace}-{name}",
            "resourceVersion": "10",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {f"scale.amp/{key}": value for key, value in annotations.items()},
        },
        "spec": {"replicas": replicas},
        "status": {
            "replicas": replicas,
            "readyReplicas": replicas,
            "conditions": conditions or [],
        },
    }


class FakeKube:
    def __init__(self, folder: Path) -> None:
        self.deployments: list[Object] = []
        self.events: list[Object] = []
        self.leases: dict[
            str, list[Object]
        ] = {}  # by namespace; each is seen once, the last for ever
        self.hooks: dict[str, Object] = {}  # "mutating", "validating" → its configuration
        # Status, object and warnings that a dry run is answered with.
        self.admit: Callable[[Object], tuple[int, Object, list[str]]] = lambda d: (201, d, [])
        self.created: list[Object] = []
        self.values: dict[str, str] = {}  # query → the sample's text; absent: no series
        self.denied: set[str] = set()  # path prefixes answered with 403
        self.changes: queue.Queue[Object | None] = queue.Queue()  # None: end the watch
        self.asked: list[str] = []
        self.together = threading.Barrier(1)  # so many queries wait for each other
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                fake.get(self)

            def do_POST(self) -> None:
                fake.post(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(KUBECONFIG.format(url=self.url))
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.changes.put(None)
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(
        self, h: BaseHTTPRequestHandler, code: int, body: Object, warnings: list[str] | None = None
    ) -> None:
        data = json.dumps(body).encode()
        h.send_response(code)
        for text in warnings or []:
            h.send_header("Warning", f'299 - "{text}"')
        h.send_header("Content-Type", "application/json")
        h.send_header("Content-Length", str(len(data)))
        h.end_headers()
        h.wfile.write(data)

    def fail(self, h: BaseHTTPRequestHandler, code: int, reason: str, message: str) -> None:
        status = {"kind": "Status", "code": code, "reason": reason, "message": message}
        self.answer(h, code, status)

    def get(self, h: BaseHTTPRequestHandler) -> None:
        self.asked.append(unquote(h.path))
        url = urlsplit(h.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        parts = url.path.strip("/").split("/")
        if any(url.path.startswith(prefix) for prefix in self.denied):
            self.fail(h, 403, "Forbidden", f'User "x" cannot get {parts[-1]}')
        elif parts[-2] == "leases":
            self.lease(h, parts[4])
        elif parts[-1].endswith("webhookconfigurations"):
            hook = self.hooks.get(parts[-1].removesuffix("webhookconfigurations"))
            assert query["labelSelector"] == "app.kubernetes.io/part-of=ampscale"
            self.answer(h, 200, {"kind": "List", "items": [hook] if hook else []})
        elif parts[-1] == "events":
            self.answer(h, 200, {"kind": "EventList", "items": self.events})
        elif parts[-1] == "deployments":
            namespace = parts[4] if "namespaces" in parts else None
            if "watch" in query:
                self.watch(h)
            else:
                self.listing(h, namespace)
        else:
            self.one(h, parts[4], parts[-1])

    def listing(self, h: BaseHTTPRequestHandler, namespace: str | None) -> None:
        items = [d for d in self.deployments if namespace in (None, d["metadata"]["namespace"])]
        body = {"kind": "DeploymentList", "metadata": {"resourceVersion": "10"}, "items": items}
        self.answer(h, 200, body)

    def one(self, h: BaseHTTPRequestHandler, namespace: str, name: str) -> None:
        for d in self.deployments:
            if (d["metadata"]["namespace"], d["metadata"]["name"]) == (namespace, name):
                self.answer(h, 200, d)
                return
        self.fail(h, 404, "NotFound", f'deployments.apps "{name}" not found')

    def lease(self, h: BaseHTTPRequestHandler, namespace: str) -> None:
        known = self.leases.get(namespace, [])
        if not known:
            self.fail(h, 404, "NotFound", 'leases.coordination.k8s.io "ampscale-scaler" not found')
            return
        self.answer(h, 200, known.pop(0) if len(known) > 1 else known[0])

    def watch(self, h: BaseHTTPRequestHandler) -> None:
        h.send_response(200)
        h.send_header("Content-Type", "application/json")
        h.send_header("Transfer-Encoding", "chunked")
        h.end_headers()
        while (change := self.changes.get()) is not None:
            line = json.dumps(change).encode() + b"\n"
            h.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            h.wfile.flush()
        h.wfile.write(b"0\r\n\r\n")

    def post(self, h: BaseHTTPRequestHandler) -> None:
        url = urlsplit(h.path)
        if url.path.endswith("/deployments"):
            self.create(h, url.path, parse_qs(url.query))
            return
        form = parse_qs(h.rfile.read(int(h.headers["Content-Length"])).decode())
        self.together.wait(10)
        value = self.values.get(form["query"][0])
        result = [] if value is None else [{"metric": {}, "value": [1767225600, value]}]
        data = {"resultType": "vector", "result": result}
        self.answer(h, 200, {"status": "success", "data": data})

    def create(self, h: BaseHTTPRequestHandler, path: str, query: dict[str, list[str]]) -> None:
        assert query["dryRun"] == ["All"]
        wanted = json.loads(h.rfile.read(int(h.headers["Content-Length"])))
        self.created.append(wanted)
        if any(path.startswith(prefix) for prefix in self.denied):
            text = 'deployments.apps is forbidden: User "x" cannot create resource "deployments"'
            self.fail(h, 403, "Forbidden", text)
            return
        self.answer(h, *self.admit(wanted))
