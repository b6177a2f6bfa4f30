"""The stand-in itself: who it lets in, whom it refuses and how, its faults, its counters."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from amp import samples
from amp.client import Client, Signed
from amp.control import Amp, ControlError, wait_until

HERE = Path(__file__).resolve().parent
QUERY = 'sum(rate(http_requests_total{app="a b",path=~"/x/.+&é"}[5m])) + 1'


def launch(verb: str, state: Path, *options: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHON": sys.executable}
    return subprocess.run([HERE / verb, "--state", state, *options], env=env, timeout=120,
                          capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("amp")
    done = launch("up", folder, "--listen", "127.0.0.1:0", "--prometheus", "127.0.0.1:0")
    assert done.returncode == 0, done.stderr
    yield folder
    assert launch("down", folder).returncode == 0


@pytest.fixture
def amp(state: Path) -> Iterator[Amp]:
    stand = Amp.at(state)
    stand.reset()
    yield stand
    stand.reset()


@pytest.fixture
def client(amp: Amp) -> Iterator[Client]:
    one = Client(amp.settings)
    yield one
    one.line.close()


# Let in.

@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("query", ["vector(100)", QUERY, 'vector(1) == 1 or vector(2) > 1.5 % 2'])
def test_botocore_signature_is_accepted(client: Client, amp: Amp, method: str, query: str) -> None:
    asked = {"query": query, "time": "1700000000"}
    reply = client.call("query", asked) if method == "POST" else \
        client.call("query", None, "GET", asked)
    assert reply.status == 200, reply.body
    assert reply.json()["status"] == "success"
    assert reply.headers["x-amzn-RequestId"]
    row, = amp.requests()
    assert (row["signature"], row["query"], row["path"]) == ("valid", query, "query")


def curl(amp: Amp, *words: str) -> subprocess.CompletedProcess[str]:
    use = amp.settings
    return subprocess.run(
        ["curl", "-sS", "-w", "\n%{http_code}", "--cacert", use["ca_file"],
         "--aws-sigv4", f"aws:amz:{use['region']}:aps",
         "--user", f"{use['access_key']}:{use['secret_key']}", *words],
        capture_output=True, text=True, timeout=30, check=True)


@pytest.mark.parametrize("query", ["vector(100)", QUERY])
def test_libcurl_form_post_is_accepted(amp: Amp, query: str) -> None:
    done = curl(amp, "--data-urlencode", f"query={query}",
                f"{amp.settings['endpoint']}/api/v1/query")
    assert done.stdout.endswith("\n200"), done.stdout
    assert amp.requests()[0]["query"] == query
    assert amp.stats()["invalid"] == 0


def test_libcurl_unsorted_url_is_refused_as_by_aws(amp: Amp) -> None:
    done = curl(amp, "-G", "--data-urlencode", "query=vector(1) + vector(1)",
                f"{amp.settings['endpoint']}/api/v1/query")
    assert done.stdout.endswith("\n403"), done.stdout
    assert amp.stats()["by_signature"] == {"signature": 1}


def test_libcurl_large_body_is_asked_for(amp: Amp, tmp_path: Path) -> None:
    """A client that waits for "100 Continue" gets it, and AMP's limit after the whole body."""
    (tmp_path / "body").write_bytes(b"x" * (3 << 20))
    done = curl(amp, "--expect100-timeout", "20", "--max-time", "15", "--data-binary",
                f"@{tmp_path / 'body'}", f"{amp.settings['endpoint']}/api/v1/remote_write")
    assert done.stdout == '{"message":"Request Too Long"}\n413'
    assert amp.stats()["valid"] == 1


def test_length_is_required(client: Client, amp: Amp) -> None:
    signed = client.sign("query", {"query": "vector(1)"})
    client.line.request("POST", signed.target, iter([signed.body]), signed.headers,
                        encode_chunked=True)
    assert client.line.getresponse().status == 411


