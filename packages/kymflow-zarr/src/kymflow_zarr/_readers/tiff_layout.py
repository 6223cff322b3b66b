"""Where the pixels of a TIFF series are, checked against the file before any are read."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from kymflow_zarr._readers.tiff_pixels import ByteRange, FileRanges, Page, PixelStream, Segments
from kymflow_zarr._readers.tiff_structure import TiffStructure
from kymflow_zarr._readers.translate import BadPixelsError

if TYPE_CHECKING:
    import tifffile

__all__ = ["SeriesPixels"]

_NONE: Final = 1  # compression
_PLAIN_BITS: Final = frozenset({8, 16, 32, 64})
_VIRTUAL_KINDS: Final = frozenset({"imagej", "stk"})
# Segments may decompress to more than they declare (padding); much more is an attack.
_SLACK_BYTES: Final = 16 * 1024 * 1024
_SLACK_FACTOR: Final = 4
_LIMIT_ADVICE: Final = "export it uncompressed, or raise ReadLimits.max_segment_bytes"


class SeriesPixels:
    """Where the pixels of a series are, and how to read them.

    Args:
        series: The series; its pages are listed now.
        file: The file that its pixels are read from.
        structure: What the walk over the file's directories found.
        max_segment_bytes: Largest compressed strip, or row of tiles, decoded.

    Attributes:
        shape: Shape of the series.
        dtype: Its dtype in native byte order.

    Raises:
        BadPixelsError: Pages are missing, or do not make up the declared shape.
    """

    def __init__(
        self,
        series: tifffile.TiffPageSeries,
        file: BinaryIO,
        *,
        structure: TiffStructure,
        max_segment_bytes: int,
    ) -> None:
        self.shape = tuple(int(length) for length in series.shape)
        self.dtype: np.dtype[Any] = series.dtype.newbyteorder("=")
        self._stored: np.dtype[Any] = series.dtype.newbyteorder(series.keyframe.parent.byteorder)
        self._keyframe = series.keyframe
        self._file = file
        self._directories = structure.page_offsets
        self._max_segment_bytes = max_segment_bytes
        self._pages: list[Page] = []
        self._ranges: list[ByteRange] | None = []
        nbytes = math.prod(self.shape) * self.dtype.itemsize
        if series.dataoffset is not None and (
            _is_virtual(series, structure) or _is_one_piece(series, structure)
        ):
            self._ranges = [(series.dataoffset, nbytes)]
            return
        self._pages = _all_pages(series)
        for page in self._pages:
            ranges = _plain_ranges(page, series.keyframe)
            if ranges is None:
                self._ranges = None
                return
            _extend(self._ranges, ranges)

    def check(self, size_bytes: int) -> None:
        """Check the extents of all strips and tiles.

        Args:
            size_bytes: The file's size.

        Raises:
            BadPixelsError: Pixels lie outside the file or run over a directory, or a segment is
                missing or too large.
        """
        if self._ranges is not None:
            _check_extents(self._ranges, size_bytes)
            _check_overlap(self._ranges, sorted(self._directories))
            return
        keyframe = self._keyframe
        expected = math.prod(keyframe.chunked)
        for page in self._pages:
            if len(page.dataoffsets) != expected or len(page.databytecounts) != expected:
                raise BadPixelsError(
                    f"a page has {len(page.dataoffsets)} strips or tiles, not {expected}"
                )
            _check_extents(zip(page.dataoffsets, page.databytecounts, strict=True), size_bytes)
            if max(page.databytecounts) > self._max_segment_bytes:
                raise BadPixelsError(
                    f"a strip or tile has {max(page.databytecounts)} bytes, the limit is "
                    f"{self._max_segment_bytes}",
                    _LIMIT_ADVICE,
                )
        segment = _segment_bytes(keyframe, self.dtype.itemsize)
        if segment > self._max_segment_bytes:
            raise BadPixelsError(
                f"a compressed strip or row of tiles has {segment} bytes, the limit is "
                f"{self._max_segment_bytes}",
                _LIMIT_ADVICE,
            )

    def stream(self) -> PixelStream:
        """Start reading at the first pixel."""
        if self._ranges is not None:
            return FileRanges(self._file, self._ranges, self._stored)
        declared = _segment_bytes(self._keyframe, self.dtype.itemsize)
        budget = min(self._max_segment_bytes, max(_SLACK_BYTES, _SLACK_FACTOR * declared))
        return Segments(self._file, self._pages, self._keyframe, max_expanded_bytes=budget)


def _is_virtual(series: tifffile.TiffPageSeries, structure: TiffStructure) -> bool:
    """Tell whether one directory stands for many planes that follow it in one piece.

    ImageJ writes stacks beyond 4 GB so, tifffile those that it marks as truncated. Any other series
    with fewer pages than planes has lost some, and reading on would give directories as pixels.
    """
    first = series[0]
    if first is None or series.keyframe.size == 0:
        return False
    planes = math.prod(series.shape) // series.keyframe.size
    held = len(structure.page_offsets) - first.index
    return held < planes and (series.is_truncated or series.kind in _VIRTUAL_KINDS)


def _is_one_piece(series: tifffile.TiffPageSeries, structure: TiffStructure) -> bool:
    """Tell whether each plane is one strip that starts where the one before ends.

    It spares listing the pages of long stacks.
    """
    first, plane = series[0], series.keyframe
    if first is None or plane.size == 0 or series.dataoffset is None:
        return False
    planes = math.prod(series.shape) // plane.size
    starts = structure.strip_offsets[first.index : first.index + planes]
    return (
        planes > 1
        and len(starts) == planes
        and all(
            start == series.dataoffset + number * plane.nbytes
            for number, start in enumerate(starts)
        )
    )


def _all_pages(series: tifffile.TiffPageSeries) -> list[Page]:
    """List a series' pages; none may be missing, and together they make up its shape."""
    pages: list[Page] = []
    try:
        for page in series:
            if page is None:
                raise BadPixelsError(
                    "its metadata spread the image over several files, or name pages that it lacks"
                )
            pages.append(page)
    except IndexError as error:
        raise BadPixelsError(
            f"it holds {len(pages)} of the {len(series)} pages it declares"
        ) from error
    held = len(pages) * series.keyframe.size
    if series.is_multifile or held != math.prod(series.shape):
        raise BadPixelsError(f"its pages hold {held} pixels, its metadata declare {series.shape}")
    return pages


