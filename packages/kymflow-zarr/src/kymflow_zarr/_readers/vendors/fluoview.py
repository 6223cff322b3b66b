"""Olympus FluoView TIFFs: calibration in two private places, and one public place that lies.

- ``PageName`` holds a small table whose ``Resolution`` row is exact: pixel size and line period.
- ``MM_Header`` gives each axis a step, but that of time is the duration of all lines divided by one
  less than their number, so it is multiplied by (n - 1) / n.
- ``XResolution`` is never used: plain exports of the same software say 1 µm per pixel whatever the
  scan was.

``Acquisition Parameters`` in the image description name date (month first), time (24 hours), scan
speed (ns per pixel), zoom, objective and dyes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from kymflow_zarr._readers.decimals import decimal_of
from kymflow_zarr._readers.facts import Channel, Facts
from kymflow_zarr._readers.settings import finite, known, number_of
from kymflow_zarr._readers.statements import Statements
from kymflow_zarr._readers.tiff_metadata import TiffMetadata, tag_text
from kymflow_zarr._readers.units import LENGTH, TIME, Quantity, quantity
from kymflow_zarr._storage.json_text import JsonValue

_SOFTWARE: Final = re.compile(r"\s*(FV\d|FLUOVIEW|OLYMPUS)", re.IGNORECASE)
_AXES: Final = {"X": "x", "Y": "y", "Z": "z", "T": "t", "TIME": "t"}
_DYE: Final = re.compile(r"Channel (\d{1,4}) Dye")
_NANOSECONDS_PER_MICROSECOND: Final = 1000.0


def is_olympus_software(software: str) -> bool:
    """Whether a TIFF's ``Software`` tag names Olympus, whose ``XResolution`` is false."""
    return _SOFTWARE.match(software) is not None


def read_fluoview(metadata: TiffMetadata) -> Facts | None:
    """What a FluoView TIFF tells; None when it is none."""
    header = metadata.tif.fluoview_metadata or {}
    axes = [axis for axis in header.get("Dimensions", ()) if axis[0]]
    if not axes:
        return None
    description, page_name = metadata.page.description, tag_text(metadata.page, "PageName")
    steps = {
        axis: _header_step(axis, size, finite(step), unit)
        for name, size, _, step, unit in axes
        if (axis := _AXES.get(name.upper())) is not None
    }
    stated = Statements(source="FluoView's")
    steps.update(_page_name_steps(page_name, stated))
    parameters = _parameters(description)
    acquired = stated.clock(
        f"{parameters.get('Date', '')} {parameters.get('Time', '')}", month_first=True
    )
    return Facts(
        source="vendor_tiff",
        texts={"fluoview": f"{description}\n[PageName]\n{page_name}"},
        pixels={_AXES.get(name.upper(), name.lower()): int(size) for name, size, *_ in axes},
        steps=known(steps),
        acquired_local_epoch_ns=acquired,
        channels=_channels(parameters),
        vendor=_settings(parameters),
        warnings=tuple(stated.warnings),
    )


def _header_step(axis: str, size: int, stated: float, unit: str) -> Quantity | None:
    """A step of ``MM_Header``; that of time is the duration divided by ``size - 1``."""
    step = decimal_of(stated)
    if step is None or size < (2 if axis == "t" else 1):
        return None
    if axis == "t":
        # 12 digits: the double in the file has lost the last ones of the duration's.
        step = Decimal(f"{step * (size - 1) / size:.12g}")
    return quantity(step, unit)


def _page_name_steps(page_name: str, stated: Statements) -> dict[str, Quantity]:
    """Read the rows ``Name``, ``Resolution`` and ``Units`` of ``[Primary Dimensions]``."""
    rows: dict[str, list[str]] = {}
    for line in page_name.splitlines():
        label, *cells = (cell.strip() for cell in line.split("\t"))
        if label.startswith("[Higher"):
            break
        rows.setdefault(label, cells)
    columns = (rows.get(label, []) for label in ("Name", "Resolution", "Units"))
    return known(
        {
            axis: stated.quantity(
                number,
                unit,
                of=TIME if axis == "t" else LENGTH,
                what=f"resolution along {axis!r}",
            )
            for name, number, unit in zip(*columns, strict=False)
            if (axis := _AXES.get(name.upper())) is not None
        }
    )


def _parameters(description: str) -> dict[str, str]:
    """Return the ``key=value`` rows of ``[Acquisition Parameters]``."""
    _, _, rest = description.partition("[Acquisition Parameters]")
    section, _, _ = rest.partition("[Acquisition Parameters End]")
    pairs: dict[str, str] = {}
    for line in section.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            pairs.setdefault(key.strip(), value.strip())
    return pairs


def _channels(parameters: Mapping[str, str]) -> tuple[Channel, ...]:
    dyes = sorted(
        (int(match[1]), dye)
        for key, dye in parameters.items()
        if (match := _DYE.fullmatch(key)) is not None
    )
    return tuple(Channel(dye=dye or None) for _, dye in dyes)


def _settings(parameters: Mapping[str, str]) -> dict[str, JsonValue]:
    speed = number_of(parameters.get("Scan Speed"))
    return known(
        {
            "dwell_time_us": None if speed is None else speed / _NANOSECONDS_PER_MICROSECOND,
            "zoom": number_of(parameters.get("Zoom Size")),
            "objective": parameters.get("Objective Lens"),
            "objective_magnification": number_of(parameters.get("Magnification", "").rstrip("xX")),
        }
    )
