"""The ``Experiment.xml`` that ThorImage writes into the folder of each recording.

Its ``<LSM>`` has the size of the image, the pixel size and the rate of frames. There is no line
period: it follows from the rate, since a frame takes as long as its lines.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from kymflow_zarr._readers.decimals import decimal_of, decimal_signs
from kymflow_zarr._readers.facts import Channel, Facts, Rank
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.protocols import FolderListing
from kymflow_zarr._readers.settings import count_of, known, number_of
from kymflow_zarr._readers.statements import Statements
from kymflow_zarr._readers.units import LENGTH, TIME, Quantity, quantity
from kymflow_zarr._readers.xml_text import parse_xml
from kymflow_zarr._storage.json_text import JsonValue

_SOURCE: Final = "thor_xml"
_IMAGE: Final = re.compile(r"(?:Chan[A-Z]|Image)_\d.*", re.IGNORECASE)
_LINE_MODES: Final = frozenset({"2", "3"})  # areaMode: square, rectangle, kymograph, line
_CHANNELS: Final = 4
_TOLERANCE: Final = 0.02  # the width may be rounded


class ThorHeader:
    """Reads ThorImage's ``Experiment.xml``. See `kymflow_zarr.readers.HeaderReader`."""

    name = "thor"
    suffixes = (".xml",)

    def find(self, path: Path, listing: FolderListing) -> Path | None:
        """The folder's document, for ``ChanA_…`` and ``Image_…``."""
        return listing.named("Experiment.xml") if _IMAGE.fullmatch(path.name) else None

    def read(
        self, path: Path, listing: FolderListing, *, shape: tuple[int, ...], limits: ReadLimits
    ) -> Facts | None:
        """What the folder's document says."""
        found = self.find(path, listing)
        return None if found is None else read_thor(listing.read_text(found, limits=limits))


def read_thor(text: str) -> Facts | None:
    """Read an ``Experiment.xml``; None if it is of another kind."""
    try:
        root = parse_xml(text)
    except ValueError as error:
        warning = f"Experiment.xml cannot be read: {error}"
        return Facts(source=_SOURCE, rank=Rank.HEADER_FILE, warnings=(warning,))
    if root.tag != "ThorImageExperiment":
        return None
    scan = root.find("LSM")
    scan = ElementTree.Element("LSM") if scan is None else scan
    stated = Statements(source="ThorImage's", signs=decimal_signs(scan.attrib.values()))
    line_scan = scan.get("areaMode") in _LINE_MODES
    rows = "t" if line_scan else "y"
    counts = {"x": count_of(scan.get("pixelX")), rows: count_of(scan.get("pixelY"))}
    return Facts(
        source=_SOURCE,
        rank=Rank.HEADER_FILE,
        texts={_SOURCE: text},
        line_scan=line_scan,
        pixels={axis: count for axis, count in counts.items() if count},
        steps=_steps(scan, lines=counts.get("t", 0), stated=stated),
        acquired_local_epoch_ns=stated.clock(
            _attribute(root, "Date", "date") or "", month_first=True
        ),
        channels=_channels(scan),
        vendor=_vendor(root, scan),
        warnings=tuple(stated.warnings),
    )


def _steps(scan: ElementTree.Element, *, lines: int, stated: Statements) -> dict[str, Quantity]:
    size = scan.get("pixelSizeUM", "")
    pixel = stated.quantity(size, LENGTH, of=LENGTH, what="pixel size")
    steps = {} if pixel is None else {"x": pixel, "y": pixel}
    width = quantity(scan.get("widthUM", ""), LENGTH, stated.signs)
    across = 0.0 if pixel is None else count_of(scan.get("pixelX")) * pixel.value
    if width and across and not math.isclose(width.value, across, rel_tol=_TOLERANCE):
        stated.warnings.append(
            f"ThorImage contradicts itself: its pixels are {across:g} um together, but the image "
            f"is {width.value:g} um wide"
        )
    if not lines:
        return steps
    written = scan.get("frameRate", "")
    rate = decimal_of(written, stated.signs)
    averaged = count_of(scan.get("averageNum")) if scan.get("averageMode", "0") != "0" else 1
    period = quantity(1 / (rate * lines), TIME) if rate else None
    if averaged > 1:
        stated.warnings.append(
            f"ThorImage averaged {averaged} frames, so their rate gives no line period"
        )
    elif period is not None:
        steps["t"] = period
        stated.warnings.append(
            "the line period is that of ThorImage's frames, divided by their lines, since "
            "ThorImage notes no other"
        )
    elif written and rate != 0:
        stated.warnings.append(
            f"ThorImage's frame rate {written[:40]!r} cannot be interpreted and is not used"
        )
    return steps


def _channels(scan: ElementTree.Element) -> tuple[Channel, ...]:
    """Each bit of ``channel`` is a detector that was on, from ``ChanA``."""
    bits = count_of(scan.get("channel"))
    return tuple(
        Channel(name=f"Chan{chr(ord('A') + number)}")
        for number in range(_CHANNELS)
        if bits >> number & 1
    )


def _vendor(root: ElementTree.Element, scan: ElementTree.Element) -> dict[str, JsonValue]:
    version = _attribute(root, "Software", "version")
    return known(
        {
            "scan_device": scan.get("name"),
            "dwell_time_us": number_of(scan.get("dwellTime")),
            "objective": _attribute(root, "Magnification", "name"),
            "objective_magnification": number_of(_attribute(root, "Magnification", "mag")),
            "system": None if version is None else f"ThorImage {version}",
        }
    )


def _attribute(root: ElementTree.Element, element: str, name: str) -> str | None:
    found = root.find(element)
    return None if found is None else found.get(name)
