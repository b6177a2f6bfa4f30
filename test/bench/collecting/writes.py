"""How many samples remote-write bodies carry: snappy's block format around prometheus.WriteRequest.

The decompressor is libsnappy's, which ampscale links anyway; the messages are walked, not decoded.
Source of the layout: prometheus/docs, specs/prw/remote_write_spec.md.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass

from collecting.exposition import PREFIX

LIBRARY = "libsnappy.so.1"
LOAD = PREFIX.encode()
SERIES, SAMPLES = 1, 2  # WriteRequest.timeseries, TimeSeries.samples
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


@dataclass
class Counted:
    load: int = 0  # samples of the target's
    other: int = 0  # up, scrape_* and an agent's own
    plain_bytes: int = 0


def decompressed(body: bytes) -> bytes:
    library = ctypes.CDLL(LIBRARY)
    length = ctypes.c_size_t()
    if library.snappy_uncompressed_length(body, ctypes.c_size_t(len(body)), ctypes.byref(length)):
        raise ValueError("not snappy's block format")
    out = ctypes.create_string_buffer(length.value or 1)
    if library.snappy_uncompress(body, ctypes.c_size_t(len(body)), out, ctypes.byref(length)):
        raise ValueError("damaged snappy block")
    return out.raw[: length.value]


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def messages(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Number, begin and end of each length-delimited field; others are skipped."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == BYTES:
            size, at = varint(data, at)
            yield number, at, at + size
            at += size
        elif kind == VARINT:
            _, at = varint(data, at)
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"unexpected wire type {kind}")


def count(body: bytes, into: Counted) -> None:
    data = decompressed(body)
    into.plain_bytes += len(data)
    for number, begin, end in messages(data):
        if number != SERIES:
            continue
        series = data[begin:end]
        samples = sum(1 for field, _, _ in messages(series) if field == SAMPLES)
        if LOAD in series:
            into.load += samples
        else:
            into.other += samples
