"""Write samples to Prometheus by remote write 1.0, so that a test can set a metric's value.

The request is a hand-made protobuf (prometheus.WriteRequest: 1 timeseries {1 labels {1 name,
2 value}, 2 samples {1 double value, 2 int64 timestamp in ms}}) in snappy's block format, with
literals only: valid, merely not smaller.
"""

from __future__ import annotations

import struct
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field

MAX_LITERAL = 0x10000
HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "User-Agent": "ampscale-test",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


@dataclass
class Sample:
    """One value of one series. t_ms: Unix time, now if None."""

    metric: str
    value: float
    labels: dict[str, str] = field(default_factory=dict)
    t_ms: int | None = None


def varint(n: int) -> bytes:
    out = bytearray()
    n &= (1 << 64) - 1
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def message(number: int, payload: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def timeseries(sample: Sample, now_ms: int) -> bytes:
    t_ms = now_ms if sample.t_ms is None else sample.t_ms
    labels = sorted({**sample.labels, "__name__": sample.metric}.items())
    pairs = b"".join(message(1, message(1, k.encode()) + message(2, v.encode())) for k, v in labels)
    point = b"\x09" + struct.pack("<d", sample.value) + b"\x10" + varint(t_ms)
    return pairs + message(2, point)


def write_request(samples: Iterable[Sample], now_ms: int) -> bytes:
    return b"".join(message(1, timeseries(s, now_ms)) for s in samples)


def snappy_literals(data: bytes) -> bytes:
    """Snappy's block format: the length, then literals of up to 64 KiB (tag 61: two octets)."""
    out = [varint(len(data))]
    for start in range(0, len(data), MAX_LITERAL):
        piece = data[start : start + MAX_LITERAL]
        out.append(bytes([61 << 2]) + struct.pack("<H", len(piece) - 1) + piece)
    return b"".join(out)


def body(samples: Iterable[Sample], now_ms: int | None = None) -> bytes:
    """A whole remote write body, as it is sent."""
    when = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    return snappy_literals(write_request(samples, when))


def push_all(base_url: str, samples: Iterable[Sample], timeout_s: float = 10) -> None:
    """Write to Prometheus at base_url. urllib.error.HTTPError carries Prometheus' own words."""
    request = urllib.request.Request(f"{base_url}/api/v1/write", body(samples), HEADERS)
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        answer.read()


def push(
    base_url: str, metric: str, labels: dict[str, str] | None, value: float, t_ms: int | None = None
) -> None:
    push_all(base_url, [Sample(metric, value, labels or {}, t_ms)])