def test_operations(client: Client, amp: Amp) -> None:
    amp.push("operations", {"app": "shop"}, 7)
    match = {"match[]": "operations"}
    assert client.call("series", match).json()["data"] == [
        {"__name__": "operations", "app": "shop"}]
    assert "app" in client.call("labels", match).json()["data"]
    assert client.call("label/app/values", None, "GET", match).json()["data"] == ["shop"]
    now = int(time.time())
    ranged = client.call("query_range", {"query": "vector(3)", "start": str(now - 60),
                                         "end": str(now), "step": "30"})
    assert [v for _, v in ranged.json()["data"]["result"][0]["values"]] == ["3", "3", "3"]


def test_connection_is_kept(client: Client, amp: Amp) -> None:
    assert [client.value(f"vector({n})") for n in range(3)] == ["0", "1", "2"]
    assert amp.stats()["connections"] == 1


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
        from unittest import mock

        from botocore import auth
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
    ("host", set_header("Host", "aps-workspaces.us-east-1.amazonaws.com"), "signature", BAD,
     MISMATCH),
    ("content type", set_header("Content-Type", "text/plain"), "signature", BAD, MISMATCH),
    ("payload hash", set_header("X-Amz-Content-SHA256", "0" * 64), "signed-headers", BAD,
     "'x-amz-content-sha256' must be a 'SignedHeader' in the AWS Authorization."),
    ("secret", signed_as(secret_key="another"), "signature", BAD, MISMATCH),
    ("key", signed_as(access_key="AKIANOBODY"), "unknown-key", UNKNOWN, INVALID),
    ("token", signed_as(session_token="unasked"), "session-token", UNKNOWN, INVALID),
    ("region", signed_as(region="eu-west-1"), "region", BAD,
     "Credential should be scoped to a valid region."),
    ("service", signed_as(service="aps-workspaces"), "service", BAD,
     "Credential should be scoped to correct service: 'aps'."),
    ("too old", shifted(-16 * 60), "skew", BAD, "Signature expired: "),
    ("too new", shifted(16 * 60), "skew", BAD, "Signature not yet current: "),
    ("date of the scope", replace_in("Authorization", "/us-east-1", "0/us-east-1"), "date", BAD,
     "Date in Credential scope does not match YYYYMMDD"),
    ("date moved", edited(lambda s: s.headers.update(
        {"X-Amz-Date": s.headers["X-Amz-Date"][:-2] + "0Z"
         if s.headers["X-Amz-Date"][-2] != "0" else s.headers["X-Amz-Date"][:-2] + "1Z"})),
     "signature", BAD, MISMATCH),
    ("no date", edited(lambda s: s.headers.pop("X-Amz-Date")), "date",
     "IncompleteSignatureException", "Authorization header requires existence of either a"),
    ("host unsigned", replace_in("Authorization", "host;", ""), "signed-headers", BAD,
     "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."),
    ("signed but not sent", replace_in("Authorization", "content-type;", "accept;content-type;"),
     "signed-headers", BAD, MISMATCH),
    ("unsorted", replace_in("Authorization", "content-type;host", "host;content-type"),
     "signed-headers", BAD, MISMATCH),
    ("unsigned token", set_header("X-Amz-Security-Token", "extra"), "signed-headers", BAD,
     "'x-amz-security-token' must be a 'SignedHeader' in the AWS Authorization."),
    ("none", edited(lambda s: s.headers.pop("Authorization")), "missing",
     "MissingAuthenticationTokenException", "Missing Authentication Token"),
    ("basic", set_header("Authorization", "Basic dTpw"), "incomplete",
     "IncompleteSignatureException", "Authorization header requires 'Credential' parameter."),
    ("scope cut", replace_in("Authorization", "/aws4_request", ""), "incomplete",
     "IncompleteSignatureException", "Credential must have exactly 5 slash-delimited elements"),
]


