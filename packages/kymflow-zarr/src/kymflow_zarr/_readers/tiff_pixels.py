"""Decode a TIFF's pixels as one stream of numbers, holding one strip or row of tiles at a time.

The array of a TIFF series is, in C order, the concatenation of its pages, and each page the
concatenation of its strips. So any number of leading rows can be had by reading on: from byte
ranges of the file where pixels are stored plainly, else from decoded segments.
"""

from __future__ import annotations

import lzma
import math
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import tifffile

__all__ = ["PixelStream", "SeriesPixels"]

Page: TypeAlias = "tifffile.TiffPage | tifffile.TiffFrame"

ByteRange = tuple[int, int]
"""Offset in the file and number of bytes."""

_NONE: Final = 1
_DEFLATE: Final = frozenset({8, 32946, 50013})
_LZMA: Final = frozenset({34925})
_ZSTD: Final = frozenset({34926, 50000})
_PLAIN_BITS: Final = frozenset({8, 16, 32, 64})
_INFLATE_STEP: Final = 1024 * 1024


class PixelStream(Protocol):
    """Pixels in C order, read on from where the last call ended."""

    def fill(self, out: npt.NDArray[Any]) -> None:
        """Fill a one-dimensional array of the image's dtype.

        Raises:
            ValueError: The file ends or the data do not decode; the reason is in the message.
        """
        ...


class SeriesPixels:
    """Where the pixels of a series are, and how to read them.

    Args:
        series: The series; its pages are listed now.
        file: The file that its pixels are read from.
        max_segment_bytes: Largest compressed strip, or row of tiles, decoded.

    Attributes:
        shape: Shape of the series.
        dtype: Its dtype in native byte order.

    Raises:
        ValueError: Pages are missing, or do not make up the declared shape.
    """

    def __init__(
        self, series: tifffile.TiffPageSeries, file: BinaryIO, *, max_segment_bytes: int
    ) -> None:
        self.shape = tuple(int(length) for length in series.shape)
        self.dtype: np.dtype[Any] = series.dtype.newbyteorder("=")
        self._stored: np.dtype[Any] = series.dtype.newbyteorder(series.keyframe.parent.byteorder)
        self._keyframe = series.keyframe
        self._file = file
        self._max_segment_bytes = max_segment_bytes
        self._pages: list[Page] = []
        self._ranges: list[ByteRange] | None = []
        if series.dataoffset is not None:
            self._ranges = [(series.dataoffset, math.prod(self.shape) * self.dtype.itemsize)]
            return
        self._pages = _all_pages(series)
        for page in self._pages:
            ranges = _plain_ranges(page, series.keyframe)
            if ranges is None:
                self._ranges = None
                return
            self._ranges.extend(ranges)

    def check(self, size_bytes: int) -> None:
        """Check the extents of all strips and tiles.

        Args:
            size_bytes: The file's size.

        Raises:
            ValueError: Pixels lie outside the file, a segment is missing, or one is too large.
        """
        if self._ranges is not None:
            _check_extents(self._ranges, size_bytes)
            return
        keyframe = self._keyframe
        expected = math.prod(keyframe.chunked)
        for page in self._pages:
            if len(page.dataoffsets) != expected or len(page.databytecounts) != expected:
                raise ValueError(
                    f"a page has {len(page.dataoffsets)} strips or tiles, not {expected}"
                )
            _check_extents(zip(page.dataoffsets, page.databytecounts, strict=True), size_bytes)
        segment = _segment_bytes(keyframe, self.dtype.itemsize)
        if segment > self._max_segment_bytes:
            raise ValueError(
                f"a compressed strip or row of tiles has {segment} bytes, the limit of "
                f"ReadLimits.max_segment_bytes is {self._max_segment_bytes}"
            )

    def stream(self) -> PixelStream:
        """Start reading at the first pixel."""
        if self._ranges is not None:
            return _FileRanges(self._file, self._ranges, self._stored)
        return _Segments(
            self._file, self._pages, self._keyframe, max_segment_bytes=self._max_segment_bytes
        )


def _all_pages(series: tifffile.TiffPageSeries) -> list[Page]:
    """List a series' pages; none may be missing, and together they make up its shape."""
    pages: list[Page] = []
    try:
        for page in series:
            if page is None:
                raise ValueError(
                    "its metadata spread the image over several files, or name pages that it lacks"
                )
            pages.append(page)
    except IndexError as error:
        raise ValueError(f"it holds {len(pages)} of the {len(series)} pages it declares") from error
    held = len(pages) * series.keyframe.size
    if series.is_multifile or held != math.prod(series.shape):
        raise ValueError(f"its pages hold {held} pixels, its metadata declare {series.shape}")
    return pages


