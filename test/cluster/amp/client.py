"""A client of AMP's data plane that signs with botocore, and can be told to lie, for tests."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def message(self) -> str:
        answer = self.json()
        return answer.get("message") or answer.get("Message") or ""


@dataclass
class Signed:
    """A signed request, to be sent as it is or changed first."""

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Client:
    """One keep-alive connection to the stand-in described by `settings` (settings.json)."""

    def __init__(self, settings: dict[str, Any], timeout_s: float = 10) -> None:
        self.settings = settings
        at = urlsplit(settings["endpoint"])
        self.base = at.path
        tls = ssl.create_default_context(cafile=settings["ca_file"])
        self.line = http.client.HTTPSConnection(
            at.hostname or "", at.port, timeout=timeout_s, context=tls
        )

    def sign(
        self,
        operation: str,
        form: dict[str, str] | bytes | None = None,
        method: str = "POST",
        params: dict[str, str] | None = None,
        **other: str | None,
    ) -> Signed:
        """other: region, service, access_key, secret_key, session_token instead of the settings'.

        A dict is sent as a form, octets as they are.
        """
        use = {"service": "aps", **self.settings, **other}
        query = "?" + urlencode(params, quote_via=quote) if params else ""
        target = f"{self.base}/api/v1/{operation}{query}"
        body = form if isinstance(form, bytes) else urlencode(form or {}).encode()
        host = f"{self.line.host}:{self.line.port}"
        headers = {"Host": host, **({"Content-Type": FORM_TYPE} if method == "POST" else {})}
        request = AWSRequest(method, f"https://{host}{target}", headers, body)
        keys = Credentials(use["access_key"], use["secret_key"], use["session_token"])
        SigV4Auth(keys, use["service"], use["region"]).add_auth(request)
        return Signed(method, target, dict(request.headers.items()), body)

    def send(self, signed: Signed) -> Reply:
        self.line.request(signed.method, signed.target, signed.body, signed.headers)
        answer = self.line.getresponse()
        return Reply(answer.status, answer.headers, answer.read())

    def call(
        self,
        operation: str,
        form: dict[str, str] | bytes | None = None,
        method: str = "POST",
        params: dict[str, str] | None = None,
        **other: str | None,
    ) -> Reply:
        return self.send(self.sign(operation, form, method, params, **other))

    def query(self, text: str) -> Reply:
        return self.call("query", {"query": text})

    def value(self, text: str) -> str | None:
        """The one value of an instant query as Prometheus prints it; None if there is no series."""
        result = self.query(text).json()["data"]["result"]
        return result[0]["value"][1] if result else None
