"""OME-TIFF: calibration in the OME-XML of the image description.

Default units are those of the OME schema: micrometres for ``PhysicalSize``, seconds for
``TimeIncrement``, nanometres for wavelengths. Only one image is read. A ``TimeIncrement`` of
0 is unknown; then the times of the planes (``DeltaT``) give the step, where they are steady.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Final
from xml.etree import ElementTree

from kymflow_zarr._readers.facts import Channel, Facts, Rank
from kymflow_zarr._readers.intervals import steady_step
from kymflow_zarr._readers.settings import bit_depth, known, number_of
from kymflow_zarr._readers.statements import Statements
from kymflow_zarr._readers.tiff_metadata import TiffMetadata
from kymflow_zarr._readers.units import LENGTH, TIME, Quantity, kind_of, quantity
from kymflow_zarr._storage.json_text import JsonValue

_SIZES: Final = {"x": "PhysicalSizeX", "y": "PhysicalSizeY", "z": "PhysicalSizeZ"}
_MAX_DIGITS: Final = 10
_CUT_XML: Final = re.compile(r"\s*(?:<\?xml[^>]*>\s*|<!--[^>]*-->\s*)*<(?:\w+:)?OME\b")
_TOLERANCE: Final = 0.01


def read_ome(metadata: TiffMetadata) -> Facts | None:
    """What an OME-TIFF tells, or that its XML is cut off; None when it is none."""
    root = metadata.ome
    if root is None:
        is_cut = _CUT_XML.match(metadata.page.description) is not None
        warning = "its OME-XML has no end and is not used"
        return Facts(source="ome", rank=Rank.OME, warnings=(warning,)) if is_cut else None
    texts = {"ome_xml": metadata.page.description}
    stated = Statements(source="the OME")
    described = root.find("{*}BinaryOnly")
    if described is not None:
        name = described.get("MetadataFile", "")
        stated.warnings.append(f"its OME-XML is in another file, which is not read: {name[:120]!r}")
    layout = metadata.layout
    images = root.findall("{*}Image")[0 if layout is None else layout.image :]
    image = images[0] if images else None
    pixels = None if image is None else image.find("{*}Pixels")
    if image is None or pixels is None:
        return Facts(source="ome", rank=Rank.OME, texts=texts, warnings=tuple(stated.warnings))
    channels = tuple(_channel(element) for element in pixels.findall("{*}Channel"))
    elsewhere: dict[str, tuple[Channel, ...]] = {}
    if layout is not None:
        for name, numbers in layout.elsewhere.items():
            elsewhere[name] = _chosen(channels, sorted(set(numbers)))
        channels = _chosen(channels, layout.channels) if layout.channels else channels
    return Facts(
        source="ome",
        rank=Rank.OME,
        texts=texts,
        steps=_steps(pixels, stated),
        acquired_local_epoch_ns=_acquired(image, stated),
        bits_per_pixel=bit_depth(pixels.get("SignificantBits")),
        channels=channels,
        vendor=_objective(root),
        warnings=tuple(stated.warnings),
        elsewhere=elsewhere,
    )


def _steps(pixels: ElementTree.Element, stated: Statements) -> dict[str, Quantity]:
    steps = {
        axis: stated.quantity(
            pixels.get(name, ""), pixels.get(f"{name}Unit", LENGTH), of=LENGTH, what=name
        )
        for axis, name in _SIZES.items()
    }
    increment, unit = pixels.get("TimeIncrement", ""), pixels.get("TimeIncrementUnit", TIME)
    steps["t"] = stated.quantity(increment, unit, of=TIME, what="TimeIncrement")
    by_planes = _plane_interval(pixels, stated.warnings)
    if steps["t"] is None:
        steps["t"] = by_planes
    elif by_planes is not None:
        stated_s, planes_s = steps["t"].value, by_planes.value
        if not math.isclose(stated_s, planes_s, rel_tol=_TOLERANCE):
            stated.warnings.append(
                f"the OME TimeIncrement is {stated_s:g} s, the planes are {planes_s:g} s apart; "
                "the former is used"
            )
    return known(steps)


def _plane_interval(pixels: ElementTree.Element, warnings: list[str]) -> Quantity | None:
    """The median difference of the planes' times, of one channel and slice, where it is steady."""
    times: dict[int, float] = {}
    for plane in pixels.findall("{*}Plane"):
        unit, number = plane.get("DeltaTUnit", TIME), plane.get("TheT", "")
        if "DeltaT" not in plane.attrib or not number.isdecimal() or len(number) >= _MAX_DIGITS:
            continue
        if kind_of(unit) != TIME:
            warnings.append(f"the times of the OME planes are in {unit[:40]!r} and not used")
            return None
        time = quantity(plane.get("DeltaT", ""), unit)
        times.setdefault(int(number), 0.0 if time is None else time.value)
    if len(times) < 2 or not any(times.values()):
        return None
    order = sorted(times)
    step = steady_step([times[number] for number in order], order)
    if step is None:
        warnings.append("the times of the OME planes are not evenly spaced and not used")
        return None
    return quantity(step, TIME)


def _acquired(image: ElementTree.Element, stated: Statements) -> int | None:
    dates = (image.findtext(f"{{*}}{name}") for name in ("AcquisitionDate", "CreationDate"))
    text = next((date for date in dates if date), "")
    return stated.clock(text, what="acquisition date")


def _chosen(channels: Sequence[Channel], numbers: Iterable[int]) -> tuple[Channel, ...]:
    return tuple(channels[number] for number in numbers if 0 <= number < len(channels))


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
    return known(
        {
            "objective": objective.get("Model"),
            "objective_magnification": number_of(objective.get("NominalMagnification")),
            "objective_na": number_of(objective.get("LensNA")),
        }
    )
