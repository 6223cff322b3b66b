"""The stored velocities as a series, and the same from single windows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.definition import InputResult
from kymflow.core.analysis.pulse._spectrum import Series
from kymflow.core.analysis.regions import Calibration
from kymflow.core.analysis.velocity import WindowStatus, estimate_velocity

_FAR_ERRORS = 5.0
_FAR_SHARE = 0.3
"""A window on its own is wrong if it is this many standard errors and this share off."""


def velocity_series(velocity: InputResult, seconds_per_line: float) -> Series:
    """The velocities of all windows, those that are not certain unknown."""
    trace = velocity.tables["trace"]
    lines = trace["center_line"].to_numpy(np.float64)
    known = (trace["status"] == WindowStatus.OK.value).to_numpy(bool)
    values = trace["velocity_px_per_line"].to_numpy(np.float64)
    step = float(lines[1] - lines[0]) if lines.size > 1 else 1.0
    return Series(
        time_s=lines * seconds_per_line,
        values=np.where(known, values, 0.0),
        known=known,
        step_s=seconds_per_line * step,
    )


def single_windows(
    pixels: NDArray[Any],
    calibration: Calibration,
    velocity: InputResult,
    series: Series,
    *,
    window_lines: int,
) -> Series:
    """The velocities of windows, each from its own lines only.

    Tracked velocities are averaged with their neighbours', which makes pulses smaller.
    """
    said = velocity.parameters
    if not said.get("tracked") or said.get("method") != "shear":
        return series
    fastest = said.get("max_px_per_line")
    result = estimate_velocity(
        pixels,
        seconds_per_line=calibration.seconds_per_line,
        um_per_pixel=calibration.um_per_pixel,
        window_lines=window_lines,
        tracked=False,
        dwell_seconds=calibration.dwell_seconds if said.get("correct_scan_speed") else None,
        max_px_per_line=fastest if isinstance(fastest, float) else None,
    )
    found = result.velocity_px_per_line
    # On its own a window may be wrong altogether, where its neighbours know better.
    with np.errstate(invalid="ignore"):
        far = np.abs(found - series.values) > (
            _FAR_ERRORS * result.standard_error_px_per_line + _FAR_SHARE * np.abs(series.values)
        )
    known = series.known & (result.status == WindowStatus.OK.value) & ~far
    return replace(series, values=np.where(known, found, 0.0), known=known)
