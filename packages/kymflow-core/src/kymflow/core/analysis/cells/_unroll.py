"""The column of blood as it passed: every pixel at its place in the blood, averaged.

With the way ``S(t)`` that the blood has moved, the sum of velocity over lines, pixel ``x`` of line
``t`` shows the place ``u = x - S(t)`` of the column. Each cell is in sight for many lines, and the
mean over them has far less noise than a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]

STEP_PX: Final = 0.5
"""Spacing of the column's values."""
_BLOCK_LINES: Final = 4096
_MOST_UNKNOWN: Final = 50
"""Windows without velocity that are bridged, whatever is seen in them."""
_ALIKE: Final = 0.25
_STILL: Final = 0.1
"""Velocities are alike if they differ by no more than a quarter and this much, in px/line."""
_CROSSINGS: Final = 20
"""How often all cells in sight must be others, before and after a line, to say how bright it is."""
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
class Light:
    """How bright a recording is, without the cells: pixels over that are relative to it.

    Attributes:
        column: The mean of each column, ``(space,)``; infinite without light, or if not all of its
            pixels are numbers: such columns are left out.
        line: How bright each line is, 1 on average, ``(time,)``; it changes slowly.
    """

    column: _Floats
    line: _Floats

    @property
    def lit(self) -> NDArray[np.intp]:
        """The columns that count."""
        return np.flatnonzero(np.isfinite(self.column))

    def relative(self, pixels: NDArray[Any], first: int, stop: int) -> _Floats:
        """Lines of these columns relative to the light, ``(lines, columns)``."""
        lit = self.lit
        found: _Floats = pixels[first:stop, lit] / self.column[lit] / self.line[first:stop, None]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Velocity in windows of a region.

    Attributes:
        line: Middle of each window in the region, ``(windows,)``, ascending.
        velocity: px/line.
        known: Whether it can be followed.
    """

    line: _Floats
    velocity: _Floats
    known: NDArray[np.bool_]


def trusted_windows(line: _Floats, velocity: _Floats, certain: NDArray[np.bool_]) -> Trace:
    """The windows whose velocity can be followed.

    Of windows in which there is nothing to see a few have a velocity by chance. Where they are
    alone, a gap would be bridged by it, so a certain window counts if one of its four neighbours is
    about as fast. Where a single cell passes, velocity may be that of another one (``alias``); such
    a window counts if it is about as fast as the certain ones before and after it.

    Args:
        line: Middle of each window in the region, ``(windows,)``, ascending.
        velocity: px/line; NaN where unknown.
        certain: Whether each is certain.
    """
    known = np.zeros(certain.size, dtype=bool)
    for apart in (1, 2):
        near = _alike(velocity[apart:], velocity[:-apart]) & certain[apart:] & certain[:-apart]
        known[apart:] |= near
        known[:-apart] |= near
    if known.any():
        known |= _alike(velocity, np.interp(line, line[known], velocity[known]))
    return Trace(line=line, velocity=velocity, known=known)


def _alike(one: _Floats, other: _Floats) -> NDArray[np.bool_]:
    """Whether velocities are about equal; what is unknown is not."""
    with np.errstate(invalid="ignore"):
        near: NDArray[np.bool_] = np.abs(one - other) <= (
            _ALIKE * np.maximum(np.abs(one), np.abs(other)) + _STILL
        )
    return near


def find_columns(pixels: NDArray[Any], trace: Trace) -> list[Column]:
    """The columns of blood of a recording, one for each stretch over which velocity is known.

    Between cells there is nothing to see, and velocity is unknown just where no cell passes. Such
    gaps are bridged by the velocity before and after them: if they were left out, cells would seem
    to be closer together than they are. A gap in which something is seen ends a stretch.
    """
    lines = len(pixels)
    fast = np.abs(trace.velocity[trace.known])
    if not fast.size:
        return []
    crossing = pixels.shape[1] / max(float(np.median(fast)), _STILL)
    short = _stretches(trace, lines, np.zeros(lines, dtype=bool), 0.0)
    if not short:
        return []
    light = _light(pixels, trace, crossing)
    texture = np.concatenate(
        [
            np.var(light.relative(pixels, low, low + _BLOCK_LINES), axis=1)
            for low in range(0, lines, _BLOCK_LINES)
        ]
    )
    columns = [unroll(pixels, light, one) for one in short]
    noise = float(np.average([c.noise for c in columns], weights=[c.lines for c in columns]))
    seen = np.concatenate([texture[c.stretch.first :][: c.lines] for c in columns])
    # Windows next to a gap have a part of a cell in sight; half-way is a line with cells.
    step = max(1, round(float(trace.line[1] - trace.line[0])))
    empty = _moving_sum(texture - 0.5 * (noise + float(np.median(seen))), 2 * step) < 0
    whole = _stretches(trace, lines, empty, crossing)
    same = [one.moved.size for one in whole] == [one.moved.size for one in short]
    return columns if same else [unroll(pixels, light, one) for one in whole]


def _moving_sum(values: _Floats, reach: int) -> _Floats:
    """Sums over `reach` values before and after each, fewer at the ends."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(values.size)
    summed: _Floats = (
        total[np.minimum(at + reach + 1, values.size)] - total[np.maximum(at - reach, 0)]
    )
    return summed


