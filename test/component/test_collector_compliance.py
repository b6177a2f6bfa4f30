"""The cases of the remote-write sender compliance suite for 1.0 (prometheus/compliance, commit
adfa690, remotewrite/sender), one test each, with the suite's own bodies: the collector scrapes, is
ended by SIGINT as the suite does, and what was received is looked at.
"""

from __future__ import annotations

import random
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from badserver import Peer, Request
from collector_stage import TEXT, Push, Stage, staging, take
from waiting import until

OURS = ("up", "scrape_", "ampscale_collector_")
SUITE_FLAGS = ("--interval=500ms", "--label=job=test", "--own-metrics=true")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staging(tmp_path) as stage:
        yield stage


def run(stage: Stage, scrapes: int = 4, *flags: str) -> None:
    """Scrape so often with the defaults, end by SIGINT, and wait for the exit status 0."""
    stage.collector(*SUITE_FLAGS, *flags)
    until("the scrapes", lambda: len(stage.target.requests) >= scrapes)
    assert stage.collectors[-1].end(signal.SIGINT, 70) == 0
    assert stage.receiver.pushes, stage.collectors[-1].log_file.read_text()


def exposing(stage: Stage, body: str) -> None:
    """As the suite's static bodies: a blank line first, and a type without version."""
    stage.target.kind = "text/plain; charset=utf-8"
    stage.target.body = "\n" + body


def test_counter(stage: Stage) -> None:
    counter = iter(range(1000))

    def count(peer: Peer, _: Request) -> None:
        peer.answer(200, f"# TYPE requests_total counter\nrequests_total {next(counter)}\n", TEXT)

    stage.target.answer = count
    run(stage, 5)
    values = stage.receiver.values("requests_total")
    assert len(values) >= 4
    assert values == [float(i) for i in range(len(values))]
    every = [s for one in stage.receiver.named("requests_total") for s in one.samples]
    assert not any(sample.stale for sample in every)


def test_gauge(stage: Stage) -> None:
    def now(peer: Peer, _: Request) -> None:
        peer.answer(200, f"# TYPE now gauge\nnow {time.time() * 1000}\n", TEXT)

    stage.target.answer = now
    run(stage)
    samples = [s for one in stage.receiver.named("now") for s in one.samples]
    assert len(samples) >= 3
    for sample in samples:
        assert sample.value == pytest.approx(sample.time_ms, rel=0.01)


def test_histogram(stage: Stage) -> None:
    exposing(
        stage,
        """# TYPE latency histogram
latency_bucket{le="1"} 10
latency_bucket{le="2"} 15
latency_bucket{le="+Inf"} 20
latency_sum 31.5
latency_count 20
""",
    )
    run(stage)
    received = stage.receiver
    buckets = {dict(one.labels)["le"] for one in received.named("latency_bucket")}
    assert buckets == {"1", "2", "+Inf"}
    for le, value in (("1", 10), ("2", 15), ("+Inf", 20)):
        assert set(received.values("latency_bucket", le=le)) == {value}
    counts = [len(received.values(name)) for name in ("latency_sum", "latency_count")]
    assert counts == [len(received.values("latency_bucket", le="1"))] * 2


def test_summary(stage: Stage) -> None:
    exposing(
        stage,
        """# TYPE latency summary
latency{quantile="0.5"} 1
latency{quantile="0.9"} 2
latency{quantile="0.99"} 3
latency_sum 31.5
latency_count 20
""",
    )
    run(stage)
    for quantile, value in (("0.5", 1), ("0.9", 2), ("0.99", 3)):
        assert set(stage.receiver.values("latency", quantile=quantile)) == {value}
    assert set(stage.receiver.values("latency_sum")) == {31.5}
    assert set(stage.receiver.values("latency_count")) == {20}


def test_up(stage: Stage) -> None:
    exposing(stage, "a 1\n")
    run(stage)
    assert set(stage.receiver.values("up", job="test")) == {1}


def test_invalid(stage: Stage) -> None:
    exposing(stage, "this is not valid prometheus\n")
    run(stage)
    assert set(stage.receiver.values("up", job="test")) == {0}


