"""The ``PVScan`` document that Prairie View (Bruker) writes beside the TIFFs of one recording.

``LineScan-001.xml`` lies beside ``LineScan-001_Cycle00001_Ch1_000001.ome.tif``, and names the file
in a ``<Frame>`` of a ``<Sequence>``. Settings of the recording stand in its ``<PVStateShard>``, and
again in that of the frame where they differ. From version 5 on they are ``<PVStateValue key=…>``
with a value, or with one for each index; before, ``<Key key="micronsPerPixel_XAxis" …>``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from kymflow_zarr._readers.decimals import decimal_signs
from kymflow_zarr._readers.facts import Channel, Facts, Rank
from kymflow_zarr._readers.intervals import steady_step
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.protocols import FolderListing
from kymflow_zarr._readers.settings import bit_depth, count_of, known, number_of
from kymflow_zarr._readers.statements import Statements
from kymflow_zarr._readers.units import LENGTH, TIME, Quantity, quantity
from kymflow_zarr._readers.xml_text import parse_xml
from kymflow_zarr._storage.json_text import JsonValue

_SOURCE: Final = "prairie_xml"
_IMAGE: Final = re.compile(r"(.+)_Cycle\d+_.+\.tiff?", re.IGNORECASE)
_TOLERANCE: Final = 0.1  # a frame may end with a flight back


class PrairieHeader:
    """Reads ``<recording>.xml`` of Prairie View. See `kymflow_zarr.readers.HeaderReader`."""

    name = "prairie"
    suffixes = (".xml",)

    def find(self, path: Path, listing: FolderListing) -> Path | None:
        """The document of the recording that a file's name begins with."""
        image = _IMAGE.fullmatch(path.name)
        return listing.named(f"{image[1]}.xml") if image else None

    def read(
        self, path: Path, listing: FolderListing, *, shape: tuple[int, ...], limits: ReadLimits
    ) -> Facts | None:
        """What the recording's document says about one of its files."""
        found = self.find(path, listing)
        if found is None:
            return None
        text = listing.read_text(found, limits=limits)
        return read_prairie(text, path.name, pages=len(shape) > 2)


def read_prairie(text: str, file_name: str, *, pages: bool = False) -> Facts | None:
    """What a ``PVScan`` document says about an image file; None if it is of another kind.

    ``pages`` tells whether the image has several, which are a time apart.
    """
    try:
        root = _parsed(text)
    except ValueError as error:
        return _doubtful(f"the recording's XML cannot be read: {error}")
    if root.tag != "PVScan":
        return None
    place = _place_of(root, file_name)
    if place is None:
        return _doubtful(f"the recording's XML does not name {file_name!r}, and is not used")
    sequence, frame = place
    settings = dict(_settings(root)) | dict(_settings(sequence)) | dict(_settings(frame))
    stated = Statements(source="Prairie View's", signs=decimal_signs(settings.values()))
    line_scan = "linescan" in sequence.get("type", "").lower()
    counts = {
        "x": settings.get("pixelsperline"),
        "t" if line_scan else "y": settings.get("linesperframe"),
    }
    steps = _steps(settings, line_scan=line_scan, pages=pages, stated=stated)
    if pages and not line_scan and (measured := _time_between_pages(sequence, file_name)):
        steps["t"] = measured
    return Facts(
        source=_SOURCE,
        rank=Rank.HEADER_FILE,
        # That of a long time series would be many times as large as each of its frames.
        texts={_SOURCE: text} if line_scan else {},
        line_scan=line_scan,
        pixels={axis: count for axis, text in counts.items() if (count := count_of(text))},
        steps=steps,
        acquired_local_epoch_ns=_acquired(root, sequence, stated),
        bits_per_pixel=bit_depth(settings.get("bitdepth")),
        channels=tuple(
            Channel(name=file.get("channelName") or None)
            for file in sorted(frame.findall("File"), key=_channel_of)
        ),
        vendor=_vendor(root, settings),
        warnings=tuple(stated.warnings),
    )


@lru_cache(maxsize=1)
def _parsed(text: str) -> ElementTree.Element:
    """The document, which all images of one recording share; it is never changed."""
    return parse_xml(text)


