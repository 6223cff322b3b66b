"""CZI files of ZEISS ZEN, read by ZEISS' own pylibCZIrw.

The pixel sizes are in the file's XML. Times of lines are there as an interval, or in the attachment
``TimeStamps``, which pylibCZIrw does not read: `time_stamps` does, by the published layout of CZI.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from kymflow_zarr._readers.clock import parse_iso
from kymflow_zarr._readers.facts import Channel, Facts
from kymflow_zarr._readers.formats.planes import (
    PlaneImage,
    axis_name,
    check_expansion,
    library_missing,
    line_scan_sizes,
    others_warning,
)
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.protocols import FolderListing
from kymflow_zarr._readers.settings import bit_depth, known, number_of
from kymflow_zarr._readers.units import TIME, Quantity, quantity
from kymflow_zarr._readers.xml_text import parse_xml

if TYPE_CHECKING:
    from pylibCZIrw.czi import CziReader as CziFile

__all__ = ["CziReader", "time_stamps"]

_TYPES: Final = {
    "Gray8": ("uint8", 1),
    "Gray16": ("uint16", 1),
    "Gray32Float": ("float32", 1),
    "Bgr24": ("uint8", 3),
    "Bgr48": ("uint16", 3),
}
_PLANE_AXES: Final = ("T", "Z", "C")
_MAX_ATTACHMENTS: Final = 10_000
_IMAGE: Final = "Metadata/Information/Image"


class CziReader:
    """Reads ZEISS CZI files. See `kymflow_zarr.readers.ImageReader`."""

    name = "czi"
    suffixes = (".czi",)

    def claims(self, listing: FolderListing) -> Collection[str]:
        """The files whose name ends like a CZI's."""
        return listing.with_suffix(self.suffixes)

    def open(self, path: Path, *, limits: ReadLimits) -> PlaneImage:
        """Open the first scene of a CZI; planes are read one at a time.

        Raises:
            UnreadableImageError: pylibCZIrw is not installed.
        """
        try:
            from pylibCZIrw.czi import CziReader as CziFile
        except ImportError as error:
            raise library_missing(path, library="pylibCZIrw", extra="czi") from error
        with ExitStack() as stack:
            file = CziFile(str(path))
            stack.callback(file.close)
            if len(file.raw_metadata) > limits.max_vendor_text_bytes:
                raise ValueError(f"its XML has {len(file.raw_metadata)} characters")
            dtype, samples = _pixel_type(file)
            sizes, starts, warnings = _recorded(file)
            if samples > 1:
                sizes["S"] = samples
            check_expansion(path, sizes, dtype, limits)
            kept = line_scan_sizes(sizes)
            lead = [axis for axis in kept if axis in _PLANE_AXES]
            scenes = sorted(file.scenes_bounding_rectangle)
            scene = scenes[0] if scenes else None
            warnings += others_warning(str(scene), list(map(str, scenes)))

            def read_plane(number: int) -> npt.NDArray[Any]:
                places = np.unravel_index(number, [kept[axis] for axis in lead] or [1])
                indices = dict(zip(lead, places, strict=False))
                plane = {axis: start + int(indices.get(axis, 0)) for axis, start in starts.items()}
                pixels: npt.NDArray[Any] = file.read(plane=plane, scene=scene)
                pixels = pixels[..., ::-1] if samples > 1 else pixels
                return pixels.reshape([kept[axis] for axis in kept if axis not in lead])

            opened = PlaneImage(
                shape=tuple(kept.values()),
                dtype=dtype,
                facts=(_facts(file.raw_metadata, tuple(kept), time_stamps(path), warnings),),
                plane_ndim=len(kept) - len(lead),
                read_plane=read_plane,
                close=file.close,
            )
            stack.pop_all()
        return opened


def _pixel_type(file: CziFile) -> tuple[np.dtype[Any], int]:
    found = set(file.pixel_types.values())
    if len(found) != 1 or not found <= _TYPES.keys():
        raise ValueError(f"its channels are of type {', '.join(sorted(found)) or 'nothing'}")
    (name,) = found
    dtype, samples = _TYPES[name]
    return np.dtype(dtype), samples


