"""What a Parquet file's footer says about its column chunks.

Arrow's own objects for these cannot be used on files from elsewhere: where a footer contradicts
itself, their C++ throws through a binding that declares it does not, which ends the process. Here a
footer is decoded as Thrift's compact protocol defines it, and wrong ones raise an error.

References:
    https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
    https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, BinaryIO

from kymflow_zarr.errors import CorruptDataError

END_BYTES = 8
"""What follows the footer: its length, then "PAR1"."""
_MOST_NESTED = 16  # levels; Parquet's own structs need 8
_TRUE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 1, 3, 7, 8, 12
_BOOLEANS, _INTEGERS, _LISTS = (_TRUE, 2), (4, 5, 6), (9, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChunk:
    """One column of one row group.

    Attributes:
        path: The name of the column; of a nested one, the names on the way to it.
        start: Its first byte.
        size: How many bytes it has.
        unpacked_size: How many it has once it is decompressed.
        text_size: How many its texts have once each row has its own, as far as the file says so:
            a dictionary holds a text once for all rows.
        null_count: How many of its rows have no value; None if the file does not say so.
        bounds: The least and the largest value, as bytes; None if the file does not say so.
    """

    path: str
    start: int
    size: int
    unpacked_size: int
    text_size: int
    null_count: int | None
    bounds: tuple[bytes, bytes] | None


def read_footer(stream: BinaryIO) -> tuple[int, bytes]:
    """Where the footer starts, and the footer; empty where there cannot be one."""
    end = stream.seek(0, os.SEEK_END)
    if end < END_BYTES:
        return 0, b""
    stream.seek(end - END_BYTES)
    start = end - END_BYTES - int.from_bytes(stream.read(4), "little")
    if start < 0:
        return 0, b""
    stream.seek(start)
    return start, stream.read(end - END_BYTES - start)


def column_chunks(footer: bytes, *, key: str) -> list[list[ColumnChunk]]:
    """The column chunks of each row group.

    Raises:
        CorruptDataError: The footer is damaged.
    """
    try:
        groups = _struct(footer, 0, 0)[0][4]
        return [[_column_chunk(chunk) for chunk in group[1]] for group in groups]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise CorruptDataError(key, f"its footer is damaged ({error!r})") from error


def _column_chunk(chunk: dict[int, Any]) -> ColumnChunk:
    data = chunk[3]
    statistics = data.get(12, {})
    bounds = statistics.get(6), statistics.get(5)
    return ColumnChunk(
        path=b".".join(data[3]).decode("utf-8"),
        start=_size(data.get(11, data[9])),
        size=_size(data[7]),
        unpacked_size=_size(data[6]),
        text_size=_size(data.get(16, {}).get(1, 0)),
        null_count=_size(statistics[3]) if 3 in statistics else None,
        bounds=bounds if all(isinstance(bound, bytes) for bound in bounds) else None,
    )


def _size(value: int) -> int:
    if value < 0:
        raise ValueError(f"a size of {value}")
    return value


def _struct(data: bytes, at: int, level: int) -> tuple[dict[int, Any], int]:
    """A struct as a dict by field number, and where it ends.

    Large tables have tens of thousands of these: small numbers and texts are decoded in place.
    """
    if level > _MOST_NESTED:
        raise ValueError(f"more than {_MOST_NESTED} levels")
    found: dict[int, Any] = {}
    field = 0
    while head := data[at]:
        at += 1
        kind = head & 15
        if head > 15:
            field += head >> 4
        else:
            field, at = _integer(data, at)
        if kind in _INTEGERS and data[at] < 128:
            found[field] = data[at] >> 1 ^ -(data[at] & 1)
            at += 1
        elif kind in _BOOLEANS:
            found[field] = kind == _TRUE
        else:
            found[field], at = _value(data, at, kind, level)
    return found, at + 1


def _value(data: bytes, at: int, kind: int, level: int) -> tuple[Any, int]:
    if kind in _INTEGERS:
        return _integer(data, at)
    if kind == _BINARY:
        count, at = _number(data, at)
        return _bytes(data, at, count)
    if kind == _STRUCT:
        return _struct(data, at, level + 1)
    if kind in _LISTS:
        kind, count = data[at] & 15, data[at] >> 4
        at += 1
        if count == 15:
            count, at = _number(data, at)
        values = []
        for _ in range(count):
            value, at = _value(data, at, kind, level + 1)
            values.append(value)
        return values, at
    if kind in _BOOLEANS or kind == _BYTE:
        return data[at], at + 1
    if kind == _DOUBLE:
        return _bytes(data, at, 8)
    raise ValueError(f"a value of type {kind}")


def _bytes(data: bytes, at: int, count: int) -> tuple[bytes, int]:
    end = at + count
    if end > len(data):
        raise IndexError("a text ends after the footer")
    return data[at:end], end


def _integer(data: bytes, at: int) -> tuple[int, int]:
    number, at = _number(data, at)
    return number >> 1 ^ -(number & 1), at


def _number(data: bytes, at: int) -> tuple[int, int]:
    number = data[at] & 127
    shift = 7
    while data[at] > 127 and shift < 70:
        at += 1
        number |= (data[at] & 127) << shift
        shift += 7
    return number, at + 1
