"""Open one TIFF: its shape, dtype and axes, its pixels block by block, its raw metadata.

The file is opened once, as a regular file, and watched for change. What it claims is checked before
tifffile acts on it, and what tifffile makes of it is compared with what it holds. Whatever goes
wrong is an `UnreadableImageError`, so that one bad file costs one file.

Accepted pixels are booleans, integers of 8 to 64 bits and floats of 16 to 64 bits. Compressed
files other than Deflate, LZMA and PackBits need the extra ``codecs``.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy.typing as npt
import tifffile

from kymflow_zarr._readers.axes import name_axes, without_single_rows
from kymflow_zarr._readers.files import FileFacts, check_unchanged, open_regular_file
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.tiff_checks import check_complete, check_pages, check_series, check_xml
from kymflow_zarr._readers.tiff_layout import PageLayout, as_series
from kymflow_zarr._readers.tiff_metadata import TiffMetadata, gather_metadata, tells_axes
from kymflow_zarr._readers.tiff_pixels import SeriesPixels
from kymflow_zarr._readers.tiff_structure import scan_structure
from kymflow_zarr._readers.translate import BadTiffError, translated
from kymflow_zarr._readers.vendors.ome_pages import ome_layout
from kymflow_zarr._readers.vendors.scanimage import scanimage_layout
from kymflow_zarr._readers.vendors.scanimage_settings import scanimage_settings


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
        metadata: TiffMetadata,
    ) -> None:
        self.path = path
        self.facts = facts
        self.shape = pixels.shape
        self.dtype = pixels.dtype
        self.axes = metadata.axes
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
        left = self.shape[0]
        with translated(self.path):
            for block in self._pixels.blocks(rows):
                left -= len(block)
                if not left:
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
    other files that OME-XML names, which may be anywhere.
    """

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


def _open(path: Path, raw: io.FileIO, facts: FileFacts, limits: ReadLimits) -> TiffImage:
    file = _NoDescriptor(raw)
    structure = scan_structure(file, size_bytes=facts.size_bytes, limits=limits)
    if not structure.page_offsets:
        raise BadTiffError("the TIFF holds no image", "export the file again")
    file.seek(0)  # tifffile starts where the file stands
    tif = tifffile.TiffFile(
        file,
        name=path.name,
        # These read other files, or pages where they should be instead of where they are.
        is_mmstack=False,
        is_ndtiff=False,
        is_scanimage=False,
    )
    check_xml(tif, limits)
    page_count = len(structure.page_offsets)
    check_pages(tif, page_count)
    layout = _own_layout(tif, page_count)
    series = as_series(tif, layout) if layout is not None else _first_series(tif)
    check_series(series, facts.size_bytes, limits)
    axes = layout.axes if layout is not None else name_axes(series.axes)[0]
    known = layout is not None or tells_axes(series)
    shape, axes = without_single_rows(series.shape, axes, known=known)
    metadata = gather_metadata(tif, series, axes=axes, axes_known=known, layout=layout)
    if layout is None:  # else pages are checked one by one
        check_complete(tif, metadata, page_count)
    pixels = SeriesPixels(
        series,
        shape,
        file,
        page_offsets=structure.page_offsets,
        size_bytes=facts.size_bytes,
        max_segment_bytes=limits.max_segment_bytes,
    )
    return TiffImage(path=path, facts=facts, raw=raw, pixels=pixels, metadata=metadata)


def _own_layout(tif: tifffile.TiffFile, page_count: int) -> PageLayout | None:
    """How the pages make up the image, where the vendor's text says more than tifffile reads."""
    first = tif.pages.first
    if tif.is_ome:
        return ome_layout(
            first.description,
            file_name=tif.filename,
            page_count=page_count,
            page_shape=first.shape,
        )
    settings = scanimage_settings(first.software, first.description)
    if settings is None or tif.is_imagej:
        return None
    return scanimage_layout(settings, page_count=page_count, page_shape=first.shape)


def _first_series(tif: tifffile.TiffFile) -> tifffile.TiffPageSeries:
    if not tif.series:
        raise BadTiffError("the TIFF holds no image", "export the file again")
    return tif.series[0]
