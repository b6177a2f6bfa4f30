"""What a receiver can do to the collector: samples wait, are halved, or are dropped and counted,
always with a word in the log, and never out of order or twice.
"""

from __future__ import annotations

import itertools
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sigv4check
from badserver import Peer, Request, make_certificates, tls
from collector_stage import Collector, Judge, Push, Server, Stage, staging, take
from waiting import until

FAILED = "remote write failed, it is tried again"
AGAIN = "remote write works again"
REFUSED = "samples were refused and are dropped"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": sigv4check.KEY, "AWS_SECRET_ACCESS_KEY": sigv4check.SECRET}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staging(tmp_path) as stage:
        stage.target.body = "good 1\n"
        yield stage


def status(code: int, text: bytes = b"", *headers: str) -> Judge:
    return lambda peer, _: peer.answer(code, text, "text/plain", *headers)


def first(*judges: Judge) -> Judge:
    """Each answers one push, in turn; then all are taken."""
    left = list(judges)

    def judge(peer: Peer, push: Push) -> None:
        (left.pop(0) if left else take)(peer, push)

    return judge


def errors(collector: Collector, message: str = FAILED) -> list[str]:
    return [one["error"] for one in collector.logged(message)]


def everything_once(stage: Stage, taken: list[Push]) -> None:
    """Of what was taken: each scrape once, in order."""
    times = [
        s.time_ms
        for push in taken
        for one in push.series
        for s in one.samples
        if one.name == "good"
    ]
    assert times == sorted(set(times))
    assert times


def eager(stage: Stage, *flags: str, env: dict[str, str] | None = None) -> Collector:
    """Pushes soon: the first after 5 s would be long to wait for, so requests are full at once."""
    stage.target.body = "".join(f'filler{{i="{i}"}} 1\n' for i in range(2100)) + "good 1\n"
    return stage.collector("--interval=500ms", *flags, env=env)


TRANSIENT: dict[str, tuple[Judge, str]] = {
    "500": (status(500, b"oops\n"), "HTTP 500: oops"),
    "502": (status(502, b"<html>"), "HTTP 502: <html>"),
    "503": (status(503), "HTTP 503: empty body"),
    "504": (status(504, b"late"), "HTTP 504: late"),
    "429": (
        status(429, b"ingestion rate limit (70000) exceeded while adding 499 samples"),
        "ingestion rate limit (70000) exceeded while adding 499 samples",
    ),
    "403": (status(403, b'{"message":"not yet"}'), 'HTTP 403: {"message":"not yet"}'),
    "1 MB of words": (status(500, b"no, " * 250_000), "HTTP 500: no, no, "),
}


@pytest.mark.parametrize("name", TRANSIENT)
def test_what_passes_is_tried_again(stage: Stage, name: str) -> None:
    judge, says = TRANSIENT[name]
    stage.receiver.judge = first(judge, judge, judge)
    collector = eager(stage)
    until("its end told", lambda: collector.logged(AGAIN))
    stage.flush()
    assert len(errors(collector)) == 1 and says in errors(collector)[0]
    assert len(collector.log_file.read_text()) < 8000
    pushes = stage.receiver.pushes
    attempts = [push.request.header("retry-attempt") for push in pushes[:4]]
    assert attempts == [None, "1", "2", "3"]
    assert len({push.request.body for push in pushes[:4]}) == 1
    everything_once(stage, pushes[3:])


FINAL: dict[str, tuple[Judge, str]] = {
    "400": (status(400, b"out of order sample\n"), "HTTP 400: out of order sample"),
    "400 without a word": (status(400), "HTTP 400: empty body"),
    "401": (status(401, b"who\n"), "HTTP 401: who"),
    "404": (status(404, b"no such path\n"), "HTTP 404: no such path"),
    "415": (status(415, b"what is this\n"), "HTTP 415: what is this"),
    "422": (status(422, b"hm\n"), "HTTP 422: hm"),
    "redirect": (
        status(302, b"", "Location: http://127.0.0.1:1/there?key=x"),
        "HTTP 302: redirects to http://127.0.0.1:1/there, and redirects are not followed",
    ),
}


