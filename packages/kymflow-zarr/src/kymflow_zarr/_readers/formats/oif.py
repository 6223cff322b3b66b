"""OIF and OIB files of Olympus FluoView FV1000, read by oiffile.

``scan.oif`` holds the settings; each plane is a TIFF in the folder ``scan.oif.files`` whose name
ends in the plane's place, such as ``scan_C001T002.tif``. An OIB is all this in one file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from kymflow_zarr._readers.clock import parse_iso
from kymflow_zarr._readers.decimals import decimal_of
from kymflow_zarr._readers.facts import Channel, Facts
from kymflow_zarr._readers.files import closed_on_error, regular_file_state
from kymflow_zarr._readers.formats.planes import (
    PlaneImage,
    axis_name,
    is_line_scan,
    line_scan_sizes,
    required,
)
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.protocols import ImageReader
from kymflow_zarr._readers.settings import bit_depth, known, number_of
from kymflow_zarr._readers.units import Quantity, quantity

if TYPE_CHECKING:
    import oiffile
    import tifffile

_PLACE: Final = re.compile(r"_((?:[A-Z]\d{1,9})+)\.tif\Z", re.IGNORECASE)
_AXES: Final = 8
_CHANNELS: Final = 16
Settings = Mapping[str, Any]


class OifReader(ImageReader):
    """Reads Olympus OIF and OIB files. See `kymflow_zarr.readers.ImageReader`."""

    name = "oif"
    suffixes = (".oif", ".oib")

    def open(self, path: Path, *, limits: ReadLimits) -> PlaneImage:  # noqa: ARG002 - planes are checked
        """Open an image; planes are read one at a time."""
        with required("oiffile", path, extra="oif"):
            import oiffile
        with closed_on_error(oiffile.OifFile(path)) as file:
            sizes = _sizes(file.mainfile)
            letters = tuple(line_scan_sizes(sizes))
            lead = [axis for axis in letters if axis not in file.axes[-2:]]
            planes = _planes(file, sizes, lead)
            plane_shape = tuple(sizes[axis] for axis in letters[len(lead) :])
            return PlaneImage(
                shape=tuple(sizes[axis] for axis in letters),
                dtype=_dtype_of(file, path, planes[0]),
                facts=(_facts(file.mainfile, letters),),
                plane_ndim=len(plane_shape),
                read_plane=lambda number: _read(file, path, planes[number], plane_shape),
                close=file.close,
            )


def _sizes(settings: Settings) -> dict[str, int]:
    """Length by axis letter, slowest first."""
    axes = [settings[f"Axis {number} Parameters Common"] for number in range(_AXES)]
    lengths = {str(axis["AxisCode"]): int(axis["MaxSize"]) for axis in axes}
    order = str(settings["Axis Parameter Common"]["AxisOrder"])[::-1]
    return {letter: lengths[letter] for letter in order}


def _planes(file: oiffile.OifFile, sizes: Mapping[str, int], lead: list[str]) -> list[str]:
    """The names of the planes, in order."""
    by_place: dict[tuple[int, ...], str] = {}
    for name in file.glob("*.tif"):
        found = _PLACE.search(name)
        numbers = dict(re.findall(r"([A-Z])(\d+)", found[1].upper())) if found else {}
        others = [int(number) for letter, number in numbers.items() if letter not in lead]
        if found and set(lead) <= set(numbers) and all(number == 1 for number in others):
            by_place.setdefault(tuple(int(numbers[letter]) for letter in lead), name)
    places = list(product(*(range(1, sizes[letter] + 1) for letter in lead)))
    missing = [place for place in places if place not in by_place]
    if missing:
        raise ValueError(
            f"{len(missing)} of its {len(places)} planes are missing, the first at "
            f"{dict(zip(lead, missing[0], strict=True))}"
        )
    return [by_place[place] for place in places]


@contextmanager
def _tiff(file: oiffile.OifFile, path: Path, name: str) -> Iterator[tifffile.TiffPage]:
    """The one page of a plane's TIFF."""
    import tifffile

    if not file.is_oib:
        regular_file_state(path.parent / name, follow_links=False)
    with file.open_file(name) as handle, tifffile.TiffFile(handle, name=name) as tiff:
        yield tiff.pages.first


def _dtype_of(file: oiffile.OifFile, path: Path, name: str) -> np.dtype[Any]:
    with _tiff(file, path, name) as page:
        return np.dtype(page.dtype).newbyteorder("=")


def _read(file: oiffile.OifFile, path: Path, name: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """A plane; its declared shape is compared before anything is decoded."""
    with _tiff(file, path, name) as page:
        if [length for length in page.shape if length != 1] != [
            length for length in shape if length != 1
        ]:
            raise ValueError(f"{name!r} has the shape {page.shape} where {shape} is expected")
        pixels: npt.NDArray[Any] = page.asarray().reshape(shape)
    return pixels


def _facts(settings: Settings, letters: tuple[str, ...]) -> Facts:
    acquisition = settings.get("Acquisition Parameters Common", {})
    image = settings.get("Reference Image Parameter", {})
    acquired = parse_iso(str(acquisition.get("ImageCaputreDate", "")).strip("'\" "))
    return Facts(
        source="oif",
        axes=tuple(map(axis_name, letters)),
        line_scan=is_line_scan(letters),
        steps=_steps(settings, image, letters),
        acquired_local_epoch_ns=None if acquired is None else acquired[0],
        bits_per_pixel=bit_depth(str(image.get("ValidBitCounts", ""))),
        channels=_channels(settings),
        vendor=known(
            {
                "objective": _text(acquisition, "Objective Lens"),
                "zoom": number_of(_text(acquisition, "Zoom")),
                "system": _text(settings.get("Version Info", {}), "SystemName"),
            }
        ),
    )


def _steps(settings: Settings, image: Settings, letters: tuple[str, ...]) -> dict[str, Quantity]:
    """Pixel sizes as stated, other steps from an axis' first and last position."""
    found = {
        "x": quantity(str(image.get("WidthConvertValue")), str(image.get("WidthUnit"))),
        "y": quantity(str(image.get("HeightConvertValue")), str(image.get("HeightUnit"))),
    }
    for number in range(_AXES):
        axis = settings.get(f"Axis {number} Parameters Common", {})
        letter = str(axis.get("AxisCode"))
        first, last = (decimal_of(str(axis.get(f"{end}Position"))) for end in ("Start", "End"))
        if letter in {"T", "Z"} and letter in letters and first is not None and last is not None:
            count = int(axis["MaxSize"])
            found[axis_name(letter)] = quantity(
                abs(last - first) / (count - 1), str(axis.get("UnitName"))
            )
    names = set(map(axis_name, letters))
    return {axis: step for axis, step in found.items() if step is not None and axis in names}


def _channels(settings: Settings) -> tuple[Channel, ...]:
    sections = (
        settings.get(f"GUI Channel {number} Parameters") for number in range(1, _CHANNELS + 1)
    )
    return tuple(
        Channel(
            name=_text(section, "CH Name"),
            dye=_text(section, "DyeName"),
            emission_nm=number_of(_text(section, "EmissionWavelength")),
            laser_nm=number_of(_text(section, "ExcitationWavelength")),
        )
        for section in sections
        if section is not None
    )


def _text(section: Settings, key: str) -> str | None:
    return str(section[key]).strip() or None if key in section else None