def _recorded(file: CziFile) -> tuple[dict[str, int], dict[str, int], tuple[str, ...]]:
    """Lengths and first indices by axis letter; of a run that was stopped, the whole frames."""
    box = file.total_bounding_box
    spans = {axis: end - start for axis, (start, end) in box.items()}
    others = [axis for axis, span in spans.items() if axis not in "TZCYXS" and span > 1]
    if others:
        raise ValueError(f"it has the dimensions {', '.join(others)}, which are not read")
    starts = {axis: box.get(axis, (0, 1))[0] for axis in _PLANE_AXES}
    sizes = {axis: spans.get(axis, 1) for axis in _PLANE_AXES}
    scenes = file.scenes_bounding_rectangle
    area = scenes[min(scenes)] if scenes else file.total_bounding_rectangle
    asked, each = sizes["T"], sizes["Z"] * sizes["C"]
    there = _frames_there(file, starts["T"], each)
    if there < 1:
        raise ValueError(f"planes are missing in the first of its {asked} frames")
    sizes |= {"T": min(there, asked), "Y": area.h, "X": area.w}
    warning = f"the file holds {there} whole frames of {asked}"
    return sizes, starts, (warning,) if there < asked else ()


def _frames_there(file: CziFile, first: int, each: int) -> int:
    """How many frames from the first have as many planes as a frame has."""
    planes: dict[int, set[tuple[int, int]]] = {}

    def look(_: int, block: Any) -> bool:  # the library has no types
        place = block.coordinate.to_dict()
        planes.setdefault(place.get("T", 0), set()).add((place.get("Z", 0), place.get("C", 0)))
        return True

    file.enumerate_subblocks(look)
    count = 0
    while len(planes.get(first + count, ())) == each:
        count += 1
    return count


def _facts(
    xml: str,
    letters: tuple[str, ...],
    stamps: npt.NDArray[np.float64],
    warnings: tuple[str, ...],
) -> Facts:
    root = parse_xml(xml)
    image = root.find(_IMAGE)
    image = ElementTree.Element("Image") if image is None else image
    objective = root.find("Metadata/Information/Instrument/Objectives/Objective")
    objective = ElementTree.Element("Objective") if objective is None else objective
    date = image.findtext("AcquisitionDateAndTime") or ""
    acquired = parse_iso(date)
    if acquired is not None and acquired[1]:
        warnings += ("the acquisition time in the CZI is given in UTC, not in local time",)
    steps = _pixel_sizes(root)
    period = _period(image, stamps, line_scan="Y" not in letters)
    if period is not None:
        steps["t"] = period
    names = tuple(map(axis_name, letters))
    return Facts(
        source="czi",
        axes=names,
        line_scan="T" in letters and "Y" not in letters,
        steps={axis: step for axis, step in steps.items() if axis in names},
        acquired_local_epoch_ns=None if acquired is None else acquired[0],
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
        warnings=warnings,
    )


def _pixel_sizes(root: ElementTree.Element) -> dict[str, Quantity]:
    """``Scaling`` is in metres."""
    found = {
        element.get("Id", "").lower(): quantity(element.findtext("Value") or "", "m")
        for element in root.iterfind("Metadata/Scaling/Items/Distance")
    }
    return {axis: step for axis, step in found.items() if step is not None}


def _period(
    image: ElementTree.Element, stamps: npt.NDArray[np.float64], *, line_scan: bool
) -> Quantity | None:
    """As measured, else as asked for; of a line scan also as the scanner was set."""
    if len(stamps) > 1:
        measured = float(stamps[-1] - stamps[0]) / (len(stamps) - 1)
        if measured > 0:
            return quantity(measured, TIME)
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


def time_stamps(path: Path) -> npt.NDArray[np.float64]:
    """The times of frames, or lines, in seconds since the start; empty where there are none.

    A file begins with a segment that has the place of the attachments' directory, whose entries of
    128 bytes name each attachment's type and place.
    """
    none = np.empty(0)
    with path.open("rb") as file:

        def read(place: int, layout: str) -> tuple[Any, ...]:
            file.seek(max(place, 0))
            return struct.unpack(layout, file.read(struct.calcsize(layout)))

        try:
            magic, directory = read(0, "<10s94xq")
            segment, count = read(directory, "<16s16xi")
            if magic != b"ZISRAWFILE" or not segment.startswith(b"ZISRAWATTDIR"):
                return none
            for number in range(min(count, _MAX_ATTACHMENTS)):
                place, kind = read(directory + 32 + 256 + number * 128, "<12xq20x8s")
                if kind.rstrip(b"\0") == b"CZTIMS":
                    _, stamps = read(place + 32 + 256, "<ii")
                    data = file.read(8 * max(stamps, 0))
                    times = np.frombuffer(data[: len(data) // 8 * 8], "<f8")
                    return times if np.isfinite(times).all() else none
        except struct.error:
            return none
    return none
