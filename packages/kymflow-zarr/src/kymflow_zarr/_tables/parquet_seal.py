"""A checksum over a whole Parquet file, kept in its own footer.

Parquet's page checksums leave page headers and the footer uncovered: a flipped bit there can change
values in silence. So the footer's key-value metadata hold ``kymflow-crc32c:<8 hex digits>``: the
CRC-32C of the file's bytes with those eight digits replaced by zeros. Other readers ignore it.
"""

from __future__ import annotations

import os
import re
import struct
from typing import BinaryIO

import google_crc32c

from kymflow_zarr.errors import CorruptDataError

__all__ = ["BLANK", "METADATA_KEY", "fill_in", "verify"]

METADATA_KEY = "kymflow_zarr.crc32c"
BLANK = "kymflow-crc32c:00000000"

_DIGITS = re.compile(rb"kymflow-crc32c:([0-9a-f]{8})")
_TAIL = 8  # length of the footer, then "PAR1"
_PART = 2**20


def fill_in(stream: BinaryIO) -> None:
    """Put the checksum into a finished file whose footer holds `BLANK`.

    Args:
        stream: The file, open to read and write.
    """
    found = _find_digits(stream)
    if found is None:
        raise ValueError(f"the footer holds no {BLANK!r}; add it under {METADATA_KEY!r}")
    at, _ = found
    checksum = _checksum(stream, blank_at=at)
    stream.seek(at)
    stream.write(f"{checksum:08x}".encode("ascii"))
    stream.seek(0, os.SEEK_END)


def verify(stream: BinaryIO, *, key: str) -> None:
    """Compare a file with its checksum; files of other writers name none and pass.

    Args:
        stream: The file; it is left at its start.
        key: Where it lies, for messages.

    Raises:
        CorruptDataError: They differ.
    """
    found = _find_digits(stream)
    if found is not None:
        at, digits = found
        if digits is None or _checksum(stream, blank_at=at) != int(digits, 16):
            raise CorruptDataError(key, "the file differs from the checksum in its footer")
    stream.seek(0)


def _find_digits(stream: BinaryIO) -> tuple[int, bytes | None] | None:
    """Where the eight digits stand, and what they are.

    They are None where the footer names a checksum but holds none: then its text is damaged.
    """
    end = stream.seek(0, os.SEEK_END)
    if end < _TAIL:
        return None
    stream.seek(end - _TAIL)
    (length,) = struct.unpack("<I", stream.read(4))
    start = end - _TAIL - length
    if start < 0:
        return None
    stream.seek(start)
    footer = stream.read(length)
    # The last one: column names come before the key-value metadata.
    found = list(_DIGITS.finditer(footer))
    if found:
        return start + found[-1].start(1), found[-1].group(1)
    return (start, None) if METADATA_KEY.encode("ascii") in footer else None


def _checksum(stream: BinaryIO, *, blank_at: int) -> int:
    checksum = 0
    stream.seek(0)
    while part := stream.read(_PART):
        begin = stream.tell() - len(part)
        offset = blank_at - begin
        if -8 < offset < len(part):
            digits = bytearray(part)
            for index in range(max(0, offset), min(len(part), offset + 8)):
                digits[index] = ord("0")
            part = bytes(digits)
        checksum = google_crc32c.extend(checksum, part)
    return checksum
