"""An API server of a few objects for the webhook's own certificates, and the webhook before it.

It keeps the Secret, the Lease and the two webhook configurations by their paths, with
resourceVersions and compare-and-set, takes JSON patches, and can refuse, be away, or have another
time. What the real one does with caBundle is done here by `handshake`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import waiting
from webhook_process import DEADLINE_S, Webhook, wait_for
from webhook_stage import Server

Object = dict[str, Any]

NAMESPACE = "ampscale"
SERVICE = "ampscale-webhook"
HOST = f"{SERVICE}.{NAMESPACE}.svc"
SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/ampscale-webhook-tls"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/ampscale-webhook-certificates"
GROUP = "/apis/admissionregistration.k8s.io/v1"
MUTATING = f"{GROUP}/mutatingwebhookconfigurations/ampscale"
VALIDATING = f"{GROUP}/validatingwebhookconfigurations/ampscale"
CONFIGURATIONS = (MUTATING, VALIDATING)


def hook(name: str, service: str = SERVICE) -> Object:
    called = {"name": service, "namespace": NAMESPACE, "path": "/mutate", "port": 443}
    return {"name": name, "clientConfig": {"service": called}, "failurePolicy": "Ignore"}


def metadata(path: str) -> Object:
    return {"name": path.rsplit("/", 1)[1], "labels": {"app.kubernetes.io/name": "ampscale"}}


def as_rendered() -> dict[str, Object]:
    """What the chart installs."""
    objects: dict[str, Object] = {
        SECRET: {"apiVersion": "v1", "kind": "Secret", "type": "Opaque"},
        LEASE: {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"},
    }
    for path in CONFIGURATIONS:
        name = "mutate.scale.amp" if path == MUTATING else "validate.scale.amp"
        objects[path] = {"kind": "WebhookConfiguration", "webhooks": [hook(name)]}
    for path, thing in objects.items():
        thing["metadata"] = metadata(path)
    return objects


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def apply(thing: Object, operation: Object) -> None:
    """One operation of a JSON patch (RFC 6902): test, or add of a member."""
    *way, last = operation["path"].split("/")[1:]
    at: Any = thing
    for token in way:
        at = at[int(token)] if isinstance(at, list) else at[token]
    if operation["op"] == "test" and at[last] != operation["value"]:
        raise Refused(422, "the server rejected our request due to an error in our request")
    if operation["op"] == "add":
        at[last] = operation["value"]


class Kube:
    """The objects, under a lock. `refuse`: (method, path) → status, once each when it is 409."""

    def __init__(self) -> None:
        self.objects = as_rendered()
        self.refuse: dict[tuple[str, str], int] = {}
        self.conflicts = 0
        self.down = False
        self.ahead_s = 0  # its clock, of ours
        self.version = 100
        self.writes: list[tuple[str, str, int]] = []
        self.lock = threading.RLock()
        for thing in self.objects.values():
            thing["metadata"]["resourceVersion"] = "100"
        self.server = Server(Handler, self)
        self.url = self.server.url

    def close(self) -> None:
        self.server.close()

    def put(self, path: str, thing: Object) -> Object:
        with self.lock:
            self.version += 1
            thing["metadata"]["resourceVersion"] = str(self.version)
            self.objects[path] = thing
            return thing

    def exchange(self, method: str, path: str, body: Any) -> Object:
        with self.lock:
            status = 200
            try:
                return self.act(method, path, body)
            except Refused as refused:
                status = refused.status
                raise
            finally:
                if method != "GET":
                    self.writes.append((method, path, status))

    def act(self, method: str, path: str, body: Any) -> Object:
        if (method, path) in self.refuse:
            raise Refused(self.refuse[method, path], "refused")
        if path not in self.objects:
            raise Refused(404, "not found")
        thing = self.objects[path]
        if method == "GET":
            return thing
        if method == "PUT" and path == SECRET and self.conflicts > 0:
            self.conflicts -= 1
            raise Refused(409, "the object has been modified")
        new = json.loads(json.dumps(thing))
        if method == "PATCH":
            for operation in body:
                apply(new, operation)
        elif body["metadata"]["resourceVersion"] != thing["metadata"]["resourceVersion"]:
            raise Refused(409, "the object has been modified")
        else:
            new = body
        return self.put(path, new)

    # ---- what a test looks at, and edits ----

    def data(self) -> dict[str, str]:
        """The Secret's texts."""
        with self.lock:
            found = self.objects[SECRET].get("data", {})
            return {key: base64.b64decode(value).decode() for key, value in found.items()}

    def edit(self, **texts: str | None) -> None:
        """By hand; tls_crt is tls.crt. None: the key goes."""
        data = self.data() | {key.replace("_", "."): text for key, text in texts.items()}
        encoded = {
            k: base64.b64encode(v.encode()).decode() for k, v in data.items() if v is not None
        }
        with self.lock:
            self.put(SECRET, json.loads(json.dumps(self.objects[SECRET])) | {"data": encoded})

    def bundle(self, path: str, index: int = 0) -> str:
        with self.lock:
            client = self.objects[path]["webhooks"][index]["clientConfig"]
            return base64.b64decode(client.get("caBundle", "")).decode()

    def successes(self, method: str, path: str) -> int:
        with self.lock:
            return self.writes.count((method, path, 200))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        ahead_s = self.server.owner.ahead_s  # type: ignore[attr-defined]
        return formatdate(time.time() + ahead_s, usegmt=True)

    def any_method(self) -> None:
        kube: Kube = self.server.owner  # type: ignore[attr-defined]
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if kube.down:
            self.close_connection = True
            return
        status, answer = 200, {}
        try:
            path = self.path.partition("?")[0]
            answer = kube.exchange(self.command, path, json.loads(raw) if raw else None)
        except Refused as refused:
            status = refused.status
            answer = {"kind": "Status", "code": status, "message": str(refused)}
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = any_method


