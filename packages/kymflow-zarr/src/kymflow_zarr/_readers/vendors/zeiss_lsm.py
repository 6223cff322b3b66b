"""Zeiss LSM files: voxel sizes in metres, times in seconds, in a private structure.

Read from the published structure; not checked against a microscope's own files.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Final

from kymflow_zarr._readers.clock import local_epoch_ns
from kymflow_zarr._readers.facts import Channel, Facts
from kymflow_zarr._readers.intervals import steady_step
from kymflow_zarr._readers.settings import known
from kymflow_zarr._readers.tiff_metadata import LsmInfo, TiffMetadata
from kymflow_zarr._readers.units import LENGTH, TIME, quantity

_TOLERANCE: Final = 0.01
_DAY_ZERO: Final = datetime(1899, 12, 30)
_DAYS: Final = (25569.0, 109000.0)  # 1970 to 2198


def read_zeiss_lsm(metadata: TiffMetadata) -> Facts | None:
    """Read the facts of a Zeiss LSM file.

    Args:
        metadata: Raw facts of the TIFF.

    Returns:
        What it tells; None when it is no LSM file.
    """
    info = metadata.lsm
    if info is None:
        return None
    sizes = zip(("x", "y", "z"), info.voxel_size_m, strict=True)
    steps = {
        axis: step
        for axis, size in sizes
        if (step := quantity(size, "m")) is not None and step.unit == LENGTH
    }
    warnings: list[str] = []
    step_s = _time_step(info, warnings) if "t" in metadata.axes else None
    if (step := quantity(step_s or 0.0, TIME)) is not None:
        steps["t"] = step
    return Facts(
        source="vendor_tiff",
        steps=steps,
        acquired_local_epoch_ns=_acquired(info.sample_0_time),
        channels=tuple(Channel(name=name) for name in info.channel_names),
        vendor=known({"objective": info.objective, "zoom": info.zoom or None}),
        warnings=tuple(warnings),
    )


def _time_step(info: LsmInfo, warnings: list[str]) -> float | None:
    """The step of the time stamps, which were measured; else the interval, which was asked for."""
    measured, asked = steady_step(info.time_stamps_s), info.time_interval_s or None
    if measured is None and len(info.time_stamps_s) > 1:
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
