"""Open one TIFF: its shape, dtype and axes, its pixels block by block, its raw metadata.

The file is opened once, as a regular file, and watched for change. Its directories are walked and
checked before tifffile sees it; what tifffile then complains about is an error where it means
damage. Whatever goes wrong is an `UnreadableImageError`, so that one bad file costs one file.

Accepted pixels are booleans, integers of 8 to 64 bits and floats of 16 to 64 bits. Compressed
files other than Deflate, LZMA and PackBits need the package ``imagecodecs``.
"""

from __future__ import annotations

import io
import logging
import math
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import tifffile

from kymflow_zarr._readers.axes import name_axes
from kymflow_zarr._readers.files import FileFacts, check_unchanged, open_regular_file
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.tiff_layout import SeriesPixels
from kymflow_zarr._readers.tiff_metadata import TiffMetadata, gather_metadata
from kymflow_zarr._readers.tiff_structure import scan_structure
from kymflow_zarr._readers.tifffile_log import LogMessage, caught_messages
from kymflow_zarr._readers.translate import shortened, translated
from kymflow_zarr.errors import UnreadableImageError

__all__ = ["TiffImage", "open_tiff"]

_MAX_NDIM: Final = 8
_KINDS: Final = frozenset("buif")
_MAX_ITEM_BYTES: Final = 8

# Kinds of series whose Y and X are tifffile's guess; "shaped" may have been given axes.
_SILENT_KINDS: Final = frozenset({"uniform", "generic", "shaped", "nih"})

# Warnings of tifffile that mean missing or doubtful pixels; its errors always do.
_DAMAGE: Final = re.compile(
    r"corrupt|missing|truncat|zeroed|circular|incorrect|could not read|out of range"
    r"|invalid (page|offset|value offset|tiffdata)|expected \d+ (frames|segments)"
    r"|cannot handle|do not match|does not match|metadata invalid|contains no pages",
    re.IGNORECASE,
)

_ENTITIES: Final = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)


def open_tiff(
    path: Path, *, limits: ReadLimits | None = None, follow_symlinks: bool = False
) -> TiffImage:
    """Open a TIFF and check all that can be checked without decoding its pixels.

    Args:
        path: The file.
        limits: Bounds on what it may ask for; the defaults of `ReadLimits` when None.
        follow_symlinks: Take the file that a symbolic link leads to; by default links are refused.

    Returns:
        The open image; use it as a context manager, or close it.

    Raises:
        UnreadableImageError: The file cannot be opened, is no TIFF, is damaged or cut short, holds
            no pixels or pixels of an unsupported kind, or exceeds a limit.
    """
    raw, facts = open_regular_file(path, follow_symlinks=follow_symlinks)
    try:
        with translated(path):
            return _open(path, raw, facts, limits or ReadLimits())
    except BaseException:
        raw.close()
        raise


