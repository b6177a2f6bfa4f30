"""What is read out of a remote write, and what AMP refuses that Prometheus would take."""

from __future__ import annotations

import time

import pytest

from amp import samples
from amp.client import Client
from amp.control import Amp
from amp.samples import Sample, message, snappy_literals, write_request
from amp.writes import MAX_AGE_MS, STALE_MARKER, examine, unsnappy


def test_what_was_written() -> None:
    many = [
        Sample("m", 1, {"job": "a"}, 5000),
        Sample("m", samples.struct.unpack("<d", STALE_MARKER.to_bytes(8, "little"))[0], {}, 4000),
        Sample("n", 2, {"job": "b"}, 6000),
    ]
    seen = examine(samples.body(many), 7000)
    assert (seen.samples, seen.stale, seen.oldest_ms, seen.newest_ms) == (3, 1, 4000, 6000)
    assert (seen.jobs, seen.complaint) == ({"a", "b"}, None)


@pytest.mark.parametrize(
    ("packed", "plain"),
    [
        (b"\x05\x10hello", b"hello"),
        (b"\x0a\x08abc\x0d\x03", b"abcabcabca"[:10]),
        (b"\x09\x08abc\x16\x03\x00", b"abcabcabc"),
        (b"\x08\x04ab\x17\x02\x00\x00\x00", b"abababab"),
    ],
)
def test_snappy(packed: bytes, plain: bytes) -> None:
    assert unsnappy(packed) == plain


@pytest.mark.parametrize(
    "packed",
    [b"", b"\x05\x10hell", b"\x06\x10hello", b"\x05\x01\x01", b"\x80", b"\x04\x00a\x09\x00"],
)
def test_not_snappy(packed: bytes) -> None:
    with pytest.raises(ValueError):
        unsnappy(packed)


def long_series(count: int) -> dict[str, str]:
    return {f"l{n:03}": "v" for n in range(count)}


@pytest.mark.parametrize(
    ("sample", "complaint"),
    [
        (Sample("a.b_total", 1), 'sample invalid metric name: "a.b_total"'),
        (Sample("", 1), "sample missing metric name"),
        (Sample("m", 1, {"a.b": "c"}), 'sample invalid label: "a.b" metric "m"'),
        (Sample("m", 1, {"a": ""}), 'label "a" of metric "m" has no value'),
        (Sample("m", 1, long_series(150)), "series has too many labels (actual: 151, limit: 150)"),
        (Sample("m", 1, {"a": "x" * 7200}), 'label value too long for metric: "m"'),
    ],
)
def test_refused(client: Client, amp: Amp, sample: Sample, complaint: str) -> None:
    reply = client.call("remote_write", samples.body([sample]))
    assert (reply.status, reply.message()) == (400, complaint)
    assert amp.requests()[0]["message"] == complaint


def test_refused_for_its_age(client: Client) -> None:
    then_ms = time.time_ns() // 1_000_000 - MAX_AGE_MS - 1000
    reply = client.call("remote_write", samples.body([Sample("old", 1, t_ms=then_ms)]))
    assert reply.status == 400
    assert reply.message() == f"timestamp too old: {then_ms} metric: 'old'"


def test_refused_for_the_order_of_its_labels() -> None:
    pairs = [message(1, message(1, k) + message(2, b"v")) for k in (b"b", b"__name__", b"b")]
    for chosen, complaint in (
        (pairs[:2], 'labels not sorted: metric "v"'),
        (pairs[1:] + pairs[2:], 'duplicate label name: metric "v"'),
    ):
        body = snappy_literals(message(1, b"".join(chosen)))
        assert examine(body, 0).complaint == complaint
    assert examine(snappy_literals(write_request([Sample("m", 1)], 0)), 0).complaint is None
