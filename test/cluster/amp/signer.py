"""An issuer of tokens for tests, as the API server is one: a key of its own, and openssl."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from pathlib import Path
from typing import Any

from amp.webtoken import AUDIENCE

SUBJECT = "system:serviceaccount:shop:downstream"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signer:
    """token() makes one as a pod has it; claims and header fields can be given otherwise."""

    issuer = "https://kubernetes.default.svc"
    kid = "first"

    def __init__(self, folder: Path) -> None:
        self.key = folder / "sa.key"
        self._openssl("genrsa", "-out", str(self.key), "2048")

    def _openssl(self, *words: str, stdin: bytes = b"") -> bytes:
        done = subprocess.run(["openssl", *words], input=stdin, capture_output=True, check=True)
        return done.stdout

    def jwks(self) -> dict[str, Any]:
        shown = self._openssl("rsa", "-in", str(self.key), "-noout", "-modulus").decode()
        modulus = bytes.fromhex(shown.strip().removeprefix("Modulus="))
        key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.kid}
        return {"keys": [key | {"n": encoded(modulus), "e": encoded(b"\1\0\1")}]}

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        now = int(time.time())
        usual = {"iss": self.issuer, "aud": [AUDIENCE], "sub": SUBJECT, "iat": now}
        parts = (
            {"alg": "RS256", "kid": self.kid} | (header or {}),
            usual | {"exp": now + 600} | claims,
        )
        content = ".".join(encoded(json.dumps(part).encode()) for part in parts)
        sign = ("dgst", "-sha256", "-sign", str(self.key))
        return f"{content}.{encoded(self._openssl(*sign, stdin=content.encode()))}"