class TiffImage:
    """One image of an open TIFF file; made by `open_tiff`.

    It is for one thread at a time; several threads open several images.

    Attributes:
        path: The file.
        facts: Its size and modification time when it was opened.
        shape: The image's shape.
        dtype: Its dtype, in native byte order.
        axes: One unique lower-case name per dimension, like ``("t", "x")``; see `name_axes`.
        metadata: What the file says about itself.
    """

    def __init__(
        self,
        *,
        path: Path,
        facts: FileFacts,
        raw: io.FileIO,
        pixels: SeriesPixels,
        axes: tuple[str, ...],
        metadata: TiffMetadata,
    ) -> None:
        self.path = path
        self.facts = facts
        self.shape = pixels.shape
        self.dtype = pixels.dtype
        self.axes = axes
        self.metadata = metadata
        self._raw = raw
        self._pixels = pixels

    def __repr__(self) -> str:
        size = "x".join(str(length) for length in self.shape)
        return f"<TiffImage {self.path.name!r} {size} {self.dtype} {','.join(self.axes)}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def nbytes(self) -> int:
        """Size of the decoded image in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def iter_blocks(self, rows: int) -> Iterator[npt.NDArray[Any]]:
        """Decode the image block by block along its first axis.

        Memory is bounded by one block and one compressed strip or row of tiles, whatever the size
        of the file. With the last block the file is checked to be the same as when it was opened.

        Args:
            rows: Most entries along axis 0 per block.

        Returns:
            An iterator over C-contiguous arrays of shape ``(n, *shape[1:])`` with n <= rows, in
            order, each its own memory. It raises `UnreadableImageError` when the pixels do not
            decode or the file changed.

        Raises:
            ValueError: ``rows`` is less than 1.
        """
        if rows < 1:
            raise ValueError(f"a block needs at least 1 row, not {rows}; ask for more")
        return self._blocks(rows)

    def _blocks(self, rows: int) -> Iterator[npt.NDArray[Any]]:
        stream = self._pixels.stream()
        for start in range(0, self.shape[0], rows):
            count = min(rows, self.shape[0] - start)
            with translated(self.path), caught_messages() as messages:
                block = np.empty((count, *self.shape[1:]), dtype=self.dtype)
                stream.fill(block.reshape(-1))
                _refuse_damage(self.path, messages)
            if start + count == self.shape[0]:
                self.check_unchanged()
            yield block

    def read(self) -> npt.NDArray[Any]:
        """Decode the whole image into memory.

        Returns:
            A C-contiguous array of `shape` and `dtype`.

        Raises:
            UnreadableImageError: The pixels do not decode, or the file changed.
        """
        (block,) = self.iter_blocks(self.shape[0])
        return block

    def check_unchanged(self) -> None:
        """Refuse the file if it is not the one that was opened.

        Raises:
            UnreadableImageError: Its size or modification time changed.
        """
        check_unchanged(self.path, self._raw, self.facts)

    def close(self) -> None:
        """Close the file; may be called again."""
        self._raw.close()


class _NoDescriptor(io.BufferedReader):
    """A file that tifffile cannot take for one on disk.

    So it neither maps it into memory (a mapped file that is cut short kills the process) nor opens
    other files that an OME-XML or NDTiff index names, which may be anywhere.
    """

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


def _open(path: Path, raw: io.FileIO, facts: FileFacts, limits: ReadLimits) -> TiffImage:
    file = _NoDescriptor(raw)
    structure = scan_structure(file, size_bytes=facts.size_bytes, path=path, limits=limits)
    with caught_messages() as messages:
        file.seek(0)  # tifffile starts where the file stands
        tif = tifffile.TiffFile(file, name=path.name)
        if _ENTITIES.search(tif.pages.first.description):
            raise UnreadableImageError(
                path, "its XML defines entities, which is not accepted; export the file again"
            )
        if not tif.series:
            raise UnreadableImageError(path, "the TIFF holds no image; export the file again")
        series = tif.series[0]
        if not tif.is_scanimage and len(tif.pages) != len(structure.page_offsets):
            raise UnreadableImageError(
                path,
                f"only {len(tif.pages)} of its {len(structure.page_offsets)} pages can be read; "
                "export the file again",
            )
        notes = _refuse_damage(path, messages)
        _check_series(series, path, facts.size_bytes, limits)
        pixels = SeriesPixels(
            series,
            file,
            structure=structure,
            max_segment_bytes=limits.max_segment_bytes,
        )
        pixels.check(facts.size_bytes)
        axes, named = name_axes(series.axes)
        axes_known = named and (
            series.kind not in _SILENT_KINDS or '"axes"' in tif.pages.first.description
        )
        metadata = gather_metadata(tif, axes_known=axes_known, notes=notes)
        _check_declared_planes(path, metadata, series)
        _refuse_damage(path, messages)
    return TiffImage(path=path, facts=facts, raw=raw, pixels=pixels, axes=axes, metadata=metadata)


def _check_series(
    series: tifffile.TiffPageSeries, path: Path, size_bytes: int, limits: ReadLimits
) -> None:
    """Refuse what cannot be taken in, or asks for too much, by what the file declares."""
    keyframe = series.keyframe
    if keyframe.dtype is None or series.transform is not None:
        raise UnreadableImageError(
            path,
            f"its pixel format ({keyframe.bitspersample} bits, sample format "
            f"{keyframe.sampleformat}) is not supported; export it as 8- or 16-bit integers",
        )
    dtype = series.dtype
    if dtype.kind not in _KINDS or dtype.itemsize > _MAX_ITEM_BYTES:
        raise UnreadableImageError(
            path, f"pixels of type {dtype} are not supported; export it as integers or floats"
        )
    if not 1 <= len(series.shape) <= _MAX_NDIM or min(series.shape) < 1:
        raise UnreadableImageError(
            path, f"it holds no pixels, its shape is {series.shape}; export the file again"
        )
    nbytes = math.prod(series.shape) * dtype.itemsize
    if nbytes > limits.max_pixel_bytes:
        raise UnreadableImageError(
            path,
            f"it declares {nbytes} bytes of pixels, the limit is {limits.max_pixel_bytes}; "
            "raise ReadLimits.max_pixel_bytes if it is sound",
        )
    if nbytes > limits.expansion_free_bytes and nbytes > limits.max_expansion * size_bytes:
        raise UnreadableImageError(
            path,
            f"its {size_bytes} bytes declare {nbytes} bytes of pixels, more than "
            f"{limits.max_expansion:g} times as many; raise ReadLimits.max_expansion if it is "
            "sound",
        )


def _check_declared_planes(
    path: Path, metadata: TiffMetadata, series: tifffile.TiffPageSeries
) -> None:
    """Compare the planes of an ImageJ file with the number that its description declares.

    tifffile takes the file's pages for the number of images when the description gives no frames,
    slices or channels, so a stack that lost its end would pass for a shorter one.
    """
    declared = metadata.imagej.get("images", "")
    if series.kind != "imagej" or not declared.isdecimal():
        return
    samples = max(1, series.keyframe.samplesperpixel)
    planes = math.prod(series.shape) // series.keyframe.size * samples
    if int(declared) > planes:
        raise UnreadableImageError(
            path,
            f"its ImageJ description declares {declared} images, it holds {planes}; "
            "the file is cut short, copy or export it again",
        )


def _refuse_damage(path: Path, messages: list[LogMessage]) -> tuple[str, ...]:
    """Raise for the first message that means damage; return the others."""
    for level, text in messages:
        if level >= logging.ERROR or _DAMAGE.search(text):
            raise UnreadableImageError(
                path, f"it is damaged: {shortened(text)}; copy or export it again"
            )
    return tuple(shortened(text) for _, text in messages)
