"""CZI files of ZEISS ZEN, read by czifile.

Pixel sizes are in the file's XML; the times of frames, or of lines where ZEN stores each line as a
frame, in the attachment ``TimeStamps``, or as an interval in the XML.
"""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from kymflow_zarr._readers.clock import stated_clock
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
from kymflow_zarr._readers.intervals import steady_step
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.scene_names import unique_names
from kymflow_zarr._readers.settings import bit_depth, known, number_of
from kymflow_zarr._readers.units import TIME, Quantity, quantity
from kymflow_zarr._readers.xml_text import parse_xml

if TYPE_CHECKING:
    from czifile import CziFile, CziImage

_IN_PLANE: Final = frozenset("YXS")
_MAX_DIMENSIONS: Final = 40
_DAYS: Final = 20_000  # as a number of days since 1899, the year 1954
_IMAGE: Final = "Metadata/Information/Image"


class CziReader(PlaneReader):
    """Reads ZEISS CZI files. See `kymflow_zarr.readers.ImageReader`."""

    name = "czi"
    suffixes = (".czi",)

    def scenes(self, path: Path, *, limits: ReadLimits) -> tuple[str, ...]:  # noqa: ARG002
        """The names of the scenes, line scans first."""
        with _czi_file(path) as file:
            scenes = _by_name(file)
            kept = {name: line_scan_sizes(scenes[name].sizes) for name in scenes}
        return tuple(sorted(kept, key=lambda name: not is_line_scan(kept[name])))

    def open_scene(self, path: Path, scene: str, *, limits: ReadLimits) -> PlaneImage:
        """Open one scene; a plane, or all lines of a channel, is read at a time."""
        with closed_on_error(_czi_file(path)) as file:
            image = _by_name(file)[scene]
            check_expansion(path, image.sizes, image.dtype, limits)
            sizes, stopped = _recorded(image)
            kept = line_scan_sizes(sizes)
            # Each line of a line scan is a frame: to find one takes as long as to find all.
            plane = [
                axis for axis in kept if axis in _IN_PLANE or (axis == "T" and "Y" not in kept)
            ]
            lead = [axis for axis in kept if axis not in plane]
            starts = dict(zip(image.dims, image.start, strict=True))

            def read_plane(number: int) -> npt.NDArray[Any]:
                places = np.unravel_index(number, [kept[axis] for axis in lead] or [1])
                chosen: dict[str, int | slice] = {
                    axis: starts[axis] + int(place)
                    for axis, place in zip(lead, places, strict=False)
                }
                if "T" in plane:
                    chosen["T"] = slice(starts["T"], starts["T"] + kept["T"])
                pixels: npt.NDArray[Any] = image(**chosen).asarray(maxworkers=1)
                return pixels.reshape([kept[axis] for axis in plane])

            return PlaneImage(
                shape=tuple(kept.values()),
                dtype=image.dtype.newbyteorder("="),
                facts=(_facts(file, limits, tuple(kept), stopped),),
                plane_ndim=len(plane),
                read_plane=read_plane,
                close=file.close,
            )


