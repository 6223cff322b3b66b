"""What any TIFF may say without a vendor's text: weak, but better than nothing.

- ``XResolution`` and ``YResolution`` as pixels per inch or centimetre. Most programs leave a
  resolution of print there (72 or 300 dots per inch), and Olympus exactly 1 µm; neither is used.
- ``DateTime``, when the file was written, which may be an export.
- Which end of the scale is black (MinIsWhite), and a colour table: kept for an export. Pixels are
  as they are stored.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from kymflow_zarr._readers.clock import stated_clock
from kymflow_zarr._readers.facts import Facts, Rank
from kymflow_zarr._readers.settings import finite
from kymflow_zarr._readers.tiff_metadata import TiffMetadata, tag_text
from kymflow_zarr._readers.units import LENGTH, Quantity
from kymflow_zarr._readers.vendors.fluoview import is_olympus_software
from kymflow_zarr._storage.json_text import JsonValue

if TYPE_CHECKING:
    import tifffile

_WHITE_IS_ZERO: Final = 0  # PhotometricInterpretation
_PALETTE: Final = 3
_UM: Final = {2: 25_400.0, 3: 10_000.0}  # by ResolutionUnit
_RANGE_UM: Final = (0.010, 50.0)
_PRINT_STEPS: Final = (24, 25)  # dots per inch: 72, 96, 720 and 1440; 150, 300, 600 and 1200
_MOST_PRINT: Final = 10_000
_TOLERANCE: Final = 1e-3  # a centimetre's dots may have two decimals
_MAX_COLORS: Final = 256


def read_plain(metadata: TiffMetadata) -> Facts:
    """What the tags that every TIFF may have tell."""
    warnings: list[str] = []
    page = metadata.page
    written = tag_text(page, "DateTime")
    vendor: dict[str, JsonValue] = {}
    photometric = page.tags.valueof("PhotometricInterpretation")
    if photometric == _WHITE_IS_ZERO:
        vendor["photometric"] = "miniswhite"
        warnings.append("the file says that its lowest value is white; pixels are kept as stored")
    orientation = int(finite(page.tags.valueof("Orientation")))
    if orientation > 1:
        warnings.append(
            f"the file asks to be shown mirrored or turned (orientation {orientation}); "
            "pixels are kept as stored"
        )
    colors = _palette(page) if photometric == _PALETTE else []
    if colors and len(colors[0]) > _MAX_COLORS:
        warnings.append(f"its table of {len(colors[0])} colours is not kept")
    elif colors:
        vendor |= {"photometric": "palette", "palette": [*colors]}
    return Facts(
        source="tiff",
        rank=Rank.GENERIC,
        steps=_steps(metadata),
        acquired_local_epoch_ns=stated_clock(written, what="the TIFF's date", warnings=warnings)
        if any(digit in written for digit in "123456789")
        else None,
        vendor=vendor,
        warnings=tuple(warnings),
    )


def _palette(page: tifffile.TiffPage) -> list[list[JsonValue]]:
    """Red, green and blue of each value, as the tag lists them one after another."""
    table = np.ravel(page.tags.valueof("ColorMap", default=()))
    if table.dtype.kind != "u" or not table.size or table.size % 3:
        return []
    colors: list[list[JsonValue]] = table.reshape(3, -1).tolist()
    return colors


def _steps(metadata: TiffMetadata) -> dict[str, Quantity]:
    """Pixel sizes of plain resolution tags, where they are those of a microscope."""
    page = metadata.page
    if page.is_imagej or page.is_fluoview or is_olympus_software(page.software):
        return {}  # which give these tags another meaning, or a false value
    unit_um = _UM.get(int(finite(page.tags.valueof("ResolutionUnit"))))
    if unit_um is None:
        return {}
    steps: dict[str, Quantity] = {}
    for axis in "xy":
        resolution = metadata.pixels_per_unit(axis)
        if resolution is None:
            continue
        size = float(f"{unit_um / resolution:.9g}")
        dots = resolution * 25_400.0 / unit_um
        is_print = dots < _MOST_PRINT and any(
            abs(dots / step - round(dots / step)) < _TOLERANCE for step in _PRINT_STEPS
        )
        if _RANGE_UM[0] <= size <= _RANGE_UM[1] and not is_print and not math.isclose(size, 1.0):
            steps[axis] = Quantity(value=size, unit=LENGTH)
    return steps
