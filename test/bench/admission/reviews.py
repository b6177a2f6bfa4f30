"""The reviews that are sent, and what the webhook made of them."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

QUERY = 'sum(rate(http_requests_total{namespace="shop",app="checkout"}[2m]))'
PATHS = ("/mutate", "/validate")
KINDS = ("annotate", "update")

Ask = Callable[[str, dict[str, Any]], bytes]


def deployment(image: str, kib: float) -> dict[str, Any]:
    """As an API server sends it: with managed fields, and environment until it has its size."""
    container: dict[str, Any] = {
        "name": "checkout",
        "image": image,
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        "env": [],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    owned = {f"f:{name}": {} for name in ("replicas", "selector", "strategy", "template")}
    made: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "checkout",
            "namespace": "shop",
            "uid": "0b7a1c52-6f3e-4a53-9a2c-3a1d4a1f6c11",
            "generation": 3,
            "annotations": {"scale.amp/query": QUERY, "scale.amp/threshold": "25"},
            "managedFields": [
                {"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": owned}}
            ],
        },
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "checkout"}},
            "template": {
                "metadata": {"labels": {"app": "checkout"}},
                "spec": {"containers": [container]},
            },
        },
    }
    while len(json.dumps(made)) < kib * 1024 - 100:
        number = len(container["env"])
        container["env"].append({"name": f"SETTING_{number:04}", "value": f"value-{number:04}" * 4})
    return made


def review(kind: str, kib: float) -> dict[str, Any]:
    """Of an UPDATE; object and old object are half of it each."""
    old = deployment("checkout:1", kib / 2)
    if kind == "annotate":
        del old["metadata"]["annotations"]
    return {
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
            "name": "checkout",
            "namespace": "shop",
            "operation": "UPDATE",
            "userInfo": {"username": "admin", "groups": ["system:authenticated"]},
            "dryRun": False,
            "object": deployment("checkout:2", kib / 2),
            "oldObject": old,
        },
    }


def patched(review: dict[str, Any], answer: bytes) -> dict[str, Any]:
    """The review with the webhook's JSON Patch, of `add` alone, in its object."""
    changed = copy.deepcopy(review)
    for operation in json.loads(base64.b64decode(json.loads(answer)["response"].get("patch", ""))):
        *parents, key = (
            part.replace("~1", "/").replace("~0", "~") for part in operation["path"][1:].split("/")
        )
        node = changed["request"]["object"]
        for parent in parents:
            node = node.setdefault(parent, {})
        node[key] = operation["value"]
    return changed


def write(kind: str, kib: int, ask: Ask, folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """The bodies to send, and what the webhook answers to each, as files by path.

    annotate: the two annotations are new, so /mutate answers a patch, and /validate, asked with it
    applied as an API server does, the forecast. update: of the image, everything of ours in place.
    """
    raw = review(kind, kib)
    mutated = patched(raw, ask("/mutate", raw))
    bodies = {"/mutate": raw if kind == "annotate" else mutated, "/validate": mutated}
    sent, answered = {}, {}
    for path, body in bodies.items():
        name = f"{path[1:]}.{kind}.{kib}"
        sent[path], answered[path] = folder / f"{name}.sent", folder / f"{name}.answer"
        sent[path].write_text(json.dumps(body, separators=(",", ":")))
        answered[path].write_bytes(ask(path, body))
    return sent, answered
