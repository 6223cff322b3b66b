"""One recording's velocity in a few numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity.intervals import FlowIntervals
from kymflow.core.analysis.velocity.result import VelocityResult, WindowStatus

Direction = Literal["positive", "negative", "mixed", "none"]

#: Flow has one direction if this share of the moving windows has it.
_ONE_DIRECTION = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class VelocitySummary:
    """Statistics over the windows with evidence, stalls included. None where there is no value.

    Attributes:
        n_windows: All windows.
        n_known: Windows with evidence.
        share_unknown: Share of windows without.
        share_alias: Share of windows that may be aliased.
        share_stalled: Share of windows with evidence in stalls and transients.
        median_px_per_line: Median velocity.
        mean_px_per_line: Mean velocity.
        p5_px_per_line: 5th percentile of velocity.
        p95_px_per_line: 95th percentile of velocity.
        standard_error_px_per_line: Standard error of the mean, from windows that share no line.
            Flow that varies more slowly than windows follow each other makes it too small.
        median_mm_s: Median velocity in mm/s, as all that follow.
        mean_mm_s: Mean velocity.
        p5_mm_s: 5th percentile.
        p95_mm_s: 95th percentile.
        standard_error_mm_s: Standard error of the mean.
        cv: Coefficient of variation, standard deviation over ``|mean|``.
        direction: ``"positive"`` or ``"negative"`` if nine in ten moving windows agree, ``"mixed"``
            if not, ``"none"`` if no window moves faster than the resolution.
        median_r2adj: Median evidence over all windows.
    """

    n_windows: int
    n_known: int
    share_unknown: float
    share_alias: float
    share_stalled: float | None
    median_px_per_line: float | None
    mean_px_per_line: float | None
    p5_px_per_line: float | None
    p95_px_per_line: float | None
    standard_error_px_per_line: float | None
    median_mm_s: float | None
    mean_mm_s: float | None
    p5_mm_s: float | None
    p95_mm_s: float | None
    standard_error_mm_s: float | None
    cv: float | None
    direction: Direction
    median_r2adj: float


def summarize(result: VelocityResult, intervals: FlowIntervals) -> VelocitySummary:
    """Return the summary of one recording.

    Args:
        result: A velocity estimate.
        intervals: Its intervals, see `find_intervals`.
    """
    velocity = result.velocity_px_per_line
    known = velocity[result.status != WindowStatus.UNKNOWN.value]
    median = mean = p5 = p95 = cv = None
    if known.size:
        p5, median, p95 = (float(p) for p in np.percentile(known, (5, 50, 95)))
        mean = float(known.mean())
        if known.size > 1 and mean != 0.0:
            cv = float(known.std(ddof=1)) / abs(mean)
    error = _standard_error(velocity, math.ceil(result.support_lines / result.step_lines))
    factor = result.mm_s_per_px_per_line
    return VelocitySummary(
        n_windows=result.n_windows,
        n_known=known.size,
        share_unknown=intervals.share_unknown,
        share_alias=float((result.status == WindowStatus.ALIAS.value).mean()),
        share_stalled=intervals.share_stalled,
        median_px_per_line=median,
        mean_px_per_line=mean,
        p5_px_per_line=p5,
        p95_px_per_line=p95,
        standard_error_px_per_line=error,
        median_mm_s=_scaled(median, factor),
        mean_mm_s=_scaled(mean, factor),
        p5_mm_s=_scaled(p5, factor),
        p95_mm_s=_scaled(p95, factor),
        standard_error_mm_s=_scaled(error, factor),
        cv=cv,
        direction=_direction(known, result.resolution_px_per_line),
        median_r2adj=float(np.median(result.r2adj)),
    )


def _scaled(value: float | None, factor: float | None) -> float | None:
    return None if value is None or factor is None else value * factor


def _standard_error(velocity: NDArray[np.float64], stride: int) -> float | None:
    """Mean over the possible first windows of the standard error from every `stride`-th window."""
    variances: list[float] = []
    for first in range(stride):
        apart = velocity[first::stride]
        apart = apart[~np.isnan(apart)]
        if apart.size > 1:
            variances.append(float(apart.var(ddof=1)) / apart.size)
    return math.sqrt(sum(variances) / len(variances)) if variances else None


def _direction(known: NDArray[np.float64], resolution: float) -> Direction:
    moving = known[np.abs(known) > resolution]
    if not moving.size:
        return "none"
    positive = float((moving > 0).mean())
    if positive >= _ONE_DIRECTION:
        return "positive"
    return "negative" if positive <= 1.0 - _ONE_DIRECTION else "mixed"
