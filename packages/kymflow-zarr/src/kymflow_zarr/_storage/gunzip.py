"""Gzip data from files that others may have written: unpacked up to a limit."""

from __future__ import annotations

import zlib

from kymflow_zarr._storage.json_text import MAX_BYTES
from kymflow_zarr.errors import CorruptDataError


def gunzip_bounded(
    data: bytes, *, key: str, limit: int = MAX_BYTES, one_member: bool = False
) -> bytes:
    """Decompress one or more gzip members, never holding more than `limit` bytes of the result.

    If `one_member`, a second one is damage: a file that holds its contents twice.

    Raises:
        CorruptDataError: The data are not gzip, are cut short, fail their checksum, are followed
            by something else, or would exceed `limit`; it names `key`.
    """
    parts: list[bytes] = []
    room = limit
    rest = data
    while True:
        member = zlib.decompressobj(wbits=31)
        try:
            part = member.decompress(rest, room + 1)
        except zlib.error as error:
            raise CorruptDataError(key, f"it is not gzip data: {error}") from error
        room -= len(part)
        if room < 0:
            raise CorruptDataError(key, f"it decompresses to more than {limit} bytes")
        if not member.eof:
            raise CorruptDataError(key, "its gzip data are cut short")
        parts.append(part)
        rest = member.unused_data
        if not rest:
            return b"".join(parts)
        if one_member:
            raise CorruptDataError(key, "something follows its gzip data")
