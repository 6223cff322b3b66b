"""Axes and calibration as tags that other software knows: OME where it fits, else ImageJ.

OME-XML names the dimensions t, z, c, y, x and their steps exactly, so it serves images that end in
``y, x``. It has no word for a kymograph's ``(t, x)``, nor for other axes: these carry an ImageJ
description, where ``finterval`` is the line period, ``unit``/``yunit`` with the resolution tags the
calibration that ImageJ shows, and the key ``kymflow_axes`` the names of the axes. The resolution is
a quotient of two 32-bit integers: exact for what microscopes print, to 9 digits for any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, Final
from xml.etree import ElementTree

import numpy as np

from kymflow_zarr._export.tiff_encoder import TiffTags
from kymflow_zarr._readers.units import LENGTH, Quantity
from kymflow_zarr._readers.vendors.imagej import AXES_KEY

__all__ = ["image_tags"]

_OME_TYPES: Final = {
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
    "float32": "float",
    "float64": "double",
}
_OME_NAMESPACE: Final = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_OME_SIZES: Final = {"x": "PhysicalSizeX", "y": "PhysicalSizeY", "z": "PhysicalSizeZ"}
_IMAGEJ_VERSION: Final = "1.53t"
_IMAGEJ_DIMENSIONS: Final = ("frames", "slices", "channels")
_IMAGEJ_NAMES: Final = {"t": "frames", "z": "slices", "c": "channels"}
_AXIS_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_RATIONAL_RANGE: Final = (Fraction(1, 2**31), Fraction(2**31))


def image_tags(
    shape: tuple[int, ...],
    axes: tuple[str, ...],
    dtype: np.dtype[Any],
    *,
    steps: Mapping[str, Quantity],
    acquired_local_epoch_ns: int | None = None,
    channel_names: Sequence[str | None] = (),
) -> TiffTags:
    """What an image's TIFF tells about it.

    Args:
        shape: The image's shape.
        axes: A name for each dimension.
        dtype: The pixels' type.
        steps: Axis → distance of two pixels, where known.
        acquired_local_epoch_ns: Wall time of the acquisition, where known.
        channel_names: Names of the channels, where known.
    """
    if _fits_ome(axes, dtype):
        return TiffTags(
            description=_ome_xml(shape, axes, dtype, steps, acquired_local_epoch_ns, channel_names),
            pixels_per_unit=None,
        )
    return _imagej_tags(shape, axes, steps)


def _fits_ome(axes: tuple[str, ...], dtype: np.dtype[Any]) -> bool:
    return (
        axes[-2:] == ("y", "x")
        and set(axes) <= set("tzcyx")
        and len(set(axes)) == len(axes)
        and dtype.name in _OME_TYPES
    )


def _ome_xml(
    shape: tuple[int, ...],
    axes: tuple[str, ...],
    dtype: np.dtype[Any],
    steps: Mapping[str, Quantity],
    acquired_local_epoch_ns: int | None,
    channel_names: Sequence[str | None],
) -> bytes:
    lengths = dict(zip(axes, shape, strict=True))
    leading = "".join(reversed(axes[:-2])).upper()
    root = ElementTree.Element("OME", xmlns=_OME_NAMESPACE, Creator="kymflow-zarr")
    image = ElementTree.SubElement(root, "Image", ID="Image:0")
    if acquired_local_epoch_ns is not None:
        date = ElementTree.SubElement(image, "AcquisitionDate")
        date.text = _iso(acquired_local_epoch_ns)
    pixels = ElementTree.SubElement(
        image,
        "Pixels",
        ID="Pixels:0",
        DimensionOrder="XY" + leading + "".join(name for name in "CZT" if name not in leading),
        Type=_OME_TYPES[dtype.name],
        BigEndian="false",
        Interleaved="false",
    )
    for axis in "xyzct":
        pixels.set(f"Size{axis.upper()}", str(lengths.get(axis, 1)))
    for axis, name in _OME_SIZES.items():
        if axis in steps:
            pixels.set(name, repr(steps[axis].value))  # micrometres, the schema's default
    if "t" in steps:
        pixels.set("TimeIncrement", repr(steps["t"].value))  # seconds, the schema's default
    count = lengths.get("c", 1)
    for number in range(count):
        channel = ElementTree.SubElement(
            pixels, "Channel", ID=f"Channel:0:{number}", SamplesPerPixel="1"
        )
        label = channel_names[number] if len(channel_names) == count else None
        if label and label.isprintable():  # control characters are no XML
            channel.set("Name", label)
    planes = lengths.get("t", 1) * lengths.get("z", 1) * count
    ElementTree.SubElement(pixels, "TiffData", IFD="0", PlaneCount=str(planes))
    body: bytes = ElementTree.tostring(root, encoding="us-ascii", xml_declaration=False)
    return b'<?xml version="1.0" encoding="UTF-8"?>' + body


def _iso(local_epoch_ns: int) -> str:
    """The wall time, to the nanosecond and without a zone."""
    seconds, rest = divmod(local_epoch_ns, 10**9)
    wall = datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
    return f"{wall:%Y-%m-%dT%H:%M:%S}.{rest:09d}"


def _imagej_tags(
    shape: tuple[int, ...], axes: tuple[str, ...], steps: Mapping[str, Quantity]
) -> TiffTags:
    has_samples = len(shape) >= 3 and axes[-1] == "c"
    picture = axes[-3:-1] if has_samples else axes[-2:]
    leading = axes[: -len(picture) - has_samples]
    counts = dict(zip(axes, shape, strict=True))
    images = 1
    for axis in leading:
        images *= counts[axis]
    lines = [f"ImageJ={_IMAGEJ_VERSION}", f"images={images}"]
    lines += _imagej_counts(leading, counts, images)
    across = steps.get(picture[-1])
    down = steps.get(picture[0]) if len(picture) > 1 else None
    resolution = _pixels_per_unit(across, down)
    if resolution is not None and across is not None:
        lines.append(f"unit={across.unit}")
        if down is None or down.unit != across.unit:
            lines.append(f"yunit={'pixel' if down is None else down.unit}")
    if "z" in steps and "z" in leading and steps["z"].unit == LENGTH:
        lines += [f"spacing={steps['z'].value!r}", f"zunit={LENGTH}"]
    if "t" in steps:
        lines.append(f"finterval={steps['t'].value!r}")
    if all(_AXIS_NAME.fullmatch(axis) for axis in axes):
        lines.append(f"{AXES_KEY}={','.join(axes)}")
    description = "\n".join([*lines, ""]).encode("ascii")
    return TiffTags(description=description, pixels_per_unit=resolution)


def _imagej_counts(leading: tuple[str, ...], counts: Mapping[str, int], images: int) -> list[str]:
    """ImageJ's numbers of frames, slices and channels, in which a stack is laid out."""
    if not leading:
        return []
    natural = [_IMAGEJ_NAMES.get(axis, "") for axis in leading]
    ordered = [name for name in _IMAGEJ_DIMENSIONS if name in natural]
    if natural == ordered:
        found = dict(zip(natural, (counts[axis] for axis in leading), strict=True))
    elif len(leading) <= len(_IMAGEJ_DIMENSIONS):
        found = dict(zip(_IMAGEJ_DIMENSIONS, (counts[axis] for axis in leading), strict=False))
    else:
        found = {"frames": images}
    lines = [f"{name}={found[name]}" for name in reversed(_IMAGEJ_DIMENSIONS) if name in found]
    return [*lines, "hyperstack=true", "mode=grayscale"]


def _pixels_per_unit(
    across: Quantity | None, down: Quantity | None
) -> tuple[Fraction, Fraction] | None:
    if across is None:
        return None
    across_count = 1 / Fraction(repr(across.value))
    both = (across_count, Fraction(1) if down is None else 1 / Fraction(repr(down.value)))
    low, high = _RATIONAL_RANGE
    return both if all(low <= value <= high for value in both) else None
