"""Against moto's STS, which is somebody else's: our requests are what it expects, and its answers
are read.

A relay stands in between and learns the keys that moto hands out, so that the place to query can
verify what they sign.
"""

from __future__ import annotations

import contextlib
import re
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aws_stage import REGION, Key, Place, jwt
from aws_stage import Stage as Aws
from moto.server import ThreadedMotoServer
from webhook_process import Webhook, review, scaled

ROLE, OTHER = "arn:aws:iam::123456789012:role/base", "arn:aws:iam::123456789012:role/top"
FIELDS = ("AccessKeyId", "SecretAccessKey", "SessionToken")


class Relay:
    def __init__(self, upstream: str) -> None:
        self.keys: list[Key] = []
        self.actions: list[str] = []
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {n: v for n, v in self.headers.items() if n.lower() != "host"}
                request = urllib.request.Request(upstream + self.path, body, headers)
                with urllib.request.urlopen(request, timeout=20) as answer:
                    text = answer.read()
                relay.learn(text.decode())
                self.send_response(200)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def learn(self, text: str) -> None:
        found = [re.search(f"<{name}>([^<]+)</{name}>", text) for name in FIELDS]
        values = [match.group(1) for match in found if match is not None]
        assert len(values) == len(FIELDS), text
        self.keys.append(Key(*values))
        self.actions.append(text.partition("Response")[0].lstrip("<"))


@contextlib.contextmanager
def moto() -> Iterator[Relay]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    relay = Relay(f"http://{host}:{port}")
    try:
        yield relay
    finally:
        relay.server.shutdown()
        relay.server.server_close()
        server.stop()


@pytest.mark.parametrize(
    ("flags", "actions"),
    [
        ([], ["AssumeRoleWithWebIdentity"]),
        (["--role-arn", OTHER], ["AssumeRoleWithWebIdentity", "AssumeRole"]),
    ],
)
def test_moto_hands_out_what_the_place_verifies(
    aws: Aws, flags: list[str], actions: list[str]
) -> None:
    aws.token(jwt())
    aws.irsa(ROLE)
    with moto() as relay:
        place = Place(lambda: relay.keys)
        common = ("--endpoint", place.url, "--region", REGION, "--sigv4", "on")
        with Webhook(*common, "--sts-endpoint", relay.url, *flags) as webhook:
            answer = webhook.review("/validate", review(scaled()))
        place.close()
    assert answer["allowed"]
    assert "100 now" in str(answer["warnings"])
    assert relay.actions == actions
    assert place.signed_by == [relay.keys[-1].access_key]
    assert place.refused == []