@pytest.mark.parametrize("name", FINAL)
def test_what_is_refused_is_dropped_and_told(stage: Stage, name: str) -> None:
    judge, says = FINAL[name]
    stage.receiver.judge = first(judge, judge)
    collector = eager(stage, "--own-metrics")
    until("some that are taken", lambda: len(stage.receiver.pushes) >= 6)
    stage.flush()
    (entry,) = collector.logged(REFUSED)
    assert says in entry["error"] and entry["samples"] > 1000
    pushes = stage.receiver.pushes
    assert not any(push.request.header("retry-attempt") for push in pushes)
    assert not pushes[0].times() & pushes[2].times() or pushes[0].series != pushes[2].series
    dropped = stage.receiver.values("ampscale_collector_samples_dropped_total", reason="refused")
    assert dropped and dropped[-1] == sum(
        len(one.samples) for push in pushes[:2] for one in push.series
    )


@pytest.mark.parametrize("code", [400, 413])
def test_a_refusal_does_not_become_a_storm(stage: Stage, code: int) -> None:
    """At one scrape a second, at most two requests within 8 s."""
    stage.receiver.judge = status(code, b"no\n")
    collector = stage.collector("--interval=1s")
    until("the scrapes of 8 s", lambda: len(stage.target.requests) > 8)
    assert 1 <= len(stage.receiver.pushes) <= 2
    assert len(collector.logged(REFUSED)) == 1


def test_retry_after_is_kept(stage: Stage) -> None:
    stage.receiver.judge = first(status(429, b"Rate exceeded", "Retry-After: 2"))
    collector = eager(stage)
    until("the second attempt", lambda: len(stage.receiver.pushes) >= 2)
    pushes = stage.receiver.pushes
    assert 2 <= pushes[1].at - pushes[0].at < 10
    until("its end told", lambda: collector.logged(AGAIN))


def test_pauses_double_up_to_five_seconds(stage: Stage) -> None:
    stage.receiver.judge = status(503)
    stage.collector("--interval=5s")
    until("some attempts", lambda: len(stage.receiver.pushes) >= 9, 60)
    pauses = [b.at - a.at for a, b in itertools.pairwise(stage.receiver.pushes)]
    assert pauses[0] >= 0.02 and max(pauses) < 20
    long = [one for one in pauses if one > 0.4]  # shorter ones say more of this machine
    assert len(long) >= 3 and all(b > 0.8 * a for a, b in itertools.pairwise(long)), pauses


def test_too_large_a_request_is_halved_until_it_fits(stage: Stage) -> None:
    taken: list[Push] = []

    def at_most_300(peer: Peer, push: Push) -> None:
        if sum(len(one.samples) for one in push.series) > 300:
            peer.answer(413, b"too large\n", "text/plain")
        else:
            taken.append(push)
            take(peer, push)

    stage.receiver.judge = at_most_300
    collector = eager(stage)
    until(
        "a whole scrape",
        lambda: any(one.name == "good" for push in taken for one in push.series),
        30,
    )
    stage.flush()
    assert not collector.logged(REFUSED)
    fillers = [
        s.time_ms
        for push in taken
        for one in push.series
        for s in one.samples
        if dict(one.labels).get("i") == "7"
    ]
    assert fillers == sorted(set(fillers)) and fillers


def test_one_sample_that_is_too_large_is_dropped(stage: Stage) -> None:
    stage.receiver.judge = status(413, b"never\n")
    stage.target.body = ""
    collector = stage.collector("--interval=500ms", "--own-metrics")
    until("the drop told", lambda: collector.logged(REFUSED), 30)
    stage.receiver.judge = take
    until("something taken", lambda: stage.receiver.values("up"))


NO_CONTENT = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


def test_a_reset_within_the_answer_loses_nothing(stage: Stage) -> None:
    """The status decides: before it has come the request failed, after it all was taken."""

    def cut(size: int) -> Judge:
        def judge(peer: Peer, _: Push) -> None:
            peer.send(NO_CONTENT[:size])
            peer.reset()

        return judge

    failing = [0, 1, 7, 9, 12, 20]
    taking = [26, 40, len(NO_CONTENT)]
    stage.receiver.judge = first(*(cut(size) for size in failing + taking))
    collector = stage.collector("--interval=5s")
    count = len(failing)
    until("the cuts", lambda: len(stage.receiver.pushes) > count + 1, 60)
    stage.flush()
    pushes = stage.receiver.pushes
    assert len({push.request.body for push in pushes[: count + 1]}) == 1
    assert len(collector.logged(AGAIN)) == 1
    everything_once(stage, pushes[count:])


