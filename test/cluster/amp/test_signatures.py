"""Who the stand-in lets in, and whom it refuses in which words."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from botocore import auth

from amp.client import Client, Signed
from amp.control import Amp

QUERY = 'sum(rate(http_requests_total{app="a b",path=~"/x/.+&é"}[5m])) + 1'


# Let in.


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("query", ["vector(100)", QUERY, "vector(1) == 1 or vector(2) > 1.5 % 2"])
def test_botocore_signature_is_accepted(client: Client, amp: Amp, method: str, query: str) -> None:
    asked = {"query": query, "time": "1700000000"}
    reply = (
        client.call("query", asked)
        if method == "POST"
        else client.call("query", None, "GET", asked)
    )
    assert reply.status == 200, reply.body
    assert reply.json()["status"] == "success"
    assert reply.headers["x-amzn-RequestId"]
    (row,) = amp.requests()
    assert (row["signature"], row["query"], row["path"]) == ("valid", query, "query")


def curl(amp: Amp, *words: str) -> subprocess.CompletedProcess[str]:
    use = amp.settings
    return subprocess.run(
        [
            "curl",
            "-sS",
            "-w",
            "\n%{http_code}",
            "--cacert",
            use["ca_file"],
            "--aws-sigv4",
            f"aws:amz:{use['region']}:aps",
            "--user",
            f"{use['access_key']}:{use['secret_key']}",
            *words,
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )


@pytest.mark.parametrize("query", ["vector(100)", QUERY])
def test_libcurl_form_post_is_accepted(amp: Amp, query: str) -> None:
    done = curl(
        amp, "--data-urlencode", f"query={query}", f"{amp.settings['endpoint']}/api/v1/query"
    )
    assert done.stdout.endswith("\n200"), done.stdout
    assert amp.requests()[0]["query"] == query
    assert amp.stats()["invalid"] == 0


def test_libcurl_unsorted_url_is_refused_as_by_aws(amp: Amp) -> None:
    done = curl(
        amp,
        "-G",
        "--data-urlencode",
        "query=vector(1) + vector(1)",
        f"{amp.settings['endpoint']}/api/v1/query",
    )
    assert done.stdout.endswith("\n403"), done.stdout
    assert amp.stats()["by_signature"] == {"signature": 1}


def test_libcurl_large_body_is_asked_for(amp: Amp, tmp_path: Path) -> None:
    """A client that waits for "100 Continue" gets it, and AMP's limit after the whole body."""
    (tmp_path / "body").write_bytes(b"x" * (3 << 20))
    done = curl(
        amp,
        "--expect100-timeout",
        "20",
        "--max-time",
        "15",
        "--data-binary",
        f"@{tmp_path / 'body'}",
        f"{amp.settings['endpoint']}/api/v1/remote_write",
    )
    assert done.stdout == '{"message":"Request Too Long"}\n413'
    assert amp.stats()["valid"] == 1


def test_length_is_required(client: Client, amp: Amp) -> None:
    signed = client.sign("query", {"query": "vector(1)"})
    client.line.putrequest("POST", signed.target)
    for name, value in signed.headers.items():
        client.line.putheader(name, value)
    client.line.putheader("Transfer-Encoding", "chunked")
    client.line.endheaders()  # no chunk follows: what is not read may reset the line
    assert client.line.getresponse().status == 411


# Refused.


def edited(change: Callable[[Signed], None]) -> Callable[[Client], Signed]:
    def make(client: Client) -> Signed:
        signed = client.sign("query", {"query": "vector(1)"})
        change(signed)
        return signed

    return make


def signed_as(**other: str) -> Callable[[Client], Signed]:
    return lambda client: client.sign("query", {"query": "vector(1)"}, **other)


def set_header(name: str, value: str) -> Callable[[Client], Signed]:
    return edited(lambda s: s.headers.update({name: value}))


def replace_in(name: str, old: str, new: str) -> Callable[[Client], Signed]:
    def change(signed: Signed) -> None:
        assert old in signed.headers[name]
        signed.headers[name] = signed.headers[name].replace(old, new)

    return edited(change)


def shifted(seconds: int) -> Callable[[Client], Signed]:
    """Signed at another time; the signature itself is right for it."""

    def make(client: Client) -> Signed:
        then = auth.get_current_datetime() + auth.datetime.timedelta(seconds=seconds)
        with mock.patch.object(auth, "get_current_datetime", lambda *_: then):
            return client.sign("query", {"query": "vector(1)"})

    return make


def set_body(signed: Signed) -> None:
    signed.body = b"query=vector(2)"


def set_target(signed: Signed) -> None:
    signed.target += "?query=vector(2)"


def set_path(signed: Signed) -> None:
    signed.target = signed.target.replace("/query", "/labels")


