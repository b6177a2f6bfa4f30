"""Remote write 1.0 as a receiver reads it, in plain Python: snappy's block format and the protobuf
messages. Strict: what a receiver could choke on is an error here.

Sources: google/snappy format_description.txt; prometheus/prometheus prompb/{remote,types}.proto.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

STALE = 0x7FF0000000000002  # prometheus/prometheus model/value/value.go StaleNaN
QUIET = 0x7FF8000000000001  # any other NaN


class Bad(Exception):
    """Not what the specification says."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Bad("a varint that does not end")
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def little(data: bytes, at: int, size: int) -> int:
    if at + size > len(data):
        raise Bad("snappy: cut within an element")
    return int.from_bytes(data[at : at + size], "little")


def literal(data: bytes, at: int, out: bytearray) -> int:
    length = data[at] >> 2
    at += 1
    if length >= 60:
        size = length - 59
        length = little(data, at, size)
        at += size
    length += 1
    if at + length > len(data):
        raise Bad("snappy: cut within a literal")
    out += data[at : at + length]
    return at + length


def copy(data: bytes, at: int, out: bytearray) -> int:
    tag = data[at]
    kind = tag & 3
    if kind == 1:
        length, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | little(data, at + 1, 1)
        at += 2
    else:
        size = 2 if kind == 2 else 4
        length, offset = (tag >> 2) + 1, little(data, at + 1, size)
        at += 1 + size
    if not 0 < offset <= len(out):
        raise Bad("snappy: a copy from before the beginning")
    if offset >= length:
        out += out[len(out) - offset : len(out) - offset + length]
    else:
        for _ in range(length):
            out.append(out[-offset])
    return at


def unsnappy(data: bytes) -> bytes:
    size, at = varint(data, 0)
    out = bytearray()
    while at < len(data):
        at = literal(data, at, out) if data[at] & 3 == 0 else copy(data, at, out)
    if len(out) != size:
        raise Bad(f"snappy: {len(out)} bytes where {size} were announced")
    return bytes(out)


def fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """(number, value) of a message; fixed64 as its bits, length-delimited as bytes."""
    found: list[tuple[int, int | bytes]] = []
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, wire = key >> 3, key & 7
        value: int | bytes
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 1:
            value, at = struct.unpack_from("<Q", data, at)[0], at + 8
        elif wire == 2:
            length, at = varint(data, at)
            if at + length > len(data):
                raise Bad("protobuf: cut within a field")
            value, at = data[at : at + length], at + length
        else:
            raise Bad(f"protobuf: wire type {wire}")
        found.append((number, value))
    return found


@dataclass(frozen=True)
class Sample:
    bits: int  # of the double
    time_ms: int

    @property
    def value(self) -> float:
        return float(struct.unpack("<d", struct.pack("<Q", self.bits))[0])

    @property
    def stale(self) -> bool:
        return self.bits == STALE


@dataclass
class Series:
    labels: list[tuple[str, str]] = field(default_factory=list)  # in the order they came
    samples: list[Sample] = field(default_factory=list)

    @property
    def name(self) -> str:
        return dict(self.labels).get("__name__", "")


def text_of(value: int | bytes) -> str:
    if not isinstance(value, bytes):
        raise Bad("protobuf: a number where a text is to be")
    return value.decode()  # strict: invalid UTF-8 raises


def message(value: int | bytes) -> list[tuple[int, int | bytes]]:
    if not isinstance(value, bytes):
        raise Bad("protobuf: a number where a message is to be")
    return fields(value)


def sample_of(pairs: list[tuple[int, int | bytes]]) -> Sample:
    bits = time_ms = 0
    for number, value in pairs:
        assert isinstance(value, int)
        if number == 1:
            bits = value
        elif number == 2:
            time_ms = value - (1 << 64) if value >> 63 else value
        else:
            raise Bad(f"protobuf: field {number} in a Sample")
    return Sample(bits, time_ms)


def series_of(pairs: list[tuple[int, int | bytes]]) -> Series:
    series = Series()
    for number, value in pairs:
        if number == 1:
            label = dict(message(value))
            if set(label) != {1, 2}:
                raise Bad(f"protobuf: a label of the fields {sorted(label)}")
            series.labels.append((text_of(label[1]), text_of(label[2])))
        elif number == 2:
            series.samples.append(sample_of(message(value)))
        else:
            raise Bad(f"protobuf: field {number} in a TimeSeries")
    return series


def write_request(body: bytes) -> list[Series]:
    """The series of a WriteRequest as it came, compressed."""
    every = []
    for number, value in fields(unsnappy(body)):
        if number != 1:
            raise Bad(f"protobuf: field {number} in a WriteRequest")
        every.append(series_of(message(value)))
    return every
