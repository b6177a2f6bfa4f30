"""What the API server has, by GET on one kept connection.

For looking again and again until something holds: a kubectl for each look costs a tenth of a
second of a core, and most of a test is such looking. What a user does or sees goes through kubectl.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import http.client
import json
import os
import ssl
import tempfile
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml

# kubectl's words for what is looked at often -> where it is.
PLACES = {
    "configmap": "api/v1/namespaces/{}/configmaps",
    "deployment": "apis/apps/v1/namespaces/{}/deployments",
    "event": "api/v1/namespaces/{}/events",
    "pod": "api/v1/namespaces/{}/pods",
    "replicaset": "apis/apps/v1/namespaces/{}/replicasets",
}
OPTIONS = {"--selector": "labelSelector", "--field-selector": "fieldSelector"}
TIMEOUT_S = 30.0
NOT_FOUND = 404


def path_of(namespace: str, words: tuple[str, ...]) -> str | None:
    """The path that `kubectl get WORDS` reads; None for what is not known here."""
    kind, _, name = words[0].partition("/")
    place = PLACES.get(kind.removesuffix("s"))
    names, parameters = [name] if name else [], {}
    rest = iter(words[1:])
    for word in rest:
        option, equals, value = word.partition("=")
        if option in OPTIONS:
            parameters[OPTIONS[option]] = value if equals else next(rest, "")
        else:
            names.append(word)
    plain = not any(name.startswith("-") for name in names)
    if place is None or not plain or len(names) > 1 or (names and parameters):
        return None
    path = "/".join(["", place.format(namespace), *names])
    return f"{path}?{urlencode(parameters)}" if parameters else path


class Api:
    """An API server, as the holder of a client certificate."""

    def __init__(self, server: str, tls: ssl.SSLContext) -> None:
        parts = urlsplit(server)
        self._line = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=TIMEOUT_S, context=tls
        )
        self._lock = threading.Lock()

    def read(self, path: str) -> str | None:
        """The body; None where there is nothing. AssertionError for any other refusal, OSError
        when nobody answers."""
        with self._lock:
            try:
                status, body = self._once(path)
            except (OSError, http.client.HTTPException):
                self._line.close()  # one that was kept may have been closed since
                status, body = self._once(path)
        if status == NOT_FOUND:
            return None
        assert status == http.client.OK, f"GET {path}: {status}: {body}"
        return body

    def _once(self, path: str) -> tuple[int, str]:
        try:
            self._line.request("GET", path)
            answer = self._line.getresponse()
            return answer.status, answer.read().decode()
        except BaseException:
            self._line.close()
            raise

    def get(self, path: str) -> dict[str, Any]:
        """The object, or the list, with managedFields, which kubectl leaves out; {} if there is
        none."""
        found: dict[str, Any] = json.loads(self.read(path) or "{}")
        return found


@functools.cache
def api() -> Api | None:
    """That of $KUBECONFIG's context; None where it takes more than a certificate to be let in."""
    with contextlib.suppress(KeyError, StopIteration):
        config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
        context = named(config["contexts"], config["current-context"])["context"]
        cluster = named(config["clusters"], context["cluster"])["cluster"]
        user = named(config["users"], context["user"])["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        tls = ssl.create_default_context(cadata=authority)
        with tempfile.NamedTemporaryFile() as pem:
            for part in ("client-certificate-data", "client-key-data"):
                pem.write(base64.b64decode(user[part]))
            pem.flush()
            tls.load_cert_chain(pem.name)
        return Api(cluster["server"], tls)
    return None


def named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)