def test_job_label(stage: Stage) -> None:
    exposing(stage, "a 1\n")
    run(stage)
    assert all(("job", "test") in one.labels for one in stage.receiver.series())


def test_instance_label(stage: Stage) -> None:
    exposing(stage, "a 1\n")
    run(stage)
    for one in stage.receiver.series():
        assert re.fullmatch(r"127\.0\.0\.1:\d+", dict(one.labels)["instance"])


def test_sorted_labels(stage: Stage) -> None:
    exposing(stage, 'test{b="2",a="1",c="3",__x="5",B="0",zz="1"} 1\n')
    run(stage)
    for one in stage.receiver.series():
        names = [name for name, _ in one.labels]
        assert names == sorted(names)


def test_repeated_labels(stage: Stage) -> None:
    exposing(stage, 'test{a="1",a="1"} 1\n')
    run(stage)
    assert not stage.receiver.named("test")
    assert set(stage.receiver.values("up")) == {0}


def test_empty_labels(stage: Stage) -> None:
    exposing(stage, 'test{a=""} 1\n')
    run(stage)
    assert stage.receiver.values("test")
    assert all("a" not in dict(one.labels) for one in stage.receiver.named("test"))
    assert all(value for one in stage.receiver.series() for _, value in one.labels)


def test_name_label(stage: Stage) -> None:
    exposing(stage, '{label="value"} 1.0\n')
    run(stage)
    assert not any("label" in dict(one.labels) for one in stage.receiver.series())


def test_honor_labels(stage: Stage) -> None:
    exposing(stage, 'test{job="original", instance="theirs"} 1\n')
    run(stage)
    for one in stage.receiver.named("test"):
        labels = dict(one.labels)
        assert labels["exported_job"] == "original" and labels["exported_instance"] == "theirs"
        assert labels["job"] == "test" and labels["instance"] == stage.target.instance
    assert stage.receiver.named("test")


def test_staleness(stage: Stage) -> None:
    first = threading.Event()

    def once(peer: Peer, _: Request) -> None:
        peer.answer(200, "other 1\n" if first.is_set() else "gone 1\nother 1\n", TEXT)
        first.set()

    stage.target.answer = once
    run(stage)
    samples = [s for one in stage.receiver.named("gone") for s in one.samples]
    assert [sample.stale for sample in samples] == [False, True]
    assert samples[0].time_ms < samples[1].time_ms


def test_timestamp(stage: Stage) -> None:
    exposing(stage, "a 1\n")
    begin = time.time() * 1000
    run(stage)
    end = time.time() * 1000
    times = [s.time_ms for one in stage.receiver.series() for s in one.samples]
    assert all(begin <= one <= end for one in times)
    assert times == sorted(times)


def test_headers(stage: Stage) -> None:
    exposing(stage, "a 1\n")
    run(stage)
    for push in stage.receiver.pushes:
        request = push.request
        assert request.method == "POST"
        assert request.header("content-encoding") == "snappy"
        assert request.header("content-type") == "application/x-protobuf"
        assert request.header("x-prometheus-remote-write-version") == "0.1.0"
        assert re.fullmatch(r"ampscale-collector/\S+", request.header("user-agent") or "")
        assert request.header("retry-attempt") is None
        assert request.header("expect") is None


def test_ordering(stage: Stage) -> None:
    exposing(stage, "".join(f'many{{number="{i}"}} 1\n' for i in range(1000)))
    pauses = random.Random(7)

    def dawdle(peer: Peer, push: Push) -> None:
        time.sleep(pauses.random() * 0.8)
        take(peer, push)

    stage.receiver.judge = dawdle
    run(stage, 7, "--shutdown-timeout=60s")
    last: dict[tuple[tuple[str, str], ...], int] = {}
    for one in stage.receiver.series():
        for sample in one.samples:
            assert sample.time_ms > last.get(tuple(one.labels), 0)
            last[tuple(one.labels)] = sample.time_ms
    assert len({labels for labels in last if ("__name__", "many") in labels}) == 1000
    ups = stage.receiver.values("up")
    assert len(ups) >= 6 and sum(ups) >= 3  # of a machine that is busy, not all are in time
    assert len(stage.receiver.values("many", number="999")) == sum(ups)


