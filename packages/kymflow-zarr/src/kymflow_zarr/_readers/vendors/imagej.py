r"""ImageJ TIFFs: calibration as ``key=value`` lines of the image description.

``finterval`` is the frame interval (in ``tunit``, else seconds), ``spacing`` the distance of
slices, ``unit`` the unit of ``spacing`` and of ``XResolution`` and ``YResolution`` (pixels per
unit), unless ``yunit`` or ``zunit`` give another. ``fps`` is the speed of playback and says nothing
about acquisition.

A picture whose height is calibrated in a unit of time is a kymograph with time down, one whose
width is, with time across.

ImageJ keeps the print resolution of a TIFF that had no calibration as ``unit=cm`` or ``inch``; that
is what becomes of Olympus' false 10,000 pixels per cm. Such a pixel size is not used, with a
warning.

An image that ImageJ cannot describe (its axes are always t, z, c, y, x) may name its axes in the
key ``kymflow_axes``, like ``kymflow_axes=t,x``; then ``finterval`` belongs to ``t``.
"""

from __future__ import annotations

from typing import Final

from kymflow_zarr._readers.facts import Facts, Rank
from kymflow_zarr._readers.settings import known
from kymflow_zarr._readers.statements import Statements
from kymflow_zarr._readers.tiff_metadata import TiffMetadata
from kymflow_zarr._readers.units import LENGTH, TIME, Quantity, quantity
from kymflow_zarr._readers.vendors.fluoview import is_olympus_software

AXES_KEY: Final = "kymflow_axes"

_PRINT_UNITS: Final = frozenset({"cm", "inch", "inches", "in"})


def read_imagej(metadata: TiffMetadata) -> Facts | None:
    """What an ImageJ TIFF tells; None when it is none."""
    pairs = metadata.imagej
    if not pairs:
        return None
    stated = Statements(source="ImageJ's")
    steps: dict[str, Quantity | None] = {}
    axes = tuple(name.strip() for name in pairs.get(AXES_KEY, "").split(",") if name.strip())
    unit = pairs.get("unit", "")
    if "z" in metadata.axes:
        spacing = pairs.get("spacing", "").lstrip("-")  # a stack may go down
        steps["z"] = stated.quantity(
            spacing, pairs.get("zunit", unit), of=LENGTH, what="distance of slices"
        )
    if "c0" in pairs:
        stated.warnings.append(
            f"ImageJ shows other values than those stored (c0={pairs['c0'][:40]}, as of signed "
            "pixels); pixels are kept as stored"
        )
    steps["t"] = stated.quantity(
        pairs.get("finterval", ""), pairs.get("tunit") or TIME, of=TIME, what="frame interval"
    )
    if not is_olympus_software(metadata.page.software):
        x = _pixel_size(metadata.pixels_per_unit("x"), unit, "x", stated)
        y = _pixel_size(metadata.pixels_per_unit("y"), pairs.get("yunit", unit), "y", stated)
        others = metadata.axes[:-2]
        times = {axis for axis, step in (("x", x), ("y", y)) if step and step.unit == TIME}
        if axes or not times:  # of named axes, the frame interval is exact
            steps |= {axis: step for axis, step in (("x", x), ("y", y)) if axis not in times}
        elif len(times) > 1 or "t" in others or metadata.axes[-2:] != ("y", "x"):
            steps |= {axis: step for axis, step in (("x", x), ("y", y)) if axis not in times}
            stated.warnings.append(
                f"ImageJ gives pixel sizes in units of time along {' and '.join(sorted(times))}, "
                "which are not used"
            )
        elif times == {"y"}:
            axes, steps["t"], steps["x"] = (*others, "t", "x"), y, x
        else:
            axes, steps["t"], steps["x"] = (*others, "x", "t"), x, y
    return Facts(
        source="imagej",
        rank=Rank.IMAGEJ,
        axes=axes,
        steps=known(steps),
        texts={"imagej": metadata.page.description},
        warnings=tuple(dict.fromkeys(stated.warnings)),
    )


def _pixel_size(
    resolution: float | None, unit: str, axis: str, stated: Statements
) -> Quantity | None:
    """Turn pixels per unit into the size of a pixel, which may be a length or a time.

    The resolution is a quotient of integers with 6 decimals or so, hence the rounding.
    """
    if unit.lower() in _PRINT_UNITS:
        stated.warnings.append(
            f"ImageJ gives the pixel size in {unit!r}, which is a print resolution and not used"
        )
        return None
    if resolution is None:
        return None
    size = float(f"{1 / resolution:.9g}")
    return quantity(size, unit) or stated.quantity(
        size, unit, of=LENGTH, what=f"pixel size along {axis!r}"
    )
