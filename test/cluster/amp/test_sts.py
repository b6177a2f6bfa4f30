"""Who gets a role's session and what it may do; all others hear STS' words."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from amp import defaults, samples
from amp.client import FORM_TYPE, Client, Reply, Signed
from amp.control import Amp
from amp.signer import SUBJECT, Signer

ROLE = f"arn:aws:iam::{defaults.ACCOUNT}:role/"
WRITER = ROLE + "collector"
NAMESPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"
Change = Callable[[dict[str, str]], object]
Assume = Callable[..., Reply]


def text_of(reply: Reply, name: str) -> str:
    assert reply.headers["Content-Type"] == "text/xml"
    found = ElementTree.fromstring(reply.body).find(f".//{NAMESPACE}{name}")
    assert found is not None, reply.body
    return found.text or ""


def refusal(reply: Reply) -> tuple[int, str, str]:
    return reply.status, text_of(reply, "Code"), text_of(reply, "Message")


def keys_of(reply: Reply) -> dict[str, str]:
    assert reply.status == 200, reply.body
    names = {"access_key": "AccessKeyId", "secret_key": "SecretAccessKey"}
    names["session_token"] = "SessionToken"
    return {key: text_of(reply, name) for key, name in names.items()}


def form_of(token: str, **other: str) -> dict[str, str]:
    return {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": WRITER,
        "RoleSessionName": "downstream-0",
        "WebIdentityToken": token,
        **other,
    }


@pytest.fixture
def ask(client: Client) -> Callable[[dict[str, str]], Reply]:
    """An unsigned call."""
    headers = {"Content-Type": FORM_TYPE}
    return lambda form: client.send(Signed("POST", "/", headers, urlencode(form).encode()))


@pytest.fixture
def by_token(amp: Amp, signer: Signer, ask: Callable[[dict[str, str]], Reply]) -> Assume:
    """by_token(RoleArn=…): the role collector, trusted and for writing, unless told otherwise."""
    amp.set_role(WRITER, actions=["aps:RemoteWrite"], subjects=["system:serviceaccount:shop:*"])
    return lambda **other: ask(form_of(signer.token(), **other))


@pytest.fixture
def by_key(client: Client) -> Assume:
    """by_key(keys, RoleArn=…): AssumeRole, signed."""

    def call(keys: dict[str, str], service: str = "sts", **form: str) -> Reply:
        usual = {"Action": "AssumeRole", "Version": "2011-06-15", "RoleSessionName": "test"}
        body = urlencode(usual | form).encode()
        host = f"{client.line.host}:{client.line.port}"
        headers = {"Host": host, "Content-Type": FORM_TYPE}
        request = AWSRequest("POST", f"https://{host}/", headers, body)
        given = Credentials(keys["access_key"], keys["secret_key"], keys.get("session_token"))
        SigV4Auth(given, service, defaults.REGION).add_auth(request)
        return client.send(Signed("POST", "/", dict(request.headers.items()), body))

    return call


def test_a_token_becomes_a_session_that_writes(client: Client, amp: Amp, by_token: Assume) -> None:
    reply = by_token()
    keys = keys_of(reply)
    assert text_of(reply, "SubjectFromWebIdentityToken") == SUBJECT
    assert text_of(reply, "Arn") == (
        f"arn:aws:sts::{defaults.ACCOUNT}:assumed-role/collector/downstream-0"
    )
    until = datetime.datetime.fromisoformat(text_of(reply, "Expiration"))
    assert 3500 < until.timestamp() - time.time() <= 3600
    written = samples.body([samples.Sample("by_role", 1, {"job": "downstream"})])
    assert client.call("remote_write", written, **keys).status == 200
    assert client.value("by_role") == "1"
    (row,) = amp.requests(path="remote_write")
    assert (row["role"], row["session"], row["signature"]) == (WRITER, "downstream-0", "valid")
    assert (row["written"]["samples"], row["written"]["jobs"]) == (1, ["downstream"])
    (row,) = amp.requests(path="AssumeRoleWithWebIdentity")
    assert (row["role"], row["subject"], row["signature"]) == (WRITER, SUBJECT, "none")
    assert amp.stats()["invalid"] == 0


def test_a_session_does_only_what_its_role_may(client: Client, by_token: Assume) -> None:
    reply = client.call("query", {"query": "vector(1)"}, **keys_of(by_token()))
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert reply.message().startswith(
        f"User: arn:aws:sts::{defaults.ACCOUNT}:assumed-role/collector/downstream-0 is not "
        "authorized to perform: aps:QueryMetrics on resource: "
    )


def test_a_session_ends(client: Client, amp: Amp, by_token: Assume) -> None:
    amp.set_role(WRITER, session_s=0.0)
    keys = keys_of(by_token())
    amp.set_role(WRITER, session_s=None)
    reply = client.call("remote_write", b"", **keys)
    assert (reply.status, reply.message()) == (
        403,
        "The security token included in the request is expired",
    )
    assert client.call("remote_write", samples.body([]), **keys_of(by_token())).status == 200


BAD = "InvalidIdentityToken"
NO_PROVIDER = "No OpenIDConnect provider found in your account for https://elsewhere"
TOKENS: list[tuple[str, dict[str, object], str, str]] = [
    ("issuer", {"iss": "https://elsewhere"}, BAD, NO_PROVIDER),
    ("audience", {"aud": ["https://kubernetes.default.svc"]}, BAD, "Incorrect token audience"),
    ("expired", {"exp": 1000}, "ExpiredTokenException", "Token expired: current date/time "),
    ("key", {"header": {"kid": "another"}}, BAD, "Couldn't retrieve verification key from your"),
    ("alg", {"header": {"alg": "none"}}, BAD, "Couldn't retrieve verification key from your"),
]


@pytest.mark.parametrize(
    ("given", "code", "text"), [t[1:] for t in TOKENS], ids=[t[0] for t in TOKENS]
)
def test_a_token_that_is_not_taken(
    by_token: Assume, signer: Signer, given: dict, code: str, text: str
) -> None:
    got = refusal(by_token(WebIdentityToken=signer.token(**given)))
    assert (got[:2], got[2][: len(text)]) == ((400, code), text)


def test_a_token_that_was_changed(by_token: Assume, signer: Signer) -> None:
    head, _, signature = signer.token().split(".")
    _, claims, _ = signer.token(sub="system:serviceaccount:shop:admin").split(".")
    status, code, text = refusal(by_token(WebIdentityToken=f"{head}.{claims}.{signature}"))
    assert (status, code) == (400, BAD)
    assert text.startswith("The web identity token that was passed could not be validated")
    status, code, text = refusal(by_token(WebIdentityToken="no.token"))
    assert (status, code) == (400, BAD)
    assert text.startswith("The ID Token provided is not a valid JWT.")


def test_a_role_that_does_not_trust(by_token: Assume, signer: Signer) -> None:
    denied = (403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    stranger = signer.token(sub="system:serviceaccount:other:downstream")
    assert refusal(by_token(WebIdentityToken=stranger)) == denied
    assert refusal(by_token(RoleArn=ROLE + "nobody")) == denied


@pytest.mark.parametrize(
    ("given", "code", "text"),
    [
        ({"Version": "1"}, "InvalidAction", "Could not find operation AssumeRoleWithWebIdentity"),
        ({"Action": "GetCallerIdentity"}, "InvalidAction", "Could not find operation GetCaller"),
        ({"RoleArn": "collector"}, "ValidationError", "collector is invalid"),
        ({"RoleSessionName": "a b"}, "ValidationError", "1 validation error detected: Value 'a b'"),
        ({"DurationSeconds": "60"}, "ValidationError", "1 validation error detected: Value '60'"),
        ({"DurationSeconds": "43201"}, "ValidationError", "The requested DurationSeconds exceeds"),
    ],
)
def test_a_call_that_is_wrong(by_token: Assume, given: dict, code: str, text: str) -> None:
    got = refusal(by_token(**given))
    assert (got[:2], got[2][: len(text)]) == ((400, code), text)


def test_a_parameter_that_is_missing(ask: Callable[[dict[str, str]], Reply]) -> None:
    status, code, text = refusal(ask({"Action": "AssumeRole", "Version": "2011-06-15"}))
    assert (status, code) == (403, "MissingAuthenticationToken")
    form = form_of("x")
    del form["RoleSessionName"]
    status, code, text = refusal(ask(form))
    assert (status, code) == (400, "ValidationError")
    assert "Value null at 'roleSessionName'" in text


def test_a_role_by_a_signed_call(client: Client, amp: Amp, by_key: Assume) -> None:
    reader, second = ROLE + "reader", ROLE + "second"
    amp.set_role(reader, actions=["aps:QueryMetrics"], principals=[defaults.USER])
    amp.set_role(second, actions=["aps:QueryMetrics"], principals=[reader])
    keys = keys_of(by_key(amp.settings, RoleArn=reader))
    assert client.call("query", {"query": "vector(4)"}, **keys).status == 200
    chained = keys_of(by_key(keys, RoleArn=second))
    assert client.call("query", {"query": "vector(4)"}, **chained).status == 200
    assert [row["role"] for row in amp.requests(path="query")] == [reader, second]
    status, code, text = refusal(by_key(amp.settings, RoleArn=second))
    assert (status, code) == (403, "AccessDenied")
    assert text == (
        f"User: {defaults.USER} is not authorized to perform: sts:AssumeRole on resource: {second}"
    )
    status, code, text = refusal(by_key(keys, RoleArn=second, DurationSeconds="7200"))
    assert (status, code) == (400, "ValidationError")
    assert "role chaining" in text


@pytest.mark.parametrize(
    ("other", "service", "code"),
    [
        ({"secret_key": "another"}, "sts", "SignatureDoesNotMatch"),
        ({"access_key": "AKIANOBODY"}, "sts", "InvalidClientTokenId"),
        ({}, "aps", "SignatureDoesNotMatch"),
    ],
)
def test_a_signature_that_is_wrong(
    amp: Amp, by_key: Assume, other: dict, service: str, code: str
) -> None:
    reply = by_key({**amp.settings, **other}, service, RoleArn=WRITER)
    assert refusal(reply)[:2] == (403, code)
    assert amp.stats()["invalid"] == 1


def test_faults_are_told_in_xml(client: Client, amp: Amp, by_token: Assume) -> None:
    operation = "AssumeRoleWithWebIdentity"
    amp.set_fault("fail")
    assert by_token().status == 200, "a fault of the data plane"
    amp.clear()
    for mode, status, code in (
        ("throttle", 400, "Throttling"),
        ("fail", 500, "InternalFailure"),
        ("deny", 403, "AccessDenied"),
        ("expire", 400, "ExpiredTokenException"),
    ):
        amp.set_fault(mode, path=operation, count=1)
        assert refusal(by_token())[:2] == (status, code)
    assert by_token().status == 200
    with amp.fault("fail", path=operation):
        assert client.value("vector(2)") == "2"


def test_a_fault_for_one_role(client: Client, amp: Amp, by_token: Assume) -> None:
    keys = keys_of(by_token())
    with amp.fault("fail", path="remote_write", role=WRITER):
        assert client.call("remote_write", samples.body([]), **keys).status == 500
        assert client.call("remote_write", samples.body([])).status == 200
    assert client.call("remote_write", samples.body([]), **keys).status == 200
