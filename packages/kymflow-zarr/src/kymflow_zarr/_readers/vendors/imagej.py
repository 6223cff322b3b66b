r"""ImageJ TIFFs: calibration as ``key=value`` lines of the image description.

``finterval`` is the frame interval (in ``tunit``, else seconds), ``spacing`` the distance of
slices, ``unit`` the unit of ``spacing`` and of ``XResolution`` and ``YResolution`` (pixels per
unit). ``fps`` is the speed of playback and says nothing about acquisition.

ImageJ keeps the print resolution of a TIFF that had no calibration as ``unit=cm`` or ``inch``; that
is what becomes of Olympus' false 10,000 pixels per cm. Such a pixel size is not used, with a
warning.

An image that ImageJ cannot describe (its axes are always t, z, c, y, x) may name its axes in the
key ``kymflow_axes``, like ``kymflow_axes=t,x``; then ``finterval`` belongs to ``t``.
"""

from __future__ import annotations

from typing import Final

from kymflow_zarr._readers.facts import Facts, Rank
from kymflow_zarr._readers.tiff_metadata import TiffMetadata
from kymflow_zarr._readers.units import LENGTH, TIME, Quantity, quantity
from kymflow_zarr._readers.vendors.fluoview import is_olympus_software

__all__ = ["AXES_KEY", "read_imagej"]

AXES_KEY: Final = "kymflow_axes"

_PRINT_UNITS: Final = frozenset({"cm", "inch", "inches", "in"})


def read_imagej(metadata: TiffMetadata) -> Facts | None:
    """Read the facts of an ImageJ TIFF.

    Args:
        metadata: Raw facts of the TIFF.

    Returns:
        What it tells; None when it is no ImageJ TIFF.
    """
    pairs = metadata.imagej
    if not pairs:
        return None
    unit = pairs.get("unit", "")
    warnings: list[str] = []
    steps: dict[str, Quantity] = {}
    if unit.lower() in _PRINT_UNITS:
        warnings.append(
            f"ImageJ gives the pixel size in {unit!r}, which is a print resolution and not used"
        )
    elif not is_olympus_software(metadata.software):
        candidates = {
            "x": _inverse(metadata.x_resolution, unit),
            "y": _inverse(metadata.y_resolution, pairs.get("yunit", unit)),
            "z": quantity(pairs.get("spacing", ""), pairs.get("zunit", unit)),
        }
        steps = {
            axis: step
            for axis, step in candidates.items()
            if step is not None and step.unit == LENGTH
        }
    interval = quantity(pairs.get("finterval", ""), pairs.get("tunit", TIME))
    if interval is not None and interval.unit == TIME:
        steps["t"] = interval
    axes = tuple(name.strip() for name in pairs.get(AXES_KEY, "").split(",") if name.strip())
    return Facts(
        source="imagej",
        rank=Rank.IMAGEJ,
        axes=axes,
        steps=steps,
        texts={"imagej": metadata.description},
        warnings=tuple(warnings),
    )


def _inverse(resolution: float | None, unit: str) -> Quantity | None:
    """Turn pixels per unit into the size of a pixel.

    The resolution is a quotient of integers with 6 decimals or so, hence the rounding.
    """
    if resolution is None:
        return None
    return quantity(float(f"{1 / resolution:.9g}"), unit)
