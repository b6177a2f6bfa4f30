"""What a target can do to the collector: nothing but make a scrape fail, which is then told, and
told to be over.
"""

from __future__ import annotations

import gzip
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from badserver import Peer, Request, make_certificates, tls
from collector_stage import OPENMETRICS, TEXT, Collector, Stage, staging
from waiting import until

Answer = Callable[[Peer, Request], None]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staging(tmp_path) as stage:
        stage.target.body = "good 1\n"
        yield stage


def raw(text: bytes) -> Answer:
    """These bytes, and the connection closed."""

    def answer(peer: Peer, _: Request) -> None:
        peer.send(text)
        peer.closed = True

    return answer


def body(text: bytes, kind: str = TEXT, status: int = 200) -> Answer:
    return lambda peer, _: peer.answer(status, text, kind)


def hang(peer: Peer, _: Request) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\ngood 2\n")
    peer.wait_gone()


def say_nothing(peer: Peer, _: Request) -> None:
    peer.wait_gone()


def crawl(peer: Peer, _: Request) -> None:
    """A byte at a time, never done."""
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10000\r\n\r\n")
    while True:
        peer.send(b"#")
        time.sleep(0.05)


def endless(peer: Peer, _: Request) -> None:
    """100 MB that are all valid."""
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100000000\r\n\r\n")
    for _ in range(100):
        peer.send(
            10000 * b"# 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 xyz \n"
        )


