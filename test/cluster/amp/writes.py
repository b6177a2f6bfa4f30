"""What is in a remote write request, and what AMP would refuse of it that Prometheus takes.

The limits are AMP's quotas and the charset of its names; the words are those of its error answers
("Troubleshooting remote write", user guide; amp-roadmap#42 for names in UTF-8). A body that cannot
be read is nobody's complaint here: Prometheus answers that itself.
Sources: github.com/google/snappy format_description.txt; prometheus/prompb (remote write 1.0).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_LABELS = 150
MAX_LABEL_BYTES = 7 * 1024
MAX_AGE_MS = 3_600_000
METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
STALE_MARKER = 0x7FF0000000000002
Labels = list[tuple[str, str]]


@dataclass
class Written:
    """Sums over one request, for the ledger, and the first complaint, if any."""

    samples: int = 0
    stale: int = 0
    oldest_ms: int | None = None
    newest_ms: int | None = None
    jobs: set[str] = field(default_factory=set)
    complaint: str | None = None


def examine(body: bytes, now_ms: int) -> Written:
    """ValueError: not snappy's block format, or not a WriteRequest."""
    seen = Written()
    for number, series in fields(unsnappy(body)):
        if number == 1 and isinstance(series, bytes):
            labels, samples = timeseries(series)
            seen.complaint = seen.complaint or label_complaint(labels)
            seen.jobs.update(value for name, value in labels if name == "job")
            for bits, t_ms in samples:
                seen.samples += 1
                seen.stale += bits == STALE_MARKER
                seen.oldest_ms = t_ms if seen.oldest_ms is None else min(seen.oldest_ms, t_ms)
                seen.newest_ms = t_ms if seen.newest_ms is None else max(seen.newest_ms, t_ms)
                if t_ms < now_ms - MAX_AGE_MS and seen.complaint is None:
                    seen.complaint = f"timestamp too old: {t_ms} metric: {metric_of(labels)!r}"
    return seen


def metric_of(labels: Labels) -> str:
    return next((value for name, value in labels if name == "__name__"), "")


def label_complaint(labels: Labels) -> str | None:
    """The first rule of AMP's that a series breaks."""
    names, metric = [name for name, _ in labels], metric_of(labels)
    if not metric:
        return "sample missing metric name"
    if not METRIC_NAME.fullmatch(metric):
        return f'sample invalid metric name: "{metric}"'
    if len(labels) > MAX_LABELS:
        return f"series has too many labels (actual: {len(labels)}, limit: {MAX_LABELS})"
    if sum(len(n.encode()) + len(v.encode()) for n, v in labels) > MAX_LABEL_BYTES:
        return f'label value too long for metric: "{metric}"'
    for name, value in labels:
        if not LABEL_NAME.fullmatch(name):
            return f'sample invalid label: "{name}" metric "{metric}"'
        if not value:
            return f'label "{name}" of metric "{metric}" has no value'
    if len(set(names)) < len(names):
        return f'duplicate label name: metric "{metric}"'
    return None if names == sorted(names) else f'labels not sorted: metric "{metric}"'


def timeseries(message: bytes) -> tuple[Labels, list[tuple[int, int]]]:
    """Labels as they come; each sample as the bits of its value and its time."""
    labels: Labels = []
    samples = []
    for number, value in fields(message):
        if number == 1 and isinstance(value, bytes):
            pair = dict(fields(value))
            labels.append((text(pair.get(1, b"")), text(pair.get(2, b""))))
        elif number == 2 and isinstance(value, bytes):
            point = dict(fields(value))
            bits, t_ms = point.get(1, 0), point.get(2, 0)
            if not isinstance(bits, int) or not isinstance(t_ms, int):
                raise ValueError("a sample's fields")
            samples.append((bits, t_ms - (1 << 64) if t_ms >> 63 else t_ms))
    return labels, samples


def text(value: bytes | int) -> str:
    if isinstance(value, int):
        raise ValueError("a label's fields")
    return value.decode()


def fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Number and value of each field of a protobuf message."""
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(message, at)
            yield key >> 3, value
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            yield key >> 3, int.from_bytes(taken(message, at, size), "little")
            at += size
        elif kind == 2:
            size, at = varint(message, at)
            yield key >> 3, taken(message, at, size)
            at += size
        else:
            raise ValueError(f"wire type {kind}")


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The value, and where it ended."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("a varint")
        octet = data[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value, at
        shift += 7


def taken(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise ValueError("cut short")
    return data[at : at + size]


def unsnappy(data: bytes) -> bytes:
    """Snappy's block format, undone."""
    length, at = varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        kind, size = tag & 3, tag >> 2
        if kind == 0:
            if size >= 60:
                width = size - 59
                size = int.from_bytes(taken(data, at, width), "little")
                at += width
            out += taken(data, at, size + 1)
            at += size + 1
            continue
        if kind == 1:
            size, offset = 4 + (size & 7), (tag >> 5) << 8 | taken(data, at, 1)[0]
            at += 1
        else:
            size, width = size + 1, 2 if kind == 2 else 4
            offset = struct.unpack("<I", taken(data, at, width).ljust(4, b"\0"))[0]
            at += width
        copy(out, offset, size)
    if len(out) != length:
        raise ValueError("not of the length that it says")
    return bytes(out)


def copy(out: bytearray, offset: int, size: int) -> None:
    """Repeat what is `offset` before the end; it may overlap what it makes."""
    start = len(out) - offset
    if offset == 0 or start < 0:
        raise ValueError("a copy of nothing")
    piece = bytes(out[start : start + size])
    out += (piece * (size // len(piece) + 1))[:size]
