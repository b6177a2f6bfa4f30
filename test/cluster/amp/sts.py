"""STS' part of the stand-in: POST / with Action=AssumeRoleWithWebIdentity or AssumeRole.

It answers in STS' XML, and refuses in its words: a token must be the API server's, for STS,
unexpired and of a subject that the role trusts; a signed call must be of a principal that it
trusts. What is issued is taken by the data plane for the role's actions, until it expires.
Sources: AWS STS API Reference, "AssumeRoleWithWebIdentity", "AssumeRole", "Common Errors".
"""

from __future__ import annotations

import datetime
import re
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from amp import defaults
from amp.faults import Answer
from amp.roles import Role, new_session
from amp.sigv4 import Key, Request, SignatureError
from amp.stand import Stand
from amp.webtoken import TokenError, verify

VERSION = "2011-06-15"
NAMESPACE = f"https://sts.amazonaws.com/doc/{VERSION}/"
XML_TYPE = "text/xml"
BY_TOKEN, BY_KEY = "AssumeRoleWithWebIdentity", "AssumeRole"
OPERATIONS = (BY_TOKEN, BY_KEY)
SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}")
ARN = re.compile(r"arn:aws:iam::[0-9]{12}:role/.+")
DEFAULT_S, SHORTEST_S, LONGEST_S, LONGEST_CHAINED_S = 3600, 900, 43200, 3600
# What STS says where the data plane's gateway has another name for the same.
SIGNATURE_CODES = {
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "IncompleteSignatureException": "IncompleteSignature",
    "ExpiredTokenException": "ExpiredToken",
}
# A fault's mode -> status, code and message here; other modes are as everywhere.
FAULTS = {
    "throttle": (400, "Throttling", "Rate exceeded"),
    "fail": (500, "InternalFailure", "The request processing has failed because of an error"),
    "deny": (403, "AccessDenied", ""),
    "expire": (400, "ExpiredTokenException", "The provided token is expired"),
}


