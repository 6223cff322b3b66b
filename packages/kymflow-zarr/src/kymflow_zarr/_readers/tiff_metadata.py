"""What a TIFF says about itself, gathered as plain values and not yet interpreted.

`header` turns it into calibration. Everything here is bounded by `ReadLimits.max_tag_bytes`,
which the walk over the directories enforces before a tag is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from xml.etree.ElementTree import Element

import numpy as np

from kymflow_zarr._readers.axes import name_axes
from kymflow_zarr._readers.settings import finite
from kymflow_zarr._readers.tiff_layout import PageLayout

if TYPE_CHECKING:
    import tifffile

# Kinds of series whose Y and X are tifffile's guess; "shaped" may have been given axes.
_SILENT_KINDS: Final = frozenset({"uniform", "generic", "shaped", "nih"})
_PHOTOMETRIC: Final = 262
_WHITE_IS_ZERO: Final = 0
_PALETTE: Final = 3
_ORIENTATION: Final = 274
_COLOR_MAP: Final = 320
_PAGE_NAME: Final = 285
_DATE_TIME: Final = 306
ARTIST: Final = 315
_X_RESOLUTION: Final = 282
_Y_RESOLUTION: Final = 283
_RESOLUTION_UNIT: Final = 296


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffMetadata:
    """Raw facts of a TIFF's first page.

    Attributes:
        kind: How tifffile recognised the series: ``fluoview``, ``ome``, ``imagej``, ``lsm``,
            ``scanimage``, ``shaped``, ``uniform``, ``generic`` ….
        axes: One name per dimension, see `axes`.
        description: Text of ``ImageDescription``; empty when absent.
        software: Text of ``Software``; empty when absent.
        page_name: Text of ``PageName``; empty when absent.
        date_time: Text of ``DateTime``; empty when absent.
        x_resolution: Pixels per unit along x, exactly as written; None when absent or zero.
        y_resolution: The same along y.
        resolution_unit: Number of their unit: 2 inch, 3 centimetre, 1 none; 0 when absent.
        white_is_zero: Whether the lowest value is white (MinIsWhite).
        orientation: Where row and column 0 are shown: 1 top left; 0 when absent.
        palette: Red, green and blue of each value; empty without a colour table.
        fluoview: Axes of a FluoView header as tifffile lists them, fastest first: name, number of
            pixels, start, step, unit.
        imagej: ``key=value`` pairs of an ImageJ description, as text.
        ome: Root of the OME-XML that is the description; None when it is another text.
        lsm: What tifffile reads of a Zeiss LSM; None for other files.
        page_count: Number of pages in the file.
        series_count: Number of series in the file; only the first is read.
        layout: How its pages make up the image; None where tifffile tells.
    """

    kind: str
    axes: tuple[str, ...]
    description: str
    software: str
    page_name: str
    date_time: str
    x_resolution: float | None
    y_resolution: float | None
    resolution_unit: int
    white_is_zero: bool
    orientation: int
    palette: tuple[tuple[int, ...], ...]
    fluoview: tuple[tuple[str, int, float, float, str], ...]
    imagej: Mapping[str, str]
    ome: Element | None
    lsm: Mapping[str, Any] | None
    page_count: int
    series_count: int
    layout: PageLayout | None


def has_named_axes(series: tifffile.TiffPageSeries) -> bool:
    """Whether a series that tifffile found has axes by the file's word, and not by its guess."""
    described = '"axes"' in series.keyframe.description
    return name_axes(series.axes)[1] and (series.kind not in _SILENT_KINDS or described)


def gather_metadata(
    tif: tifffile.TiffFile,
    series: tifffile.TiffPageSeries,
    *,
    axes: tuple[str, ...],
    ome: Element | None,
    layout: PageLayout | None,
) -> TiffMetadata:
    """Collect the raw facts of an open TIFF, of which one series is read."""
    page = tif.pages.first
    tags = page.tags
    fluoview = tif.fluoview_metadata or {}
    return TiffMetadata(
        kind=series.kind,
        axes=axes,
        description=page.description,
        software=page.software,
        page_name=tag_text(tags.valueof(_PAGE_NAME)),
        date_time=tag_text(tags.valueof(_DATE_TIME)),
        x_resolution=_ratio(tags.valueof(_X_RESOLUTION)),
        y_resolution=_ratio(tags.valueof(_Y_RESOLUTION)),
        resolution_unit=int(finite(tags.valueof(_RESOLUTION_UNIT))),
        white_is_zero=tags.valueof(_PHOTOMETRIC) == _WHITE_IS_ZERO,
        orientation=int(finite(tags.valueof(_ORIENTATION))),
        palette=_palette(tags) if tags.valueof(_PHOTOMETRIC) == _PALETTE else (),
        fluoview=tuple(axis for axis in fluoview.get("Dimensions", ()) if axis[0]),
        imagej=_imagej(page.imagej_description) if page.is_imagej else {},
        ome=ome,
        lsm=tif.lsm_metadata,
        page_count=len(tif.pages),
        series_count=1 if layout is not None else len(tif.series),
        layout=layout,
    )


def tag_text(value: object) -> str:
    """The text of a tag; empty where it holds none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("cp1252", errors="replace").rstrip("\x00").strip()
    return ""


def _ratio(value: object) -> float | None:
    match value:
        case (int(top), int(bottom)) if top > 0 and bottom > 0:
            return top / bottom
    return None


def _palette(tags: tifffile.TiffTags) -> tuple[tuple[int, ...], ...]:
    """Red, green and blue of each value, as the tag lists them one after another."""
    table = np.ravel(tags.valueof(_COLOR_MAP, default=()))
    if table.dtype.kind != "u" or not table.size or table.size % 3:
        return ()
    return tuple(tuple(color) for color in table.reshape(3, -1).tolist())


def _imagej(description: str | None) -> dict[str, str]:
    """Split an ImageJ description into its ``key=value`` lines, without guessing types."""
    pairs: dict[str, str] = {}
    for line in (description or "").splitlines():
        key, equals, value = line.partition("=")
        if equals:
            pairs[key.strip()] = value.strip()
    return pairs
