"""The pulse analysis: its parameters, its computation on one region, its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kymflow.core.analysis.definition import (
    Analysis,
    Column,
    Input,
    InputResult,
    Result,
    ResultTable,
)
from kymflow.core.analysis.params import Param
from kymflow.core.analysis.pulse._phase import Phase, follow_phase
from kymflow.core.analysis.pulse._spectrum import Peak, Series, find_peak, without_trend
from kymflow.core.analysis.pulse._waveform import Waveform, fit_waveform
from kymflow.core.analysis.pulse.display import PULSE_DISPLAY
from kymflow.core.analysis.regions import Calibration, Region
from kymflow.core.analysis.velocity import VELOCITY, WindowStatus, estimate_velocity

__all__ = ["PULSE", "PulseParams", "Species"]

Species: TypeAlias = Literal["mouse", "rat", "zebrafish larva", "human"]

_BANDS_HZ: Final[Mapping[Species, tuple[float, float]]] = {
    "mouse": (4.0, 14.0),
    "rat": (3.5, 9.0),
    "zebrafish larva": (1.0, 5.0),
    "human": (0.6, 3.5),
}
"""Lowest and highest heart rate, from deep anaesthesia to exercise."""

_BEATS_PER_TREND: Final = 4.0
_LEAST_WINDOWS: Final = 50
_LEAST_KNOWN: Final = 0.1
_LONGEST_WINDOW: Final = 0.75
"""Of a beat: longer windows leave less than 0.3 of a sine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseParams:
    """What a person chooses."""

    species: Annotated[Species, Param("whose heart: the band to search")] = "mouse"
    lowest_hz: Annotated[
        float | None, Param("lowest heart rate; if None, that of the species", unit="Hz", above=0)
    ] = None
    highest_hz: Annotated[
        float | None, Param("highest heart rate; if None, that of the species", unit="Hz", above=0)
    ] = None
    segment_s: Annotated[float, Param("length of a segment of rates", unit="s", above=0)] = 5.0
    least_beats: Annotated[
        int, Param("shortest recording, in beats of the lowest rate", minimum=4)
    ] = 10
    false_alarm: Annotated[
        float, Param("false-alarm probability above which a rate is unknown", above=0, below=1)
    ] = 0.01
    harmonics: Annotated[int, Param("most harmonics of the waveform", minimum=1, maximum=8)] = 4

    def band_hz(self) -> tuple[float, float]:
        """Lowest and highest heart rate."""
        low, high = _BANDS_HZ[self.species]
        return self.lowest_hz or low, self.highest_hz or high


def _run(
    pixels: NDArray[Any],
    calibration: Calibration,
    params: PulseParams,
    _region: Region,
    inputs: Mapping[str, InputResult],
) -> Result:
    """Heart rate, pulsatility and the waveform of a beat, from velocity over time."""
    velocity = inputs[VELOCITY.name]
    period = velocity.summary["seconds_per_line"]
    if not isinstance(period, float):
        return _unknown(params, "its line period is unknown")
    trace = velocity.tables["trace"]
    lines = trace["center_line"].to_numpy(np.float64)
    known = (trace["status"] == WindowStatus.OK.value).to_numpy(bool)
    values = trace["velocity_px_per_line"].to_numpy(np.float64)
    series = Series(
        time_s=lines * period,
        values=np.where(known, values, 0.0),
        known=known,
        step_s=period * float(lines[1] - lines[0]) if lines.size > 1 else period,
    )
    window_s = period * _whole(velocity.summary["window_lines"])
    reason = _why_not(series, window_s, params)
    if reason:
        return _unknown(params, reason)
    low, high = params.band_hz()
    trend_s = _BEATS_PER_TREND / low
    rest = without_trend(series, trend_s)
    peak = find_peak(rest, (low, high), params.segment_s)
    segments = _segments(rest, params)
    if peak.false_alarm > params.false_alarm:
        reason = "no rate of the band stands out from noise"
        return _unknown(params, reason, false_alarm=peak.false_alarm, segments=segments)
    phase = follow_phase(rest, peak)
    single = _single_windows(pixels, calibration, velocity, series)
    mean = float(single.values[single.known].mean())
    scale = calibration.um_per_pixel and calibration.um_per_pixel / period / 1000.0
    waveform = fit_waveform(
        without_trend(single, trend_s),
        mean,
        _number(velocity.summary["standard_error_px_per_line"]),
        phase,
        window_s=window_s,
        trend_s=trend_s,
        harmonics=params.harmonics,
    )
    return _found(params, peak, phase, waveform, segments, scale)


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
    if series.known.sum() < _LEAST_WINDOWS or series.known.mean() < _LEAST_KNOWN:
        return f"only {int(series.known.sum())} of {series.known.size} windows have a velocity"
    if series.duration_s < params.least_beats / low:
        return (
            f"{series.duration_s:.3g} s are too short: {params.least_beats} beats at {low:g} Hz "
            f"take {params.least_beats / low:.3g} s"
        )
    return ""