def test_a_reset_within_the_request_loses_nothing(stage: Stage) -> None:
    """The first connections are reset after so many bytes of it."""
    sizes = [0, 1, 20, 200, 500, 1000, 5000]
    port = stage.receiver.server.port
    stage.receiver.server.close()
    done = threading.Event()

    def reset_some() -> None:
        with socket.create_server(("127.0.0.1", port)) as listener:
            for size in sizes:
                connection, _ = listener.accept()
                while size > 0:
                    size -= len(connection.recv(min(size, 4096)))
                Peer(connection).reset()
                connection.close()
        done.set()

    threading.Thread(target=reset_some, daemon=True).start()
    collector = eager(stage)
    assert done.wait(30)
    stage.receiver.server = Server(stage.receiver.serve, port)
    until("its end told", lambda: collector.logged(AGAIN), 30)
    stage.flush()
    everything_once(stage, stage.receiver.pushes)


def test_nobody_listens_and_then_somebody_does(stage: Stage) -> None:
    port = stage.receiver.server.port
    stage.receiver.server.close()
    collector = eager(stage)
    until("the failure told", lambda: errors(collector))
    assert f"http://127.0.0.1:{port}: connection refused" in errors(collector)[0]
    stage.receiver.server = Server(stage.receiver.serve, port)
    until("its end told", lambda: collector.logged(AGAIN))
    stage.flush()
    everything_once(stage, stage.receiver.pushes)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://no-such-host.invalid/push", "http://no-such-host.invalid:80: "),
        ("invalid://127.0.0.1/push", "not an http or https URL"),
        ("http://127.0.0.1:1/push", "connection refused"),
        ("http://[::1/push", ""),
    ],
)
def test_an_address_that_is_none_ends_nothing(stage: Stage, url: str, says: str) -> None:
    collector = eager(stage, f"--remote-write-url={url}")
    until("the failure told", lambda: errors(collector), 30)
    assert says in errors(collector)[0]
    until("scrapes go on", lambda: len(stage.target.requests) >= 4)
    assert collector.ask("--check").returncode == 0
    began = time.monotonic()
    assert collector.end(signal.SIGINT) == 0
    assert time.monotonic() - began < 8


@pytest.mark.parametrize("text", [b"220 mail\r\n", b"HTTP/1.1 999 Odd\r\n\r\n", b"HTTP/1.1 2\r\n"])
def test_an_answer_that_is_none_is_a_failure(stage: Stage, text: bytes) -> None:
    def odd(peer: Peer, _: Push) -> None:
        peer.send(text)
        peer.closed = True

    stage.receiver.judge = first(odd)
    collector = eager(stage)
    until("something taken", lambda: len(stage.receiver.pushes) >= 3)
    stage.flush()
    assert collector.logged(AGAIN) or collector.logged(REFUSED)


def test_the_body_of_a_success_is_not_looked_at(stage: Stage) -> None:
    stage.receiver.judge = first(
        status(200, b"x" * 30_000_000), status(202, b"\0\xff"), status(204)
    )
    collector = eager(stage)
    until("some", lambda: len(stage.receiver.pushes) >= 4)
    stage.flush()
    assert not collector.logged(FAILED) and not collector.logged(REFUSED)
    everything_once(stage, stage.receiver.pushes)


def test_what_does_not_fit_is_dropped_oldest_first_and_told(stage: Stage) -> None:
    """The target has little to say while what waits is sent, so that nothing more is dropped."""
    stage.receiver.judge = status(503)
    collector = eager(stage, "--buffer=128Ki", "--own-metrics")
    until("the drop told", lambda: collector.logged("the buffer drops its oldest samples"), 60)
    told = len(stage.target.requests)
    until("it went on dropping", lambda: len(stage.target.requests) >= told + 5)
    stage.target.body = "good 1\n"
    told = len(stage.target.requests)
    until("little to say", lambda: len(stage.target.requests) >= told + 2)
    oldest = stage.receiver.pushes[0].times()
    stage.receiver.pushes.clear()
    stage.receiver.judge = take
    until("the end told", lambda: collector.logged("the buffer is empty again"), 60)
    told = len(stage.target.requests)
    until("what it counted", lambda: len(stage.target.requests) >= told + 2)
    stage.flush()
    assert len(collector.logged("the buffer drops its oldest samples")) == 1
    buffers = stage.receiver.values("ampscale_collector_buffer_bytes")
    assert 0 < max(buffers) <= 128 << 10
    dropped = stage.receiver.values(
        "ampscale_collector_samples_dropped_total", reason="buffer_full"
    )
    assert dropped[-1] > 0
    everything_once(stage, stage.receiver.pushes[1:])
    assert not oldest & {time_ms for push in stage.receiver.pushes for time_ms in push.times()}


