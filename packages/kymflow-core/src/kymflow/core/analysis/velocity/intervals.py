"""Intervals in which flow stands still, or is unknown.

Absence of evidence is a separate interval type, so that it is read neither as flow nor as a
stall.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.params import Param
from kymflow.core.analysis.velocity.result import VelocityResult, WindowStatus
from kymflow.core.errors import AnalysisParameterError

_MEDIAN_WINDOWS = 5
#: A stop is well seen if it is as long as this many windows.
_WELL_SEEN = 2.5
#: While blood flows, one in so many gaps between cells is taken for a stall.
_GAPS = 1e5
#: What is known about gaps beforehand is worth so many.
_CROSSINGS = 4


class IntervalKind(StrEnum):
    """What happens in an interval.

    Attributes:
        STALL: Flow stands still for long.
        TRANSIENT: Flow stands still for a short while.
        UNKNOWN: There is no evidence for any velocity.
    """

    STALL = "stall"
    TRANSIENT = "transient"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class StallRule:
    """When flow counts as standing still.

    The recording's own flow sets the scale: ``base`` is the 75th percentile of ``|v|`` over windows
    with evidence that move faster than the resolution. ``|v|`` is smoothed by a median over five
    windows. A stall begins below ``max(resolution, enter_share * base)``, and ends above
    ``max(2 resolution, leave_share * base)``.

    Flow also stands still where no cell is in view for so long that, of the recording's gaps
    between cells, one in 100,000 would be.

    Stalls that are no further apart than ``merge_s`` are one; those shorter than ``minimum_s`` are
    dropped, unless they are well seen: as long as 2.5 windows, with evidence from before
    their beginning to after their end. Those shorter than ``stall_s`` are transients.
    """

    enter_share: Annotated[float, Param("share of base below which a stall begins", minimum=0)] = (
        0.05
    )
    leave_share: Annotated[float, Param("share of base above which it ends", minimum=0)] = 0.15
    merge_s: Annotated[float, Param("stalls this close are one", unit="s", minimum=0)] = 0.1
    minimum_s: Annotated[
        float, Param("shorter ones are dropped unless well seen", unit="s", minimum=0)
    ] = 0.2
    stall_s: Annotated[float, Param("shorter ones are transients", unit="s", minimum=0)] = 1.0

    def __post_init__(self) -> None:
        """Check that the rule makes sense."""
        if not 0.0 <= self.enter_share <= self.leave_share:
            raise AnalysisParameterError(
                "enter_share", self.enter_share, f"0 to leave_share ({self.leave_share!r})"
            )
        if self.merge_s < 0:
            raise AnalysisParameterError("merge_s", self.merge_s, "a duration of 0 or more")
        if not 0.0 <= self.minimum_s <= self.stall_s:
            raise AnalysisParameterError(
                "minimum_s", self.minimum_s, f"0 to stall_s ({self.stall_s!r})"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowInterval:
    """One interval. Times are those of the recording, see `VelocityResult.center_line`.

    Attributes:
        kind: What happens.
        first_window: First window.
        stop_window: Window after the last.
        start_line: Beginning in lines: that of the first window if flow stands still, as all of
            its lines do; else half a step before its middle.
        stop_line: End in lines, likewise.
        start_s: Beginning in seconds, None without a line period.
        stop_s: End in seconds, None without a line period.
        censored: Whether it may have lasted longer than was seen: it is cut off by the recording's
            beginning or end, or, if flow stands still, by a gap in the evidence.
    """

    kind: IntervalKind
    first_window: int
    stop_window: int
    start_line: float
    stop_line: float
    start_s: float | None
    stop_s: float | None
    censored: bool

    @property
    def duration_s(self) -> float | None:
        """Duration in seconds, None without a line period."""
        if self.start_s is None or self.stop_s is None:
            return None
        return self.stop_s - self.start_s


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowIntervals:
    """All intervals of a recording.

    Attributes:
        intervals: In order of their beginning.
        rule: The rule that found them.
        share_unknown: Share of windows without evidence.
        share_stalled: Share of windows with evidence inside stalls and transients, of all windows;
            None if stalls were not searched, which takes a line period because the rule is in
            seconds.
        enter_below_px_per_line: Speed below which a stall begins; None if not searched.
        leave_above_px_per_line: Speed above which a stall ends; None if not searched.
    """

    intervals: tuple[FlowInterval, ...]
    rule: StallRule
    share_unknown: float
    share_stalled: float | None
    enter_below_px_per_line: float | None
    leave_above_px_per_line: float | None

    def of_kind(self, kind: IntervalKind) -> tuple[FlowInterval, ...]:
        """Return the intervals of one kind."""
        return tuple(i for i in self.intervals if i.kind == kind)

    def count(self, kind: IntervalKind) -> int:
        """Return how many intervals of one kind there are."""
        return len(self.of_kind(kind))

    def total_s(self, kind: IntervalKind) -> float | None:
        """Return the summed duration of one kind in seconds, None without a line period."""
        durations = [i.duration_s for i in self.of_kind(kind)]
        known = [d for d in durations if d is not None]
        return (
            sum(known) if len(known) == len(durations) and self.share_stalled is not None else None
        )


def find_intervals(result: VelocityResult, rule: StallRule | None = None) -> FlowIntervals:
    """Return stalls, transients and intervals without evidence.

    A stall consists of windows with evidence. Windows without are bridged up to ``rule.merge_s``;
    longer, they end the stall, because what happened was not seen.

    Args:
        result: A velocity estimate. Without ``seconds_per_line`` only unknown intervals are
            found: the durations of the rule are never assumed to be lines.
        rule: When flow counts as standing still.
    """
    rule = StallRule() if rule is None else rule
    no_evidence = result.status == WindowStatus.UNKNOWN.value
    speed = np.abs(result.velocity_px_per_line)
    resting = _waiting_for_cells(result, speed)
    speed[resting] = 0.0
    unknown = no_evidence & ~resting
    found = [
        _interval(
            result, IntervalKind.UNKNOWN, low, high, censored=low == 0 or high == unknown.size
        )
        for low, high in _runs(unknown)
    ]

    period, share_stalled, enter, leave = result.seconds_per_line, None, None, None
    if period is not None:
        enter, leave = _thresholds(result, rule)
        seconds = result.step_lines * period
        stalled = 0
        for start, stop in _seen(unknown, longest_gap=rule.merge_s / seconds):
            still = _standing_still(speed[start:stop], ~unknown[start:stop], enter, leave)
            for low, high in _merged(_runs(still), rule.merge_s / seconds):
                duration = ((high - low - 1) * result.step_lines + result.window_lines) * period
                if duration < rule.minimum_s and not _well_seen(
                    ~no_evidence, start + low, start + high, result
                ):
                    continue
                kind = IntervalKind.STALL if duration >= rule.stall_s else IntervalKind.TRANSIENT
                cut_off = low == 0 or start + high == stop
                found.append(_interval(result, kind, start + low, start + high, censored=cut_off))
                stalled += int(np.count_nonzero(~unknown[start + low : start + high]))
        share_stalled = stalled / result.n_windows
    found.sort(key=lambda i: (i.start_line, i.kind))
    return FlowIntervals(
        intervals=tuple(found),
        rule=rule,
        share_unknown=float(no_evidence.mean()),
        share_stalled=share_stalled,
        enter_below_px_per_line=enter,
        leave_above_px_per_line=leave,
    )


def _thresholds(result: VelocityResult, rule: StallRule) -> tuple[float, float]:
    base, resolution = _usual_speed(result), result.resolution_px_per_line
    return (
        max(resolution, rule.enter_share * base),
        max(2.0 * resolution, rule.leave_share * base),
    )


def _usual_speed(result: VelocityResult) -> float:
    """Return the 75th percentile of ``|v|`` over windows that move, px/line; 0 if none does."""
    speed = np.abs(result.velocity_px_per_line)
    speed = speed[speed > result.resolution_px_per_line]
    return float(np.percentile(speed, 75)) if speed.size else 0.0


def _well_seen(known: NDArray[np.bool_], low: int, high: int, result: VelocityResult) -> bool:
    """Return whether flow stands still for long enough, with evidence for it and beside it."""
    lines = (high - low - 1) * result.step_lines + result.window_lines
    beside = result.window_lines // result.step_lines
    inside = low >= beside and high + beside <= known.size
    seen = bool(known[max(0, low - beside) : high + beside].all())
    return inside and seen and lines >= _WELL_SEEN * result.window_lines


def _waiting_for_cells(result: VelocityResult, speed: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the windows in which no cell is in view for far longer than flowing blood allows."""
    resting = np.zeros(speed.size, bool)
    # A cell takes more than a line to pass; what is only in the windows of one line is noise.
    windows_of_line = result.window_lines // result.step_lines
    usual, runs = _usual_speed(result), _merged(_runs(result.empty), windows_of_line)
    if usual > 0.0 and runs:
        crossing = result.n_pixels / usual / result.step_lines
        longest = _longest_gap(np.array([high - low for low, high in runs]), crossing)
        for low, high in runs:
            resting[low:high] = high - low > longest
    return resting