def _single_windows(
    pixels: NDArray[Any], calibration: Calibration, velocity: InputResult, series: Series
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
        window_lines=_whole(velocity.summary["window_lines"]),
        tracked=False,
        dwell_seconds=calibration.dwell_seconds if said.get("correct_scan_speed") else None,
        max_px_per_line=fastest if isinstance(fastest, float) else None,
    )
    found = result.velocity_px_per_line
    # On its own a window may be wrong altogether, where its neighbours know better.
    with np.errstate(invalid="ignore"):
        far = np.abs(found - series.values) > 5.0 * result.standard_error_px_per_line + (
            0.3 * np.abs(series.values)
        )
    known = series.known & (result.status == WindowStatus.OK.value) & ~far
    return replace(series, values=np.where(known, found, 0.0), known=known)


_Table: TypeAlias = Mapping[str, ArrayLike]


def _segments(rest: Series, params: PulseParams) -> _Table:
    """The rate of each segment on its own."""
    low, high = params.band_hz()
    found: list[tuple[float, float, float, float, float, float]] = []
    count = max(1, round(rest.time_s.size * rest.step_s / params.segment_s))
    for start in float(rest.time_s[0]) + params.segment_s * np.arange(count):
        stop = start + params.segment_s
        part = rest.between(start, stop)
        if part.known.sum() < _LEAST_WINDOWS or part.duration_s < params.least_beats / low:
            found.append((start, stop, np.nan, np.nan, np.nan, np.nan))
            continue
        peak = find_peak(part, (low, high), params.segment_s)
        # The Cramér-Rao bound of a sine's frequency, in terms of its power over the noise.
        half = 1.96 * np.sqrt(1.5 / peak.ratio) / (np.pi * part.duration_s)
        rate = peak.rate_hz if peak.false_alarm <= params.false_alarm else np.nan
        found.append((start, stop, rate, rate - half, rate + half, peak.false_alarm))
    columns = np.array(found).T
    names = ("start_s", "stop_s", "rate_hz", "rate_low_hz", "rate_high_hz", "false_alarm")
    return {
        **dict(zip(names, columns, strict=True)),
        "rate_per_min": 60.0 * columns[2],
        "status": np.where(np.isnan(columns[2]), "unknown", "ok"),
    }


def _unknown(
    params: PulseParams,
    reason: str,
    *,
    false_alarm: float | None = None,
    segments: _Table | None = None,
) -> Result:
    low, high = params.band_hz()
    summary = dict.fromkeys((column.name for column in _SUMMARY), None)
    return Result(
        summary={
            **summary,
            "status": "unknown",
            "reason": reason,
            "false_alarm": false_alarm,
            "band_low_hz": low,
            "band_high_hz": high,
        },
        tables={
            "segments": segments or {column.name: () for column in _SEGMENTS},
            "waveform": {column.name: () for column in _WAVEFORM},
        },
    )


