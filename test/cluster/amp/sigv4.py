"""Verify an AWS Signature Version 4 by computing it again with botocore's own signer.

What AWS canonicalises before it compares is canonicalised here too (the query is decoded, encoded
by RFC 3986 and sorted; the path is encoded once more; white space in headers is folded), so a
client that signs anything else fails here as it would there. Only the headers the client names in
SignedHeaders are signed, with the values that arrived.
Source of the rules: "Create a signed AWS API request", AWS IAM User Guide.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_SKEW_S = 15 * 60
STAMP = "%Y%m%dT%H%M%SZ"
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your "
    "AWS Secret Access Key and signing method. Consult the service documentation for details."
)


class SignatureError(Exception):
    """A request AWS would refuse: the HTTP answer's status, error type and message."""

    def __init__(self, reason: str, error_type: str, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.reason = reason
        self.error_type = error_type
        self.message = message
        self.status = status


@dataclass
class Key:
    """One access key that is accepted. A session token, where set, must come with it.

    A role's session (roles.py) is good until then, and for these actions alone.
    """

    access_key: str
    secret_key: str
    session_token: str | None = None
    expired: bool = False
    role: str | None = None
    session: str | None = None
    actions: list[str] | None = None
    until: datetime.datetime | None = None

    def may(self, action: str) -> bool:
        return self.actions is None or action in self.actions

    def is_expired(self, now: datetime.datetime) -> bool:
        return self.expired or (self.until is not None and now >= self.until)


@dataclass
class Request:
    """What arrived, undecoded: target is the path with its query, as on the request line."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        return [v for n, v in self.headers if n.lower() == name]

    def one(self, name: str) -> str | None:
        values = self.all(name)
        return values[0] if values else None


@dataclass
class Authorization:
    """The Authorization header, taken apart."""

    access_key: str
    date: str
    region: str
    service: str
    signed: list[str]
    signature: str


class ExactSigner(SigV4Auth):
    """botocore's signer over exactly the headers that the client claims to have signed."""

    def __init__(self, key: Key, service: str, region: str, signed: HTTPHeaders) -> None:
        super().__init__(Credentials(key.access_key, key.secret_key), service, region)
        self._signed = signed

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        return self._signed


@dataclass
class Verifier:
    """The keys one region's service accepts. verify() returns the key or raises."""

    region: str
    service: str = "aps"
    keys: dict[str, Key] = field(default_factory=dict)

    def add(self, key: Key) -> None:
        self.keys[key.access_key] = key

    def verify(self, request: Request, now: datetime.datetime) -> Key:
        auth = parse_authorization(request)
        stamp = request_time(request)
        self._check_scope(auth, stamp)
        check_signed_headers(request, auth)
        key = self._find_key(request, auth)
        check_time(stamp, now)
        check_payload_hash(request)
        self._check_signature(request, auth, key, stamp)
        if key.is_expired(now):
            raise SignatureError(
                "expired-token",
                "ExpiredTokenException",
                "The security token included in the request is expired",
            )
        return key

    def _check_scope(self, auth: Authorization, stamp: datetime.datetime) -> None:
        if auth.region != self.region:
            raise SignatureError(
                "region",
                "InvalidSignatureException",
                "Credential should be scoped to a valid region. ",
            )
        if auth.service != self.service:
            raise SignatureError(
                "service",
                "InvalidSignatureException",
                f"Credential should be scoped to correct service: '{self.service}'. ",
            )
        day = stamp.strftime("%Y%m%d")
        if auth.date != day:
            raise SignatureError(
                "date",
                "InvalidSignatureException",
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 "
                f"version of date from HTTP: '{auth.date}' != '{day}', from "
                f"'{stamp.strftime(STAMP)}'.",
            )

    def _find_key(self, request: Request, auth: Authorization) -> Key:
        key = self.keys.get(auth.access_key)
        if key is None or request.one("x-amz-security-token") != key.session_token:
            raise SignatureError(
                "unknown-key" if key is None else "session-token",
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )
        return key

    def _check_signature(
        self, request: Request, auth: Authorization, key: Key, stamp: datetime.datetime
    ) -> None:
        signed = HTTPHeaders()
        for name in auth.signed:
            for value in request.all(name):
                signed.add_header(name, value)
        signer = ExactSigner(key, auth.service, auth.region, signed)
        again = AWSRequest(method=request.method, url=canonical_url(request), data=request.body)
        again.context["timestamp"] = stamp.strftime(STAMP)
        canonical = signer.canonical_request(again)
        to_sign = signer.string_to_sign(again, canonical)
        want = signer.signature(to_sign, again)
        if not hmac.compare_digest(want.encode(), auth.signature.encode()):
            raise SignatureError(
                "signature",
                "InvalidSignatureException",
                f"{MISMATCH}\n\nThe Canonical String for this request should have been"
                f"\n'{canonical}'\n\nThe String-to-Sign should have been\n'{to_sign}'\n",
            )


def parse_authorization(request: Request) -> Authorization:
    header = request.one("authorization")
    if not header:
        raise SignatureError(
            "missing", "MissingAuthenticationTokenException", "Missing Authentication Token"
        )
    algorithm, _, rest = header.partition(" ")
    parts = dict(p.strip().partition("=")[::2] for p in rest.split(","))
    lacking = [n for n in ("Credential", "Signature", "SignedHeaders") if not parts.get(n)]
    if algorithm != ALGORITHM or lacking:
        complaints = " ".join(f"Authorization header requires '{n}' parameter." for n in lacking)
        raise SignatureError(
            "incomplete",
            "IncompleteSignatureException",
            f"{complaints} Authorization={header}".strip(),
        )
    scope = parts["Credential"].split("/")
    if len(scope) != 5 or scope[4] != "aws4_request":
        raise SignatureError(
            "incomplete",
            "IncompleteSignatureException",
            "Credential must have exactly 5 slash-delimited elements, e.g. "
            f"keyid/date/region/service/term, got '{parts['Credential']}'",
        )
    return Authorization(
        scope[0],
        scope[1],
        scope[2],
        scope[3],
        parts["SignedHeaders"].split(";"),
        parts["Signature"],
    )


def request_time(request: Request) -> datetime.datetime:
    stamp, date = request.one("x-amz-date"), request.one("date")
    try:
        if stamp is not None:
            return datetime.datetime.strptime(stamp, STAMP).replace(tzinfo=datetime.UTC)
        if date is not None:
            return parsedate_to_datetime(date).astimezone(datetime.UTC)
    except ValueError:
        pass
    raise SignatureError(
        "date",
        "IncompleteSignatureException",
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
    )


def check_time(stamp: datetime.datetime, now: datetime.datetime) -> None:
    sent, skew = stamp.strftime(STAMP), datetime.timedelta(seconds=MAX_SKEW_S)
    here = now.strftime(STAMP)
    if stamp < now - skew:
        edge = (now - skew).strftime(STAMP)
        raise SignatureError(
            "skew",
            "InvalidSignatureException",
            f"Signature expired: {sent} is now earlier than {edge} ({here} - 15 min.)",
        )
    if stamp > now + skew:
        edge = (now + skew).strftime(STAMP)
        raise SignatureError(
            "skew",
            "InvalidSignatureException",
            f"Signature not yet current: {sent} is still later than {edge} ({here} + 15 min.)",
        )


def check_signed_headers(request: Request, auth: Authorization) -> None:
    """Host and every x-amz- header that was sent must be signed; the list must be sorted."""
    needed = {"host"} | {n.lower() for n, _ in request.headers if n.lower().startswith("x-amz-")}
    for name in sorted(needed - set(auth.signed)):
        shown = "'Host' or ':authority'" if name == "host" else f"'{name}'"
        raise SignatureError(
            "signed-headers",
            "InvalidSignatureException",
            f"{shown} must be a 'SignedHeader' in the AWS Authorization.",
        )
    unsent = [n for n in auth.signed if not request.all(n)]
    if unsent or auth.signed != sorted(set(auth.signed)):
        raise SignatureError("signed-headers", "InvalidSignatureException", MISMATCH)


def check_payload_hash(request: Request) -> None:
    claimed = request.one("x-amz-content-sha256")
    if claimed is not None and claimed != hashlib.sha256(request.body).hexdigest():
        raise SignatureError("payload", "InvalidSignatureException", MISMATCH)


def canonical_url(request: Request) -> str:
    """The URL as botocore is to sign it: it sorts the query but takes its encoding as it is.

    A '%' that starts no escape is kept as the octet it is, as AWS does.
    """
    path, _, query = request.target.partition("?")
    # Decoded as Latin-1 so that each octet comes back as itself, whatever the encoding was.
    pairs = parse_qsl(query, keep_blank_values=True, encoding="latin-1")
    encoded = "&".join(f"{octets(k)}={octets(v)}" for k, v in pairs)
    return f"https://host{path}?{encoded}" if encoded else f"https://host{path}"


def octets(text: str) -> str:
    return quote(text.encode("latin-1"), safe="-_.~")
