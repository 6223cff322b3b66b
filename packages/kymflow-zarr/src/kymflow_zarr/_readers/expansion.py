"""Refuse decompression bombs before they go off.

The decoders of the standard library, which tifffile uses when imagecodecs is not installed, take no
bound on their output. So a segment is decompressed here first, step by step and without keeping the
result, until it ends or exceeds its bound. Segments too small to exceed it are not looked at.
"""

from __future__ import annotations

import lzma
import sys
import zlib
from typing import Final, Protocol

from kymflow_zarr._readers.translate import BadPixelsError

__all__ = ["check_expansion"]

_DEFLATE: Final = frozenset({8, 32946, 50013})
_LZMA: Final = frozenset({34925})
_ZSTD: Final = frozenset({34926, 50000})
_STEP: Final = 1024 * 1024
_PIECE: Final = 64 * 1024
_MAX_DEFLATE_RATIO: Final = 1032  # what the format allows at most


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def check_expansion(compression: int, data: bytes, *, limit: int) -> None:
    """Check that a compressed strip or tile does not decompress to more than a limit.

    Args:
        compression: TIFF code of the compression; those that cannot explode are let through.
        data: The compressed bytes.
        limit: Most bytes that they may become.

    Raises:
        BadPixelsError: They become more.
        zlib.error: They are no Deflate data.
        lzma.LZMAError: They are no LZMA data.
    """
    if compression in _DEFLATE:
        if len(data) * _MAX_DEFLATE_RATIO > limit:
            _check_deflate(data, limit)
    elif compression in _LZMA:
        _check(lzma.LZMADecompressor(), data, limit)
    elif compression in _ZSTD and sys.version_info >= (3, 14):
        from compression import zstd

        _check(zstd.ZstdDecompressor(), data, limit)


def _check_deflate(data: bytes, limit: int) -> None:
    # In pieces, because the input that a step leaves over is copied.
    inflate = zlib.decompressobj()
    view = memoryview(data)
    total = 0
    for start in range(0, len(data), _PIECE):
        rest: bytes | memoryview = view[start : start + _PIECE]
        while rest and not inflate.eof:
            total += len(inflate.decompress(rest, _STEP))
            rest = inflate.unconsumed_tail
            _check_total(total, limit)
        if inflate.eof:
            return


def _check(unpack: _Decompressor, data: bytes, limit: int) -> None:
    total = len(unpack.decompress(data, _STEP))
    while not unpack.eof and not unpack.needs_input:
        total += len(unpack.decompress(b"", _STEP))
        _check_total(total, limit)


def _check_total(total: int, limit: int) -> None:
    if total > limit:
        raise BadPixelsError(f"a strip or tile decompresses to more than {limit} bytes")