def _check_extents(ranges: Iterable[ByteRange], size_bytes: int) -> None:
    for offset, count in ranges:
        if offset <= 0 or count <= 0:
            raise ValueError("a strip or tile holds no data")
        if offset + count > size_bytes:
            raise ValueError(
                f"it is cut short: its pixels reach to byte {offset + count}, "
                f"the file has {size_bytes}"
            )


def _segment_bytes(keyframe: tifffile.TiffPage, itemsize: int) -> int:
    """Return the decoded size of a strip, or of a row of tiles across the image."""
    _, _, length, width, samples = keyframe.shaped
    if keyframe.is_tiled:
        across = math.ceil(width / keyframe.tilewidth) * keyframe.tilewidth
        return keyframe.tiledepth * keyframe.tilelength * across * samples * itemsize
    return min(keyframe.rowsperstrip, length) * width * samples * itemsize


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


@dataclass(slots=True)
class _FileRanges:
    """Pixels that stand plainly in the file.

    Attributes:
        file: The open file.
        ranges: Where they are, in C order.
        stored: The dtype as stored, with its byte order.
    """

    file: BinaryIO
    ranges: Sequence[ByteRange]
    stored: np.dtype[Any]
    _index: int = 0
    _used: int = 0

    def fill(self, out: npt.NDArray[Any]) -> None:
        """See `PixelStream.fill`."""
        target = out.data.cast("B")
        position = 0
        while position < len(target):
            if self._index == len(self.ranges):
                raise ValueError("it holds fewer pixels than it declares")
            offset, count = self.ranges[self._index]
            take = min(count - self._used, len(target) - position)
            self.file.seek(offset + self._used)
            _read_into(self.file, target[position : position + take])
            position += take
            self._used += take
            if self._used == count:
                self._index += 1
                self._used = 0
        if not self.stored.isnative:
            out.byteswap(inplace=True)


