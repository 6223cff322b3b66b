"""The velocity analysis: its parameters, its computation on one region, its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kymflow.core.analysis.definition import Analysis, Column, Result, ResultTable
from kymflow.core.analysis.params import Param
from kymflow.core.analysis.regions import Calibration, Region
from kymflow.core.analysis.velocity._inputs import check_dwell
from kymflow.core.analysis.velocity.display import VELOCITY_DISPLAY
from kymflow.core.analysis.velocity.estimate import estimate_velocity
from kymflow.core.analysis.velocity.intervals import FlowInterval, StallRule, find_intervals
from kymflow.core.analysis.velocity.result import Method, VelocityResult
from kymflow.core.analysis.velocity.summary import summarize
from kymflow.core.errors import InvalidKymographError


@dataclass(frozen=True, slots=True, kw_only=True)
class VelocityParams:
    """What a person chooses; see `estimate_velocity` for the meaning of each."""

    window_lines: Annotated[
        int | None,
        Param("lines per window; None: 16, 64 or 256", unit="lines", minimum=8, multiple_of=4),
    ] = 16
    method: Annotated[Method, Param("how to estimate; radon is for comparison")] = "shear"
    tracked: Annotated[bool, Param("whether windows are estimated together")] = True
    max_px_per_line: Annotated[
        float | None,
        Param("fastest velocity to search; None: by the line's length", unit="px/line", above=0),
    ] = None
    unknown_below: Annotated[
        float | None,
        Param("evidence below which a window is unknown; None keeps noise out", minimum=0, below=1),
    ] = None
    correct_scan_speed: Annotated[
        bool, Param("whether to correct for the time that the scan takes along the line")
    ] = False
    stall_rule: StallRule = field(default_factory=StallRule)


def _run(
    pixels: NDArray[Any], calibration: Calibration, params: VelocityParams, region: Region
) -> Result:
    """Flow velocity over time, stalls, and the evidence for both.

    Raises:
        InvalidKymographError: The pixels cannot be analyzed, or a dwell time is needed and unknown.
    """
    dwell = calibration.dwell_seconds if params.correct_scan_speed else None
    if params.correct_scan_speed and dwell is None:
        raise InvalidKymographError(
            "its header has no dwell time, which correct_scan_speed needs; "
            "turn it off, or add the dwell time to the header"
        )
    # The scan passes the pixels before the region, too.
    check_dwell(dwell, calibration.seconds_per_line, pixels=region.pixels[1])
    velocity = _in_recording(
        estimate_velocity(
            pixels,
            seconds_per_line=calibration.seconds_per_line,
            um_per_pixel=calibration.um_per_pixel,
            window_lines=params.window_lines,
            method=params.method,
            tracked=params.tracked,
            dwell_seconds=dwell,
            max_px_per_line=params.max_px_per_line,
            unknown_below=params.unknown_below,
        ),
        first_line=region.lines[0],
    )
    return velocity_findings(velocity, params.stall_rule)


def velocity_findings(velocity: VelocityResult, rule: StallRule) -> Result:
    """What is kept of an estimate: its summary, its windows, and intervals by a rule."""
    intervals = find_intervals(velocity, rule)
    return Result(
        summary={
            **asdict(summarize(velocity, intervals)),
            "seconds_per_line": velocity.seconds_per_line,
            "um_per_pixel": velocity.um_per_pixel,
            "window_lines": velocity.window_lines,
            "method": velocity.method,
            "static_share": velocity.static_share,
            "saturated_share": velocity.saturated_share,
            "dispersion": velocity.dispersion,
            "first_pixel": velocity.first_pixel,
            "n_pixels": velocity.n_pixels,
            "resolution_px_per_line": velocity.resolution_px_per_line,
        },
        tables={
            "trace": velocity.windows(),
            "intervals": _intervals(intervals.intervals),
        },
    )


def _in_recording(velocity: VelocityResult, *, first_line: int) -> VelocityResult:
    """An estimate of a part of a recording, with the times of the recording."""
    center = velocity.center_line + first_line
    period = velocity.seconds_per_line
    return replace(velocity, center_line=center, time_s=None if period is None else center * period)


def _intervals(found: Sequence[FlowInterval]) -> Mapping[str, ArrayLike]:
    seconds = ("start_s", "stop_s", "duration_s")
    return {
        "kind": [interval.kind.value for interval in found],
        "first_window": [interval.first_window for interval in found],
        "stop_window": [interval.stop_window for interval in found],
        "start_line": [interval.start_line for interval in found],
        "stop_line": [interval.stop_line for interval in found],
        "censored": np.array([interval.censored for interval in found], dtype=bool),
        **{
            name: np.array([getattr(interval, name) for interval in found], dtype=np.float64)
            for name in seconds
        },
    }


VELOCITY: Final = Analysis(
    name="velocity",
    version="6",
    params=VelocityParams,
    run=_run,
    summary=(
        Column("median_mm_s", float, "median velocity", "mm/s"),
        Column("mean_mm_s", float, "mean velocity", "mm/s"),
        Column("p5_mm_s", float, "5th percentile of velocity", "mm/s"),
        Column("p95_mm_s", float, "95th percentile of velocity", "mm/s"),
        Column("standard_error_mm_s", float, "standard error of the mean", "mm/s"),
        Column("median_px_per_line", float, "median velocity", "px/line"),
        Column("mean_px_per_line", float, "mean velocity", "px/line"),
        Column("p5_px_per_line", float, "5th percentile of velocity", "px/line"),
        Column("p95_px_per_line", float, "95th percentile of velocity", "px/line"),
        Column("standard_error_px_per_line", float, "standard error of the mean", "px/line"),
        Column("cv", float, "standard deviation of velocity over |mean|"),
        Column("share_unknown", float, "share of windows without evidence"),
        Column("share_alias", float, "share of windows that may be aliased"),
        Column("share_stalled", float, "share of windows in stalls; needs a line period"),
        Column("median_r2adj", float, "median evidence over all windows"),
        Column("static_share", float, "share of the variance that never moves"),
        Column("resolution_px_per_line", float, "slower flow looks like rest", "px/line"),
        Column("seconds_per_line", float, "line period that was used", "s"),
        Column("um_per_pixel", float, "pixel size that was used", "µm"),
        Column("n_windows", int, "all windows"),
        Column("n_known", int, "windows with evidence"),
        Column("window_lines", int, "lines per window", "lines"),
        Column("direction", str, "positive, negative, mixed or none"),
        Column("method", str, "shear or radon"),
        Column("saturated_share", float, "share of pixels at the brightest value"),
        Column("dispersion", float, "scatter of velocities over what residuals say"),
        Column("first_pixel", int, "first pixel of the region that shows a texture", "px"),
        Column("n_pixels", int, "pixels that show one", "px"),
    ),
    tables=(
        ResultTable(
            name="trace",
            columns=(
                Column("center_line", float, "middle of the window in the recording", "lines"),
                Column("time_s", float, "the same", "s"),
                Column("velocity_mm_s", float, "velocity", "mm/s"),
                Column("velocity_px_per_line", float, "velocity", "px/line"),
                Column("r2adj", float, "evidence"),
                Column("status", str, "ok, unknown or alias"),
                Column("standard_error_px_per_line", float, "of this window", "px/line"),
                Column("velocity_low_mm_s", float, "low end of the 95 % interval", "mm/s"),
                Column("velocity_high_mm_s", float, "high end of the 95 % interval", "mm/s"),
                Column("second_px_per_line", float, "another, as likely, if alias", "px/line"),
            ),
            indexed=False,  # thousands of rows per region
        ),
        ResultTable(
            name="intervals",
            marks=True,
            columns=(
                Column("kind", str, "stall, transient, or unknown: no evidence"),
                Column("start_s", float, "beginning; needs a line period", "s"),
                Column("stop_s", float, "end", "s"),
                Column("duration_s", float, "duration", "s"),
                Column("start_line", float, "beginning in the recording", "lines"),
                Column("stop_line", float, "end in the recording", "lines"),
                Column("first_window", int, "first window"),
                Column("stop_window", int, "window after the last"),
                Column("censored", bool, "cut off: it lasted at least this long"),
            ),
        ),
    ),
    display=VELOCITY_DISPLAY,
)
"""Flow velocity. Its version is raised with every change that can change a number."""