BOMB = gzip.compress(50_000_000 * b"\n", 9)
BAD: dict[str, tuple[Answer, str, list[str]]] = {
    "500": (body(b"database down\n", status=500), "HTTP 500: database down", []),
    "503": (body(b"", status=503), "HTTP 503: empty body", []),
    "404": (body(b"404 page not found\n", status=404), "HTTP 404: 404 page not found", []),
    "401": (body(b"who are you\n", status=401), "HTTP 401: who are you", []),
    "204": (body(b"", status=204), "HTTP 204: empty body", []),
    "redirect": (
        raw(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere?token=x\r\nContent-Length: 0\r\n\r\n"),
        r"HTTP 302: redirects to http://127.0.0.1:\d+/elsewhere, and redirects are not followed",
        [],
    ),
    "html": (body(b"<html>", "text/html"), "text/html", []),
    "json": (body(b"{}", "application/json"), "application/json", []),
    "protobuf": (
        body(b"\x0a", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily"),
        "application/vnd.google.protobuf",
        [],
    ),
    "malformed": (
        body(b"good 2\nbad{ 3\ngood2 4\n"),
        r'line 2: ".*bad\{ 3',
        [],
    ),
    "repeated-label": (body(b'good 2\nx{a="1",a="1"} 3\n'), r"line 2: .*each label name once", []),
    "no-value": (body(b"good 2\nx\n"), "line 2: ", []),
    "no-eof": (body(b"good 2\n", OPENMETRICS), "# EOF", []),
    "after-eof": (body(b"good 2\n# EOF\nx 1\n", OPENMETRICS), "line 3: ", []),
    "truncated": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\ngood 2\n"),
        "the answer ended early",
        [],
    ),
    "cut-chunks": (
        raw(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"7\r\ngood 2\n\r\n"
        ),
        "the answer ended early",
        [],
    ),
    "not-http": (raw(b"220 mail ready\r\n"), "not HTTP", []),
    "empty": (raw(b""), "without an answer", []),
    "hanging": (hang, "no answer within 300 ms", ["--timeout=300ms"]),
    "silent": (say_nothing, "no answer within 300 ms", ["--timeout=300ms"]),
    "crawling": (crawl, "no answer within 300 ms", ["--timeout=300ms"]),
    "100-MB": (endless, "the body is larger than 1048576 bytes", ["--body-limit=1Mi"]),
    "bomb": (
        lambda peer, _: peer.answer(200, BOMB, TEXT, "Content-Encoding: gzip"),
        "the body is larger than 1048576 bytes",
        ["--body-limit=1Mi"],
    ),
    "broken-gzip": (
        lambda peer, _: peer.answer(200, b"good 2\n", TEXT, "Content-Encoding: gzip"),
        "encoding is broken",
        [],
    ),
    "gzip-cut": (
        # The connection's end is the body's: nothing else says that there was more.
        raw(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n\r\n"
            + gzip.compress(b"good 2\nx 1\n")[:-9]
        ),
        "ended early, within its encoding",
        [],
    ),
    "another-encoding": (
        lambda peer, _: peer.answer(200, b"good 2\n", TEXT, "Content-Encoding: zstd"),
        'the answer\'s encoding is \\"zstd\\", expected gzip',
        [],
    ),
    "long-line": (body(b"x" * (2 << 20)), "a line is longer than 1048576 bytes", []),
    "too-many": (
        body(b"".join(b"x%d 1\n" % i for i in range(11))),
        "10",
        ["--sample-limit=10"],
    ),
    "not-utf-8": (body(b'good 2\nx{a="\xff"} 1\n'), "line 2: ", []),
}


def is_down(stage: Stage) -> bool:
    return stage.receiver.values("up")[-1:] == [0]


def is_up(stage: Stage) -> bool:
    return stage.receiver.values("up")[-1:] == [1]


def begin(stage: Stage, *flags: str) -> Collector:
    """A whole scrape has been made, and another begun."""
    collector = stage.collector("--interval=800ms", *flags)
    until("scrapes", lambda: len(stage.target.requests) >= 2, 60)
    return collector


def failures(collector: Collector) -> list[str]:
    return [one["error"] for one in collector.logged("scrape failed")]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_scrape_is_told_once_and_marked(stage: Stage, name: str) -> None:
    answer, says, flags = BAD[name]
    collector = begin(stage, *flags)
    stage.target.answer = answer
    until("the failure told", lambda: failures(collector))
    seen = len(stage.target.requests)
    until("two more", lambda: len(stage.target.requests) >= seen + 2)
    stage.target.answer = stage.target.expose
    until("the recovery told", lambda: collector.logged("scrape works again"))
    stage.flush()
    # A machine that is very busy may make a good one late; that is no matter of this test.
    told = [one for one in failures(collector) if "no answer within 800 ms" not in one]
    assert len(told) == 1, told
    assert re.search(says, told[0]), told[0]
    entry = collector.logged("scrape failed")[0]
    assert entry["target"] == stage.target.url and len(entry["fix"]) > 10
    assert "token" not in told[0]
    check_rolled_back(stage)


def check_rolled_back(stage: Stage) -> None:
    """good is 1 while up is 1, marked stale at the first failure, and nothing else meanwhile."""
    ups = [(s.time_ms, s.value) for one in stage.receiver.named("up") for s in one.samples]
    good = {
        s.time_ms: ("stale" if s.stale else s.value)
        for one in stage.receiver.named("good")
        for s in one.samples
    }
    assert {value for _, value in ups} == {0, 1}
    down = [time_ms for time_ms, value in ups if value == 0]
    assert good.pop(down[0]) == "stale"
    assert not set(down) & set(good)
    assert set(good.values()) == {1}
    assert {one.name for one in stage.receiver.series()} == {"good", *OURS}


OURS = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)


def test_nobody_listens_and_then_somebody_does(stage: Stage) -> None:
    stage.target.close()
    collector = stage.collector("--interval=300ms")
    until("the failure told", lambda: failures(collector))
    assert "connection refused" in failures(collector)[0]
    stage.target.restart()
    until("the recovery told", lambda: collector.logged("scrape works again"))
    stage.flush()
    assert len(failures(collector)) == 1
    ups = stage.receiver.values("up")
    assert ups == sorted(ups) and set(ups) == {0, 1}