def _doubtful(warning: str) -> Facts:
    return Facts(source=_SOURCE, rank=Rank.HEADER_FILE, warnings=(warning,))


def _place_of(
    root: ElementTree.Element, file_name: str
) -> tuple[ElementTree.Element, ElementTree.Element] | None:
    """The sequence and the frame that a file belongs to."""
    for sequence in root.findall("Sequence"):
        for frame in sequence.findall("Frame"):
            if any(file.get("filename") == file_name for file in frame.findall("File")):
                return sequence, frame
    return None


def _time_between_pages(sequence: ElementTree.Element, file_name: str) -> Quantity | None:
    """As measured: averaged frames take several periods of a frame."""
    times = [
        number_of(frame.get("relativeTime"))
        for frame in sequence.findall("Frame")
        if any(file.get("filename") == file_name for file in frame.findall("File"))
    ]
    known_times = [time for time in times if time is not None]
    step = steady_step(known_times) if len(known_times) == len(times) else None
    return None if step is None else quantity(step, TIME)


def _channel_of(file: ElementTree.Element) -> tuple[int, str]:
    """Sort by number, and by text what is not a number."""
    text = file.get("channel", "")
    return count_of(text), text


def _settings(element: ElementTree.Element) -> Iterator[tuple[str, str]]:
    """The settings of one shard, by lower-case key; those with an index as ``key.index``."""
    for value in element.findall("PVStateShard/PVStateValue"):
        key = value.get("key", "").lower()
        yield key, value.get("value", "")
        for indexed in value.findall("IndexedValue"):
            yield f"{key}.{indexed.get('index', '').lower()}", indexed.get("value", "")
    for value in element.findall("PVStateShard/Key"):
        yield value.get("key", "").lower().replace("_", "."), value.get("value", "")


def _steps(
    settings: Mapping[str, str], *, line_scan: bool, pages: bool, stated: Statements
) -> dict[str, Quantity]:
    period = "scanlineperiod" if line_scan else "frameperiod"
    names = {
        **({"t": (period, TIME)} if line_scan or pages else {}),
        "x": ("micronsperpixel.xaxis", LENGTH),
        "y": ("micronsperpixel.yaxis", LENGTH),
        "z": ("micronsperpixel.zaxis", LENGTH),
    }
    steps = {
        axis: stated.quantity(settings.get(key, ""), unit, of=unit, what=key)
        for axis, (key, unit) in names.items()
    }
    if line_scan:
        _compare_periods(settings, steps["t"], stated)
    return known(steps)


def _compare_periods(
    settings: Mapping[str, str], line: Quantity | None, stated: Statements
) -> None:
    """A frame of a line scan takes as long as its lines."""
    frame = quantity(settings.get("frameperiod", ""), TIME, stated.signs)
    lines = count_of(settings.get("linesperframe"))
    if line is None or frame is None or not lines:
        return
    if not math.isclose(frame.value, lines * line.value, rel_tol=_TOLERANCE):
        stated.warnings.append(
            f"Prairie View contradicts itself: {lines} lines of {line.value:g} s take "
            f"{lines * line.value:g} s, but a frame takes {frame.value:g} s"
        )


def _acquired(
    root: ElementTree.Element, sequence: ElementTree.Element, stated: Statements
) -> int | None:
    """The recording's date, with the sequence's time of day where it is given: it is exact."""
    date, time = root.get("date", ""), sequence.get("time", "")[:18]
    if time:
        date = f"{date.partition(' ')[0]} {time}"
    return stated.clock(date)


def _vendor(root: ElementTree.Element, settings: Mapping[str, str]) -> dict[str, JsonValue]:
    return known(
        {
            "scan_mode": settings.get("activemode"),
            "dwell_time_us": number_of(settings.get("dwelltime")),
            "zoom": number_of(settings.get("opticalzoom")),
            "objective": settings.get("objectivelens"),
            "objective_magnification": number_of(settings.get("objectivelensmag")),
            "objective_na": number_of(settings.get("objectivelensna")),
            "rotation_deg": number_of(settings.get("rotation")),
            "system": f"Prairie View {root.get('version', '')}".strip(),
        }
    )