def failing_first(stage: Stage, status: int) -> tuple[list[Push], list[Push]]:
    """The first push fails with `status`: those that came, without and with what it had."""
    refused: set[int] = set()

    def judge(peer: Peer, push: Push) -> None:
        if not refused:
            refused.update(push.times())
            peer.answer(status, b"no\n", "text/plain")
        else:
            take(peer, push)

    exposing(stage, "a 1\n")
    stage.receiver.judge = judge
    stage.collector(*SUITE_FLAGS)
    until("a push and one after it", lambda: len(stage.receiver.pushes) >= 2, 15)
    stage.flush()
    later = stage.receiver.pushes[1:]
    again = [push for push in later if push.times() & refused]
    return later, again


def test_retries_500(stage: Stage) -> None:
    _, again = failing_first(stage, 500)
    assert len(again) == 1
    assert again[0].request.header("retry-attempt") == "1"
    assert again[0].request.body == stage.receiver.pushes[0].request.body


def test_retries_400(stage: Stage) -> None:
    later, again = failing_first(stage, 400)
    assert later and not again


# ---- edge cases of the suite for 2.0 that hold for 1.0 as well ----

EDGE_CASES: dict[str, tuple[str, dict[str, float]]] = {
    "empty scrape": ("", {}),
    "blank lines and comments alone": ("\n\n# nothing\n\n", {}),
    "no newline at the end": ("a 1", {"a": 1}),
    "colons": ("a:b:rate5m 2\n", {"a:b:rate5m": 2}),
    "very long name": ("n" * 757 + " 3\n", {"n" * 757: 3}),
    "large": ("a 1.7976931348623157e+308\n", {"a": 1.7976931348623157e308}),
    "small": ("a 2.2250738585072014e-308\n", {"a": 2.2250738585072014e-308}),
    "precise": ("a 0.1234567890123456\n", {"a": 0.1234567890123456}),
    "negative": ("a -42.5\n", {"a": -42.5}),
    "zero": ("a 0\n", {"a": 0}),
    "infinite": ("a +Inf\nb -Inf\n", {"a": float("inf"), "b": float("-inf")}),
    "mixed families": (
        '# TYPE a counter\na 1\n# TYPE h histogram\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n',
        {"a": 1, "h_bucket": 2, "h_sum": 3, "h_count": 2},
    ),
    "time zero": ("a 1 0\nb 2\n", {"b": 2}),
}


@pytest.mark.parametrize("name", EDGE_CASES)
def test_edge_case(stage: Stage, name: str) -> None:
    body, want = EDGE_CASES[name]
    exposing(stage, body)
    run(stage, 2)
    assert set(stage.receiver.values("up")) == {1}
    theirs = {one.name for one in stage.receiver.series() if not one.name.startswith(OURS)}
    assert theirs == set(want)
    for metric, value in want.items():
        assert set(stage.receiver.values(metric)) == {value}


def test_unicode_and_special_characters_in_values(stage: Stage) -> None:
    exposing(stage, 'a{text="Grüße 世界 🚀",path="C:\\\\x\\n\\"y\\"",sql="a=\'b\', {c} #d"} 1\n')
    run(stage, 2)
    labels = dict(stage.receiver.named("a")[0].labels)
    assert labels["text"] == "Grüße 世界 🚀"
    assert labels["path"] == 'C:\\x\n"y"'
    assert labels["sql"] == "a='b', {c} #d"


def test_a_stale_marker_in_words_is_no_number(stage: Stage) -> None:
    exposing(stage, "a StaleNaN\n")
    run(stage, 2)
    assert set(stage.receiver.values("up")) == {0}


def test_a_large_scrape_of_many_labels_is_whole(stage: Stage) -> None:
    labels = ",".join(f'l{i}="{"v" * 20}{i}"' for i in range(100))
    exposing(stage, "".join(f'wide{{n="{i}",{labels}}} {i}\n' for i in range(200)))
    run(stage, 2, "--shutdown-timeout=20s")
    values = stage.receiver.values("wide")
    assert set(values) == set(map(float, range(200)))
    assert all(len(push.request.body) < 1_000_000 for push in stage.receiver.pushes)