def _extend(ranges: list[ByteRange], more: Iterable[ByteRange]) -> None:
    """Append ranges, joining those that follow each other without a gap."""
    for offset, count in more:
        if ranges and sum(ranges[-1]) == offset:
            ranges[-1] = (ranges[-1][0], ranges[-1][1] + count)
        else:
            ranges.append((offset, count))


def _check_overlap(ranges: Iterable[ByteRange], directories: Sequence[int]) -> None:
    for offset, count in ranges:
        after = bisect.bisect_left(directories, offset)
        if after < len(directories) and directories[after] < offset + count:
            raise BadPixelsError("its pixels run over a directory, so pages or strips are missing")


def _check_extents(ranges: Iterable[ByteRange], size_bytes: int) -> None:
    for offset, count in ranges:
        if offset <= 0 or count <= 0:
            raise BadPixelsError("a strip or tile holds no data")
        if offset + count > size_bytes:
            raise BadPixelsError(
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


def _plain_ranges(page: Page, keyframe: tifffile.TiffPage) -> list[ByteRange] | None:
    """Return where a page's pixels stand plainly in the file, in C order.

    Args:
        page: The page.
        keyframe: The page that describes it.

    Returns:
        One range per strip; None when the pixels are compressed, packed, tiled or otherwise
        encoded, so that they must be decoded.

    Raises:
        BadPixelsError: A strip is shorter than its rows need.
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
        raise BadPixelsError(f"a page has {len(offsets)} strips, not {planes * depth * strips}")
    ranges: list[ByteRange] = []
    for index, (offset, count) in enumerate(zip(offsets, counts, strict=True)):
        rows = min(rows_per_strip, length - (index % strips) * rows_per_strip)
        need = rows * row_bytes
        if count < need:
            raise BadPixelsError(
                f"strip {index} has {count} bytes, not the {need} of its {rows} rows"
            )
        ranges.append((offset, need))
    return ranges
