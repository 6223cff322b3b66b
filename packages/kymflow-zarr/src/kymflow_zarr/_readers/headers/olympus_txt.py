"""Olympus FluoView ``.txt`` headers, which the microscope writes beside each export.

Rows are tab-separated and quoted, ``"[Section]"`` rows open a section. The same key may stand in
several sections: ``Image Size`` of ``[Reference Image]`` describes the overview picture, not this
image.

The line period follows exactly from ``[Image]``: ``Image Size(Unit Converted)`` is the duration of
all lines and ``Image Size`` their number, so 34020.000 ms / 30000 = 1.134 ms. ``T Dimension`` ends
at the last line's start and is rounded to ms: it serves only when the former is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kymflow_zarr._readers.clock import parse_us_clock
from kymflow_zarr._readers.facts import Channel, Facts, Rank
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.protocols import FolderListing
from kymflow_zarr._readers.units import LENGTH, TIME, Quantity, decimal_of, quantity
from kymflow_zarr._storage.json_text import JsonValue

__all__ = ["OlympusTextHeader", "read_olympus_text"]

_NUMBER: Final = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_LETTERS: Final = re.compile(r"[A-Za-z]+")
_INTEGER: Final = re.compile(r"\d{1,12}")
_WITH_UNIT: Final = re.compile(rf"({_NUMBER})\s*\[([^\]/]+)\]")
_PER_PIXEL: Final = re.compile(rf"({_NUMBER})\s*\[([^\]/]+)/[^\]]+\]")
_RANGE: Final = re.compile(rf"(\d{{1,12}}),\s*({_NUMBER})\s*-\s*({_NUMBER})\s*\[([^\]]+)\]")
_CHANNEL: Final = re.compile(r"Channel (\d{1,4})")
_MAX_BITS: Final = 64


class OlympusTextHeader:
    """Reads ``<stem>.txt``. See `kymflow_zarr.readers.HeaderReader`."""

    name = "olympus_txt"
    suffixes = (".txt",)

    def read(
        self,
        path: Path,
        listing: FolderListing,
        *,
        shape: tuple[int, ...],  # noqa: ARG002 - the header has its own numbers of pixels
        limits: ReadLimits,
    ) -> Facts | None:
        """What the text beside an image says; a text of another kind is kept, with a warning.

        Raises:
            UnreadableImageError: The text cannot be read, or is too large.
        """
        found = listing.beside(path, ".txt")
        return None if found is None else read_olympus_text(listing.read_text(found, limits=limits))


def read_olympus_text(text: str) -> Facts:
    """Read the text of an Olympus header.

    Args:
        text: The header, decoded.

    Returns:
        Axis steps, acquisition time, channels and scan settings, as far as they are there.
    """
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
    pixels, extents = _image_size(sections.get("Image", {}))
    line_scan = scan_mode.upper() == "XT"
    warnings: list[str] = []
    dimensions = sections.get("Dimensions", {})
    steps = _steps(dimensions, pixels, extents, line_scan=line_scan, warnings=warnings)
    date = general.get("Date", "")
    acquired = parse_us_clock(date)
    if date and acquired is None:
        warnings.append(f"the Olympus header's date {date[:60]!r} is not month/day/year and time")
    channels, bits = _channels(sections)
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
        vendor=_settings(general, sections.get("Acquisition", {})),
        warnings=tuple(warnings),
    )


def _sections(text: str) -> dict[str, dict[str, str]]:
    """Split into sections; the first of equal keys and of equal sections counts."""
    sections: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in text.splitlines():
        key, _, rest = line.partition("\t")
        name = _unquoted(key)
        if name.startswith("[") and name.endswith("]"):
            current = {}
            sections.setdefault(name[1:-1].strip(), current)
        elif name:
            current.setdefault(name, _unquoted(rest))
    return sections


def _unquoted(cell: str) -> str:
    return cell.strip().strip('"').strip()


def _image_size(
    image: Mapping[str, str],
) -> tuple[dict[str, int], dict[str, tuple[str, str]]]:
    """Return pixels, and extents as (number, unit), of ``[Image]`` per axis.

    The axes are named, fastest first, by ``Primary Dimensions``.
    """
    axes = [letter.lower() for letter in _LETTERS.findall(image.get("Primary Dimensions", ""))]
    counts = [int(number) for number in _INTEGER.findall(image.get("Image Size", ""))]
    extents = _WITH_UNIT.findall(image.get("Image Size(Unit Converted)", ""))
    if len(counts) != len(axes):
        return {}, {}
    pixels = dict(zip(axes, counts, strict=True))
    return pixels, dict(zip(axes, extents, strict=True)) if len(extents) == len(axes) else {}


def _steps(
    dimensions: Mapping[str, str],
    pixels: Mapping[str, int],
    extents: Mapping[str, tuple[str, str]],
    *,
    line_scan: bool,
    warnings: list[str],
) -> dict[str, Quantity]:
    steps: dict[str, Quantity] = {}
    for axis in ("x", "y", "z"):
        match = _PER_PIXEL.search(dimensions.get(f"{axis.upper()} Dimension", ""))
        step = quantity(match[1], match[2]) if match else None
        if step is not None and step.unit == LENGTH:
            steps[axis] = step
    period = _exact_period(pixels, extents) if line_scan else None
    if period is None:
        period = _rounded_period(dimensions.get("T Dimension", ""), pixels, line_scan=line_scan)
        if period is not None and line_scan:
            warnings.append(
                "the line period comes from the Olympus header's rounded T Dimension, because its "
                "image size is missing"
            )
    if period is not None:
        steps["t"] = period
    return steps


def _exact_period(
    pixels: Mapping[str, int], extents: Mapping[str, tuple[str, str]]
) -> Quantity | None:
    """Divide the duration of all lines by their number."""
    number, unit = extents.get("t", ("", ""))
    duration = decimal_of(number)
    lines = pixels.get("t", 0)
    if duration is None or lines < 1:
        return None
    period = quantity(duration / lines, unit)
    return period if period is not None and period.unit == TIME else None


def _rounded_period(text: str, pixels: Mapping[str, int], *, line_scan: bool) -> Quantity | None:
    """Divide a ``T Dimension`` by its intervals: it runs from the first start to the last one."""
    match = _RANGE.search(text)
    if match is None:
        return None
    count = pixels.get("t", 0) if line_scan else int(match[1])
    start, stop = decimal_of(match[2]), decimal_of(match[3])
    if count < 2 or start is None or stop is None:
        return None
    found = quantity((stop - start) / (count - 1), match[4])
    return found if found is not None and found.unit == TIME else None


def _channels(sections: Mapping[str, Mapping[str, str]]) -> tuple[tuple[Channel, ...], int | None]:
    numbered = sorted(
        (int(match[1]), values)
        for name, values in sections.items()
        if (match := _CHANNEL.fullmatch(name)) is not None
    )
    channels = tuple(
        Channel(
            name=values.get("Channel Name") or None,
            dye=values.get("Dye Name") or None,
            emission_nm=_number(values.get("Emission WaveLength")),
            laser_nm=_number(values.get("Laser Wavelength")),
        )
        for _, values in numbered
    )
    bits = {_number(values.get("Bits/Pixel")) for _, values in numbered} - {None}
    if len(bits) != 1:
        return channels, None
    (depth,) = bits
    if depth is None or depth != int(depth) or not 1 <= depth <= _MAX_BITS:
        return channels, None
    return channels, int(depth)


def _settings(general: Mapping[str, str], scan: Mapping[str, str]) -> dict[str, JsonValue]:
    """Return the scan settings under plain names; those that are absent are left out."""
    settings: dict[str, JsonValue] = {
        "scan_mode": general.get("Scan Mode"),
        "scan_direction": scan.get("Scan Direction"),
        "dwell_time_us": _number(scan.get("Sampling Speed")),
        "zoom": _number(scan.get("Zoom")),
        "objective": scan.get("Objective Lens"),
        "objective_magnification": _number(scan.get("Objective Lens Mag.")),
        "objective_na": _number(scan.get("Objective Lens NA")),
        "scan_device": scan.get("Scan Device"),
        "rotation_deg": _number(scan.get("Rotation")),
        "system": general.get("System Name"),
        "original_name": general.get("Name"),
    }
    return {name: value for name, value in settings.items() if value is not None and value != ""}


def _number(text: str | None) -> float | None:
    """Return the first number in a value like ``x2.21``, ``25.0X`` or ``12 [bits]``."""
    match = re.search(_NUMBER, text or "")
    number = decimal_of(match[0]) if match else None
    return None if number is None else float(number)