def _found(
    params: PulseParams,
    peak: Peak,
    phase: Phase,
    waveform: Waveform,
    segments: _Table,
    scale: float | None,
) -> Result:
    low, high = phase.rate_hz - phase.half_interval_hz, phase.rate_hz + phase.half_interval_hz
    band_low, band_high = params.band_hz()
    mm_s = np.nan if scale is None else scale
    return Result(
        summary={
            "status": "ok",
            "reason": "",
            "rate_hz": phase.rate_hz,
            "rate_low_hz": low,
            "rate_high_hz": high,
            "rate_per_min": 60.0 * phase.rate_hz,
            "rate_low_per_min": 60.0 * low,
            "rate_high_per_min": 60.0 * high,
            "false_alarm": peak.false_alarm,
            "pulsatility": waveform.pulsatility.value,
            "pulsatility_low": waveform.pulsatility.low,
            "pulsatility_high": waveform.pulsatility.high,
            "resistance": waveform.resistance.value,
            "resistance_low": waveform.resistance.low,
            "resistance_high": waveform.resistance.high,
            "harmonics": waveform.harmonics,
            "band_low_hz": band_low,
            "band_high_hz": band_high,
        },
        tables={
            "segments": segments,
            "waveform": {
                "phase": waveform.phase,
                "fitted_px_per_line": waveform.fitted,
                "mean_px_per_line": waveform.binned,
                "standard_error_px_per_line": waveform.standard_error,
                "fitted_mm_s": waveform.fitted * mm_s,
                "mean_mm_s": waveform.binned * mm_s,
                "windows": waveform.windows,
            },
        },
    )


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _number(value: object) -> float:
    return value if isinstance(value, float) else 0.0


_SUMMARY: Final = (
    Column("status", str, "ok or unknown"),
    Column("reason", str, "why it is unknown"),
    Column("rate_hz", float, "mean heart rate", "Hz"),
    Column("rate_low_hz", float, "lower end of its 95 % interval", "Hz"),
    Column("rate_high_hz", float, "upper end", "Hz"),
    Column("rate_per_min", float, "mean heart rate", "1/min"),
    Column("rate_low_per_min", float, "lower end of its 95 % interval", "1/min"),
    Column("rate_high_per_min", float, "upper end", "1/min"),
    Column("false_alarm", float, "probability that noise alone has such a peak in the band"),
    Column("pulsatility", float, "pulsatility index, (max - min) / mean of a beat"),
    Column("pulsatility_low", float, "lower end of its 95 % interval"),
    Column("pulsatility_high", float, "upper end"),
    Column("resistance", float, "resistance index, (max - min) / max of a beat"),
    Column("resistance_low", float, "lower end of its 95 % interval"),
    Column("resistance_high", float, "upper end"),
    Column("harmonics", int, "harmonics of the waveform that rise above the noise"),
    Column("band_low_hz", float, "lowest rate that was searched", "Hz"),
    Column("band_high_hz", float, "highest rate that was searched", "Hz"),
)
_SEGMENTS: Final = (
    Column("start_s", float, "beginning", "s"),
    Column("stop_s", float, "end", "s"),
    Column("rate_hz", float, "heart rate", "Hz"),
    Column("rate_low_hz", float, "lower end of its 95 % interval", "Hz"),
    Column("rate_high_hz", float, "upper end", "Hz"),
    Column("rate_per_min", float, "heart rate", "1/min"),
    Column("false_alarm", float, "probability that noise alone has such a peak in the band"),
    Column("status", str, "ok or unknown"),
)
_WAVEFORM: Final = (
    Column("phase", float, "middle of the bin, as a share of the beat from its fastest moment on"),
    Column("fitted_px_per_line", float, "velocity by the fit", "px/line"),
    Column("mean_px_per_line", float, "mean of the windows in the bin", "px/line"),
    Column("standard_error_px_per_line", float, "of that, from the windows' spread", "px/line"),
    Column("fitted_mm_s", float, "velocity by the fit", "mm/s"),
    Column("mean_mm_s", float, "mean of the windows in the bin", "mm/s"),
    Column("windows", int, "windows in the bin"),
)

PULSE: Final = Analysis(
    name="pulse",
    version="1",
    params=PulseParams,
    run=_run,
    summary=_SUMMARY,
    tables=(
        ResultTable(name="segments", columns=_SEGMENTS),
        ResultTable(name="waveform", columns=_WAVEFORM, indexed=False),
    ),
    inputs=(Input(analysis=VELOCITY),),
    display=PULSE_DISPLAY,
)
"""Heart rate and pulsatility. Its version is raised with every change that can change a number."""