def test_another_reason_is_told_too(stage: Stage) -> None:
    stage.target.answer = body(b"no\n", status=500)
    collector = stage.collector("--interval=200ms")
    until("the failure told", lambda: len(failures(collector)) == 1)
    stage.target.answer = body(b"bad{ 1\n")
    until("the other told", lambda: len(failures(collector)) == 2)
    lines = iter(range(1000))
    stage.target.answer = lambda peer, _: peer.answer(
        200, b"good 1\n" * next(lines) + b"bad{ 1\n", TEXT
    )
    seen = len(stage.target.requests)
    until("more of them", lambda: len(stage.target.requests) >= seen + 4)
    assert len(failures(collector)) == 2  # another line number is no other reason


def test_a_target_that_comes_and_goes_does_not_fill_the_log(stage: Stage) -> None:
    turns = iter(range(1000))

    def now_and_then(peer: Peer, request: Request) -> None:
        peer.answer(500, b"", TEXT) if next(turns) % 2 else stage.target.expose(peer, request)

    stage.target.answer = now_and_then
    collector = stage.collector("--interval=200ms")
    until("many scrapes", lambda: len(stage.target.requests) >= 10)
    stage.flush()
    assert len(failures(collector)) == 1
    assert len(collector.logged("scrape works again")) == 1
    assert {0, 1} == set(stage.receiver.values("up"))


def test_the_request_is_what_prometheus_sends(stage: Stage) -> None:
    begin(stage, "--timeout=400ms")
    request = stage.target.requests[0]
    assert request.method == "GET" and request.target == "/metrics"
    assert request.header("accept") == (
        "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,"
        "application/openmetrics-text;version=0.0.1;q=0.5,"
        "text/plain;version=1.0.0;escaping=underscores;q=0.4,text/plain;version=0.0.4;q=0.3,"
        "*/*;q=0.2"
    )
    assert request.header("accept-encoding") == "gzip"
    assert request.header("x-prometheus-scrape-timeout-seconds") == "0.4"
    assert re.fullmatch(r"ampscale-collector/\S+", request.header("user-agent") or "")


def test_a_slow_target_is_never_scraped_twice_at_once(stage: Stage) -> None:
    running = [0, 0]

    def slow(peer: Peer, request: Request) -> None:
        running[0] += 1
        running[1] = max(running)
        time.sleep(0.25)
        stage.target.expose(peer, request)
        running[0] -= 1

    stage.target.answer = slow
    begin(stage, "--interval=300ms")
    until("some scrapes", lambda: len(stage.target.requests) >= 6)
    stage.flush()
    assert running[1] == 1
    durations = stage.receiver.values("scrape_duration_seconds")
    assert all(0.25 <= one < 5 for one in durations)


def test_compressed_and_openmetrics_bodies_are_read(stage: Stage) -> None:
    now_s = int(time.time())
    text = f"# TYPE good counter\ngood_total 3 {now_s}.5\n# EOF\n".encode()
    stage.target.answer = lambda peer, _: peer.answer(
        200, gzip.compress(text), OPENMETRICS, "Content-Encoding: gzip"
    )
    begin(stage)
    stage.flush()
    samples = [s for one in stage.receiver.named("good_total") for s in one.samples]
    assert [(s.value, s.time_ms) for s in samples] == [(3, now_s * 1000 + 500)]


def test_duplicates_nan_and_times_of_their_own(stage: Stage) -> None:
    ahead = int(time.time() * 1000) + 3600_000
    stage.target.body = (
        "twice 1\ntwice 2\nnan NaN\nplus +Inf\nminus -Inf\n"
        f"past 1 1000\nahead 1 {ahead}\nbackwards 1 5000\nbackwards 2 4000\n"
    )
    collector = begin(stage)
    until("some scrapes", lambda: len(stage.target.requests) >= 4)
    stage.flush()
    received = stage.receiver
    assert set(received.values("twice")) == {1}
    assert {s.bits for one in received.named("nan") for s in one.samples} == {0x7FF8000000000001}
    assert set(received.values("plus")) == {float("inf")}
    assert set(received.values("minus")) == {float("-inf")}
    times = {s.time_ms for one in received.named("ahead") for s in one.samples}
    assert times == {ahead}
    assert not received.named("past")  # older than any receiver takes
    assert len(collector.logged("samples were too old to be sent")) == 1
    assert not collector.logged("the buffer drops its oldest samples")
    reasons = {one["reason"] for one in collector.logged("series are not sent")}
    assert any("twice" in one for one in reasons)
    assert set(received.values("up")) == {1}