def signal_to_noise(columns: Sequence[Column]) -> float:
    """The standard deviation of what moves over that of the noise, both of single pixels."""
    pixels = sum(float(column.weight.sum()) for column in columns)
    squares = sum(float((column.weight * np.square(column.profile)).sum()) for column in columns)
    mean = sum(float((column.weight * column.profile).sum()) for column in columns) / pixels
    noise = sum(column.noise * float(column.weight.sum()) for column in columns) / pixels
    # Each place of a column has the noise of one pixel for itself.
    places = sum(np.count_nonzero(column.weight) for column in columns)
    signal = squares / pixels - mean**2 - noise * places / pixels
    return float(np.sqrt(max(0.0, signal) / noise))


def _light(pixels: NDArray[Any], trace: Trace, crossing: float) -> Light:
    """The light of a recording, see `Light`; `crossing` is how many lines a cell is in sight."""
    with np.errstate(invalid="ignore"):
        mean = pixels.mean(axis=0, dtype=np.float64)
    known = np.isfinite(mean)
    bright = known & (mean > 1e-3 * mean[known].mean()) if known.any() else known
    steady = Light(column=np.where(bright, mean, np.inf), line=np.ones(len(pixels)))
    level = np.concatenate(
        [
            steady.relative(pixels, low, low + _BLOCK_LINES).mean(axis=1)
            for low in range(0, len(pixels), _BLOCK_LINES)
        ]
    )
    # Lines in which nothing moves show the same few cells again and again.
    moves = np.abs(trace.velocity[trace.known])
    weight = np.interp(np.arange(len(pixels)), trace.line[trace.known], moves) + 1e-3 * _STILL
    reach = round(_CROSSINGS * crossing)
    line = _moving_sum(weight * level, reach) / _moving_sum(weight, reach)
    return Light(column=steady.column, line=np.maximum(line / line.mean(), 1e-3))


def _is_empty(empty: NDArray[np.bool_], first: float, last: float, crossing: float) -> bool:
    """Whether nothing is seen between two lines, but for a cell that leaves or enters."""
    inner = empty[int(first + crossing) : max(0, int(last - crossing)) + 1]
    return not inner.size or bool(inner.mean() >= _EMPTY)


def _stretches(
    trace: Trace, lines: int, empty: NDArray[np.bool_], crossing: float
) -> list[Stretch]:
    """The stretches over which velocity is known, short and empty gaps bridged.

    Args:
        trace: Velocity.
        lines: Lines of the region.
        empty: In which of them no cell is seen.
        crossing: How many lines a cell takes to cross the line.
    """
    line, velocity = trace.line, trace.velocity
    (at,) = np.nonzero(trace.known)
    if at.size < 2:
        return []
    gaps = [
        i
        for i in np.flatnonzero(np.diff(at) > _MOST_UNKNOWN + 1)
        if not _is_empty(empty, line[at[i]], line[at[i + 1]], crossing)
    ]
    parts = np.split(at, np.array(gaps, dtype=np.int64) + 1)
    half = 0.5 * float(line[1] - line[0])
    found = []
    for part in parts:
        if part.size < 2:
            continue
        first = max(0, round(float(line[part[0]]) - half))
        stop = min(lines, round(float(line[part[-1]]) + half) + 1)
        near = _MOST_UNKNOWN * (line[1] - line[0])
        if part is parts[0] and (first <= near or _is_empty(empty, 0, first, crossing)):
            first = 0
        if part is parts[-1] and (
            lines - stop <= near or _is_empty(empty, stop, lines - 1, crossing)
        ):
            stop = lines
        each = np.interp(np.arange(first, stop), line[part], velocity[part])
        moved = np.concatenate([[0.0], np.cumsum(each)[:-1]])
        found.append(Stretch(first=first, moved=moved))
    return found


def unroll(pixels: NDArray[Any], light: Light, stretch: Stretch) -> Column:
    """Average a stretch in the coordinate of the blood.

    Args:
        pixels: The region, ``(time, space)``.
        light: How bright it is.
        stretch: The lines to take.
    """
    n = pixels.shape[1]
    lit = light.lit
    # One pixel of room at both ends, for the smoothing that comes later.
    origin = -float(stretch.moved.max()) - 1.0
    places = int((n + 1.0 - float(stretch.moved.min()) - origin) / STEP_PX) + 2
    total, weight, squares = np.zeros(places), np.zeros(places), 0.0
    for low in range(0, stretch.moved.size, _BLOCK_LINES):
        moved = stretch.moved[low : low + _BLOCK_LINES]
        first = stretch.first + low
        flat = (light.relative(pixels, first, first + moved.size) - 1.0).ravel()
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
