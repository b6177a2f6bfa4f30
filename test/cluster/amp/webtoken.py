"""Verify a ServiceAccount's projected token as STS does: an RS256 JWT, by its issuer's key set.

Sources: RFC 7515 (JWS), RFC 7517 (JWK), RFC 8017 §8.2.2 (RSASSA-PKCS1-v1_5), and Kubernetes'
"Service Account Issuer Discovery", whose key set the API server serves at /openid/v1/jwks.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

AUDIENCE = "sts.amazonaws.com"
# DigestInfo of SHA-256, before the digest itself: RFC 8017 §9.2, note 1.
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
NOT_A_JWT = "The ID Token provided is not a valid JWT. (You may see this error if you sent an "
UNVERIFIED = (
    "The web identity token that was passed could not be validated by AWS. Get a new token from "
    "the identity provider and then retry the request."
)
NO_KEY = (
    "Couldn't retrieve verification key from your identity provider, please reference "
    "AssumeRoleWithWebIdentity documentation for requirements"
)


class TokenError(Exception):
    """STS' code and message for a token that it does not take."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Issuer:
    """Whose tokens are taken: the URL in `iss`, and the keys (a JWK set) it signs with."""

    url: str
    jwks: dict[str, Any]


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Header, claims, signature, and what was signed."""
    try:
        head, body, signature = token.split(".")
        header, claims = json.loads(decoded(head)), json.loads(decoded(body))
        if isinstance(header, dict) and isinstance(claims, dict):
            return header, claims, decoded(signature), f"{head}.{body}".encode()
    except (ValueError, binascii.Error):
        pass
    raise TokenError("InvalidIdentityToken", f"{NOT_A_JWT}Access Token)")


def signed_by(key: dict[str, Any], signature: bytes, content: bytes) -> bool:
    modulus = int.from_bytes(decoded(key["n"]), "big")
    exponent = int.from_bytes(decoded(key["e"]), "big")
    size = (modulus.bit_length() + 7) // 8
    info = SHA256_INFO + hashlib.sha256(content).digest()
    want = b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info
    got = pow(int.from_bytes(signature, "big"), exponent, modulus).to_bytes(size, "big")
    return len(signature) == size and hmac.compare_digest(got, want)


def verify(token: str, issuer: Issuer | None, now_s: float) -> dict[str, Any]:
    """The token's claims. TokenError: which rule it breaks, in STS' words."""
    header, claims, signature, content = parts_of(token)
    if issuer is None or claims.get("iss") != issuer.url:
        raise TokenError(
            "InvalidIdentityToken",
            f"No OpenIDConnect provider found in your account for {claims.get('iss')}",
        )
    keys = [k for k in issuer.jwks["keys"] if k.get("kid") == header.get("kid")]
    if not keys or header.get("alg") != "RS256":
        raise TokenError("InvalidIdentityToken", NO_KEY)
    if not signed_by(keys[0], signature, content):
        raise TokenError("InvalidIdentityToken", UNVERIFIED)
    audience = claims.get("aud")
    if AUDIENCE not in (audience if isinstance(audience, list) else [audience]):
        raise TokenError("InvalidIdentityToken", "Incorrect token audience")
    if not now_s < claims.get("exp", 0):
        raise TokenError(
            "ExpiredTokenException",
            f"Token expired: current date/time {int(now_s)} must be before the expiration "
            f"date/time {claims.get('exp')}",
        )
    return claims