def test_a_label_value_of_a_megabyte_costs_its_own_series_alone(stage: Stage) -> None:
    stage.target.body = 'huge{a="' + 1_000_000 * "x" + '"} 1\ngood 1\n'
    collector = begin(stage, "--own-metrics")
    until("some scrapes", lambda: len(stage.target.requests) >= 4)
    stage.flush()
    assert set(stage.receiver.values("good")) == {1}
    assert not stage.receiver.named("huge")
    counts = stage.receiver.values(
        "ampscale_collector_samples_dropped_total", reason="labels_too_long"
    )
    assert counts[:2] == [1, 2]
    (entry,) = collector.logged("series are not sent")
    assert entry["example"] == "huge" and entry["limit"] == 7 << 10


def test_200_000_series_fail_the_scrape_and_the_memory_stays(stage: Stage) -> None:
    many = "".join(f'many{{number="{i}"}} 1\n' for i in range(200_000))
    collector = begin(stage, "--interval=3s")
    stage.target.body = many
    (said,) = until("the failure told", lambda: failures(collector), 60)
    assert "100000" in said and "--sample-limit" in collector.logged("scrape failed")[0]["fix"]
    stage.target.body = "good 1\n"
    until("the recovery told", lambda: collector.logged("scrape works again"), 60)
    stage.flush()
    assert not stage.receiver.named("many")


def test_series_beyond_the_memory_limit_fail_the_scrape(stage: Stage) -> None:
    many = "".join(f'many{{number="{i}",padding="{"x" * 100}"}} 1\n' for i in range(20_000))
    collector = begin(stage, "--memory-limit=16Mi")
    stage.target.body = many
    (said,) = until("the failure told", lambda: failures(collector), 60)
    assert "2097152 bytes" in said
    assert "scale.amp/collector-memory" in collector.logged("scrape failed")[0]["fix"]
    stage.target.body = "good 1\n"
    until("the recovery told", lambda: collector.logged("scrape works again"), 60)
    stage.flush()
    assert not stage.receiver.named("many")


def test_https_is_verified_unless_told_otherwise(stage: Stage, tmp_path: Path) -> None:
    make_certificates(tmp_path)
    stage.target.close()
    stage.target.context = tls(tmp_path, client=False)
    stage.target.restart()
    url = stage.target.url.replace("http://", "https://")
    one = stage.collector(f"--target={url}", "--interval=5s")
    until("the failure told", lambda: failures(one))
    assert "certificate" in failures(one)[0] and "--scrape-ca-file" in failures(one)[0]
    assert one.end(signal.SIGINT) == 0
    for flag in (f"--scrape-ca-file={tmp_path / 'ca.crt'}", "--scrape-insecure"):
        stage.receiver.pushes.clear()
        stage.collector(f"--target={url}", "--interval=500ms", flag)
        seen = len(stage.target.requests)
        until("a scrape", lambda seen=seen: len(stage.target.requests) > seen + 1)
        stage.flush()
        assert set(stage.receiver.values("good")) == {1}


def test_only_what_is_kept_is_sent(stage: Stage) -> None:
    stage.target.body = 'a_total 1\nb_total{x="1"} 2\nb_total{x="2"} 3\nc 4\n'
    begin(stage, "--keep=a_*", '--match=b_total{x="2"}', "--label=pod=p-1", "--label=job=")
    stage.flush()
    received = stage.receiver
    assert set(received.values("a_total")) == {1}
    assert set(received.values("b_total")) == {3}
    assert not received.named("c")
    assert set(received.values("scrape_samples_scraped")) == {4}
    assert set(received.values("scrape_samples_post_metric_relabeling")) == {2}
    for one in received.series():
        labels = dict(one.labels)
        assert labels["pod"] == "p-1" and "job" not in labels
