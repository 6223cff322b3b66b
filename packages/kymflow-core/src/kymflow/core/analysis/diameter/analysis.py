"""The diameter analysis: its parameters, its computation on one region, its results."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kymflow.core.analysis.definition import Analysis, Column, Result, ResultTable, unknown_result
from kymflow.core.analysis.diameter._events import DiameterEvent, find_events
from kymflow.core.analysis.diameter._model import Profile
from kymflow.core.analysis.diameter._windows import NOT_NUMBERS, Windows, measure_windows
from kymflow.core.analysis.diameter.display import DIAMETER_DISPLAY
from kymflow.core.analysis.estimates import STATUS_COLUMNS, Estimate, interval_columns
from kymflow.core.analysis.params import Param
from kymflow.core.analysis.regions import Calibration, Region

_Floats = NDArray[np.float64]

_LEAST_PIXELS: Final = 8
_LEAST_WHOLE: Final = 0.5
_MOST_SATURATED: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class DiameterParams:
    """What a person chooses."""

    window_lines: Annotated[
        int, Param("lines whose mean is fitted; 1 for each line", unit="lines", minimum=1)
    ] = 100
    profile: Annotated[
        Profile, Param("slab: a thin optical section; disc: the whole depth of the vessel")
    ] = "slab"
    angle_deg: Annotated[
        float, Param("angle between the line and the vessel", unit="°", above=0, maximum=90)
    ] = 90.0
    event_change: Annotated[
        float, Param("smallest dilation or constriction, as a share", above=0, below=1)
    ] = 0.05
    event_windows: Annotated[int, Param("shortest event", unit="windows", minimum=1)] = 3


def _run(
    pixels: NDArray[Any], calibration: Calibration, params: DiameterParams, region: Region
) -> Result:
    """Diameter over time of a vessel that crosses the line, dilations and constrictions."""
    reason = _why_not(pixels)
    if reason:
        return unknown_result(reason, _SUMMARY, _TABLES, profile=params.profile)
    values = pixels.astype(np.float64)
    size = min(params.window_lines, len(values))
    windows = _across(measure_windows(values, size, params.profile), params.angle_deg)
    first = region.lines[0] + size * np.arange(windows.why.size)
    line = first.astype(np.float64) + (size - 1) / 2.0
    events = find_events(
        windows.diameter,
        windows.error,
        least_change=params.event_change,
        least_windows=params.event_windows,
    )
    return Result(
        summary=_summary(windows, calibration)
        | {"profile": params.profile, "window_lines": size, "events": len(events)},
        tables={
            "trace": _trace(windows, line, calibration),
            "events": _events(events, windows, line, size, calibration),
        },
    )


def _why_not(pixels: NDArray[Any]) -> str:
    """Why pixels cannot show a diameter; "" if they can."""
    lines, n = pixels.shape
    if not lines or n < _LEAST_PIXELS:
        return f"it has {lines} lines of {n} pixels; a line needs at least {_LEAST_PIXELS}"
    whole = np.isfinite(pixels).all(axis=1)
    if whole.mean() < _LEAST_WHOLE:
        return f"{NOT_NUMBERS} in most lines; choose a region without them"
    saturated = float((pixels[whole] == pixels[whole].max()).mean())
    if saturated > _MOST_SATURATED:
        return f"{100 * saturated:.0f} % of the pixels have the brightest value, so edges are lost"
    return ""


def _across(windows: Windows, angle_deg: float) -> Windows:
    """Widths along a line that crosses the vessel at an angle, as widths across the vessel."""
    share = math.sin(math.radians(angle_deg))
    return replace(
        windows,
        diameter=share * windows.diameter,
        error=share * windows.error,
        common_error=share * windows.common_error,
        fwhm=share * windows.fwhm,
    )


def _summary(windows: Windows, calibration: Calibration) -> dict[str, float | int | str | None]:
    known = windows.why == ""
    count = int(known.sum())
    found: dict[str, float | int | str | None] = dict.fromkeys(
        (column.name for column in _SUMMARY), None
    )
    found |= {
        "share_unknown": float(1.0 - known.mean()),
        "windows": known.size,
        "known_windows": count,
    }
    if not count:
        reasons, times = np.unique(windows.why, return_counts=True)
        return found | {"status": "unknown", "reason": str(reasons[times.argmax()])}
    um = _or_nan(calibration.um_per_pixel)
    own = windows.diameter[known]
    # A mean of windows scatters as they do; a single one as its fit says.
    scatter = float(own.std(ddof=1)) / math.sqrt(count) if count > 1 else 0.0
    common = windows.common_error[known]
    each = np.square(windows.error[known]) - np.square(common)
    error = math.hypot(max(scatter, math.sqrt(float(each.sum())) / count), float(common.mean()))
    mean = float(own.mean())
    widths = windows.fwhm[known & np.isfinite(windows.fwhm)]
    return found | {
        "status": "ok",
        "reason": "",
        **Estimate.about(mean, error).times(um).named("mean", "um"),
        "median_um": float(np.median(own)) * um,
        "sd_um": float(own.std()) * um,
        "fwhm_um": float(np.median(widths)) * um if widths.size else None,
        "mean_px": mean,
        "standard_error_px": error,
        "blur_um": float(np.median(windows.blur[known])) * um,
        "motion_um": float(windows.center[known].std()) * um,
        "contrast": "bright" if float(np.median(windows.contrast[known])) > 0 else "dark",
    }


def _trace(windows: Windows, line: _Floats, calibration: Calibration) -> dict[str, ArrayLike]:
    um = _or_nan(calibration.um_per_pixel)
    return {
        "line": line,
        "time_s": line * _or_nan(calibration.seconds_per_line),
        "diameter_um": windows.diameter * um,
        "low_um": (windows.diameter - windows.errors_95 * windows.error) * um,
        "high_um": (windows.diameter + windows.errors_95 * windows.error) * um,
        "diameter_px": windows.diameter,
        "standard_error_px": windows.error,
        "fwhm_um": windows.fwhm * um,
        "center_px": windows.center,
        "blur_px": windows.blur,
        "status": np.where(windows.why == "", "ok", "unknown"),
        "reason": windows.why,
    }


def _events(
    events: list[DiameterEvent],
    windows: Windows,
    line: _Floats,
    size: int,
    calibration: Calibration,
) -> Mapping[str, ArrayLike]:
    first = np.array([line[event.first] - (size - 1) / 2.0 for event in events])
    stop = np.array([line[event.stop - 1] + (size + 1) / 2.0 for event in events])
    peak = np.array([line[event.peak] for event in events])
    period, um = _or_nan(calibration.seconds_per_line), _or_nan(calibration.um_per_pixel)
    usual = float(np.nanmedian(windows.diameter)) if events else np.nan
    change = np.array([event.change for event in events])
    return {
        "kind": ["dilation" if event.change > 0 else "constriction" for event in events],
        "onset_s": first * period,
        "peak_s": peak * period,
        "stop_s": stop * period,
        "onset_line": first,
        "peak_line": peak,
        "stop_line": stop,
        "change": change,
        "change_um": change * usual * um,
    }


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


_SUMMARY: Final = (
    *STATUS_COLUMNS,
    *interval_columns("mean", "mean diameter", unit="µm", ending="um"),
    Column("median_um", float, "median diameter", "µm"),
    Column("sd_um", float, "standard deviation over the windows", "µm"),
    Column("fwhm_um", float, "median full width at half maximum, for comparison", "µm"),
    Column("mean_px", float, "mean diameter", "px"),
    Column("standard_error_px", float, "of the mean", "px"),
    Column("blur_um", float, "median standard deviation of the blur", "µm"),
    Column("motion_um", float, "standard deviation of the centre", "µm"),
    Column("contrast", str, "bright or dark: the vessel against what surrounds it"),
    Column("share_unknown", float, "share of windows without a diameter"),
    Column("windows", int, "all windows"),
    Column("known_windows", int, "windows with a diameter"),
    Column("window_lines", int, "lines per window", "lines"),
    Column("profile", str, "slab or disc"),
    Column("events", int, "dilations and constrictions"),
)

_TABLES: Final = (
    ResultTable(
        name="trace",
        columns=(
            Column("line", float, "middle of the window in the recording", "lines"),
            Column("time_s", float, "the same", "s"),
            Column("diameter_um", float, "diameter", "µm"),
            Column("low_um", float, "lower end of its 95 % interval", "µm"),
            Column("high_um", float, "upper end", "µm"),
            Column("diameter_px", float, "diameter", "px"),
            Column("standard_error_px", float, "of the diameter", "px"),
            Column("fwhm_um", float, "full width at half maximum, for comparison", "µm"),
            Column("center_px", float, "centre of the vessel in the region", "px"),
            Column("blur_px", float, "standard deviation of the blur", "px"),
            Column("status", str, "ok or unknown"),
            Column("reason", str, "why it is unknown"),
        ),
        indexed=False,  # hundreds of rows per region
    ),
    ResultTable(
        name="events",
        columns=(
            Column("kind", str, "dilation or constriction"),
            Column("onset_s", float, "beginning; needs a line period", "s"),
            Column("peak_s", float, "when it differs most", "s"),
            Column("stop_s", float, "end", "s"),
            Column("onset_line", float, "beginning in the recording", "lines"),
            Column("peak_line", float, "when it differs most", "lines"),
            Column("stop_line", float, "end in the recording", "lines"),
            Column("change", float, "by which share of the median diameter it differs"),
            Column("change_um", float, "the same", "µm"),
        ),
    ),
)

DIAMETER: Final = Analysis(
    name="diameter",
    version="4",
    params=DiameterParams,
    run=_run,
    summary=_SUMMARY,
    tables=_TABLES,
    display=DIAMETER_DISPLAY,
)
"""Vessel diameter. Its version is raised with every change that can change a number."""
