"""Refuse decompression bombs before they go off.

The decoders of the standard library, which tifffile uses when imagecodecs is not installed, take no
bound on their output. So a segment that may exceed its bound is decompressed up to it here first.
"""

from __future__ import annotations

import lzma
import sys
import zlib
from typing import Final

from kymflow_zarr._readers.translate import BadTiffError

_DEFLATE: Final = frozenset({8, 32946, 50013})
_LZMA: Final = frozenset({34925})
_ZSTD: Final = frozenset({34926, 50000})
_MAX_DEFLATE_RATIO: Final = 1032  # what the format allows at most


def check_expansion(compression: int, data: bytes, *, limit: int) -> None:
    """Check that a compressed strip or tile does not decompress to more than a limit.

    `compression` is its code in TIFF; those that cannot explode are let through.

    Raises:
        BadTiffError: They become more, or another stream follows, which would be decompressed, too.
        zlib.error: They are no Deflate data.
        lzma.LZMAError: They are no LZMA data.
    """
    size, rest = 0, b""
    if compression in _DEFLATE and len(data) * _MAX_DEFLATE_RATIO > limit:
        size = len(zlib.decompressobj().decompress(data, limit + 1))
    elif compression in _LZMA:
        unpack = lzma.LZMADecompressor()
        size, rest = len(unpack.decompress(data, limit + 1)), unpack.unused_data
    elif compression in _ZSTD and sys.version_info >= (3, 14):
        from compression import zstd

        unpack = zstd.ZstdDecompressor()
        size, rest = len(unpack.decompress(data, limit + 1)), unpack.unused_data
    if size > limit:
        raise BadTiffError(f"a strip or tile decompresses to more than {limit} bytes")
    if rest:
        raise BadTiffError("a strip or tile is more than one compressed stream")
