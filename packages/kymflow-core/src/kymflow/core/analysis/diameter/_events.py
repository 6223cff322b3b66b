"""Dilations and constrictions: stretches in which a diameter differs from its usual value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiameterEvent:
    """A stretch of windows that are wider or narrower than usual.

    Attributes:
        first: Its first window: the last one before half of `least_change` was left behind.
        peak: The window that differs most.
        stop: The window after its last.
        change: By which share of the usual diameter the peak differs; negative if narrower.
    """

    first: int
    peak: int
    stop: int
    change: float


def find_events(
    diameter: _Floats, error: _Floats, *, least_change: float, least_windows: int
) -> list[DiameterEvent]:
    """The events of a recording, in order.

    The usual diameter is the median. An event has `least_windows` windows or more above
    `least_change` and above three standard errors; it begins and ends at half of that.

    Args:
        diameter: One value per window, NaN where unknown; `error` its standard errors.
        error: Standard errors, ``(windows,)``.
        least_change: Smallest change, as a share of the median.
        least_windows: Shortest event.
    """
    known = np.isfinite(diameter)
    if known.sum() < 2 * least_windows:
        return []
    usual = float(np.median(diameter[known]))
    change = np.where(known, diameter / usual - 1.0, 0.0)
    needed = np.maximum(least_change, 3.0 * np.where(known, error, 0.0) / usual)
    events: list[DiameterEvent] = []
    for sign in (1.0, -1.0):
        strong = known & (sign * change > needed)
        weak = ~known | (sign * change > 0.5 * needed)
        for first, stop in _runs(weak):
            inside = slice(first, stop)
            if strong[inside].sum() < least_windows:
                continue
            strong_at = first + np.flatnonzero(strong[inside])
            start, end = int(strong_at[0]), int(strong_at[-1]) + 1
            while start > first and known[start - 1]:
                start -= 1
            while end < stop and known[end]:
                end += 1
            peak = start + int((sign * change[start:end]).argmax())
            events.append(
                DiameterEvent(first=start, peak=peak, stop=end, change=float(change[peak]))
            )
    return sorted(events, key=lambda event: event.first)


def _runs(inside: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
