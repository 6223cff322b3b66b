"""Refuse chunks of format 1 that decompress to more than a chunk, before any codec sees them.

Format 1 has no checksums, and its codecs take no bound on their output: a few hundred bytes may
declare gigabytes. So what a chunk becomes is found out first: from its header where the codec has
one, otherwise by decompressing no more of it than a chunk may hold.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable
from typing import Final

from kymflow_zarr._storage.json_text import gunzip_bounded
from kymflow_zarr.errors import CorruptDataError

__all__ = ["COMPRESSORS", "check_chunk"]

_BLOSC_HEADER: Final = 16
_ZSTD_MAGIC: Final = 0xFD2FB528
_CUT_SHORT: Final = "its header is cut short"


def check_chunk(data: bytes, compressor: str, *, limit: int, key: str) -> None:
    """Check what one chunk decompresses to.

    Args:
        data: The chunk as stored.
        compressor: The name of its codec, one of `COMPRESSORS`.
        limit: The bytes of one chunk, decompressed.
        key: The chunk's key, for messages.

    Raises:
        CorruptDataError: It becomes more, or is not what that codec writes.
    """
    try:
        becomes = COMPRESSORS[compressor](data, limit, key)
    except (EOFError, OSError, ValueError, lzma.LZMAError, struct.error, zlib.error) as error:
        raise CorruptDataError(key, f"the chunk cannot be decompressed ({error})") from error
    if becomes > limit:
        raise CorruptDataError(key, f"the chunk decompresses to more than {limit} bytes")


def _blosc(data: bytes, limit: int, key: str) -> int:
    del limit
    if len(data) < _BLOSC_HEADER:
        raise CorruptDataError(key, _CUT_SHORT)
    (declared,) = struct.unpack_from("<I", data, 4)
    return int(declared)


def _lz4(data: bytes, limit: int, key: str) -> int:
    del limit, key
    (declared,) = struct.unpack_from("<I", data)
    return int(declared)


def _zstd(data: bytes, limit: int, key: str) -> int:
    """The content size in the header of a frame (RFC 8878, 3.1.1.1)."""
    del limit
    magic, descriptor = struct.unpack_from("<IB", data)
    if magic != _ZSTD_MAGIC:
        raise CorruptDataError(key, "it is no Zstandard frame")
    single_segment = descriptor >> 5 & 1
    at = 5 + (1 - single_segment) + (0, 1, 2, 4)[descriptor & 3]
    match descriptor >> 6:
        case 0 if single_segment:
            return data[at] if at < len(data) else 0
        case 0:
            raise CorruptDataError(key, "its frame does not say how much it holds")
        case 1:
            (declared,) = struct.unpack_from("<H", data, at)
            return int(declared) + 256
        case 2:
            (declared,) = struct.unpack_from("<I", data, at)
        case _:
            (declared,) = struct.unpack_from("<Q", data, at)
    return int(declared)


def _zlib(data: bytes, limit: int, key: str) -> int:
    del key
    return len(zlib.decompressobj().decompress(data, limit + 1))


def _gzip(data: bytes, limit: int, key: str) -> int:
    return len(gunzip_bounded(data, key=key, limit=limit))


def _bz2(data: bytes, limit: int, key: str) -> int:
    unpack = bz2.BZ2Decompressor()
    return _one_stream(unpack.decompress(data, limit + 1), unpack.unused_data, key)


def _lzma(data: bytes, limit: int, key: str) -> int:
    unpack = lzma.LZMADecompressor()
    return _one_stream(unpack.decompress(data, limit + 1), unpack.unused_data, key)


def _one_stream(part: bytes, rest: bytes, key: str) -> int:
    if rest:
        raise CorruptDataError(key, "something follows its compressed data")
    return len(part)


# What prototypes wrote. Nothing that could run code or unpickle is ever looked up.
COMPRESSORS: Final[dict[str, Callable[[bytes, int, str], int]]] = {
    "blosc": _blosc,
    "bz2": _bz2,
    "gzip": _gzip,
    "lz4": _lz4,
    "lzma": _lzma,
    "zlib": _zlib,
    "zstd": _zstd,
}
