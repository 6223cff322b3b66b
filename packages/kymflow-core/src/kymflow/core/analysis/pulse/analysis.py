"""The pulse analysis: its computation on one region, its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kymflow.core.analysis.definition import (
    Analysis,
    Input,
    InputResult,
    Result,
    ResultTable,
    unknown_result,
)
from kymflow.core.analysis.estimates import Estimate
from kymflow.core.analysis.pulse._columns import SEGMENTS, SUMMARY, WAVEFORM
from kymflow.core.analysis.pulse._params import PulseParams
from kymflow.core.analysis.pulse._phase import Phase, follow_phase
from kymflow.core.analysis.pulse._segments import LEAST_WINDOWS, segment_rates
from kymflow.core.analysis.pulse._spectrum import Peak, Series, find_peak, without_trend
from kymflow.core.analysis.pulse._velocities import single_windows, velocity_series
from kymflow.core.analysis.pulse._waveform import Waveform, fit_waveform
from kymflow.core.analysis.pulse.display import PULSE_DISPLAY
from kymflow.core.analysis.regions import Calibration, Region
from kymflow.core.analysis.velocity import VELOCITY

_BEATS_PER_TREND: Final = 4.0
_LEAST_KNOWN: Final = 0.1
_LONGEST_WINDOW: Final = 0.75
"""Of a beat: longer windows leave too little of it."""


def _run(
    pixels: NDArray[Any],
    calibration: Calibration,
    params: PulseParams,
    _region: Region,
    inputs: Mapping[str, InputResult],
) -> Result:
    """Heart rate, pulsatility and the waveform of a beat, from velocity over time."""
    velocity = inputs[VELOCITY.name]
    if velocity.failure:
        return _unknown(params, f"velocity failed: {velocity.failure}")
    period, window_lines = (velocity.summary[n] for n in ("seconds_per_line", "window_lines"))
    if not isinstance(period, float) or not isinstance(window_lines, int):
        return _unknown(params, "its line period is unknown")
    series = velocity_series(velocity, period)
    window_s = period * window_lines
    reason = _why_not(series, window_s, params)
    if reason:
        return _unknown(params, reason)
    low, high = params.band_hz()
    trend_s = _BEATS_PER_TREND / low
    rest = without_trend(series, trend_s)
    peak = find_peak(rest, (low, high), params.segment_s)
    segments = segment_rates(rest, params)
    if peak.false_alarm > params.false_alarm:
        found = _unknown(
            params, "no rate of the band stands out from noise", false_alarm=peak.false_alarm
        )
        return replace(found, tables={**found.tables, "segments": segments})
    single = single_windows(pixels, calibration, velocity, series, window_lines=window_lines)
    if single.known.sum() < LEAST_WINDOWS:
        return _unknown(params, "too few windows have a velocity without their neighbours' help")
    phase = follow_phase(rest, peak)
    mean_error = velocity.summary["standard_error_px_per_line"]
    waveform = fit_waveform(
        single,
        mean_error if isinstance(mean_error, float) else 0.0,
        phase,
        window_s=window_s,
        trend_s=trend_s,
        harmonics=params.harmonics,
    )
    um = calibration.um_per_pixel
    return Result(
        summary=_summary(params, peak, phase, waveform),
        tables={
            "segments": segments,
            "waveform": _waveform(waveform, np.nan if um is None else 1e-3 * um / period),
        },
    )


def _why_not(series: Series, window_s: float, params: PulseParams) -> str:
    """Why velocities cannot show a heart rate; "" if they can."""
    low, high = params.band_hz()
    if not low < high:
        return f"the band from {low:g} to {high:g} Hz is empty"
    if window_s * high > _LONGEST_WINDOW:
        return (
            f"windows of {window_s:.3g} s average over a beat at {high:g} Hz, and what is left may "
            "be aliased; run velocity with fewer lines per window, or lower highest_hz"
        )
    if series.known.sum() < LEAST_WINDOWS or series.known.mean() < _LEAST_KNOWN:
        return f"only {int(series.known.sum())} of {series.known.size} windows have a velocity"
    if series.duration_s < params.least_beats / low:
        return (
            f"{series.duration_s:.3g} s are too short: {params.least_beats} beats at {low:g} Hz "
            f"take {params.least_beats / low:.3g} s"
        )
    return ""


def _unknown(params: PulseParams, reason: str, *, false_alarm: float | None = None) -> Result:
    low, high = params.band_hz()
    return unknown_result(
        reason, SUMMARY, _TABLES, band_low_hz=low, band_high_hz=high, false_alarm=false_alarm
    )


def _summary(
    params: PulseParams, peak: Peak, phase: Phase, waveform: Waveform
) -> dict[str, float | str]:
    low, high = phase.rate_hz - phase.half_interval_hz, phase.rate_hz + phase.half_interval_hz
    rate = Estimate(value=phase.rate_hz, low=low, high=high)
    band_low, band_high = params.band_hz()
    return {
        "status": "ok",
        "reason": "",
        **rate.named("rate", "hz"),
        "rate_error_hz": phase.error_hz,
        **rate.times(60.0).named("rate", "per_min"),
        "false_alarm": peak.false_alarm,
        **waveform.pulsatility.named("pulsatility"),
        **waveform.resistance.named("resistance"),
        "harmonics": waveform.harmonics,
        "band_low_hz": band_low,
        "band_high_hz": band_high,
    }


def _waveform(waveform: Waveform, mm_s: float) -> dict[str, ArrayLike]:
    """The table of one beat; `mm_s` is one pixel per line."""
    return {
        "phase": waveform.phase,
        "fitted_px_per_line": waveform.fitted,
        "mean_px_per_line": waveform.binned,
        "standard_error_px_per_line": waveform.standard_error,
        "fitted_mm_s": waveform.fitted * mm_s,
        "mean_mm_s": waveform.binned * mm_s,
        "windows": waveform.windows,
    }


_TABLES: Final = (
    ResultTable(name="segments", columns=SEGMENTS),
    ResultTable(name="waveform", columns=WAVEFORM, indexed=False),
)

PULSE: Final = Analysis(
    name="pulse",
    version="3",
    params=PulseParams,
    run=_run,
    summary=SUMMARY,
    tables=_TABLES,
    inputs=(Input(analysis=VELOCITY, may_fail=True),),
    display=PULSE_DISPLAY,
)
"""Heart rate and pulsatility. Its version is raised with every change that can change a number."""
