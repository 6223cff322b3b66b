"""Compare what tifffile makes of a file with what the file holds, declares and may ask for.

Where a file is damaged or its metadata do not fit, tifffile reads fewer pages or ignores metadata,
and only its log says so. So each way of losing something is looked for here; what does not hold is
a `BadTiffError`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.tiff_metadata import TiffMetadata
from kymflow_zarr._readers.translate import BadTiffError, CutShortError
from kymflow_zarr._readers.xml_text import defines_entities

if TYPE_CHECKING:
    import tifffile

# How a description begins by which one page may stand for a whole stack.
_PLANE_COUNTS: Final = (b"ImageJ=", b"SCIFIO=", b"{", b"shape=")


def check_entities(description: str) -> None:
    """Check that tifffile may parse a description, which it does where it looks like XML."""
    if defines_entities(description):
        raise BadTiffError(
            "its XML defines entities, which is not accepted", "export the file again"
        )


def check_planes(ome: ElementTree.Element, tif: tifffile.TiffFile, limits: ReadLimits) -> None:
    """Check how many planes OME-XML declares: tifffile lists all before it looks for their pages.

    Raises:
        ValueError: A number in it is none.
    """
    planes = 0.0
    for element in ome.iter():
        stated = element.attrib
        if element.tag.endswith("Pixels"):
            sizes = (int(stated[name]) for name in stated if name.startswith("Size"))
            planes += abs(math.prod(sizes)) / tif.pages.first.size
        elif element.tag.endswith("TiffData"):
            count = stated.get("NumPlanes", 1 if "IFD" in stated else 0)
            planes += abs(int(stated.get("PlaneCount", count))) or len(tif.pages)
        elif element.tag[:-1].endswith("Along") and "Start" in stated:
            span = float(stated["End"]) - float(stated["Start"])
            planes += abs(span / float(stated.get("Step", 1)))
    if not planes <= 2 * limits.max_pages:  # each is declared by its Pixels and by a TiffData
        raise BadTiffError(
            f"its OME-XML declares more than {limits.max_pages} planes",
            "raise ReadLimits.max_pages if it is sound",
        )


def check_series(series: tifffile.TiffPageSeries, size_bytes: int, limits: ReadLimits) -> None:
    """Check that tifffile decodes such an image, and that it is not much larger than its file."""
    keyframe = series.keyframe
    if keyframe.dtype is None or series.transform is not None:
        raise BadTiffError(
            f"its pixel format ({keyframe.bitspersample} bits, sample format "
            f"{keyframe.sampleformat}) is not supported",
            "export it as 8- or 16-bit integers",
        )
    if 0 in series.shape:
        raise BadTiffError(f"it holds no pixels, its shape is {series.shape}")
    nbytes = math.prod(series.shape) * series.dtype.itemsize
    if nbytes > limits.expansion_free_bytes and nbytes > limits.max_expansion * size_bytes:
        raise BadTiffError(
            f"its {size_bytes} bytes declare {nbytes} bytes of pixels, more than "
            f"{limits.max_expansion:g} times as many",
            "raise ReadLimits.max_expansion if it is sound",
        )


def check_pages(tif: tifffile.TiffFile, pages: int) -> None:
    """Check that tifffile finds all pages that the file holds."""
    if len(tif.pages) != pages:
        raise BadTiffError(f"only {len(tif.pages)} of its {pages} pages can be read")


def check_complete(metadata: TiffMetadata, pages: int) -> None:
    """Check that tifffile reads all that a file of so many pages holds and declares."""
    tif, kind = metadata.tif, metadata.kind
    series, first = tif.series[0], metadata.page
    declared = {
        "fluoview": first.is_fluoview,
        "imagej": first.is_imagej,
        "lsm": first.is_lsm,
        # With this element, OME-XML leaves the description to another file.
        "ome": first.is_ome and "BinaryOnly" not in first.description,
        "shaped": first.is_shaped,
        "stk": first.is_stk,
    }
    if any(declared.values()) and not declared.get(kind, False):
        kinds = " and ".join(kind for kind, is_declared in declared.items() if is_declared)
        ends = map(sum, zip(first.dataoffsets, first.databytecounts, strict=False))
        is_cut = max(ends, default=0) > tif.filehandle.size
        raise (CutShortError if is_cut else BadTiffError)(
            f"its {kinds} metadata do not match its pages"
        )
    description = first.tags.valueof("ImageDescription")
    if pages == 1 and isinstance(description, bytes) and description.startswith(_PLANE_COUNTS):
        raise BadTiffError("the text that gives the number of its planes is damaged")
    for page in (each.keyframe for each in tif.series if kind != "lsm"):
        strips = page.tags.get("StripOffsets")
        if strips is not None and not page.is_tiled and strips.count != math.prod(page.chunked):
            raise BadTiffError(f"a page has {strips.count} strips, not {math.prod(page.chunked)}")
    stored = [(each.keyframe.shape, each.dtype) for each in tif.series]
    if kind == "generic" and stored[0] in stored[1:]:
        raise BadTiffError(
            "its pages are stored in different ways", "export it with one compression"
        )
    if kind == "ome" and sum(len(each) for each in tif.series) < pages:
        raise BadTiffError(f"its OME-XML describes fewer than its {pages} pages")
    if kind == "shaped":
        shapes = [each["shape"] for each in tif.shaped_metadata or ()]
        if math.prod(shapes[0]) != series.size:
            raise BadTiffError("its pages do not make up the shape that it declares")
    # tifffile takes all pages that there are where ImageJ gives no frames, slices or channels.
    images = metadata.imagej.get("images", "") if kind == "imagej" else ""
    if images.isdecimal():
        planes = series.size // series.keyframe.size * max(1, series.keyframe.samplesperpixel)
        if int(images) > planes:
            raise CutShortError(
                f"its ImageJ description declares {images} images, it holds {planes}; "
                "the file is cut short"
            )