class _Segments:
    """Pixels in compressed strips, or in tiles, decoded by tifffile.

    Args:
        file: The open file.
        pages: The series' pages, in order.
        keyframe: The page that describes them all.
        max_segment_bytes: Largest strip or row of tiles, decoded.
    """

    def __init__(
        self,
        file: BinaryIO,
        pages: Sequence[Page],
        keyframe: tifffile.TiffPage,
        *,
        max_segment_bytes: int,
    ) -> None:
        self._max_segment_bytes = max_segment_bytes
        self._file = file
        self._keyframe = keyframe
        self._parts = self._decoded(pages)
        self._rest: npt.NDArray[Any] | None = None

    def fill(self, out: npt.NDArray[Any]) -> None:
        """See `PixelStream.fill`."""
        position = 0
        while position < out.size:
            part = self._rest
            if part is None or part.size == 0:
                part = next(self._parts, None)
                if part is None:
                    raise ValueError("it holds fewer pixels than it declares")
            take = min(part.size, out.size - position)
            out[position : position + take] = part[:take]
            self._rest = part[take:]
            position += take

    def _decoded(self, pages: Sequence[Page]) -> Iterator[npt.NDArray[Any]]:
        """Yield consecutive runs of pixels in C order: a strip, or a row of tiles."""
        keyframe = self._keyframe
        _, image_depth, length, width, samples = keyframe.shaped
        per_row = math.ceil(width / keyframe.tilewidth) if keyframe.is_tiled else 1
        for page in pages:
            for first in range(0, len(page.dataoffsets), per_row):
                row = [self._segment(page, first + step) for step in range(per_row)]
                if not keyframe.is_tiled:
                    yield row[0][0].reshape(-1)
                    continue
                depth, top = row[0][1]
                rows = min(keyframe.tilelength, length - top)
                planes = min(keyframe.tiledepth, image_depth - depth)
                if planes > 1 and rows < length:
                    # Tiles of several planes that do not span them are out of C order.
                    raise ValueError("its tiles are three-dimensional, which is not supported")
                joined = np.concatenate([tile[:planes, :rows] for tile, _ in row], axis=2)
                if joined.shape[2] < width or joined.shape[3] != samples:
                    raise ValueError("a tile decodes to less than its declared size")
                yield np.ascontiguousarray(joined[:, :, :width]).reshape(-1)

    def _segment(self, page: Page, index: int) -> tuple[npt.NDArray[Any], tuple[int, int]]:
        """Return one decoded segment (depth, length, width, samples), and its depth and row."""
        offset, count = page.dataoffsets[index], page.databytecounts[index]
        self._file.seek(offset)
        data = self._file.read(count)
        if len(data) != count:
            raise ValueError("it ends within its pixels")
        self._check_expansion(data)
        options: dict[str, Any] = {}
        if self._keyframe.compression in {6, 7, 34892, 33007}:  # JPEG keeps tables apart
            options = {"jpegtables": page.jpegtables, "jpegheader": self._keyframe.jpegheader}
        decoded, position, shape = self._keyframe.decode(data, index, **options)
        if decoded is None:
            raise ValueError(f"segment {index} holds no data")
        if not self._keyframe.is_tiled and decoded.shape != shape:
            raise ValueError(f"segment {index} decodes to {decoded.shape}, not {shape}")
        return decoded, (position[1], position[2])

    def _check_expansion(self, data: bytes) -> None:
        """Refuse a segment that decompresses to more than allowed, without holding the result.

        The decoders of the standard library take no bound; those of imagecodecs do.
        """
        compression = self._keyframe.compression
        if compression in _DEFLATE:
            if len(data) * 1032 <= self._max_segment_bytes:  # deflate cannot do better
                return
            inflate = zlib.decompressobj()
            total = 0
            while data and not inflate.eof:
                total += len(inflate.decompress(data, _INFLATE_STEP))
                data = inflate.unconsumed_tail
                self._check_total(total)
        elif compression in _LZMA:
            self._check_unpacked(lzma.LZMADecompressor(), data)
        elif compression in _ZSTD and sys.version_info >= (3, 14):
            from compression import zstd

            self._check_unpacked(zstd.ZstdDecompressor(), data)

    def _check_unpacked(self, unpack: _Decompressor, data: bytes) -> None:
        total = len(unpack.decompress(data, _INFLATE_STEP))
        while not unpack.eof and not unpack.needs_input:
            total += len(unpack.decompress(b"", _INFLATE_STEP))
            self._check_total(total)

    def _check_total(self, total: int) -> None:
        if total > self._max_segment_bytes:
            raise ValueError(f"a segment decompresses to more than {self._max_segment_bytes} bytes")


def _plain_ranges(page: Page, keyframe: tifffile.TiffPage) -> list[ByteRange] | None:
    """Return where a page's pixels stand plainly in the file, in C order.

    Args:
        page: The page.
        keyframe: The page that describes it.

    Returns:
        One range per strip; None when the pixels are compressed, packed, tiled or otherwise
        encoded, so that they must be decoded.

    Raises:
        ValueError: A strip is shorter than its rows need.
    """
    dtype = keyframe.dtype
    if (
        dtype is None
        or keyframe.is_tiled
        or keyframe.compression != _NONE
        or keyframe.predictor != 1
        or keyframe.fillorder != 1
        or keyframe.bitspersample not in _PLAIN_BITS
        or keyframe.bitspersample != dtype.itemsize * 8
        or keyframe.is_subsampled
    ):
        return None
    planes, depth, length, width, samples = keyframe.shaped
    rows_per_strip = keyframe.rowsperstrip
    strips = math.ceil(length / rows_per_strip)
    row_bytes = width * samples * dtype.itemsize
    offsets, counts = page.dataoffsets, page.databytecounts
    if len(offsets) != planes * depth * strips or len(counts) != len(offsets):
        raise ValueError(f"a page has {len(offsets)} strips, not {planes * depth * strips}")
    ranges: list[ByteRange] = []
    for index, (offset, count) in enumerate(zip(offsets, counts, strict=True)):
        rows = min(rows_per_strip, length - (index % strips) * rows_per_strip)
        need = rows * row_bytes
        if count < need:
            raise ValueError(f"strip {index} has {count} bytes, not the {need} of its {rows} rows")
        ranges.append((offset, need))
    return ranges


def _read_into(file: BinaryIO, target: memoryview) -> None:
    position = 0
    while position < len(target):
        count = file.readinto(target[position:])  # type: ignore[attr-defined]
        if not count:
            raise ValueError("it ends within its pixels")
        position += count
