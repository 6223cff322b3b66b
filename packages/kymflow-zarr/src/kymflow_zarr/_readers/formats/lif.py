"""LIF and LOF files of Leica LAS X, read by liffile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from kymflow_zarr._readers.decimals import decimal_of
from kymflow_zarr._readers.facts import Channel, Facts
from kymflow_zarr._readers.files import closed_on_error
from kymflow_zarr._readers.formats.planes import (
    PlaneImage,
    PlaneReader,
    axis_name,
    check_expansion,
    is_line_scan,
    line_scan_sizes,
    required,
)
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.scene_names import unique_names
from kymflow_zarr._readers.settings import bit_depth
from kymflow_zarr._readers.units import Quantity, quantity

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from liffile import LifFile, LifImageABC

_DIMENSIONS: Final = {"1": "x", "2": "y", "3": "z", "4": "t"}
_DESCRIPTION: Final = "./Data/Image/ImageDescription"


class LifReader(PlaneReader):
    """Reads Leica LIF and LOF files. See `kymflow_zarr.readers.ImageReader`."""

    name = "lif"
    suffixes = (".lif", ".lof")

    def scenes(self, path: Path, *, limits: ReadLimits) -> tuple[str, ...]:  # noqa: ARG002
        """The names of a file's images, those of line scans first."""
        with _lif_file(path) as file:
            images = _by_name(file)
        return tuple(sorted(images, key=lambda name: not is_line_scan(images[name].sizes)))

    def open_scene(self, path: Path, scene: str, *, limits: ReadLimits) -> PlaneImage:
        """Open an image: line scans and single frames are read as a whole, others by planes."""
        with closed_on_error(_lif_file(path)) as file:
            image = _by_name(file)[scene]
            check_expansion(path, image.sizes, image.dtype, limits)
            order = tuple(line_scan_sizes(image.sizes))
            letters = ["C" if axis == "S" and "C" not in order else axis for axis in order]
            lead = len(order) - 2 if image.frames.dims[-2:] == order[-2:] == ("Y", "X") else 0
            return PlaneImage(
                shape=tuple(image.sizes[axis] for axis in order),
                dtype=image.dtype.newbyteorder("="),
                facts=(_facts(image, letters),),
                plane_ndim=len(order) - lead,
                read_plane=lambda number: image.frames[number] if lead else _pixels(image, order),
                close=file.close,
            )


def _lif_file(path: Path) -> LifFile:
    with required("liffile", path, extra="lif"):
        from liffile import LifFile
    return LifFile(path)


def _by_name(file: LifFile) -> dict[str, LifImageABC]:
    """The images by the name of their collection and their own."""
    return unique_names((f"{image.parent.name}/{image.name}", image) for image in file.images)


def _pixels(image: LifImageABC, order: tuple[str, ...]) -> npt.NDArray[Any]:
    return np.transpose(image.asarray(), [image.dims.index(axis) for axis in order])


def _facts(image: LifImageABC, letters: Sequence[str]) -> Facts:
    axes = tuple(map(axis_name, letters))
    element = image.xml_element
    channels = element.findall(f"{_DESCRIPTION}/Channels/ChannelDescription")
    bits = {channel.get("Resolution") for channel in channels}
    stamps = image.timestamps
    acquired: int | None = None
    warnings: tuple[str, ...] = ()
    if stamps is not None and len(stamps):
        acquired = int(stamps[0].astype("datetime64[ns]").astype(np.int64))
        warnings = ("the acquisition time in the LIF is given in UTC, not in local time",)
    return Facts(
        source="lif",
        axes=axes,
        line_scan=is_line_scan(letters),
        steps={axis: step for axis, step in _steps(element).items() if axis in axes},
        acquired_local_epoch_ns=acquired,
        bits_per_pixel=bit_depth(bits.pop()) if len(bits) == 1 else None,
        channels=tuple(Channel(dye=_dye(channel)) for channel in channels),
        warnings=warnings,
    )


def _steps(element: Element) -> dict[str, Quantity]:
    """``Length`` runs from the first pixel to the last."""
    steps: dict[str, Quantity] = {}
    for dimension in element.iterfind(f"{_DESCRIPTION}/Dimensions/DimensionDescription"):
        length = decimal_of(dimension.get("Length", ""))
        count = decimal_of(dimension.get("NumberOfElements", ""))
        axis = _DIMENSIONS.get(dimension.get("DimID", ""))
        if axis is None or length is None or count is None or count < 2:
            continue
        step = quantity(abs(length) / (count - 1), dimension.get("Unit", ""))
        if step is not None:
            steps[axis] = step
    return steps


def _dye(channel: Element) -> str | None:
    for entry in channel.iterfind("ChannelProperty"):
        if entry.findtext("Key") == "DyeName":
            return entry.findtext("Value") or None
    return None