def _check_directory(path: Path) -> None:
    """Refuse a directory of blocks that does not fit into the file.

    czifile believes each count in it, and would fill the memory: a number of dimensions of 2**30
    in 17 kB is enough.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        magic, place = struct.unpack("<10s74xq", file.read(92))
        file.seek(min(max(place, 0), size))
        name, _, used = struct.unpack("<16sqq", file.read(32))
        if magic != b"ZISRAWFILE" or not name.startswith(b"ZISRAWDIRECTORY"):
            raise ValueError("it has no directory of its blocks")
        data = file.read(min(max(used, 0), size))
    (count,) = struct.unpack_from("<i", data)
    start = 128
    for _ in range(count):
        (dimensions,) = struct.unpack_from("<i", data, start + 28)
        if not 0 <= dimensions <= _MAX_DIMENSIONS:
            raise ValueError(f"a block has {dimensions} dimensions")
        start += 32 + 20 * dimensions


def _czi_file(path: Path) -> CziFile:
    with required("czifile, and Python 3.12 or newer", path, extra="czi"):
        from czifile import CziFile
    _check_directory(path)
    return CziFile(path)


def _by_name(file: CziFile) -> dict[str, CziImage]:
    return unique_names((str(name), file.scenes[name]) for name in file.scenes)


def _xml(file: CziFile, limits: ReadLimits) -> str:
    text: str = file.metadata()
    if len(text) > limits.max_vendor_text_bytes:
        raise ValueError(
            f"its XML has {len(text)} characters, but the limit is {limits.max_vendor_text_bytes}"
        )
    return text


def _recorded(image: CziImage) -> tuple[dict[str, int], tuple[str, ...]]:
    """Lengths by axis letter: of a run that was stopped, those of the frames that are whole."""
    sizes = dict(image.sizes)
    others = [axis for axis in sizes if axis not in _IN_PLANE | {"T"}]
    planes: dict[int, set[tuple[int, ...]]] = {}
    for entry in image.directory_entries:
        if dict(zip(entry.dims, entry.shape, strict=True)).get("T", 1) > 1:
            return sizes, ()  # many frames in one block: none can be missing alone
        place = dict(zip(entry.dims, entry.start, strict=True))
        planes.setdefault(place.get("T", 0), set()).add(tuple(place[axis] for axis in others))
    asked, each = sizes.get("T", 1), math.prod(sizes[axis] for axis in others)
    first = min(planes)
    there = 0
    while len(planes.get(first + there, ())) == each:
        there += 1
    if there < 1:
        raise ValueError(f"planes are missing in the first of its {asked} frames")
    if there < asked:
        sizes["T"] = there
        return sizes, (f"the file holds {there} whole frames of {asked}",)
    return sizes, ()


def _facts(
    file: CziFile, limits: ReadLimits, letters: tuple[str, ...], warnings: tuple[str, ...]
) -> Facts:
    xml = _xml(file, limits)
    root = parse_xml(xml)
    image = root.find(_IMAGE)
    image = ElementTree.Element("Image") if image is None else image
    objective = root.find("Metadata/Information/Instrument/Objectives/Objective")
    objective = ElementTree.Element("Objective") if objective is None else objective
    doubts = [*warnings]
    period = _period(image, file.timestamps, doubts, line_scan="Y" not in letters)
    steps = {**_pixel_sizes(root), **known({"t": period})}
    date = image.findtext("AcquisitionDateAndTime") or ""
    acquired = stated_clock(date, what="the acquisition time in the CZI", warnings=doubts)
    names = tuple(map(axis_name, letters))
    return Facts(
        source="czi",
        axes=names,
        line_scan=is_line_scan(letters),
        steps={axis: step for axis, step in steps.items() if axis in names},
        acquired_local_epoch_ns=acquired,
        bits_per_pixel=bit_depth(image.findtext("ComponentBitCount")),
        channels=tuple(map(_channel, image.iterfind("Dimensions/Channels/Channel"))),
        vendor=known(
            {
                "objective": objective.get("Name"),
                "objective_na": number_of(objective.findtext("LensNA")),
                "objective_magnification": number_of(objective.findtext("NominalMagnification")),
                "system": root.findtext("Metadata/Information/Application/Name"),
            }
        ),
        texts={"czi_xml": xml},
        warnings=tuple(doubts),
    )


def _pixel_sizes(root: ElementTree.Element) -> dict[str, Quantity]:
    """``Scaling`` is in metres."""
    return known(
        {
            element.get("Id", "").lower(): quantity(element.findtext("Value") or "", "m")
            for element in root.iterfind("Metadata/Scaling/Items/Distance")
        }
    )


def _period(
    image: ElementTree.Element,
    stamps: npt.NDArray[Any] | None,
    warnings: list[str],
    *,
    line_scan: bool,
) -> Quantity | None:
    """As measured where steady, else as asked for; of a line scan also as the scanner was set.

    Time stamps are in seconds since the start, or by some programs in days since 1899.
    """
    if stamps is not None and len(stamps) > 1:
        unit = 86_400 if stamps[0] > _DAYS else 1
        measured = steady_step((stamps * unit).tolist())
        if measured is not None:
            return quantity(measured, TIME)
        warnings.append("the time stamps of the CZI file are not evenly spaced and not used")
    places = ["Dimensions/T/Positions/Interval/Increment"]
    if line_scan:
        places.append("Dimensions/Channels/Channel/LaserScanInfo/LineTime")
    found = (quantity(image.findtext(place) or "", TIME) for place in places)
    return next((step for step in found if step is not None), None)


def _channel(element: ElementTree.Element) -> Channel:
    return Channel(
        name=element.get("Name") or None,
        dye=element.findtext("Fluor") or None,
        emission_nm=number_of(element.findtext("EmissionWavelength")),
        laser_nm=number_of(element.findtext("ExcitationWavelength")),
    )
