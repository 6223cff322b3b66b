"""Olympus FluoView ``.txt`` headers, which the microscope writes beside each export.

Rows are tab-separated and quoted, ``"[Section]"`` rows open a section; editors may have made commas
or spaces of the tabs and dropped the quotes. The same key may stand in several sections: ``Image
Size`` of ``[Reference Image]`` describes the overview picture, not this image.

Numbers have the decimal sign that the computer was set to, which other numbers of the same text
prove (see `decimals`); an ambiguous one is a warning.

The line period follows exactly from ``[Image]``: ``Image Size(Unit Converted)`` is the duration of
all lines and ``Image Size`` their number, so 34020.000 ms / 30000 = 1.134 ms. ``T Dimension`` ends
at the last line's start and is rounded to ms: it serves only when the former is missing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from kymflow_zarr._readers.decimals import NUMBER, decimal_of, decimal_signs
from kymflow_zarr._readers.facts import Channel, Facts, Rank
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.protocols import FolderListing
from kymflow_zarr._readers.settings import bit_depth, known
from kymflow_zarr._readers.statements import Statements
from kymflow_zarr._readers.units import LENGTH, TIME, Quantity, quantity
from kymflow_zarr._storage.json_text import JsonValue

_LETTERS: Final = re.compile(r"[A-Za-z]+")
# These take all that stands for a number, so that none is read without its first digits.
_WITH_UNIT: Final = re.compile(r"([^\[\]]*)\[([^\]/]+)\]\s*")
_PER_PIXEL: Final = re.compile(r"(?:^|\],)([^\[\]]*)\[([^\]/]+)/[^\]]+\]")
_RANGE: Final = re.compile(r"([0-9]{1,12}),([^\[\]]*)\s[-\u2013\u2212]\s([^\[\]]*)\[([^\]]+)\]")
_MEASURES: Final = re.compile(rf"({NUMBER})\s*(?:-|\[)")
_QUOTED: Final = re.compile(r'\s*"([^"]*)"(?:[\s,;]+"?(.*?)"?)?\s*')
_SEPARATOR: Final = re.compile(r"\t| {2,}|[,;]")
_CHANNEL: Final = re.compile(r"Channel (\d{1,4})")
_MAX_LINE: Final = 1000  # the patterns above take time by the square of a line's length
_TOLERANCE: Final = 0.05  # more than rounding, less than a factor that is wrong


class OlympusTextHeader:
    """Reads ``<stem>.txt``. See `kymflow_zarr.readers.HeaderReader`."""

    name = "olympus_txt"
    suffixes = (".txt",)

    def find(self, path: Path, listing: FolderListing) -> Path | None:
        """The text beside an image."""
        return listing.beside(path, ".txt")

    def read(
        self, path: Path, listing: FolderListing, *, shape: tuple[int, ...], limits: ReadLimits
    ) -> Facts | None:
        """What the text beside an image says; a text of another kind is kept, with a warning."""
        found = self.find(path, listing)
        return None if found is None else read_olympus_text(listing.read_text(found, limits=limits))


def read_olympus_text(text: str) -> Facts:
    """What an Olympus header says; one of another kind is only kept, with a warning."""
    sections = _sections(text)
    if "General" not in sections or not sections.keys() & {"Dimensions", "Image"}:
        return Facts(
            source="vendor_text",
            rank=Rank.HEADER_FILE,
            texts={"text": text},
            warnings=("the text beside the image is not a known vendor header",),
        )
    general = sections.get("General", {})
    scan_mode = general.get("Scan Mode", "")
    stated = _OlympusStatements(source="the Olympus header's", signs=_signs(sections))
    pixels, extents = _image_size(sections.get("Image", {}), stated.warnings)
    line_scan = scan_mode.upper() == "XT"
    dimensions = sections.get("Dimensions", {})
    steps = _steps(dimensions, pixels, extents, stated, line_scan=line_scan)
    acquired = stated.clock(general.get("Date", ""))
    channels, bits = _channels(sections, stated)
    return Facts(
        source="vendor_text",
        rank=Rank.HEADER_FILE,
        texts={"olympus_txt": text},
        line_scan=line_scan,
        pixels=pixels,
        steps=steps,
        acquired_local_epoch_ns=acquired,
        bits_per_pixel=bits,
        channels=channels,
        vendor=_settings(general, sections.get("Acquisition", {}), stated),
        warnings=tuple(stated.warnings),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _OlympusStatements(Statements):
    """Reads the numbers of one header."""

    def per_pixel(self, text: str, *, of: str, what: str) -> Quantity | None:
        """The last part of a value like ``7, 0.0 - 3.15 [um], 0.450 [um/pixel]``."""
        match = _PER_PIXEL.search(text)
        if match is not None:
            return self.quantity(match[1], match[2], of=of, what=what)
        if text:
            self.warnings.append(f"{self.source} {what} is not given per pixel in {text[:60]!r}")
        return None

    def first(self, text: str | None) -> float | None:
        """The first number in a value like ``x2.21``, ``25.0X`` or ``12 [bits]``."""
        match = re.search(NUMBER, text or "")
        number = decimal_of(match[0], self.signs) if match else None
        return None if number is None else float(number)


def _signs(sections: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
    """The decimal signs of all lengths and times, which stand before a unit or within a range."""
    return decimal_signs(
        match[1]
        for section in sections.values()
        for value in section.values()
        for match in _MEASURES.finditer(value)
    )


def _sections(text: str) -> dict[str, dict[str, str]]:
    """Split into sections; the first of equal keys and of equal sections counts."""
    sections: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in text.splitlines():
        row = line[:_MAX_LINE]
        quoted = _QUOTED.fullmatch(row)
        key, *rest = quoted.groups("") if quoted else _SEPARATOR.split(row, maxsplit=1)
        name = _unquoted(key)
        if name.startswith("[") and name.endswith("]"):
            current = {}
            sections.setdefault(name[1:-1].strip(), current)
        elif name:
            current.setdefault(name, _unquoted("".join(rest)))
    return sections


def _unquoted(cell: str) -> str:
    return cell.strip().strip('"').strip()


def _image_size(
    image: Mapping[str, str], warnings: list[str]
) -> tuple[dict[str, int], dict[str, tuple[str, str]]]:
    """Return pixels, and extents as (number, unit), of ``[Image]`` per axis.

    The axes are named, fastest first, by ``Primary Dimensions``.
    """
    axes = [letter.lower() for letter in _LETTERS.findall(image.get("Primary Dimensions", ""))]
    counts = image.get("Image Size", "").partition("[")[0].split("*")
    sizes = image.get("Image Size(Unit Converted)", "")
    found = [_WITH_UNIT.fullmatch(part) for part in sizes.split("*")]
    extents = [(match[1], match[2]) for match in found if match is not None]
    is_whole = len(counts) == len(found) == len(extents) == len(axes)
    if sizes and not is_whole:
        warnings.append(f"the Olympus header's image size {sizes[:60]!r} cannot be interpreted")
    if len(counts) != len(axes):
        return {}, {}
    # Counts are whole, so whatever stands between their digits parts thousands.
    pixels = {
        axis: int(re.sub(r"[^0-9]", "", count) or 0)
        for axis, count in zip(axes, counts, strict=True)
    }
    return pixels, dict(zip(axes, extents, strict=True)) if is_whole else {}


def _steps(
    dimensions: Mapping[str, str],
    pixels: Mapping[str, int],
    extents: Mapping[str, tuple[str, str]],
    stated: _OlympusStatements,
    *,
    line_scan: bool,
) -> dict[str, Quantity]:
    steps: dict[str, Quantity] = {}
    for axis in ("x", "y", "z"):
        text = dimensions.get(f"{axis.upper()} Dimension", "")
        step = stated.per_pixel(text, of=LENGTH, what=f"pixel size along {axis!r}")
        if step is not None:
            steps[axis] = step
            _compare(step, _per_pixel(axis, pixels, extents, stated), stated)
    period = _per_pixel("t", pixels, extents, stated) if line_scan else None
    rounded = _rounded_period(dimensions.get("T Dimension", ""), pixels, stated, line_scan)
    if period is not None:
        _compare(period, rounded, stated)
    elif rounded is not None and line_scan:
        stated.warnings.append(
            "the line period comes from the Olympus header's rounded T Dimension, because its "
            "image size is missing or cannot be read"
        )
    if (chosen := period or rounded) is not None:
        steps["t"] = chosen
    return steps


def _per_pixel(
    axis: str,
    pixels: Mapping[str, int],
    extents: Mapping[str, tuple[str, str]],
    stated: _OlympusStatements,
) -> Quantity | None:
    """Divide an extent by its number of pixels: of a line scan's time, the exact line period."""
    kind = TIME if axis == "t" else LENGTH
    extent = stated.quantity(*extents.get(axis, ("", "")), of=kind, what=f"extent along {axis!r}")
    count = pixels.get(axis, 0)
    if extent is None or count < 1:
        return None
    return quantity(Decimal(repr(extent.value)) / count, kind)