def _longest_gap(gaps: NDArray[np.int64], crossing: float) -> float:
    """Return the length that gaps between cells, in windows, as good as never exceed.

    While blood flows at random distances between cells, times without a cell are distributed
    exponentially. What ``k`` of them, with mean ``m``, say about the next one is
    ``P(gap > g) = (1 + g / (k m))**-k``. The longest quarter may be stalls, and only counts as at
    least as long as the others. The time in which a cell crosses the line counts as some gaps, and
    is the least mean.

    Args:
        gaps: Times without a cell, in windows.
        crossing: How many windows a cell takes to cross the line.
    """
    short = np.sort(gaps)[: gaps.size - max(1, gaps.size // 4)]
    at_least = (gaps.size - short.size) * float(short.max(initial=0))
    k = short.size + _CROSSINGS
    mean = (float(short.sum()) + at_least + _CROSSINGS * crossing) / k
    return k * max(mean, crossing) * math.expm1(math.log(_GAPS) / k)


def _seen(unknown: NDArray[np.bool_], *, longest_gap: float) -> list[tuple[int, int]]:
    """Stretches without a longer gap in the evidence; nothing seen in one holds in another."""
    gaps = [(low, high) for low, high in _runs(unknown) if high - low > longest_gap]
    starts = [0, *(high for _, high in gaps)]
    stops = [*(low for low, _ in gaps), unknown.size]
    return [(low, high) for low, high in zip(starts, stops, strict=True) if low < high]


def _standing_still(
    speed: NDArray[np.float64], known: NDArray[np.bool_], enter: float, leave: float
) -> NDArray[np.bool_]:
    """Return which windows stand still, with hysteresis; windows without evidence never do."""
    speed = _running_median(speed)
    below, above = known & (speed < enter), known & (speed > leave)
    # The state after each window is that of the last window that changed it.
    change = np.where(below, 1, np.where(above, -1, 0))
    last = np.maximum.accumulate(np.where(change != 0, np.arange(change.size), -1))
    still: NDArray[np.bool_] = known & (last >= 0) & (change[np.maximum(last, 0)] == 1)
    return still


def _running_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of five values about each, NaN left out; NaN if there is none."""
    half = _MEDIAN_WINDOWS // 2
    padded = np.pad(values, half, constant_values=np.nan)
    around = np.sort(np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN_WINDOWS), axis=1)
    count = np.count_nonzero(~np.isnan(around), axis=1)
    row = np.arange(values.size)
    # NaN is sorted to the end, so the first `count` of a row are its values.
    lower = around[row, np.maximum(count - 1, 0) // 2]
    upper = around[row, np.minimum(count // 2, _MEDIAN_WINDOWS - 1)]
    return np.where(count > 0, 0.5 * (lower + upper), np.nan)


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.diff(mask.astype(np.int8), prepend=0, append=0)
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [(int(low), int(high)) for low, high in zip(starts, stops, strict=True)]


def _merged(runs: list[tuple[int, int]], gap: float) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in runs:
        if merged and low - merged[-1][1] <= gap:
            merged[-1] = (merged[-1][0], high)
        else:
            merged.append((low, high))
    return merged


def _interval(
    result: VelocityResult, kind: IntervalKind, low: int, high: int, *, censored: bool
) -> FlowInterval:
    lines = result.step_lines if kind == IntervalKind.UNKNOWN else result.window_lines
    half = lines / 2.0
    start = float(result.center_line[low]) - half
    stop = float(result.center_line[high - 1]) + half
    period = result.seconds_per_line
    return FlowInterval(
        kind=kind,
        first_window=low,
        stop_window=high,
        start_line=start,
        stop_line=stop,
        start_s=None if period is None else start * period,
        stop_s=None if period is None else stop * period,
        censored=censored,
    )
