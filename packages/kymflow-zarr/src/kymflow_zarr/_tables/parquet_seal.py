"""Checksums of a Parquet file, kept in the file itself.

Parquet's page checksums leave page headers and the footer uncovered: a flipped bit there can change
values in silence. So the footer's key-value metadata hold two texts, which other readers ignore:

- ``kymflow-crc32c:<8 hex digits>``, the CRC-32C of the whole file with those digits as zeros;
- ``kymflow-tail-crc32c:<8 hex digits>:<8 hex digits>``, the CRC-32C of the file's tail with the
  digits of both texts as zeros, and how many bytes of that tail come before the footer. They are
  the CRC-32C of each column chunk, four bytes each, little-endian, row group by row group.

The tail proves the schema, the number of rows and the checksums of the chunks: to get these, or
some columns of some row groups, nothing else has to be read or checked. Version 0.1 wrote the first
text only; such a file is checked as a whole.
"""

from __future__ import annotations

import os
import re
import struct
from collections import deque
from collections.abc import Iterable, Sequence
from typing import BinaryIO

import google_crc32c

from kymflow_zarr._tables.parquet_footer import END_BYTES, ColumnChunk, column_chunks, read_footer
from kymflow_zarr.errors import CorruptDataError

_FILE_KEY = "kymflow_zarr.crc32c"
_TAIL_KEY = "kymflow_zarr.tail_crc32c"
BLANKS = {
    _FILE_KEY: "kymflow-crc32c:00000000",
    _TAIL_KEY: "kymflow-tail-crc32c:00000000:00000000",
}
"""The key-value metadata that `fill_in` fills in."""
METADATA_KEYS = tuple(BLANKS)

_FILE_TEXT = re.compile(rb"kymflow-crc32c:([0-9a-f]{8})")
_TAIL_TEXT = re.compile(rb"kymflow-tail-crc32c:([0-9a-f]{8}):([0-9a-f]{8})")
_PART = 2**20


def fill_in(stream: BinaryIO) -> None:
    """Put the checksums into a finished file whose footer holds `BLANKS`; it is open for update."""
    start, footer = read_footer(stream)
    file_text, tail_text = _last(_FILE_TEXT, footer), _last(_TAIL_TEXT, footer)
    if file_text is None or tail_text is None:
        raise ValueError(f"the footer does not hold {BLANKS!r}; add them to its metadata")
    stream.seek(start + len(footer))
    end = stream.read(END_BYTES)
    checksums = b"".join(
        struct.pack("<I", _checksum(stream, chunk.start, chunk.size))
        for group in column_chunks(footer, key="the new file")
        for chunk in group
    )
    tail = google_crc32c.value(checksums + footer)
    digits = f"{tail:08x}:{len(checksums):08x}".encode("ascii")
    footer = footer[: tail_text.start(1)] + digits + footer[tail_text.end(2) :]
    stream.seek(start)
    stream.write(checksums + footer + end)
    whole = _checksum(stream, 0, stream.tell())
    stream.seek(start + len(checksums) + file_text.start(1))
    stream.write(f"{whole:08x}".encode("ascii"))
    stream.seek(0, os.SEEK_END)


def read_checksums(stream: BinaryIO, *, key: str) -> Sequence[int]:
    """The checksums of a file's column chunks, once its tail was compared with its own.

    A file of version 0.1 is compared as a whole and has none; nor does a file of another writer.
    The stream is left at its start.

    Raises:
        CorruptDataError: They differ.
    """
    start, footer = read_footer(stream)
    text = _last(_TAIL_TEXT, footer)
    if text is None:
        if _TAIL_KEY.encode("ascii") in footer:
            raise CorruptDataError(key, "the checksum in its footer is damaged")
        verify_file(stream, key=key)
        return ()
    digits = [text.span(1), text.span(2)]
    if (file_text := _last(_FILE_TEXT, footer)) is not None:
        digits.append(file_text.span(1))
    stream.seek(max(0, start - int(text.group(2), 16)))
    checksums = stream.read(start - stream.tell())
    checksum = google_crc32c.value(checksums + _blank_digits(footer, *digits))
    if checksum != int(text.group(1), 16) or len(checksums) % 4:
        raise CorruptDataError(key, "its tail differs from the checksum in its footer")
    stream.seek(0)
    return struct.unpack(f"<{len(checksums) // 4}I", checksums)


def verify_chunks(
    stream: BinaryIO,
    chunks: Sequence[Sequence[ColumnChunk]],
    checksums: Sequence[int],
    *,
    groups: Iterable[int],
    leaves: Sequence[int],
    key: str,
) -> None:
    """Compare column chunks with the checksums that `read_checksums` found.

    Raises:
        CorruptDataError: They differ.
    """
    if len(checksums) != sum(map(len, chunks)):
        raise CorruptDataError(key, f"it has {len(checksums)} checksums of its column chunks")
    for group in groups:
        for leaf in leaves:
            chunk = chunks[group][leaf]
            expected = checksums[group * len(chunks[group]) + leaf]
            if _checksum(stream, chunk.start, chunk.size) != expected:
                raise CorruptDataError(key, f"column {chunk.path!r} differs from its checksum")


def verify_file(stream: BinaryIO, *, key: str) -> None:
    """Compare a whole file with its checksum; files of other writers have none and pass.

    The stream is left at its start.

    Raises:
        CorruptDataError: They differ.
    """
    start, footer = read_footer(stream)
    text = _last(_FILE_TEXT, footer)
    if text is not None:
        blank = _blank_digits(footer, text.span(1))
        stream.seek(start + len(footer))
        rest = blank + stream.read()
        checksum = google_crc32c.extend(_checksum(stream, 0, start), rest)
        if checksum != int(text.group(1), 16):
            raise CorruptDataError(key, "the file differs from the checksum in its footer")
    elif _FILE_KEY.encode("ascii") in footer:
        raise CorruptDataError(key, "the checksum in its footer is damaged")
    stream.seek(0)


def _last(pattern: re.Pattern[bytes], footer: bytes) -> re.Match[bytes] | None:
    """The last match: names of columns, which may look like one, come before the metadata."""
    return next(iter(deque(pattern.finditer(footer), maxlen=1)), None)


def _blank_digits(footer: bytes, *spans: tuple[int, int]) -> bytes:
    blank = bytearray(footer)
    for begin, end in spans:
        blank[begin:end] = b"0" * (end - begin)
    return bytes(blank)


def _checksum(stream: BinaryIO, start: int, length: int) -> int:
    checksum = 0
    stream.seek(start)
    while length and (part := stream.read(min(length, _PART))):
        checksum = google_crc32c.extend(checksum, part)
        length -= len(part)
    return checksum