def test_what_is_too_old_is_dropped_and_told(stage: Stage) -> None:
    stage.receiver.judge = status(503)
    collector = eager(stage, "--buffer-age=2s", "--own-metrics")
    until("the drop told", lambda: collector.logged("the buffer drops its oldest samples"), 30)
    stage.receiver.pushes.clear()
    stage.receiver.judge = take
    until("the end told", lambda: collector.logged("the buffer is empty again"), 30)
    stage.flush()
    dropped = stage.receiver.values("ampscale_collector_samples_dropped_total", reason="too_old")
    assert dropped[-1] > 0
    now_ms = time.time() * 1000
    assert all(
        now_ms - time_ms < 20000 for push in stage.receiver.pushes for time_ms in push.times()
    )


def test_requests_hold_at_most_2000_samples_and_a_scrape_in_order(stage: Stage) -> None:
    stage.target.body = "".join(f'many{{i="{i}"}} 1\n' for i in range(12_000))
    stage.collector("--interval=5s")
    until("a whole scrape", lambda: len(stage.receiver.values("many")) >= 12_000, 30)
    sizes = [sum(len(one.samples) for one in push.series) for push in stage.receiver.pushes]
    assert max(sizes) <= 2000 and len(sizes) <= 8
    assert stage.receiver.values("up")


def test_a_scrape_each_5_seconds_is_sent_at_once(stage: Stage) -> None:
    stage.collector("--interval=5s")
    until("a scrape", lambda: stage.target.requests)
    began = time.monotonic()
    until("its push", lambda: stage.receiver.pushes)
    assert time.monotonic() - began < 3


def verify(peer: Peer, push: Push) -> None:
    request = push.request
    complaint = sigv4check.verify(request.method, request.target, request.headers, request.body)
    if complaint:
        peer.answer(
            403,
            f'{{"message":"{complaint[:60]}"}}'.encode(),
            "application/json",
            "x-amzn-ErrorType: InvalidSignatureException",
        )
    else:
        take(peer, push)


def test_writes_are_signed(stage: Stage) -> None:
    stage.receiver.judge = verify
    base = f"http://127.0.0.1:{stage.receiver.server.port}/workspaces/ws-1234"
    collector = eager(
        stage, f"--endpoint={base}", "--sigv4=on", "--region=eu-central-1", env=CREDENTIALS
    )
    until("a push", lambda: stage.receiver.pushes)
    stage.flush()
    assert not errors(collector)
    assert stage.receiver.pushes[0].request.target == "/workspaces/ws-1234/api/v1/remote_write"


def test_another_prometheus_is_written_to_by_its_own_path(stage: Stage) -> None:
    eager(stage, f"--endpoint=http://127.0.0.1:{stage.receiver.server.port}/prom/")
    until("a push", lambda: stage.receiver.pushes)
    request = stage.receiver.pushes[0].request
    assert request.target == "/prom/api/v1/write"
    assert request.header("authorization") is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_credentials_samples_wait_and_it_says_why(stage: Stage, number: int) -> None:
    collector = eager(stage, "--sigv4=on", "--region=eu-central-1", "--shutdown-timeout=5m")
    (said, *_) = until("the failure told", lambda: errors(collector))
    assert "credentials" in said
    until("scrapes go on", lambda: len(stage.target.requests) >= 4)
    assert not stage.receiver.pushes
    assert collector.end(number, 15) == 0  # there is nothing to wait for
    (last,) = collector.logged("stopped")
    assert last["notSent"] > 2000 and last["error"] == said


