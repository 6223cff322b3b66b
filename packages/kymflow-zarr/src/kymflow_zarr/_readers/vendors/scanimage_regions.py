"""The regions of a ScanImage mROI file, each of which is an image of its own.

The groups of regions are a JSON in the tag ``Artist``, or in the block behind the file's header. A
page holds its regions one above another, each of ``pixelResolutionXY`` pixels and ``sizeXY``
degrees, a degree being ``SI.objectiveResolution`` micrometres. Between two of them are the lines
scanned while the mirrors flew to the next one: as many between any two. MATLAB writes a list of one
as its only item. Not checked against a microscope's own files.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import BinaryIO, Final

from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.scene_names import unique_names
from kymflow_zarr._readers.settings import known
from kymflow_zarr._readers.tiff_layout import PageLayout, PageRegion
from kymflow_zarr._readers.translate import BadTiffError
from kymflow_zarr._readers.units import LENGTH, Quantity, quantity
from kymflow_zarr._readers.vendors.scanimage_settings import ScanImage
from kymflow_zarr._storage.json_text import JsonValue, loads
from kymflow_zarr.errors import CorruptDataError

_ARTIST: Final = 315
_BLOCK: Final = struct.Struct("<IIII")  # magic, version, bytes of settings, bytes of regions
_MAGIC: Final = 117637889
_BLOCK_START: Final = 16  # behind the header of a BigTIFF
_MOST: Final = 1e9
_TOLERANCE_UM: Final = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """What a region is in the plane of the pages: pixels and degrees, across and down."""

    pixels: tuple[int, int]
    degrees: tuple[float, float]


def may_have_regions(tags: Collection[int], file: BinaryIO) -> bool:
    """Whether `read_regions` may find any, by the codes of the first page's tags."""
    return _ARTIST in tags or _read_block(file)[1] > 0


def read_regions(artist: str, file: BinaryIO, *, limits: ReadLimits) -> str:
    """The JSON with a file's regions, as text; empty where there is none. Its position changes."""
    if "RoiGroups" in artist:
        return artist
    settings, regions = _read_block(file)
    if regions > limits.max_tag_bytes:
        return ""
    file.seek(_BLOCK_START + _BLOCK.size + settings)
    return file.read(regions).rstrip(b"\0").decode("utf-8", errors="replace")


def _read_block(file: BinaryIO) -> tuple[int, int]:
    """How many bytes of settings and of regions are in the block; none where there is no block."""
    file.seek(_BLOCK_START)
    head = file.read(_BLOCK.size).ljust(_BLOCK.size, b"\0")
    magic, _, settings, regions = _BLOCK.unpack(head)
    return (settings, regions) if magic == _MAGIC else (0, 0)


def with_region(
    layout: PageLayout, settings: ScanImage, regions: str, *, page_shape: Sequence[int], scene: str
) -> PageLayout:
    """The layout of one of a page's regions, by the layout of whole pages and `read_regions`.

    Where the regions do not make up the page, that layout is returned with a warning. If no scene
    is named, it is the first region, with a warning that names the others.

    Raises:
        BadTiffError: There is no region of this name.
    """
    found = {} if settings.is_line_scan else _page_regions(regions, settings, page_shape)
    if not found:
        warning = (
            "a page of this ScanImage file holds several regions (mROI), one above another; its "
            f"header does not say which of the {page_shape[0]} rows belong to which, so they are "
            "not taken apart and have no pixel size: crop each to a file of its own"
        )
        return replace(layout, warnings=(*layout.warnings, warning))
    if scene and scene not in found:
        raise BadTiffError(f"it no longer has a region {scene!r}")
    region, others = found[scene or next(iter(found))], [*found][1:]
    warnings = layout.warnings
    if others and not scene:
        named = ", ".join(map(repr, others))
        warnings += (
            f"of its {len(found)} regions (mROI) only the first is read here, not {named}",
        )
    return replace(layout, region=region, scenes=tuple(found), warnings=warnings)


def _page_regions(
    text: str, settings: ScanImage, page_shape: Sequence[int]
) -> dict[str, PageRegion]:
    """The regions of a page by name; none where they do not make it up for sure."""
    try:
        document = loads(text.strip().encode("utf-8", errors="replace"), key="ScanImage's regions")
    except CorruptDataError:
        return {}
    group = _entry(_entry(document, "RoiGroups"), "imagingRoiGroup")
    fields: list[tuple[str, _Field]] = []
    for number, roi in enumerate(_items(_entry(group, "rois")), start=1):
        there = _fields_in_plane(roi, settings.z_um)
        if _entry(roi, "enable") in (0, False) or not there:
            continue
        field = _field(there[0]) if len(there) == 1 else None
        if field is None:
            return {}
        name = _entry(roi, "name")
        fields.append((name if isinstance(name, str) and name else f"ROI {number}", field))
    starts = _first_rows([field.pixels[1] for _, field in fields], settings, page_shape[0])
    if starts is None or any(field.pixels[0] != page_shape[1] for _, field in fields):
        return {}
    return unique_names(
        (name, PageRegion(first_row=first, rows=field.pixels[1], steps=_steps(field, settings)))
        for first, (name, field) in zip(starts, fields, strict=True)
    )


def _fields_in_plane(roi: JsonValue, z_um: float | None) -> list[JsonValue]:
    """A region's scan fields in a plane; one that is not of discrete planes is in each.

    The plane is None where pages are of several.
    """
    fields = _items(_entry(roi, "scanfields"))
    is_discrete = _entry(roi, "discretePlaneMode") in (1, True)
    if len(fields) == 1 and not is_discrete:
        return fields
    depths = _items(_entry(roi, "zs"))
    if z_um is None or len(depths) != len(fields):
        return fields * 2  # not for sure
    return [
        field
        for field, depth in zip(fields, depths, strict=True)
        if isinstance(depth, int | float) and abs(depth - z_um) < _TOLERANCE_UM
    ]


def _first_rows(heights: Sequence[int], settings: ScanImage, page_rows: int) -> list[int] | None:
    """The row at which each region starts; None where they and the lines between do not fit."""
    between, left = 0, page_rows - sum(heights)
    if len(heights) > 1:
        between, left = divmod(left, len(heights) - 1)
    expected = settings.flyback_lines
    if not heights or between < 0 or left or (expected and abs(between - expected) > 1):
        return None
    return [*accumulate((height + between for height in heights[:-1]), initial=0)]


def _steps(field: _Field, settings: ScanImage) -> dict[str, Quantity]:
    um = settings.um_per_degree or 0.0
    found = {
        axis: quantity(float(f"{degrees * um / pixels:.12g}"), LENGTH)
        for axis, degrees, pixels in zip("xy", field.degrees, field.pixels, strict=True)
    }
    return known(found)


def _field(value: JsonValue) -> _Field | None:
    degrees, pixels = _pair(_entry(value, "sizeXY")), _pair(_entry(value, "pixelResolutionXY"))
    if degrees is None or pixels is None or any(count != int(count) for count in pixels):
        return None
    columns, rows = map(int, pixels)
    return _Field(pixels=(columns, rows), degrees=degrees)


def _pair(value: JsonValue) -> tuple[float, float] | None:
    """Two positive numbers of sane size."""
    if not isinstance(value, list) or len(value) != 2:
        return None
    first, second = (
        float(item) if isinstance(item, int | float) and 0 < item < _MOST else None
        for item in value
    )
    return None if first is None or second is None else (first, second)


def _entry(value: JsonValue, name: str) -> JsonValue:
    return value.get(name) if isinstance(value, dict) else None


def _items(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else [] if value is None else [value]
