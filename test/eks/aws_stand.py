"""What moto lacks of AWS and the walkthrough uses: Pod Identity associations, Managed Grafana, and
the Grafana that comes with it. Everything else that EKS is asked goes on to moto.

The paths and answers are those of botocore's models, which the real aws CLI checks requests by.
"""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ASSOCIATIONS = r"/clusters/([^/]+)/pod-identity-associations"
USERS = r"/workspaces/([^/]+)/serviceaccounts"
TOKEN = "glsa_of_the_walkthrough"


class Stand:
    def __init__(self, moto: str) -> None:
        self.moto = moto
        self.associations: dict[str, dict[str, str]] = {}
        self.workspaces: dict[str, dict[str, Any]] = {}
        self.users: set[str] = set()
        self.data_sources: list[dict[str, Any]] = []
        self.dashboards: list[dict[str, Any]] = []
        self.routes: list[tuple[str, str, Callable[..., dict[str, Any]]]] = [
            ("POST", ASSOCIATIONS, self.associate),
            ("GET", ASSOCIATIONS, self.list_associations),
            ("DELETE", ASSOCIATIONS + "/([^/]+)", self.dissociate),
            ("POST", "/workspaces", self.create_workspace),
            ("GET", "/workspaces", self.list_workspaces),
            ("GET", "/workspaces/([^/]+)", self.describe_workspace),
            ("DELETE", "/workspaces/([^/]+)", self.delete_workspace),
            ("POST", USERS, self.create_user),
            ("POST", USERS + "/([^/]+)/tokens", self.create_token),
            ("DELETE", USERS + "/([^/]+)", self.delete_user),
        ]
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    # ---- EKS ----

    def associate(self, cluster: str, body: dict[str, str], **_: Any) -> dict[str, Any]:
        name = f"a-{len(self.associations) + 1}"
        self.associations[name] = {
            "clusterName": cluster,
            "namespace": body["namespace"],
            "serviceAccount": body["serviceAccount"],
            "roleArn": body["roleArn"],
            "associationId": name,
            "associationArn": f"arn:aws:eks:eu-west-1:123456789012:podidentityassociation/{name}",
        }
        return {"association": self.associations[name]}

    def list_associations(self, cluster: str, query: dict[str, str], **_: Any) -> dict[str, Any]:
        wanted = {"clusterName": cluster, **query}
        found = [a for a in self.associations.values() if wanted.items() <= a.items()]
        return {"associations": found}

    def dissociate(self, _cluster: str, name: str, **_: Any) -> dict[str, Any]:
        return {"association": self.associations.pop(name)}

    # ---- Managed Grafana ----

    def create_workspace(self, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        name = f"g-{len(self.workspaces) + 1}"
        self.workspaces[name] = {
            "id": name,
            "name": body["workspaceName"],
            "status": "ACTIVE",
            "endpoint": f"{name}.grafana-workspace.eu-west-1.amazonaws.com",
            "workspaceRoleArn": body["workspaceRoleArn"],
            "dataSources": body["workspaceDataSources"],
            "authentication": {"providers": body["authenticationProviders"]},
        }
        return {"workspace": self.workspaces[name]}

    def list_workspaces(self, **_: Any) -> dict[str, Any]:
        return {"workspaces": list(self.workspaces.values())}

    def describe_workspace(self, name: str, **_: Any) -> dict[str, Any]:
        return {"workspace": self.workspaces[name]}

    def delete_workspace(self, name: str, **_: Any) -> dict[str, Any]:
        return {"workspace": self.workspaces.pop(name)}

    def create_user(self, name: str, body: dict[str, str], **_: Any) -> dict[str, Any]:
        self.users.add("1")
        role = {"id": "1", "name": body["name"], "grafanaRole": body["grafanaRole"]}
        return {"workspaceId": name, **role}

    def create_token(self, name: str, user: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        token = {"id": "1", "name": body["name"], "key": TOKEN}
        return {"workspaceId": name, "serviceAccountId": user, "serviceAccountToken": token}

    def delete_user(self, name: str, user: str, **_: Any) -> dict[str, Any]:
        self.users.remove(user)
        return {"workspaceId": name, "serviceAccountId": user}

    # ---- the Grafana itself ----

    def take(
        self, authorization: str, body: dict[str, Any], kept: list[dict[str, Any]]
    ) -> tuple[int, Any]:
        if authorization != f"Bearer {TOKEN}" or not self.users:
            return 401, {"message": "Unauthorized"}
        kept.append(body)
        return 200, {"message": "taken"}

    # ---- HTTP ----

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        parts = urlsplit(request.path)
        given = json.loads(body) if body else {}
        kept = {"/api/datasources": self.data_sources, "/api/dashboards/db": self.dashboards}
        if parts.path in kept:
            return self.take(request.headers["Authorization"], given, kept[parts.path])
        for method, pattern, function in self.routes:
            match = re.fullmatch(pattern, parts.path)
            if method == request.command and match is not None:
                query = {k: v[0] for k, v in parse_qs(parts.query).items()}
                return 200, function(*match.groups(), body=given, query=query)
        return self.forward(request, body)

    def forward(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        headers = {n: v for n, v in request.headers.items() if n.lower() != "host"}
        onward = urllib.request.Request(
            self.moto + request.path, body or None, headers, method=request.command
        )
        try:
            with urllib.request.urlopen(onward, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        stand = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def respond(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, value = stand.answer(self, body)
                text = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_DELETE = respond

        return Handler
