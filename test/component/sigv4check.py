"""AWS Signature Version 4, computed again from what arrived, with hmac alone.

Source: "Create a signed AWS API request", AWS IAM User Guide. The secret is SECRET for access key
KEY; a session token, when sent, must be TOKEN and signed.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qs, quote

KEY, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "the+token/=="
REGION, SERVICE = "eu-central-1", "aps"


def form(body: bytes) -> dict[str, str]:
    pairs = parse_qs(body.decode(), keep_blank_values=True)
    return {name: values[0] for name, values in pairs.items()}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def canonical(
    method: str, target: str, headers: list[tuple[str, str]], signed: list[str], body: bytes
) -> str:
    path, _, query = target.partition("?")
    have: dict[str, str] = {}
    for name, value in headers:
        have[name] = f"{have[name]},{value}" if name in have else " ".join(value.split())
    lines = [f"{name}:{have.get(name, '<not sent>')}\n" for name in signed]
    return "\n".join(
        [method, quote(path, safe="/-_.~"), query, "".join(lines), ";".join(signed), sha256(body)]
    )


def verify(
    method: str,
    target: str,
    headers: list[tuple[str, str]],
    body: bytes,
    keys: dict[str, tuple[str, str | None]] | None = None,
    service: str = SERVICE,
) -> str | None:
    """None when the signature is right, else what is wrong.

    `keys`: access keys with their secrets and session tokens, for others than the one above.
    """
    have = dict(headers)
    algorithm, _, rest = have.get("authorization", "").partition(" ")
    if algorithm != "AWS4-HMAC-SHA256":
        return "Missing Authentication Token"
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    date = have.get("x-amz-date", "")
    scope = f"{date[:8]}/{REGION}/{service}/aws4_request"
    access_key, _, claimed = parts["Credential"].partition("/")
    known = {KEY: (SECRET, TOKEN)} if keys is None else keys
    if claimed != scope or access_key not in known:
        return f"credential is {parts['Credential']}"
    secret, session = known[access_key]
    signed = parts["SignedHeaders"].split(";")
    if signed != sorted(signed) or not {"host", "x-amz-date"} <= set(signed):
        return f"signed headers are {signed}"
    token = have.get("x-amz-security-token")
    if token is not None and (token != session or "x-amz-security-token" not in signed):
        return "the session token is wrong or not signed"
    if token is None and session is not None and keys is not None:
        return "the session token is missing"
    key = f"AWS4{secret}".encode()
    for step in (date[:8], REGION, service, "aws4_request"):
        key = mac(key, step)
    request = canonical(method, target, headers, signed, body)
    text = "\n".join([algorithm, date, scope, sha256(request.encode())])
    want = mac(key, text).hex()
    return None if hmac.compare_digest(want, parts["Signature"]) else f"signature of {request!r}"
