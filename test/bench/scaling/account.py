"""Kubeconfigs of ServiceAccounts: each peer runs with the rights it is installed with."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from node import paths

from scaling.kube import Api

LIFE_S = 6 * 3600


def kubeconfig(api: Api, namespace: str, account: str, file: Path) -> None:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    request = {"spec": {"expirationSeconds": LIFE_S}}
    token = api.call("POST", path, request)["status"]["token"]
    ca = base64.b64encode((paths.PKI / "ca.crt").read_bytes()).decode()
    cluster = {"server": paths.API_SERVER, "certificate-authority-data": ca}
    context = {"cluster": "node", "user": account, "namespace": namespace}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "node", "cluster": cluster}],
        "users": [{"name": account, "user": {"token": token}}],
        "contexts": [{"name": "node", "context": context}],
        "current-context": "node",
    }
    file.touch(mode=0o600)
    file.write_text(json.dumps(config))
