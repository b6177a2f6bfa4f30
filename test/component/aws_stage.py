"""The webhook as a signer: a place to query that verifies signatures, and a stage of what hands out
credentials.

The place verifies with botocore's signer (test/cluster/amp/sigv4.py) and knows exactly the keys
that the stand-ins handed out, and who they were handed out to.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from awsstand import Stand, standing
from webhook_process import Webhook, review, scaled

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cluster"))
from amp.sigv4 import Key, Request, SignatureError, Verifier

REGION = "eu-central-1"
PATH = "/workspaces/ws-x/api/v1/query"
FAILED = "AWS credentials could not be fetched"
NONE = "there are no AWS credentials"
SUBJECT = "system:serviceaccount:ampscale:ampscale-webhook"
ISSUER = "https://oidc.eks.eu-central-1.amazonaws.com/id/0123"


def jwt(subject: str = SUBJECT, audience: str = "sts.amazonaws.com", serial: int = 0) -> str:
    """A token as the API server projects it, its signature aside."""

    def part(document: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")

    claims = {"iss": ISSUER, "sub": subject, "aud": [audience], "exp": 1795521600, "n": serial}
    return f"{part({'alg': 'RS256'})}.{part(claims)}.c2VjcmV0LXNpZ25hdHVyZQ"


class Place:
    """A Prometheus behind SigV4: 100, to whoever signs with a key that `keys` has."""

    def __init__(self, keys: Callable[[], list[Key]]) -> None:
        self.lock = threading.Lock()
        self.signed_by: list[str] = []  # access keys of good requests
        self.refused: list[str] = []
        self.refuses_once: tuple[str, str] | None = None  # error type and message
        self.clock_ahead_s = 0.0
        place = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def date_time_string(self, timestamp: float | None = None) -> str:
                now = time.time() if timestamp is None else timestamp
                return super().date_time_string(now + place.clock_ahead_s)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = Request("POST", self.path, list(self.headers.items()), body)
                status, error_type, document = place.answer(request, keys())
                text = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                if error_type:
                    self.send_header("x-amzn-errortype", error_type)
                self.end_headers()
                self.wfile.write(text)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/workspaces/ws-x"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, request: Request, keys: list[Key]) -> tuple[int, str, Any]:
        verifier = Verifier(REGION)
        for key in keys:
            verifier.add(key)
        with self.lock:
            if self.refuses_once is not None:
                error_type, message = self.refuses_once
                self.refuses_once = None
                self.refused.append(error_type)
                return 403, error_type, {"message": message}
        try:
            used = verifier.verify(request, datetime.datetime.now(datetime.UTC))
        except SignatureError as error:
            with self.lock:
                self.refused.append(error.error_type)
            return error.status, error.error_type, {"message": error.message}
        with self.lock:
            self.signed_by.append(used.access_key)
        result = [{"metric": {}, "value": [1.5, "100"]}]
        return 200, "", {"status": "success", "data": {"resultType": "vector", "result": result}}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@dataclass
class Stage:
    stand: Stand
    place: Place
    directory: Path
    monkeypatch: pytest.MonkeyPatch
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def env(self, **values: str) -> None:
        for name, value in values.items():
            self.monkeypatch.setenv(name, value)

    def token(self, text: str | None = None) -> Path:
        """A token's file, replaced as the kubelet does it."""
        path, new = self.directory / "token", self.directory / "token.new"
        new.write_text(jwt() if text is None else text)
        new.rename(path)
        return path

    def irsa(self, role_arn: str) -> Path:
        path = self.token()
        self.env(AWS_ROLE_ARN=role_arn, AWS_WEB_IDENTITY_TOKEN_FILE=str(path))
        return path

    @contextlib.contextmanager
    def webhook(self, *flags: str) -> Iterator[Webhook]:
        """One that signs. Whatever it says holds no secret."""
        common = ("--endpoint", self.place.url, "--region", REGION, "--sigv4", "on")
        with Webhook(*common, "--sts-endpoint", self.stand.url, *flags) as webhook:
            yield webhook
        told = "\n".join(webhook.lines)
        for secret in self.secrets():
            assert secret not in told, secret

    def secrets(self) -> list[str]:
        with self.stand.lock:
            issued = list(self.stand.issued.values())
        found = [text for one in issued for text in (one.secret_key, one.session_token)]
        path = self.directory / "token"
        if path.exists():
            found += [part for part in path.read_text().split(".") if len(part) > 8][-1:]
        return [*found, "session=="]

    def signer(self, webhook: Webhook, **annotations: str) -> str:
        """Query through the webhook: who the key that signed was handed out to."""
        before = len(self.place.signed_by)
        query = f"vector({next(self.numbers)})"
        answer = webhook.review("/validate", review(scaled(query, **annotations)))
        assert answer["allowed"], answer
        assert len(self.place.signed_by) == before + 1, answer
        key = self.place.signed_by[-1]
        return self.stand.issued[key].to if key in self.stand.issued else key

    def warnings(self, webhook: Webhook, **annotations: str) -> str:
        query = f"vector({next(self.numbers)})"  # an answer to the same one would be kept
        answer = webhook.review("/validate", review(scaled(query, **annotations)))
        return "\n".join([*answer.get("warnings", []), answer.get("status", {}).get("message", "")])

    def failure(self, webhook: Webhook) -> str:
        """What the webhook's log says of its credentials, first."""
        return webhook.wait_log(FAILED)["error"].replace(self.stand.url, "STAND")


@contextlib.contextmanager
def staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A stage of its own, in an environment that says nothing of AWS."""
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    with standing() as stand:

        def keys() -> list[Key]:
            return [Key(a, secret, token) for a, (secret, token) in stand.keys().items()]

        place = Place(keys)
        try:
            yield Stage(stand, place, tmp_path, monkeypatch)
        finally:
            place.close()