@pytest.mark.parametrize(("make", "reason", "error_type", "message"),
                         [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_refusal(client: Client, amp: Amp, make: Callable[[Client], Signed], reason: str,
                 error_type: str, message: str) -> None:
    reply = client.send(make(client))
    assert (reply.status, reply.message()[:len(message)]) == (403, message)
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


def test_unknown_places(client: Client, amp: Amp) -> None:
    base = client.base
    assert client.call("nothing").status == 404
    assert client.call("remote_write", None, "GET").status == 404
    client.base = "/workspaces/ws-another"
    assert client.query("vector(1)").status == 404
    client.base = f"{base}/alertmanager"
    assert client.query("vector(1)").status == 404
    assert amp.stats()["invalid"] == 0


def test_prometheus_own_error_passes(client: Client) -> None:
    reply = client.query("sum(")
    assert reply.status == 400
    assert reply.json()["errorType"] == "bad_data"
    assert "parse error" in reply.json()["error"]


# Faults.

@pytest.mark.parametrize(("fault", "status", "text"), [
    ({"mode": "throttle"}, 429, '{"message":"Rate exceeded"}'),
    ({"mode": "fail"}, 500, '{"message":"Internal server error"}'),
    ({"mode": "fail", "status": 503}, 503, '{"message":"Service Unavailable"}'),
    ({"mode": "deny"}, 403, "is not authorized to perform: aps:QueryMetrics on resource: "),
    ({"mode": "expire"}, 403,
     '{"message":"The security token included in the request is expired"}'),
    ({"mode": "html"}, 502, "<h1>502 Bad Gateway</h1>"),
    ({"mode": "html", "status": 200}, 200, "<html>"),
    ({"mode": "empty"}, 200, '"result": []'),
    ({"mode": "warnings", "warnings": ["w1"]}, 200, '"warnings": ["w1"]'),
    ({"mode": "answer", "status": 418, "body": {"a": 1}, "headers": {"X-A": "b"}}, 418, '{"a": 1}'),
])
def test_answered_fault(client: Client, amp: Amp, fault: dict, status: int, text: str) -> None:
    with amp.fault(**fault):
        reply = client.query("vector(1)")
    assert reply.status == status
    assert text in reply.body.decode()
    assert client.value("vector(1)") == "1"
    assert amp.stats()["by_fault"] == {fault["mode"]: 1}


def test_throttle_says_when_to_come_back(client: Client, amp: Amp) -> None:
    amp.set_fault("throttle", retry_after=7, count=1)
    assert client.query("vector(1)").headers["Retry-After"] == "7"
    assert client.query("vector(1)").headers["Retry-After"] is None


def test_closed_connection(client: Client, amp: Amp) -> None:
    amp.set_fault("close", count=1)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        client.query("vector(1)")
    assert [r["status"] for r in amp.requests()] == [None]


def test_truncated_body(client: Client, amp: Amp) -> None:
    amp.set_fault("truncate", count=1)
    with pytest.raises((http.client.IncompleteRead, OSError)):
        client.query("vector(1)")


def test_stall_ends_when_cleared(client: Client, amp: Amp) -> None:
    amp.set_fault("stall")
    other = Client(amp.settings, timeout_s=0.3)
    with pytest.raises(TimeoutError):
        other.query("vector(5)")
    signed = client.sign("query", {"query": "vector(6)"})
    client.line.request(signed.method, signed.target, signed.body, signed.headers)
    amp.wait_for(1, 10, query="vector(6)", fault="stall")
    amp.clear()
    assert client.line.getresponse().read().endswith(b'"6"]}]}}')
    amp.set_fault("stall", seconds=0.05)
    client.line.close()
    assert client.value("vector(7)") == "7"


def test_fault_selects_its_requests(client: Client, amp: Amp) -> None:
    amp.set_fault("fail", query="vector(1)", count=2)
    amp.set_fault("throttle", path="labels")
    assert [client.query("vector(1)").status for _ in range(3)] == [500, 500, 200]
    assert client.query("vector(2)").status == 200
    assert client.call("labels").status == 429
    assert [f["mode"] for f in amp.faults()] == ["throttle"]
    with pytest.raises(ControlError, match="mode: one of throttle, "):
        amp.set_fault("explode")


def test_a_bad_signature_meets_no_fault(client: Client, amp: Amp) -> None:
    amp.set_fault("fail", count=1)
    assert client.call("query", {"query": "vector(1)"}, region="x").status == 403
    assert client.query("vector(1)").status == 500


# Samples and counters.

@pytest.mark.parametrize(("value", "text"), [
    (100, "100"), (-2.5, "-2.5"), (1e300, "1e+300"), (float("nan"), "NaN"),
    (float("inf"), "+Inf"), (float("-inf"), "-Inf")])
def test_pushed_value_is_queried(client: Client, amp: Amp, value: float, text: str) -> None:
    amp.push("pushed", {"case": text, "ü": "ö" * 300} if value == 100 else {"case": text}, value)
    assert client.value(f'pushed{{case="{text}"}}') == text


def test_later_push_wins(client: Client, amp: Amp) -> None:
    now_ms = time.time_ns() // 1_000_000
    for n in range(3):
        amp.push("moving", None, n, now_ms - 20_000 + n * 1000)
    assert client.value("moving") == "2"
    with pytest.raises(ControlError, match=r"duplicate sample|out of order"):
        amp.push("moving", None, 9, now_ms - 18_000)


def test_remote_write_as_a_client(client: Client, amp: Amp) -> None:
    many = [samples.Sample("written", n, {"n": str(n), "pad": "x" * 60}) for n in range(2000)]
    reply = client.call("remote_write", samples.body(many))
    assert (reply.status, reply.body) == (200, b"")
    assert client.value("count(written)") == "2000"
    assert client.call("remote_write", b"x" * ((1 << 20) + 1)).status == 413
    assert client.call("remote_write", b"not snappy").status == 400
    assert amp.stats()["by_path"]["remote_write"] == 3


def test_gaps_between_queries(client: Client, amp: Amp) -> None:
    for _ in range(3):
        client.query("vector(11)")
    client.query("vector(12)")
    assert len(amp.gaps_ms("vector(11)")) == 2
    assert amp.stats()["by_query"] == {"vector(11)": 3, "vector(12)": 1}
    assert amp.requests(since_ms=amp.requests()[-1]["t_ms"] + 1) == []


# Starting and stopping.

def test_prometheus_stops_and_comes_back_with_its_data(
        client: Client, amp: Amp, state: Path) -> None:
    amp.push("kept", None, 42)
    assert launch("down", state, "--only", "prometheus").returncode == 0
    reply = client.query("kept")
    assert (reply.status, reply.message()) == (503, "Service Unavailable")
    assert launch("up", state, "--only", "prometheus").returncode == 0
    assert client.value("kept") == "42"
    assert amp.stats()["invalid"] == 0


def test_up_again_changes_nothing(state: Path, amp: Amp) -> None:
    before = {p: (state / f"{p}.pid").read_text() for p in ("prometheus", "proxy")}
    done = launch("up", state)
    assert (done.returncode, done.stdout.strip()) == (0, amp.settings["endpoint"])
    assert before == {p: (state / f"{p}.pid").read_text() for p in before}


def test_a_part_that_cannot_start_says_why(tmp_path: Path) -> None:
    done = launch("up", tmp_path, "--only", "prometheus", "--prometheus", "127.0.0.1:0",
                  "--retention", "soon")
    assert done.returncode == 1
    assert "amp: prometheus ended with status " in done.stderr
    assert not (tmp_path / "prometheus.pid").exists()
    done = launch("up", tmp_path, "--prometheus-binary", "no-such-program")
    assert (done.returncode, "no-such-program" in done.stderr) == (1, True)


def test_down_leaves_no_process_and_spares_strangers(tmp_path: Path) -> None:
    done = launch("up", tmp_path, "--listen", "127.0.0.1:0", "--prometheus", "127.0.0.1:0")
    assert done.returncode == 0, done.stderr
    pids = [int((tmp_path / f"{p}.pid").read_text().split()[0]) for p in ("prometheus", "proxy")]
    assert launch("down", tmp_path).returncode == 0
    wait_until(lambda: not any(Path(f"/proc/{p}/exe").exists() for p in pids), 10, "both ended")
    (tmp_path / "proxy.pid").write_text(f"{os.getpid()} 1\n")
    assert launch("down", tmp_path).returncode == 0
