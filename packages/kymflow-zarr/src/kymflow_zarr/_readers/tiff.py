"""Open one TIFF: its shape, dtype and axes, its pixels block by block, and what it says of itself.

The file is opened once, as a regular file. What it claims is checked before tifffile acts on it,
and what tifffile makes of it is compared with what it holds.

Accepted pixels are booleans, integers of 8 to 64 bits and floats of 16 to 64 bits. Compressed
files other than Deflate, LZMA and PackBits need the extra ``codecs``.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import tifffile

from kymflow_zarr._readers.axes import name_axes, without_single_rows
from kymflow_zarr._readers.facts import Facts, Rank
from kymflow_zarr._readers.files import closed_on_error, open_regular_file
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.tiff_checks import (
    check_complete,
    check_entities,
    check_pages,
    check_planes,
    check_series,
)
from kymflow_zarr._readers.tiff_layout import PageLayout, as_series
from kymflow_zarr._readers.tiff_metadata import (
    TiffMetadata,
    has_named_axes,
    tag_text,
)
from kymflow_zarr._readers.tiff_pixels import SeriesPixels
from kymflow_zarr._readers.tiff_regions import RegionPixels
from kymflow_zarr._readers.tiff_structure import first_page_tags, scan_pages
from kymflow_zarr._readers.translate import BadTiffError
from kymflow_zarr._readers.vendors import read_vendors
from kymflow_zarr._readers.vendors.ome_pages import ome_layout
from kymflow_zarr._readers.vendors.scanimage import scanimage_layout
from kymflow_zarr._readers.vendors.scanimage_regions import (
    may_have_regions,
    read_regions,
    with_region,
)
from kymflow_zarr._readers.vendors.scanimage_settings import scanimage_settings
from kymflow_zarr._readers.xml_text import parse_xml

# Who names the axes of a series that is of a program's own kind.
_AXES: Final = {
    "fluoview": ("vendor_tiff", Rank.IMAGE_FILE),
    "lsm": ("vendor_tiff", Rank.IMAGE_FILE),
    "scanimage": ("vendor_tiff", Rank.IMAGE_FILE),
    "ome": ("ome", Rank.OME),
    "imagej": ("imagej", Rank.IMAGEJ),
}
_TAGS_A_PLANE: Final = 8  # most that OME-XML may have for each


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTiff:
    """One image of an open TIFF. See `kymflow_zarr.readers.OpenImage`.

    Attributes:
        pixels: Its pixels.
        facts: What the file says.
        scenes: The names of all images in it; empty where they have none.
        file: The file.
    """

    pixels: SeriesPixels | RegionPixels
    facts: tuple[Facts, ...]
    scenes: tuple[str, ...]
    file: io.FileIO

    @property
    def shape(self) -> tuple[int, ...]:
        """The image's shape."""
        return self.pixels.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its dtype, in native byte order."""
        return self.pixels.dtype

    def iter_blocks(self, rows: int) -> Iterator[npt.NDArray[Any]]:
        """See `OpenImage.iter_blocks`; beside the block, one strip or row of tiles is held."""
        return self.pixels.blocks(rows)

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def open_tiff(path: Path, *, limits: ReadLimits, scene: str = "") -> OpenTiff:
    """Open a TIFF and check all that can be checked without decoding its pixels.

    Args:
        path: The file.
        limits: Bounds on what it may ask for.
        scene: Which region of its pages; empty for the first.

    Raises:
        UnreadableImageError: It is not a regular file.
        BadTiffError: It is no TIFF, is damaged or cut short, holds no pixels or pixels of an
            unsupported kind, or exceeds a limit. tifffile may raise anything else.
    """
    raw, found = open_regular_file(path)
    with closed_on_error(raw):
        return _open(path, raw, found.size_bytes, limits, scene)


def may_have_scenes(path: Path, *, limits: ReadLimits) -> bool:
    """Whether a TIFF may hold several images, by a look at few of its bytes.

    Raises:
        OSError: It cannot be opened.
        BadTiffError: It is no TIFF, or its first page is damaged or cut short.
    """
    with io.FileIO(path) as file:
        size_bytes = file.seek(0, io.SEEK_END)
        tags = first_page_tags(file, size_bytes=size_bytes, limits=limits)
        return may_have_regions(tags, file)


class _NoDescriptor(io.BufferedReader):
    """A file that tifffile cannot take for one on disk.

    So it neither maps it into memory (a mapped file that is cut short kills the process) nor opens
    other files that OME-XML names, which may be anywhere.
    """

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


def _open(path: Path, raw: io.FileIO, size_bytes: int, limits: ReadLimits, scene: str) -> OpenTiff:
    file = _NoDescriptor(raw)
    page_offsets = scan_pages(file, size_bytes=size_bytes, limits=limits)
    file.seek(0)  # tifffile starts where the file stands
    tif = tifffile.TiffFile(
        file,
        name=path.name,
        # These read other files, or pages where they should be instead of where they are.
        is_mmstack=False,
        is_ndtiff=False,
        is_scanimage=False,
    )
    first = tif.pages.first
    check_entities(first.description)
    ome = None
    if tif.is_ome:
        ome = parse_xml(first.description, max_tags=_TAGS_A_PLANE * limits.max_pages)
        check_planes(ome, tif, limits)
    page_count = len(page_offsets)
    check_pages(tif, page_count)
    layout = _own_layout(tif, ome, page_count, file=file, limits=limits, scene=scene)
    series = as_series(tif, layout) if layout is not None else _first_series(tif)
    check_series(series, size_bytes, limits)
    axes = layout.axes if layout is not None else name_axes(series.axes)[0]
    known = layout is not None or has_named_axes(series)
    region = None if layout is None else layout.region
    size = series.shape
    if region is not None:
        size = (*size[:-2], region.rows, size[-1])
    shape, axes = without_single_rows(size, axes, known=known)
    metadata = TiffMetadata(tif=tif, kind=series.kind, axes=axes, ome=ome, layout=layout)
    if layout is None:  # else pages are checked one by one
        check_complete(metadata, page_count)
    pages = SeriesPixels(
        series,
        shape if region is None else series.shape,
        file,
        page_offsets=page_offsets,
        size_bytes=size_bytes,
        max_segment_bytes=limits.max_segment_bytes,
    )
    pixels = pages if region is None else RegionPixels(pages=pages, region=region, shape=shape)
    facts = (*read_vendors(metadata), _of_structure(metadata, axes_known=known))
    scenes = () if layout is None else layout.scenes
    return OpenTiff(pixels=pixels, facts=facts, scenes=scenes, file=raw)


def _own_layout(
    tif: tifffile.TiffFile,
    ome: ElementTree.Element | None,
    page_count: int,
    *,
    file: BinaryIO,
    limits: ReadLimits,
    scene: str,
) -> PageLayout | None:
    """How the pages make up the image, where the vendor's text says more than tifffile reads."""
    first = tif.pages.first
    if ome is not None:
        return ome_layout(
            ome, file_name=tif.filename, page_count=page_count, page_shape=first.shape
        )
    settings = scanimage_settings(first.software, first.description)
    if settings is None or tif.is_imagej:
        return None
    layout = scanimage_layout(settings, page_count=page_count, page_shape=first.shape)
    if layout is None or not settings.has_regions:
        return layout
    regions = read_regions(tag_text(first, "Artist"), file, limits=limits)
    return with_region(layout, settings, regions, page_shape=first.shape, scene=scene)


def _first_series(tif: tifffile.TiffFile) -> tifffile.TiffPageSeries:
    if not tif.series:
        raise BadTiffError("the TIFF holds no image", "export the file again")
    return tif.series[0]


def _of_structure(metadata: TiffMetadata, *, axes_known: bool) -> Facts:
    """What the structure of the file says: its axes, and what is not read."""
    source, rank = "default", Rank.DEFAULT
    if axes_known:
        source, rank = _AXES.get(metadata.kind, ("tiff", Rank.GENERIC))
    warnings: tuple[str, ...] = ()
    if metadata.layout is not None:
        warnings = metadata.layout.warnings
    elif (count := len(metadata.tif.series)) > 1 and metadata.kind != "lsm":  # which has thumbnails
        warnings = (
            f"the file holds {count} series of images, of which the first is read; "
            "export each to a file of its own",
        )
    return Facts(source=source, rank=rank, axes=metadata.axes, warnings=warnings)
