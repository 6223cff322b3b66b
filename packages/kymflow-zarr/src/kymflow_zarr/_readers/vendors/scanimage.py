"""ScanImage TIFFs: settings as ``SI.key = value`` lines of ``Software`` or the description.

Frames give x and y from the field of view (``imagingFovUm`` / pixels), t from the frame period and
z from the step of the stack. The line period is kept as a setting: within a frame, the rows are
places, not times. Read from the published key names; not checked against a microscope's own files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from kymflow_zarr._readers.decimals import decimal_of
from kymflow_zarr._readers.facts import Facts
from kymflow_zarr._readers.tiff_metadata import TiffMetadata
from kymflow_zarr._readers.units import LENGTH, TIME, Quantity, quantity
from kymflow_zarr._storage.json_text import JsonValue

__all__ = ["read_scanimage"]

_LINE: Final = re.compile(r"^\s*(?:scanimage\.)?(SI\.[\w.]+)\s*=\s*(.*?)\s*$", re.MULTILINE)
_NUMBER: Final = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_CORNERS: Final = 8  # four corners, x and y


def read_scanimage(metadata: TiffMetadata) -> Facts | None:
    """Read the facts of a ScanImage TIFF.

    Args:
        metadata: Raw facts of the TIFF.

    Returns:
        What it tells; None when it is no ScanImage TIFF.
    """
    values: dict[str, str] = {}
    for text in (metadata.software, metadata.description):
        if "SI." in text:
            for key, value in _LINE.findall(text):
                values.setdefault(key, value)
    if not values:
        return None
    return Facts(
        source="vendor_tiff",
        steps=_steps(values),
        vendor=_settings(values),
        texts={"scanimage": f"{metadata.software}\n{metadata.description}"},
    )


def _steps(values: Mapping[str, str]) -> dict[str, Quantity]:
    width, height = _field_of_view(values)
    columns = _number(values, "SI.hRoiManager.pixelsPerLine")
    rows = _number(values, "SI.hRoiManager.linesPerFrame")
    period = _number(values, "SI.hRoiManager.scanFramePeriod")
    averaged = _number(values, "SI.hScan2D.logAverageFactor") or 1.0
    several_slices = (_number(values, "SI.hStackManager.numSlices") or 1.0) > 1
    candidates = {
        "x": quantity(width / columns, LENGTH) if width and columns else None,
        "y": quantity(height / rows, LENGTH) if height and rows else None,
        "z": quantity(values.get("SI.hStackManager.stackZStepSize", "").lstrip("-"), LENGTH)
        if several_slices
        else None,
        "t": quantity(period * averaged, TIME) if period and not several_slices else None,
    }
    return {axis: step for axis, step in candidates.items() if step is not None}


def _field_of_view(values: Mapping[str, str]) -> tuple[float, float]:
    """Return the extent of ``imagingFovUm``, the corners as ``[x y;x y;x y;x y]``; 0 if unknown."""
    numbers = [
        float(text) for text in _NUMBER.findall(values.get("SI.hRoiManager.imagingFovUm", ""))
    ]
    if len(numbers) != _CORNERS:
        return 0.0, 0.0
    across, down = numbers[0::2], numbers[1::2]
    return max(across) - min(across), max(down) - min(down)


def _settings(values: Mapping[str, str]) -> dict[str, JsonValue]:
    settings: dict[str, JsonValue] = {
        "line_period_s": _number(values, "SI.hRoiManager.linePeriod"),
        "zoom": _number(values, "SI.hRoiManager.scanZoomFactor"),
        "scan_direction": {"true": "Bidirectional", "1": "Bidirectional", "false": "Oneway"}.get(
            values.get("SI.hScan2D.bidirectional", "").lower()
        ),
        "system": "ScanImage",
    }
    return {name: value for name, value in settings.items() if value is not None}


def _number(values: Mapping[str, str], key: str) -> float | None:
    number = decimal_of(values.get(key, ""))
    return None if number is None else float(number)