def _rounded_period(
    text: str, pixels: Mapping[str, int], stated: _OlympusStatements, line_scan: bool
) -> Quantity | None:
    """Divide a ``T Dimension`` by its intervals: it runs from the first start to the last one."""
    match = _RANGE.match(text)
    if match is None:
        return None
    count = pixels.get("t", 0) if line_scan else int(match[1])
    start, stop = (decimal_of(number, stated.signs) for number in match.group(2, 3))
    if start is None or stop is None:
        stated.warnings.append(
            f"the Olympus header's T Dimension {text[:60]!r} cannot be interpreted"
        )
        return None
    if count < 2:
        return None
    found = quantity((stop - start) / (count - 1), match[4])
    return found if found is not None and found.unit == TIME else None


def _compare(step: Quantity, other: Quantity | None, stated: _OlympusStatements) -> None:
    if other is not None and not math.isclose(step.value, other.value, rel_tol=_TOLERANCE):
        stated.warnings.append(
            f"the Olympus header contradicts itself: {step.value:g} {step.unit} a pixel or line by "
            f"one of its numbers, {other.value:g} {other.unit} by another"
        )


def _channels(
    sections: Mapping[str, Mapping[str, str]], stated: _OlympusStatements
) -> tuple[tuple[Channel, ...], int | None]:
    numbered = sorted(
        (int(match[1]), values)
        for name, values in sections.items()
        if (match := _CHANNEL.fullmatch(name)) is not None
    )
    channels = tuple(
        Channel(
            name=values.get("Channel Name") or None,
            dye=values.get("Dye Name") or None,
            emission_nm=stated.first(values.get("Emission WaveLength")),
            laser_nm=stated.first(values.get("Laser Wavelength")),
        )
        for _, values in numbered
    )
    bits = {stated.first(values.get("Bits/Pixel")) for _, values in numbered} - {None}
    return channels, bit_depth(repr(bits.pop())) if len(bits) == 1 else None


def _settings(
    general: Mapping[str, str], scan: Mapping[str, str], stated: _OlympusStatements
) -> dict[str, JsonValue]:
    """Return the scan settings under plain names; those that are absent are left out."""
    dwell = stated.per_pixel(scan.get("Sampling Speed", ""), of=TIME, what="sampling speed")
    return known(
        {
            "scan_mode": general.get("Scan Mode"),
            "scan_direction": scan.get("Scan Direction"),
            "dwell_time_us": None if dwell is None else float(f"{dwell.value * 1e6:.12g}"),
            "zoom": stated.first(scan.get("Zoom")),
            "objective": scan.get("Objective Lens"),
            "objective_magnification": stated.first(scan.get("Objective Lens Mag.")),
            "objective_na": stated.first(scan.get("Objective Lens NA")),
            "scan_device": scan.get("Scan Device"),
            "rotation_deg": stated.first(scan.get("Rotation")),
            "system": general.get("System Name"),
            "original_name": general.get("Name"),
        }
    )
