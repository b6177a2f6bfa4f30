"""Scalers of tenants, each a release of its own with no webhook, and who hands them credentials:
the stand-in's STS, and on the node what EKS and EC2 have at these addresses.
"""

from __future__ import annotations

import datetime
import json
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from amp.control import Amp
from chart import CHART, HELM_S, SYSTEM
from kube import SECONDS, Kube, Workload, run

ACCOUNT = "arn:aws:iam::000000000000"
QUERY = ["aps:QueryMetrics", "aps:GetSeries", "aps:GetLabels", "aps:GetMetricMetadata"]
SESSION_S = 6.0  # a session's life: it is renewed after the half of it
AGENT, METADATA = "169.254.170.23", "169.254.169.254"
TOKENS = "/var/run/secrets/tokens"


def token_at(audience: str) -> dict[str, Any]:
    """Values that mount a token for this audience, as the webhooks of EKS do."""
    source = {"serviceAccountToken": {"audience": audience, "path": "token"}}
    return {
        "extraVolumes": [{"name": "aws-token", "projected": {"sources": [source]}}],
        "extraVolumeMounts": [{"name": "aws-token", "mountPath": TOKENS, "readOnly": True}],
    }


def irsa(role: str, audience: str = "sts.amazonaws.com") -> dict[str, Any]:
    """What EKS sets for a ServiceAccount with eks.amazonaws.com/role-arn."""
    env = {"AWS_ROLE_ARN": role, "AWS_WEB_IDENTITY_TOKEN_FILE": f"{TOKENS}/token"}
    return token_at(audience) | {"env": [{"name": k, "value": v} for k, v in env.items()]}


def pod_identity() -> dict[str, Any]:
    """What EKS sets for a ServiceAccount with a pod identity association."""
    env = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{AGENT}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{TOKENS}/token",
    }
    variables = [{"name": k, "value": v} for k, v in env.items()]
    return token_at("pods.eks.amazonaws.com") | {"env": variables}


def make_namespace(kube: Kube) -> None:
    """As the stage makes those of the release."""
    run("kubectl", "create", "namespace", kube.namespace).accepted()
    enforced = "pod-security.kubernetes.io/enforce=restricted"
    run("kubectl", "label", "namespace", kube.namespace, enforced).accepted()
    ca = Kube(SYSTEM).get("configmap", "ampscale-ca")["data"]["ca.crt"]
    kube("create", "configmap", "ampscale-ca", f"--from-literal=ca.crt={ca}").accepted()


def remove_namespace(kube: Kube) -> None:
    words = ["delete", "namespace", kube.namespace, "--ignore-not-found", "--wait=false"]
    run("kubectl", *words).accepted()


class Tenant(Kube):
    """A namespace with a scaler that finds its credentials by these values of the chart."""

    def __init__(self, name: str, stage: dict[str, Any], scaler: dict[str, Any]) -> None:
        super().__init__(name)
        self.role = f"{ACCOUNT}:role/{name}"
        self.subject = f"system:serviceaccount:{name}:ampscale-scaler"
        self.values = {
            "image": stage["image"],
            "ca": stage["ca"],
            "aws": {key: stage["aws"][key] for key in ("endpoint", "region", "sigv4")},
            "webhook": {"enabled": False},
            "scaler": {"namespaces": [{"name": name}], "resources": stage["scaler"]["resources"]}
            | scaler,
        }

    def install(self) -> None:
        make_namespace(self)
        words = ["helm", "install", self.namespace, CHART, f"--namespace={self.namespace}"]
        run(*words, "--values=-", stdin=json.dumps(self.values), timeout_s=HELM_S).accepted()

    def ready(self) -> None:
        wait = f"--timeout={SECONDS:.0f}s"
        self("rollout", "status", "deployment/ampscale-scaler", wait).accepted()

    def workload(self, query: str) -> Workload:
        one = Workload(self, f"t-{secrets.token_hex(4)}")
        return one.scaled(query, replicas=2, parked=True)

    def log(self) -> str:
        return self("logs", "deployment/ampscale-scaler").accepted().out


class Keys:
    """Hands out keys of a role, each of which AMP's stand-in takes until its end and no longer."""

    def __init__(self, amp: Amp, role: str) -> None:
        self.amp = amp
        self.role = role
        self.made: list[tuple[str, datetime.datetime]] = []

    def new(self) -> dict[str, str]:
        now = datetime.datetime.now(datetime.UTC)
        for name, until in self.made:
            if until <= now:
                self.amp.set_key(name, expired=True)
        name, until = (
            f"ASIA{secrets.token_hex(8).upper()}",
            now + datetime.timedelta(seconds=SESSION_S),
        )
        key = {"secret_key": secrets.token_urlsafe(30), "session_token": secrets.token_urlsafe(90)}
        self.amp.set_key(name, **key, role=self.role, session="handed-out", actions=QUERY)
        self.made.append((name, until))
        return {
            "Code": "Success",
            "AccessKeyId": name,
            "SecretAccessKey": key["secret_key"],
            "Token": key["session_token"],
            "Expiration": until.isoformat().replace("+00:00", "Z"),
        }


Answer = Callable[[str, str, dict[str, str]], tuple[int, str]]


class LinkLocal:
    """An HTTP server at a link-local address of the node, port 80: answer(method, path, headers
    with names in lower case) gives status and body."""

    def __init__(self, address: str, answer: Answer) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, body = answer(self.command, self.path, headers)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            do_PUT = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.address = f"{address}/32"
        run("ip", "address", "replace", self.address, "dev", "lo").accepted()
        self.server = ThreadingHTTPServer((address, 80), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        run("ip", "address", "delete", self.address, "dev", "lo").accepted()


class Agent:
    """The EKS Pod Identity agent: the API server says whose token it is given."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.users: set[str] = set()
        self.server = LinkLocal(AGENT, self.answer)

    def answer(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {
                "token": headers.get("authorization", ""),
                "audiences": ["pods.eks.amazonaws.com"],
            },
        }
        done = run("kubectl", "create", "-f", "-", "-o", "json", stdin=json.dumps(review))
        status = json.loads(done.accepted().out)["status"]
        if (method, path) != ("GET", "/v1/credentials") or not status.get("authenticated"):
            return 400, "the token is not valid"
        self.users.add(status["user"]["username"])
        return 200, json.dumps(self.keys.new())

    def close(self) -> None:
        self.server.close()


class Metadata:
    """The EC2 instance's metadata service, version 2 only."""

    ROLES = "/latest/meta-data/iam/security-credentials/"

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.sessions: set[str] = set()
        self.server = LinkLocal(METADATA, self.answer)

    def answer(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        if method == "PUT":
            if not headers.get("x-aws-ec2-metadata-token-ttl-seconds", "").isdigit():
                return 400, ""
            session = secrets.token_urlsafe(40)
            self.sessions.add(session)
            return (200, session) if path == "/latest/api/token" else (404, "")
        if headers.get("x-aws-ec2-metadata-token") not in self.sessions:
            return 401, ""
        if path == self.ROLES:
            return 200, "the-nodes-role"
        if path == f"{self.ROLES}the-nodes-role":
            return 200, json.dumps(self.keys.new())
        return 404, ""

    def close(self) -> None:
        self.server.close()