MISMATCH = "The request signature we calculated does not match the signature you provided."
INVALID = "The security token included in the request is invalid."
BAD, UNKNOWN = "InvalidSignatureException", "UnrecognizedClientException"
REFUSALS = [
    ("body", edited(set_body), "signature", BAD, MISMATCH),
    ("url", edited(set_target), "signature", BAD, MISMATCH),
    ("path", edited(set_path), "signature", BAD, MISMATCH),
    ("method", edited(lambda s: setattr(s, "method", "PUT")), "signature", BAD, MISMATCH),
    (
        "host",
        set_header("Host", "aps-workspaces.us-east-1.amazonaws.com"),
        "signature",
        BAD,
        MISMATCH,
    ),
    ("content type", set_header("Content-Type", "text/plain"), "signature", BAD, MISMATCH),
    (
        "payload hash",
        set_header("X-Amz-Content-SHA256", "0" * 64),
        "signed-headers",
        BAD,
        "'x-amz-content-sha256' must be a 'SignedHeader' in the AWS Authorization.",
    ),
    ("secret", signed_as(secret_key="another"), "signature", BAD, MISMATCH),
    ("key", signed_as(access_key="AKIANOBODY"), "unknown-key", UNKNOWN, INVALID),
    ("token", signed_as(session_token="unasked"), "session-token", UNKNOWN, INVALID),
    (
        "region",
        signed_as(region="eu-west-1"),
        "region",
        BAD,
        "Credential should be scoped to a valid region.",
    ),
    (
        "service",
        signed_as(service="aps-workspaces"),
        "service",
        BAD,
        "Credential should be scoped to correct service: 'aps'.",
    ),
    ("too old", shifted(-16 * 60), "skew", BAD, "Signature expired: "),
    ("too new", shifted(16 * 60), "skew", BAD, "Signature not yet current: "),
    (
        "date of the scope",
        replace_in("Authorization", "/us-east-1", "0/us-east-1"),
        "date",
        BAD,
        "Date in Credential scope does not match YYYYMMDD",
    ),
    (
        "date moved",
        edited(
            lambda s: s.headers.update(
                {
                    "X-Amz-Date": s.headers["X-Amz-Date"][:-2] + "0Z"
                    if s.headers["X-Amz-Date"][-2] != "0"
                    else s.headers["X-Amz-Date"][:-2] + "1Z"
                }
            )
        ),
        "signature",
        BAD,
        MISMATCH,
    ),
    (
        "no date",
        edited(lambda s: s.headers.pop("X-Amz-Date")),
        "date",
        "IncompleteSignatureException",
        "Authorization header requires existence of either a",
    ),
    (
        "host unsigned",
        replace_in("Authorization", "host;", ""),
        "signed-headers",
        BAD,
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    ),
    (
        "signed but not sent",
        replace_in("Authorization", "content-type;", "accept;content-type;"),
        "signed-headers",
        BAD,
        MISMATCH,
    ),
    (
        "unsorted",
        replace_in("Authorization", "content-type;host", "host;content-type"),
        "signed-headers",
        BAD,
        MISMATCH,
    ),
    (
        "unsigned token",
        set_header("X-Amz-Security-Token", "extra"),
        "signed-headers",
        BAD,
        "'x-amz-security-token' must be a 'SignedHeader' in the AWS Authorization.",
    ),
    (
        "none",
        edited(lambda s: s.headers.pop("Authorization")),
        "missing",
        "MissingAuthenticationTokenException",
        "Missing Authentication Token",
    ),
    (
        "basic",
        set_header("Authorization", "Basic dTpw"),
        "incomplete",
        "IncompleteSignatureException",
        "Authorization header requires 'Credential' parameter.",
    ),
    (
        "scope cut",
        replace_in("Authorization", "/aws4_request", ""),
        "incomplete",
        "IncompleteSignatureException",
        "Credential must have exactly 5 slash-delimited elements",
    ),
]


@pytest.mark.parametrize(
    ("make", "reason", "error_type", "message"),
    [r[1:] for r in REFUSALS],
    ids=[r[0] for r in REFUSALS],
)
def test_refusal(
    client: Client,
    amp: Amp,
    make: Callable[[Client], Signed],
    reason: str,
    error_type: str,
    message: str,
) -> None:
    reply = client.send(make(client))
    assert (reply.status, reply.message()[: len(message)]) == (403, message)
    assert reply.headers["x-amzn-errortype"] == error_type
    assert reply.headers["Content-Type"] == "application/json"
    assert amp.stats()["by_signature"] == {reason: 1}


@pytest.mark.parametrize("seconds", [-14 * 60, 14 * 60])
def test_clock_within_fifteen_minutes_is_accepted(client: Client, seconds: int) -> None:
    assert client.send(shifted(seconds)(client)).status == 200


def test_session_token(client: Client, amp: Amp) -> None:
    who = {"access_key": "ASIATEMPORARY", "secret_key": "a/b+c"}
    amp.set_key(**who, session_token="token+/==")

    def ask(token: str | None) -> tuple[int, str]:
        reply = client.call("query", {"query": "vector(1)"}, **who, session_token=token)
        return reply.status, reply.message()

    assert ask("token+/==") == (200, "")
    assert ask("another") == (403, INVALID)
    assert ask(None) == (403, INVALID)
    amp.set_key(who["access_key"], expired=True)
    assert ask("token+/==") == (403, "The security token included in the request is expired")
    amp.drop_key(who["access_key"])
    assert ask("token+/==") == (403, INVALID)
