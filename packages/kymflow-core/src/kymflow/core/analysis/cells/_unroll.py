"""The column of blood as it passed: every pixel at its place in the blood, averaged.

With the way ``S(t)`` that the blood has moved, the sum of velocity over lines, pixel ``x`` of line
``t`` shows the place ``u = x - S(t)`` of the column. Each cell is in sight for many lines, and the
mean over them has far less noise than a line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["STEP_PX", "Column", "Stretch", "Trace", "find_columns", "unroll"]

_Floats = NDArray[np.float64]

STEP_PX: Final = 0.5
"""Spacing of the column's values."""
_BLOCK_LINES: Final = 4096
_MOST_UNKNOWN: Final = 8
"""Windows without velocity that are bridged, whatever is seen in them."""
_ALIKE: Final = 0.25
_STILL: Final = 0.1
"""Neighbours may differ by a quarter, and by this much in px/line."""
_EMPTY: Final = 0.8
"""The share of lines without a cell from which a longer gap is bridged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Lines over which velocity is known without a long gap.

    Attributes:
        first: Its first line in the region.
        moved: How far the blood has moved at each line, ``(lines,)``, in pixels; 0 at the first.
    """

    first: int
    moved: _Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """The column of blood of one stretch.

    Attributes:
        stretch: The lines that it is made of.
        profile: Relative brightness every `STEP_PX`, ``(places,)``.
        weight: How many pixels each value is the mean of, ``(places,)``.
        origin: The place of the first value, in pixels.
        noise: Variance of the noise of one pixel.
    """

    stretch: Stretch
    profile: _Floats
    weight: _Floats
    origin: float
    noise: float

    @property
    def lines(self) -> int:
        """How many lines it is made of."""
        return self.stretch.moved.size

    def passing(self, place_px: float) -> slice:
        """The values that pass a place of the line."""
        moved = self.stretch.moved
        first = (place_px - float(moved.max()) - self.origin) / STEP_PX
        last = (place_px - float(moved.min()) - self.origin) / STEP_PX
        return slice(round(first), round(last) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Velocity in windows of a region.

    Attributes:
        line: Middle of each window in the region, ``(windows,)``, ascending.
        velocity: px/line.
        known: Whether each is known.
    """

    line: _Floats
    velocity: _Floats
    known: NDArray[np.bool_]

    def agreeing(self) -> NDArray[np.bool_]:
        """Whether a window is known and about as fast as one of its four neighbours.

        Of windows in which there is nothing to see a few have a velocity by chance, and where they
        are alone, a gap would be bridged by it.
        """
        agrees = np.zeros(self.known.size, dtype=bool)
        for apart in (1, 2):
            one, other = self.velocity[apart:], self.velocity[:-apart]
            both = self.known[apart:] & self.known[:-apart]
            largest = np.maximum(np.abs(one), np.abs(other))
            with np.errstate(invalid="ignore"):
                near = both & (np.abs(one - other) <= _ALIKE * largest + _STILL)
            agrees[apart:] |= near
            agrees[:-apart] |= near
        return agrees


def find_columns(pixels: NDArray[Any], trace: Trace) -> list[Column]:
    """The columns of blood of a recording, one for each stretch over which velocity is known.

    Between cells there is nothing to see, and velocity is unknown just where no cell passes. Such
    gaps are bridged by the velocity before and after them: if they were left out, cells would seem
    to be closer together than they are. A gap in which something is seen ends a stretch.
    """
    mean = pixels.mean(axis=0, dtype=np.float64)
    mean = np.where(mean > 1e-3 * mean.mean(), mean, np.inf)
    lines = len(pixels)
    short = _stretches(trace, lines, np.zeros(lines, dtype=bool))
    if not short:
        return []
    texture = np.concatenate(
        [
            np.var(pixels[low : low + _BLOCK_LINES] / mean, axis=1)
            for low in range(0, lines, _BLOCK_LINES)
        ]
    )
    columns = [unroll(pixels, mean, one) for one in short]
    lit = float(np.isfinite(mean).mean())
    noise = lit * float(np.average([c.noise for c in columns], weights=[c.lines for c in columns]))
    seen = np.concatenate([texture[c.stretch.first :][: c.lines] for c in columns])
    # Windows next to a gap have a part of a cell in sight; half-way is a line with cells.
    total = np.concatenate([[0.0], np.cumsum(texture - 0.5 * (noise + float(np.median(seen))))])
    step = max(1, round(float(trace.line[1] - trace.line[0])))
    width = 2 * step
    at = np.arange(lines)
    low, high = np.maximum(at - width, 0), np.minimum(at + width + 1, lines)
    empty = total[high] - total[low] < 0
    whole = _stretches(trace, lines, empty)
    return columns if len(whole) == len(short) else [unroll(pixels, mean, one) for one in whole]


def _stretches(trace: Trace, lines: int, empty: NDArray[np.bool_]) -> list[Stretch]:
    """The stretches over which velocity is known, short and empty gaps bridged."""
    line, velocity = trace.line, trace.velocity
    (at,) = np.nonzero(trace.agreeing())
    if at.size < 2:
        return []
    gaps = [
        i
        for i in np.flatnonzero(np.diff(at) > _MOST_UNKNOWN + 1)
        if empty[int(line[at[i]]) : int(line[at[i + 1]]) + 1].mean() < _EMPTY
    ]
    parts = np.split(at, np.array(gaps, dtype=np.int64) + 1)
    half = 0.5 * float(line[1] - line[0])
    found = []
    for part in parts:
        if part.size < 2:
            continue
        first = max(0, round(float(line[part[0]]) - half))
        stop = min(lines, round(float(line[part[-1]]) + half) + 1)
        each = np.interp(np.arange(first, stop), line[part], velocity[part])
        moved = np.concatenate([[0.0], np.cumsum(each)[:-1]])
        found.append(Stretch(first=first, moved=moved))
    return found


def unroll(pixels: NDArray[Any], mean: _Floats, stretch: Stretch) -> Column:
    """Average a stretch in the coordinate of the blood.

    Args:
        pixels: The region, ``(time, space)``.
        mean: The mean of each of its columns, ``(space,)``; infinite for those without light,
            which are left out.
        stretch: The lines to take.
    """
    n = pixels.shape[1]
    lit = np.flatnonzero(np.isfinite(mean))
    # One pixel of room at both ends, for the smoothing that comes later.
    origin = -float(stretch.moved.max()) - 1.0
    places = int((n + 1.0 - float(stretch.moved.min()) - origin) / STEP_PX) + 2
    total, weight, squares = np.zeros(places), np.zeros(places), 0.0
    for low in range(0, stretch.moved.size, _BLOCK_LINES):
        moved = stretch.moved[low : low + _BLOCK_LINES]
        lines = pixels[stretch.first + low : stretch.first + low + moved.size, lit]
        flat = (lines / mean[lit] - 1.0).ravel()
        at = ((lit - moved[:, None] - origin) / STEP_PX).ravel()
        bins = at.astype(np.int64)
        part = at - bins
        squares += float(np.square(flat).sum())
        for shift, share in ((0, 1.0 - part), (1, part)):
            total += np.bincount(bins + shift, share * flat, places)
            weight += np.bincount(bins + shift, share, places)
    profile = np.divide(total, weight, out=np.zeros(places), where=weight > 0)
    # What the column explains of the sum of squares is not noise.
    explained = float((weight * np.square(profile)).sum())
    pixels_used = float(weight.sum())
    free = max(1.0, pixels_used - np.count_nonzero(weight > 0))
    return Column(
        stretch=stretch,
        profile=profile,
        weight=weight,
        origin=origin,
        noise=max((squares - explained) / free, 1e-12),
    )