class StsError(Exception):
    """A refusal: HTTP status, code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass
class Call:
    """One call: its operation, and what of it goes into the ledger."""

    operation: str
    form: dict[str, str]
    row: dict[str, Any] = field(default_factory=dict)

    def want(self, name: str) -> str:
        """A parameter that must be there."""
        if name in self.form:
            return self.form[name]
        raise invalid(f"Value null at '{lower(name)}'", "Member must not be null")


def is_for_sts(request: Request) -> bool:
    return urlsplit(request.target).path == "/"


def call_of(request: Request) -> Call:
    form = parse_qs(urlsplit(request.target).query)
    form.update(parse_qs(request.body.decode("utf-8", "replace")))
    single = {name: values[0] for name, values in form.items()}
    return Call(single.get("Action", ""), single)


def lower(name: str) -> str:
    return name[0].lower() + name[1:]


def invalid(value: str, rule: str) -> StsError:
    text = f"1 validation error detected: {value} failed to satisfy constraint: {rule}"
    return StsError(400, "ValidationError", text)


def error(status: int, code: str, message: str) -> Answer:
    kind = "Sender" if status < 500 else "Receiver"
    body = (
        f'<ErrorResponse xmlns="{NAMESPACE}">\n  <Error>\n    <Type>{kind}</Type>\n'
        f"    <Code>{code}</Code>\n    <Message>{escape(message)}</Message>\n  </Error>\n"
        f"  <RequestId>{uuid.uuid4()}</RequestId>\n</ErrorResponse>\n"
    )
    return Answer(status, body.encode(), {"Content-Type": XML_TYPE})


def fault_answer(row: dict[str, Any], call: Call) -> Answer:
    """What a fault of FAULTS looks like here. message, status as in faults.py."""
    status, code, message = FAULTS[row["mode"]]
    if row["mode"] == "deny":
        message = f"Not authorized to perform sts:{call.operation}"
    return error(int(row.get("status", status)), code, row.get("message", message))


def answer(stand: Stand, request: Request, call: Call, now: datetime.datetime) -> Answer:
    """The answer without a fault; call.row says who asked, and for what role."""
    try:
        if call.operation not in OPERATIONS or call.form.get("Version") != VERSION:
            version = call.form.get("Version", "NO_VERSION_SPECIFIED")
            text = f"Could not find operation {call.operation} for version {version}"
            raise StsError(400, "InvalidAction", text)
        if request.method != "POST":
            raise StsError(400, "InvalidAction", "only POST is taken here")
        if call.operation == BY_TOKEN:
            return by_token(stand, call, now)
        return by_key(stand, request, call, now)
    except StsError as why:
        return error(why.status, why.code, str(why))


def by_token(stand: Stand, call: Call, now: datetime.datetime) -> Answer:
    arn, name, duration_s = parameters(call, LONGEST_S)
    try:
        claims = verify(call.want("WebIdentityToken"), stand.issuer, now.timestamp())
    except TokenError as why:
        raise StsError(400, why.code, str(why)) from why
    call.row["subject"] = claims["sub"]
    role = stand.roles.get(arn)
    if role is None or not role.trusts_subject(claims["sub"]):
        raise StsError(403, "AccessDenied", f"Not authorized to perform sts:{BY_TOKEN}")
    host = claims["iss"].removeprefix("https://")
    more = {
        "SubjectFromWebIdentityToken": claims["sub"],
        "Audience": "sts.amazonaws.com",
        "Provider": f"arn:aws:iam::{defaults.ACCOUNT}:oidc-provider/{host}",
    }
    return issued(stand, call, new_session(role, name, duration_s, now), role, more)


def by_key(stand: Stand, request: Request, call: Call, now: datetime.datetime) -> Answer:
    call.row["signature"] = "refused"
    try:
        key = stand.sts_verifier.verify(request, now)
    except SignatureError as why:
        call.row["signature"] = why.reason
        code = SIGNATURE_CODES.get(why.error_type, why.error_type)
        raise StsError(why.status, code, why.message) from why
    call.row.update(signature="valid", access_key=key.access_key, subject=who(key))
    arn, name, duration_s = parameters(call, LONGEST_CHAINED_S if key.role else LONGEST_S)
    role = stand.roles.get(arn)
    if role is None or not role.trusts(key):
        text = f"User: {who(key)} is not authorized to perform: sts:{BY_KEY} on resource: {arn}"
        raise StsError(403, "AccessDenied", text)
    return issued(stand, call, new_session(role, name, duration_s, now), role, {})


def parameters(call: Call, longest_s: int) -> tuple[str, str, int]:
    """RoleArn, RoleSessionName and DurationSeconds, checked."""
    arn, name = call.want("RoleArn"), call.want("RoleSessionName")
    duration = call.form.get("DurationSeconds", str(DEFAULT_S))
    if not ARN.fullmatch(arn):
        raise StsError(400, "ValidationError", f"{arn} is invalid")
    if not SESSION_NAME.fullmatch(name):
        rule = r"Member must satisfy regular expression pattern: [\w+=,.@-]*"
        raise invalid(f"Value '{name}' at 'roleSessionName'", rule)
    if not duration.isdigit() or int(duration) < SHORTEST_S:
        rule = f"Member must have value greater than or equal to {SHORTEST_S}"
        raise invalid(f"Value '{duration}' at 'durationSeconds'", rule)
    if int(duration) > longest_s:
        text = (
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by "
            "role chaining"
            if longest_s == LONGEST_CHAINED_S
            else "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
        raise StsError(400, "ValidationError", text)
    call.row.update(role=arn, session=name)
    return arn, name, int(duration)


def who(key: Key) -> str:
    """The ARN of a key's holder."""
    if key.role is None:
        return defaults.USER
    name = key.role.rpartition("/")[2]
    return f"arn:aws:sts::{defaults.ACCOUNT}:assumed-role/{name}/{key.session}"


def issued(stand: Stand, call: Call, key: Key, role: Role, more: dict[str, str]) -> Answer:
    stand.verifier.add(key)
    assert key.until is not None
    fields = {
        "AssumedRoleUser": {"AssumedRoleId": f"AROA{role.name.upper()}:{key.session}"}
        | {"Arn": who(key)},
        "Credentials": {
            "AccessKeyId": key.access_key,
            "SecretAccessKey": key.secret_key,
            "SessionToken": key.session_token,
            "Expiration": key.until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        **more,
    }
    operation = call.operation
    body = (
        f'<{operation}Response xmlns="{NAMESPACE}">\n  <{operation}Result>\n'
        f"{elements(fields, '    ')}  </{operation}Result>\n  <ResponseMetadata>\n"
        f"    <RequestId>{uuid.uuid4()}</RequestId>\n  </ResponseMetadata>\n"
        f"</{operation}Response>\n"
    )
    return Answer(200, body.encode(), {"Content-Type": XML_TYPE})


def elements(fields: dict[str, Any], indent: str) -> str:
    lines = []
    for name, value in fields.items():
        if isinstance(value, dict):
            lines += [f"{indent}<{name}>\n{elements(value, indent + '  ')}{indent}</{name}>\n"]
        else:
            lines += [f"{indent}<{name}>{escape(str(value))}</{name}>\n"]
    return "".join(lines)
