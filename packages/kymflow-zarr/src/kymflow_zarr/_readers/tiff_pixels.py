"""Where the pixels of a TIFF series are, checked against the file, and how to decode them.

The array of a series is, in C order, the concatenation of its pages, and each page that of its
strips. So blocks of rows can be had while one strip or one row of tiles is held. Pixels that stand
plainly in one piece are read from the file, however long it is; tifffile decodes all others.
"""

from __future__ import annotations

import io
import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from kymflow_zarr._readers.expansion import check_expansion
from kymflow_zarr._readers.recut import recut
from kymflow_zarr._readers.translate import BadTiffError, CutShortError

if TYPE_CHECKING:
    import tifffile

_Page: TypeAlias = "tifffile.TiffPage | tifffile.TiffFrame"
_Range: TypeAlias = tuple[int, int]  # offset in the file and number of bytes

_UNCOMPRESSED: Final = 1
_JPEG: Final = frozenset({6, 7, 34892, 33007})  # compressions that keep their tables apart
# Segments may decompress to more than they declare (padding); much more is an attack.
_SLACK_BYTES: Final = 16 * 1024 * 1024
_SLACK_FACTOR: Final = 4


class SeriesPixels:
    """The pixels of a series.

    Args:
        series: The series; its pages are listed now.
        shape: The shape to give it, of as many pixels.
        file: The file that its pixels are read from.
        page_offsets: Where the file's directories start.
        size_bytes: The file's size.
        max_segment_bytes: Largest strip, or row of tiles, decoded.

    Attributes:
        shape: That shape.
        dtype: Its dtype in native byte order.

    Raises:
        BadTiffError: Pages, strips or tiles are missing, do not make up the declared shape, lie
            outside of the file, run over a directory or are too large.
    """

    def __init__(
        self,
        series: tifffile.TiffPageSeries,
        shape: tuple[int, ...],
        file: io.BufferedReader,
        *,
        page_offsets: Sequence[int],
        size_bytes: int,
        max_segment_bytes: int,
    ) -> None:
        keyframe = series.keyframe
        self.shape = tuple(int(length) for length in shape)
        self.dtype: np.dtype[Any] = series.dtype.newbyteorder("=")
        self._stored: np.dtype[Any] = series.dtype.newbyteorder(keyframe.parent.byteorder)
        self._keyframe = keyframe
        self._file = file
        self._pages: list[_Page] = []
        self._tiles_across = 1
        if keyframe.is_tiled:
            self._tiles_across = math.ceil(keyframe.imagewidth / keyframe.tilewidth)
        band = self._tiles_across * math.prod(keyframe.chunks) * self.dtype.itemsize
        self._max_expanded = min(max_segment_bytes, max(_SLACK_BYTES, _SLACK_FACTOR * band))
        self._piece = _one_piece(series, len(page_offsets))
        directories = sorted(page_offsets) if keyframe.compression == _UNCOMPRESSED else []
        if self._piece is not None:
            _check_extents([self._piece], size_bytes, directories)
            return
        self._pages = _all_pages(series)
        for page in self._pages:
            segments = list(zip(page.dataoffsets, page.databytecounts, strict=True))
            _check_count(len(segments), keyframe)
            _check_extents(segments, size_bytes, directories)
            largest = max(band, *page.databytecounts)
            if largest > max_segment_bytes:
                raise BadTiffError(
                    f"a strip or row of tiles has {largest} bytes, but the limit is "
                    f"{max_segment_bytes}",
                    "export it with smaller ones, or raise ReadLimits.max_segment_bytes",
                )

    def blocks(self, rows: int) -> Iterator[npt.NDArray[Any]]:
        """Decode the pixels block by block along axis 0.

        Yields:
            C-contiguous arrays of shape ``(rows, *shape[1:])``, the last one shorter, each its own
            memory.

        Raises:
            BadTiffError: The file ends or the data do not decode.
        """
        length, row = self.shape[0], math.prod(self.shape[1:])
        sizes = (min(rows, length - start) * row for start in range(0, length, rows))
        if self._piece is None:
            blocks = recut(self._bands(), sizes, self.dtype)
        else:
            blocks = self._parts(self._piece[0], sizes)
        for block in blocks:
            yield block.reshape(-1, *self.shape[1:])

    def _parts(self, offset: int, sizes: Iterable[int]) -> Iterator[npt.NDArray[Any]]:
        """Yield consecutive pixels of the piece that starts there, so many at a time."""
        for size in sizes:
            part = np.empty(size, self._stored)
            self._file.seek(offset)
            if self._file.readinto(part.view(np.uint8).data) != part.nbytes:
                raise BadTiffError("it ends within its pixels")
            offset += part.nbytes
            yield part.astype(self.dtype, copy=False)

    def _bands(self) -> Iterator[npt.NDArray[Any]]:
        """Yield consecutive pixels in C order: a strip or a row of tiles."""
        for page in self._pages:
            for first in range(0, len(page.dataoffsets), self._tiles_across):
                band = [self._segment(page, first + step) for step in range(self._tiles_across)]
                yield np.concatenate(band, axis=2).reshape(-1)

    def _segment(self, page: _Page, index: int) -> npt.NDArray[Any]:
        """Decode what a strip or tile holds of the image: (depth, length, width, samples)."""
        keyframe = self._keyframe
        data = self._read(page.dataoffsets[index], page.databytecounts[index])
        check_expansion(int(keyframe.compression), data, limit=self._max_expanded)
        options: dict[str, Any] = {}
        if keyframe.compression in _JPEG:
            options = {"jpegtables": page.jpegtables, "jpegheader": keyframe.jpegheader}
        decoded, position, shape = keyframe.decode(data, index, **options)
        if decoded is None:
            raise BadTiffError(f"segment {index} holds no data")
        left = [size - at for size, at in zip(keyframe.shaped[1:4], position[1:4], strict=True)]
        wanted = (*map(min, left, shape), shape[3])
        part = decoded[: left[0], : left[1], : left[2]]
        if part.shape != wanted:
            raise BadTiffError(f"segment {index} decodes to {decoded.shape}, not {wanted}")
        if wanted[0] > 1 and wanted[1] < keyframe.imagelength:
            # Tiles of several planes that do not span them are out of C order.
            raise BadTiffError("its tiles are three-dimensional, which is not supported")
        return part

    def _read(self, offset: int, count: int) -> bytes:
        self._file.seek(offset)
        data = self._file.read(count)
        if len(data) != count:
            raise BadTiffError("it ends within its pixels")
        return data


