"""How the pages of a TIFF make up one image, where tifffile does not know it.

A `PageLayout` lists pages in the C order of the image, so that lines of several pages can be joined
and pages that alternate between channels be parted, without holding more than one page.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kymflow_zarr._readers.translate import BadTiffError
from kymflow_zarr._readers.units import Quantity

if TYPE_CHECKING:
    import tifffile


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRegion:
    """Rows of each page that are an image of their own.

    Attributes:
        first_row: The first of them.
        rows: How many there are.
        steps: Distance of two of its pixels, per axis.
    """

    first_row: int
    rows: int
    steps: Mapping[str, Quantity]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLayout:
    """The pages of an image.

    Attributes:
        kind: Whose pages they are: ``scanimage`` or ``ome``.
        shape: The image's shape.
        axes: One name per dimension.
        pages: Numbers of the pages, from 0, in C order of the image.
        image: Number, from 0, of the image in the vendor's text that this is.
        channels: Numbers of its channels that the pages hold, from 0; empty for all.
        region: The rows of each page to which the image is cropped; None for whole pages.
        scenes: The names of all regions of a page.
        warnings: What the pages do not hold.
        elsewhere: Other files that hold further pages, each with the numbers of their channels.
    """

    kind: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    pages: Sequence[int]
    image: int = 0
    channels: tuple[int, ...] = ()
    region: PageRegion | None = None
    scenes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    elsewhere: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def as_series(tif: tifffile.TiffFile, layout: PageLayout) -> tifffile.TiffPageSeries:
    """The series that a layout of a file's pages describes; its axes are letters without a meaning.

    Raises:
        BadTiffError: The layout names a page that is not there.
    """
    import tifffile

    pages = tif.pages
    pages.useframes = True  # of other pages than the first, only the strips are read
    pages.set_keyframe(0)
    try:
        listed = [pages[number] for number in layout.pages]
    except IndexError as error:
        raise BadTiffError(f"it has fewer than its {len(layout.pages)} pages") from error
    # Releases that have the option drop dimensions of length 1 unless told otherwise.
    known = inspect.signature(tifffile.TiffPageSeries).parameters
    unsqueezed: dict[str, Any] = {"squeeze": False} if "squeeze" in known else {}
    return tifffile.TiffPageSeries(
        listed,
        layout.shape,
        pages.first.dtype,
        "Q" * len(layout.shape),
        kind=layout.kind,
        **unsqueezed,
    )
