"""OME-TIFF: calibration in the OME-XML of the image description.

Default units are those of the OME schema: micrometres for ``PhysicalSize``, seconds for
``TimeIncrement``, nanometres for wavelengths. Only the first image is read.
"""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree

from kymflow_zarr._readers.clock import parse_iso
from kymflow_zarr._readers.decimals import decimal_of
from kymflow_zarr._readers.facts import Channel, Facts, Rank
from kymflow_zarr._readers.tiff_metadata import TiffMetadata
from kymflow_zarr._readers.units import LENGTH, TIME, Quantity, quantity
from kymflow_zarr._storage.json_text import JsonValue

__all__ = ["read_ome"]

_SIZES: Final = {"x": "PhysicalSizeX", "y": "PhysicalSizeY", "z": "PhysicalSizeZ"}
_MAX_BITS: Final = 64


def read_ome(metadata: TiffMetadata) -> Facts | None:
    """Read the facts of an OME-TIFF.

    Args:
        metadata: Raw facts of the TIFF; its XML holds no entity definitions.

    Returns:
        What it tells; None when it is no OME-TIFF.
    """
    if not metadata.ome_xml:
        return None
    texts = {"ome_xml": metadata.ome_xml}
    try:
        # Documents that declare entities, which could grow without bound, were refused before.
        root = ElementTree.fromstring(metadata.ome_xml)  # noqa: S314
    except ElementTree.ParseError as error:
        warning = f"the OME-XML cannot be read: {error}"
        return Facts(source="ome", rank=Rank.OME, texts=texts, warnings=(warning,))
    image = root.find("{*}Image")
    pixels = None if image is None else image.find("{*}Pixels")
    if image is None or pixels is None:
        return Facts(source="ome", rank=Rank.OME, texts=texts)
    warnings: list[str] = []
    return Facts(
        source="ome",
        rank=Rank.OME,
        texts=texts,
        steps=_steps(pixels),
        acquired_local_epoch_ns=_acquired(image, warnings),
        bits_per_pixel=_bits(pixels),
        channels=tuple(_channel(element) for element in pixels.findall("{*}Channel")),
        vendor=_objective(root),
        warnings=tuple(warnings),
    )


def _steps(pixels: ElementTree.Element) -> dict[str, Quantity]:
    steps: dict[str, Quantity] = {}
    for axis, name in _SIZES.items():
        step = quantity(pixels.get(name, ""), pixels.get(f"{name}Unit", LENGTH))
        if step is not None and step.unit == LENGTH:
            steps[axis] = step
    interval = quantity(pixels.get("TimeIncrement", ""), pixels.get("TimeIncrementUnit", TIME))
    if interval is not None and interval.unit == TIME:
        steps["t"] = interval
    return steps


def _acquired(image: ElementTree.Element, warnings: list[str]) -> int | None:
    text = (image.findtext("{*}AcquisitionDate") or "").strip()
    if not text:
        return None
    found = parse_iso(text)
    if found is None:
        warnings.append(f"the OME acquisition date {text[:60]!r} is not a date and time")
        return None
    time_ns, in_utc = found
    if in_utc:
        warnings.append("the OME acquisition date is given in UTC, not in local time")
    return time_ns


def _bits(pixels: ElementTree.Element) -> int | None:
    text = pixels.get("SignificantBits", "")
    bits = int(text) if text.isascii() and text.isdecimal() and len(text) <= 3 else 0
    return bits if 1 <= bits <= _MAX_BITS else None


def _channel(element: ElementTree.Element) -> Channel:
    return Channel(
        name=element.get("Name") or None,
        dye=element.get("Fluor") or None,
        emission_nm=_nanometres(element, "EmissionWavelength"),
        laser_nm=_nanometres(element, "ExcitationWavelength"),
    )


def _nanometres(element: ElementTree.Element, name: str) -> float | None:
    length = quantity(element.get(name, ""), element.get(f"{name}Unit", "nm"))
    return None if length is None or length.unit != LENGTH else round(length.value * 1000, 6)


def _objective(root: ElementTree.Element) -> dict[str, JsonValue]:
    objective = root.find("{*}Instrument/{*}Objective")
    if objective is None:
        return {}
    settings: dict[str, JsonValue] = {
        "objective": objective.get("Model"),
        "objective_magnification": _number(objective.get("NominalMagnification", "")),
        "objective_na": _number(objective.get("LensNA", "")),
    }
    return {name: value for name, value in settings.items() if value is not None and value != ""}


def _number(text: str) -> float | None:
    number = decimal_of(text)
    return None if number is None else float(number)