def test_secrets_reach_no_log(stage: Stage) -> None:
    stage.receiver.judge = status(
        403,
        b'{"message":"The security token included is expired"}',
        "x-amzn-ErrorType: ExpiredTokenException",
    )
    collector = eager(
        stage,
        "--sigv4=on",
        "--region=eu-central-1",
        "--log-level=debug",
        env=CREDENTIALS | {"AWS_SESSION_TOKEN": sigv4check.TOKEN},
    )
    until("the failure told", lambda: errors(collector))
    assert "HTTP 403 ExpiredTokenException: " in errors(collector)[0]
    stage.receiver.judge = take
    until("its end told", lambda: collector.logged(AGAIN))
    stage.flush()
    text = collector.log_file.read_text()
    assert sigv4check.SECRET not in text and sigv4check.TOKEN not in text


def test_a_token_that_the_receiver_quotes_reaches_no_log(stage: Stage) -> None:
    """AWS's complaint about a signature has the headers that were signed."""
    token = "IQoJb3JpZ2luX2Vj/+=" * 40

    def quote(peer: Peer, push: Push) -> None:
        sent = push.request.header("x-amz-security-token")
        said = f"The Canonical String should have been\nx-amz-security-token:{sent}\nhost:aps\n"
        peer.answer(403, said.encode(), "text/plain")

    stage.receiver.judge = quote
    collector = eager(
        stage,
        "--sigv4=on",
        "--region=eu-central-1",
        "--log-level=debug",
        env=CREDENTIALS | {"AWS_SESSION_TOKEN": token},
    )
    (said, *_) = until("the failure told", lambda: errors(collector))
    assert "x-amz-security-token:(withheld)" in said and "host:aps" in said
    assert token[:30] not in collector.log_file.read_text()


def test_what_a_url_asks_for_reaches_no_log(stage: Stage) -> None:
    collector = eager(stage, f"--remote-write-url={stage.receiver.url}?key=letmein")
    until("a push", lambda: stage.receiver.pushes)
    assert stage.receiver.pushes[0].request.target.endswith("?key=letmein")
    assert "letmein" not in collector.log_file.read_text()


STS_ANSWER = """<AssumeRoleWithWebIdentityResponse
xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>
<SessionToken>{token}</SessionToken><Expiration>{until}</Expiration></Credentials>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


def test_credentials_that_expired_are_fetched_anew_once(stage: Stage, tmp_path: Path) -> None:
    """Those that STS gives first are no good any more; samples wait for the next ones."""
    asked: list[str] = []

    def sts(peer: Peer, request: Request) -> None:
        asked.append(sigv4check.form(request.body)["Action"])
        late = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        secret = "expired" if len(asked) == 1 else sigv4check.SECRET
        peer.answer(
            200,
            STS_ANSWER.format(
                key=sigv4check.KEY, secret=secret, token=sigv4check.TOKEN, until=late
            ),
            "text/xml",
        )

    server = Server(sts)
    token = tmp_path / "token"
    token.write_text("projected")
    stage.receiver.judge = verify
    collector = eager(
        stage,
        "--sigv4=on",
        "--region=eu-central-1",
        "--role-arn=arn:aws:iam::123456789012:role/collector",
        f"--web-identity-token-file={token}",
        f"--sts-endpoint=http://127.0.0.1:{server.port}",
    )
    until("its end told", lambda: collector.logged(AGAIN), 30)
    stage.flush()
    server.close()
    assert asked == ["AssumeRoleWithWebIdentity"] * 2
    (said,) = errors(collector)
    assert "HTTP 403 InvalidSignatureException" in said
    bodies = [push.request.body for push in stage.receiver.pushes]
    assert len(set(bodies[:2])) == 1
    assert not collector.logged(REFUSED)


def test_a_receivers_certificate_is_verified(stage: Stage, tmp_path: Path) -> None:
    make_certificates(tmp_path)
    receiver = stage.receiver
    port = receiver.server.port
    receiver.server.close()
    receiver.server = Server(receiver.serve, port, tls(tmp_path, client=False))
    url = f"--remote-write-url=https://127.0.0.1:{port}/push"
    collector = eager(stage, url)
    until("the failure told", lambda: errors(collector))
    assert "certificate" in errors(collector)[0] and "--ca-file" in errors(collector)[0]
    assert collector.end(signal.SIGINT, 15) == 0
    assert not receiver.pushes
    eager(stage, url, f"--ca-file={tmp_path / 'ca.crt'}")
    until("a push", lambda: receiver.pushes)
