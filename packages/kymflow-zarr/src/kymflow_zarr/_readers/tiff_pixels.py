"""Decode a TIFF's pixels as one stream of numbers, holding one strip or row of tiles at a time.

The array of a TIFF series is, in C order, the concatenation of its pages, and each page the
concatenation of its strips. So any number of leading rows can be had by reading on: from byte
ranges of the file where pixels are stored plainly, else from decoded segments.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from kymflow_zarr._readers.expansion import check_expansion
from kymflow_zarr._readers.translate import BadPixelsError

if TYPE_CHECKING:
    import tifffile

__all__ = ["ByteRange", "FileRanges", "Page", "PixelStream", "Segments"]

Page: TypeAlias = "tifffile.TiffPage | tifffile.TiffFrame"

ByteRange = tuple[int, int]
"""Offset in the file and number of bytes."""


class PixelStream(Protocol):
    """Pixels in C order, read on from where the last call ended."""

    def fill(self, out: npt.NDArray[Any]) -> None:
        """Fill a one-dimensional array of the image's dtype.

        Raises:
            BadPixelsError: The file ends or the data do not decode; the reason is in the message.
        """
        ...


@dataclass(slots=True)
class FileRanges:
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
                raise BadPixelsError("it holds fewer pixels than it declares")
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


class Segments:
    """Pixels in compressed strips, or in tiles, decoded by tifffile.

    Args:
        file: The open file.
        pages: The series' pages, in order.
        keyframe: The page that describes them all.
        max_expanded_bytes: Most bytes that one segment may decompress to.
    """

    def __init__(
        self,
        file: BinaryIO,
        pages: Sequence[Page],
        keyframe: tifffile.TiffPage,
        *,
        max_expanded_bytes: int,
    ) -> None:
        self._max_expanded_bytes = max_expanded_bytes
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
                    raise BadPixelsError("it holds fewer pixels than it declares")
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
                    raise BadPixelsError("its tiles are three-dimensional, which is not supported")
                joined = np.concatenate([tile[:planes, :rows] for tile, _ in row], axis=2)
                if joined.shape[2] < width or joined.shape[3] != samples:
                    raise BadPixelsError("a tile decodes to less than its declared size")
                yield np.ascontiguousarray(joined[:, :, :width]).reshape(-1)

    def _segment(self, page: Page, index: int) -> tuple[npt.NDArray[Any], tuple[int, int]]:
        """Return one decoded segment (depth, length, width, samples), and its depth and row."""
        offset, count = page.dataoffsets[index], page.databytecounts[index]
        self._file.seek(offset)
        data = self._file.read(count)
        if len(data) != count:
            raise BadPixelsError("it ends within its pixels")
        check_expansion(int(self._keyframe.compression), data, limit=self._max_expanded_bytes)
        options: dict[str, Any] = {}
        if self._keyframe.compression in {6, 7, 34892, 33007}:  # JPEG keeps tables apart
            options = {"jpegtables": page.jpegtables, "jpegheader": self._keyframe.jpegheader}
        decoded, position, shape = self._keyframe.decode(data, index, **options)
        if decoded is None:
            raise BadPixelsError(f"segment {index} holds no data")
        if not self._keyframe.is_tiled and decoded.shape != shape:
            raise BadPixelsError(f"segment {index} decodes to {decoded.shape}, not {shape}")
        return decoded, (position[1], position[2])


def _read_into(file: BinaryIO, target: memoryview) -> None:
    position = 0
    while position < len(target):
        count = file.readinto(target[position:])  # type: ignore[attr-defined]
        if not count:
            raise BadPixelsError("it ends within its pixels")
        position += count
