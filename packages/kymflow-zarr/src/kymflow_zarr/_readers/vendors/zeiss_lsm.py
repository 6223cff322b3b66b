"""Zeiss LSM files: voxel sizes in metres, times in seconds, in a private structure.

Read from the published structure; not checked against a microscope's own files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from kymflow_zarr._readers.clock import local_epoch_ns
from kymflow_zarr._readers.facts import Channel, Facts
from kymflow_zarr._readers.intervals import steady_step
from kymflow_zarr._readers.settings import finite, known
from kymflow_zarr._readers.tiff_metadata import TiffMetadata
from kymflow_zarr._readers.units import TIME, quantity

_TOLERANCE: Final = 0.01
_DAY_ZERO: Final = datetime(1899, 12, 30)
_DAYS: Final = (25569.0, 109000.0)  # 1970 to 2198


def read_zeiss_lsm(metadata: TiffMetadata) -> Facts | None:
    """What a Zeiss LSM file tells; None when it is none."""
    info = metadata.tif.lsm_metadata
    if info is None:
        return None
    steps = {axis: quantity(finite(info.get(f"VoxelSize{axis.upper()}")), "m") for axis in "xyz"}
    scan, colors = _section(info, "ScanInformation"), _section(info, "ChannelColors")
    warnings: list[str] = []
    if "t" in metadata.axes:
        steps["t"] = quantity(_time_step(info, warnings) or 0.0, TIME)
    return Facts(
        source="vendor_tiff",
        steps=known(steps),
        acquired_local_epoch_ns=_acquired(finite(scan.get("Sample0time"))),
        channels=tuple(
            Channel(name=name) for name in colors.get("ColorNames", ()) if isinstance(name, str)
        ),
        vendor=known(
            {"objective": scan.get("Objective"), "zoom": finite(scan.get("ZoomX")) or None}
        ),
        warnings=tuple(warnings),
    )


def _section(info: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = info.get(name)
    return section if isinstance(section, dict) else {}


def _time_step(info: Mapping[str, Any], warnings: list[str]) -> float | None:
    """The step of the time stamps, which were measured; else the interval, which was asked for."""
    stamps = np.ravel(info.get("TimeStamps", ())).tolist()
    measured, asked = steady_step(stamps), finite(info.get("TimeIntervall")) or None
    if measured is None and len(stamps) > 1:
        warnings.append("the time stamps of the LSM file are not evenly spaced and not used")
    if measured and asked and not math.isclose(measured, asked, rel_tol=_TOLERANCE):
        warnings.append(
            f"the time stamps of the LSM file are {measured:g} s apart, {asked:g} s were asked "
            "for; the former is used"
        )
    return measured or asked


def _acquired(days: float) -> int | None:
    """Convert days since 1899-12-30, to the millisecond, which is all that a double holds."""
    first, last = _DAYS
    if not first <= days < last:
        return None
    milliseconds = round(days * 86_400_000)
    wall = _DAY_ZERO + timedelta(milliseconds=milliseconds)
    return local_epoch_ns(wall, nanosecond=wall.microsecond * 1000)
