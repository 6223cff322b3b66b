"""The regions of a ScanImage mROI file, a JSON in the tag ``Artist``.

Each region has scan fields of ``sizeXY`` degrees in ``pixelResolutionXY`` pixels; a degree is
``SI.objectiveResolution`` micrometres. MATLAB writes a list of one as its only item.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from kymflow_zarr._storage.json_text import JsonValue, loads
from kymflow_zarr.errors import CorruptDataError

_TOLERANCE: Final = 1e-3
_MOST: Final = 1e9


def region_pixel_sizes(artist: str, *, um_per_degree: float) -> list[tuple[float, float]]:
    """Width and height of a pixel in um, of each region in the tag ``Artist`` that can be read."""
    try:
        document = loads(
            artist.strip().encode("utf-8", errors="replace"), key="ScanImage's regions"
        )
    except CorruptDataError:
        return []
    group = _entry(_entry(document, "RoiGroups"), "imagingRoiGroup")
    return [
        size
        for region in _items(_entry(group, "rois"))
        for field in _items(_entry(region, "scanfields"))
        if (size := _pixel_size(field, um_per_degree)) is not None
    ]


def shared_size(sizes: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """The pixel size that all regions share; None where they differ, or there are none."""
    is_shared = all(
        math.isclose(length, wanted, rel_tol=_TOLERANCE)
        for size in sizes
        for length, wanted in zip(size, sizes[0], strict=True)
    )
    return sizes[0] if sizes and is_shared else None


def _pixel_size(field: JsonValue, um_per_degree: float) -> tuple[float, float] | None:
    degrees, pixels = _pair(_entry(field, "sizeXY")), _pair(_entry(field, "pixelResolutionXY"))
    if degrees is None or pixels is None or not um_per_degree > 0:
        return None
    return degrees[0] * um_per_degree / pixels[0], degrees[1] * um_per_degree / pixels[1]


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


def _items(value: JsonValue) -> Iterator[JsonValue]:
    if isinstance(value, list):
        yield from value
    elif value is not None:
        yield value