def kubeconfig(path: Path, url: str) -> Path:
    one = {"cluster": "c", "user": "u", "namespace": NAMESPACE}
    config = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": one}],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path.write_text(json.dumps(config))
    return path


def handshake(webhook: Webhook, bundle: str) -> tuple[str, str]:
    """Connect as the API server does, trusting that caBundle: the leaf (DER) and its issuer."""
    context = ssl.create_default_context(cadata=bundle)
    plain = socket.create_connection(("127.0.0.1", webhook.port), timeout=DEADLINE_S)
    with plain, context.wrap_socket(plain, server_hostname=HOST) as peer:
        certificate, der = peer.getpeercert(), peer.getpeercert(binary_form=True)
    assert certificate is not None and der is not None
    issuer = dict(pair[0] for pair in certificate["issuer"])["commonName"]
    return der.hex(), issuer


def fits(certificates: str, key: str, directory: Path) -> bool:
    """It is the key of one of them."""
    paths = directory / "one.crt", directory / "one.key"
    paths[1].write_text(key)
    for one in certificates.split("-----BEGIN CERTIFICATE-----")[1:]:
        paths[0].write_text("-----BEGIN CERTIFICATE-----" + one)
        with contextlib.suppress(ssl.SSLError):
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*paths)
            return True
    return False


class Stage:
    """The API server, and webhooks that manage their certificates in it."""

    def __init__(self, directory: Path) -> None:
        self.kube = Kube()
        self.config = kubeconfig(directory / "kubeconfig", self.kube.url)
        self.webhooks: list[Webhook] = []

    def start(self, leaf_life: str = "15s", ca_life: str = "1h", *flags: str) -> Webhook:
        webhook = Webhook(
            *("--kubeconfig", str(self.config), "--tls-self-managed", "ampscale-webhook-tls"),
            *(f"--tls-leaf-life={leaf_life}", f"--tls-ca-life={ca_life}", *flags),
        )
        self.webhooks.append(webhook)
        return webhook

    def stop(self, webhook: Webhook) -> None:
        self.webhooks.remove(webhook)
        assert webhook.stop() == 0

    def close(self) -> None:
        for webhook in list(self.webhooks):
            self.stop(webhook)
        self.kube.close()


def is_ready(webhook: Webhook) -> bool:
    return webhook.get("/readyz")[0] == 200


def wait_ready(*webhooks: Webhook) -> None:
    for webhook in webhooks:
        wait_for(lambda one=webhook: is_ready(one), "ready")  # type: ignore[misc]


def until(condition: Callable[[], bool], what: str, within_s: float = 90) -> None:
    """For what takes the life of certificates."""
    waiting.until(what, condition, within_s)


class Callers:
    """Threads that shake hands with each webhook in turn, as an API server that begins now: each
    with the caBundle of one configuration at that moment. Who takes longer for it than a new
    caBundle is there before it is needed (settle_s) is late by its own fault, and counted apart."""

    def __init__(
        self, kube: Kube, webhooks: list[Webhook], settle_s: float, threads: int = 2
    ) -> None:
        self.kube = kube
        self.webhooks = webhooks
        self.settle_s = settle_s
        self.ending = threading.Event()
        self.failures: list[str] = []
        self.leaves: set[str] = set()
        self.authorities: set[str] = set()
        self.made = self.late = 0
        self.lock = threading.Lock()
        self.threads = [
            threading.Thread(target=self._run, args=(CONFIGURATIONS[i % 2],), daemon=True)
            for i in range(threads)
        ]
        for thread in self.threads:
            thread.start()

    def _run(self, path: str) -> None:
        while not self.ending.is_set():
            for number, webhook in enumerate(self.webhooks):
                self._call(number, webhook, path)

    def _call(self, number: int, webhook: Webhook, path: str) -> None:
        began = time.monotonic()
        bundle = self.kube.bundle(path)
        try:
            leaf, authority = handshake(webhook, bundle)
        except (OSError, AssertionError) as error:
            took_s = time.monotonic() - began
            with self.lock:
                if took_s < self.settle_s:
                    self.failures.append(f"{time.time():.3f} webhook {number}: {error!r}")
                self.late += took_s >= self.settle_s
            return
        with self.lock:
            self.made += 1
            self.leaves.add(leaf)
            self.authorities.add(authority)

    def end(self) -> None:
        self.ending.set()
        for thread in self.threads:
            thread.join(DEADLINE_S)
        assert self.made > 10 * self.late, (self.made, self.late)
        assert not self.failures, (len(self.failures), self.failures[:20])