def _one_piece(series: tifffile.TiffPageSeries, pages: int) -> _Range | None:
    """Return where pixels stand plainly in one piece: those of one page, or of a virtual stack.

    In a virtual stack, one directory stands for many planes that follow it. ImageJ writes those
    beyond 4 GB, tifffile those that it marks as truncated. Any other series with fewer pages than
    planes has lost some, and reading on would give directories as pixels.
    """
    first, keyframe = series[0], series.keyframe
    if first is None or series.dataoffset is None:
        return None
    if series.size == keyframe.size:
        _check_count(len(first.dataoffsets), keyframe)
        if 0 < sum(first.databytecounts) < series.nbytes:  # 0 where a program did not know
            raise BadTiffError(
                f"its strips have {sum(first.databytecounts)} bytes, its pixels {series.nbytes}"
            )
    elif pages - first.index >= series.size // keyframe.size or not (
        series.is_truncated or series.kind in {"imagej", "stk"}
    ):
        return None
    return series.dataoffset, series.nbytes


def _all_pages(series: tifffile.TiffPageSeries) -> list[_Page]:
    """List a series' pages; none may be missing, and together they make up its shape."""
    pages: list[_Page] = []
    listed = series.keyframe.parent.pages
    listed.useframes = True  # of other pages than this one, only the strips are read
    listed.set_keyframe(series.keyframe.index)
    try:
        for page in series:
            if page is None:
                raise BadTiffError(
                    "its metadata spread the image over several files, or name pages that it lacks"
                )
            pages.append(page)
    except IndexError as error:
        raise CutShortError(
            f"it holds {len(pages)} of the {len(series)} pages it declares"
        ) from error
    held = len(pages) * series.keyframe.size
    if series.is_multifile or held != series.size:
        raise BadTiffError(f"its pages hold {held} pixels, its metadata declare {series.shape}")
    return pages


def _check_count(segments: int, keyframe: tifffile.TiffPage) -> None:
    needed = math.prod(keyframe.chunked)
    if segments != needed:
        raise BadTiffError(f"a page has {segments} strips or tiles, not {needed}")


def _check_extents(ranges: Iterable[_Range], size_bytes: int, directories: Sequence[int]) -> None:
    for offset, count in ranges:
        end = offset + count
        if offset <= 0 or count <= 0:
            raise BadTiffError("a strip or tile holds no data")
        if end > size_bytes:
            raise CutShortError(
                f"it is cut short: its pixels reach to byte {end}, the file has {size_bytes}"
            )
        if bisect_left(directories, offset) != bisect_left(directories, end):
            raise BadTiffError("its pixels run over a directory, so pages or strips are missing")
