"""Refuse chunks of format 1 that decompress to more than a chunk.

Format 1 has no checksums, and zarr asks its codecs for whatever a chunk declares: a few hundred
bytes may become gigabytes. So each chunk is first decompressed into the room that it may take.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numcodecs import LZ4, Blosc, Zstd

from kymflow_zarr.errors import CorruptDataError

# What the codecs raise for damaged bytes.
DECODER_ERRORS: Final = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SystemError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zlib.error,
)
_BLOSC_HEADER: Final = struct.Struct("<4xIII")

_STREAMS: Final[dict[str, Callable[[], Any]]] = {
    "bz2": bz2.BZ2Decompressor,
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "lzma": lzma.LZMADecompressor,
    "zlib": zlib.decompressobj,
}
_CODECS: Final[dict[str, Any]] = {"blosc": Blosc(), "lz4": LZ4(), "zstd": Zstd()}
COMPRESSORS: Final = frozenset({*_STREAMS, *_CODECS})
"""What prototypes wrote. Nothing that could run code or unpickle is ever looked up."""


def check_chunk(data: bytes, compressor: str, *, limit: int, key: str) -> None:
    """Check what one chunk decompresses to; its codec is one of `COMPRESSORS`.

    Raises:
        CorruptDataError: It becomes more, or is not what that codec writes.
    """
    try:
        if compressor in _STREAMS:
            _decompress_stream(_STREAMS[compressor](), data, limit)
        else:
            if compressor == "blosc":
                _check_blosc_length(data)
            # Each of these refuses what does not fit.
            _CODECS[compressor].decode(data, out=np.empty(limit, np.uint8))
    except DECODER_ERRORS as error:
        raise CorruptDataError(
            key, f"the chunk does not decompress to {limit} bytes ({error})"
        ) from error


def _decompress_stream(stream: Any, data: bytes, limit: int) -> None:
    if len(stream.decompress(data, limit + 1)) > limit:
        raise ValueError("there are more")
    if not stream.eof or stream.unused_data:
        raise ValueError("it is cut short, or something follows it")


def _check_blosc_length(data: bytes) -> None:
    """Blosc would read beyond the end of a chunk that is cut short."""
    _, _, compressed = _BLOSC_HEADER.unpack_from(data)
    if compressed != len(data):
        raise ValueError(f"it has {len(data)} bytes instead of {compressed}")
