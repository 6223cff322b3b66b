"""The column of blood as it passed: every pixel at its place in the blood, averaged.

With the way ``S(t)`` that the blood has moved, the sum of velocity over lines, pixel ``x`` of line
``t`` shows the place ``u = x - S(t)`` of the column. Each cell is in sight for many lines, and the
mean over them has far less noise than a line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low
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
_OFTEN_EMPTY: Final = 0.2
"""The share of lines with a cell up to which a longer gap is bridged."""
_ALWAYS_EMPTY: Final = 0.02
"""The same up to which no cell has passed."""
_LEAST_WINDOWS: Final = 2
_WITH_CELLS: Final = 90
"""The percentile of the texture of lines that a line with cells has, also where cells are rare."""
_IN_SIGHT: Final = 2.0
"""How often its own length the line moves while a cell leaves and the next one enters."""
_STOPPED: Final = 10.0
"""Usual distances to the next cell from which nothing in sight means that the blood has stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Lines over which velocity is known without a long gap.

    Attributes:
        first: Its first line in the region.
        moved: How far the blood has moved at each line, ``(lines,)``, in pixels; 0 at the first.
        variance: Of how far it has moved while it stopped out of sight, in square pixels.
    """

    first: int
    moved: _Floats
    variance: float


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
        velocity: px/line; NaN where unknown.
        certain: Whether it is.
    """

    line: _Floats
    velocity: _Floats
    certain: NDArray[np.bool_]

    @property
    def step(self) -> float:
        """Lines from one window to the next."""
        return float(self.line[1] - self.line[0]) if self.line.size > 1 else 1.0

    def stalls(self) -> list[tuple[int, int]]:
        """The first line and the line after the last of each run of windows that stand still."""
        still = np.flatnonzero(self.certain & (np.abs(self.velocity) <= _STILL))
        runs = np.split(still, np.flatnonzero(np.diff(still) > 1) + 1)
        return [(int(self.line[i[0]]), int(self.line[i[-1]]) + 1) for i in runs if i.size]

    def followed(self, is_seen: NDArray[np.bool_]) -> Followed:
        """The windows whose velocity can be followed.

        Of windows in which there is nothing to see a few have a velocity by chance, or seem to
        stall. So first those count in which something is seen and which are as fast as one of their
        four neighbours, then those that are as fast as these around them, but stalls only if
        something is seen. Where a single cell passes, velocity may be that of another one
        (``alias``), which is not certain.

        Args:
            is_seen: Whether something is seen in each line of the region, ``(time,)``.
        """
        seen = is_seen[np.clip(self.line.astype(np.int64), 0, is_seen.size - 1)]
        known = np.zeros(seen.size, dtype=bool)
        for apart in (1, 2):
            both = (self.certain & seen)[apart:] & (self.certain & seen)[:-apart]
            both &= _alike(self.velocity[apart:], self.velocity[:-apart])
            known[apart:] |= both
            known[:-apart] |= both
        if known.any():
            around = np.interp(self.line, self.line[known], self.velocity[known])
            moves = np.abs(self.velocity) > _STILL
            known |= (seen | (self.certain & moves)) & _alike(self.velocity, around)
        return Followed(line=self.line[known], velocity=self.velocity[known], step=self.step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """The windows whose velocity is known.

    Attributes:
        line: Middle of each in the region, ``(windows,)``, ascending.
        velocity: px/line.
        step: Lines from one window to the next, if both are known.
    """

    line: _Floats
    velocity: _Floats
    step: float

    def at_lines(self, lines: int) -> _Floats:
        """Velocity at each line of a region, that of the nearest windows where it is unknown."""
        return np.interp(np.arange(lines), self.line, self.velocity)


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
    lines, n = pixels.shape
    everything = np.ones(lines, dtype=bool)
    followed = trace.followed(everything)
    if followed.line.size < _LEAST_WINDOWS:
        return []
    light = _light(pixels, followed)
    columns = [unroll(pixels, light, one) for one in _stretches(followed, everything, n)]
    texture = np.concatenate(
        [
            np.var(light.relative(pixels, low, low + _BLOCK_LINES), axis=1)
            for low in range(0, lines, _BLOCK_LINES)
        ]
    )
    # Windows next to a gap have a part of a cell in sight; half-way is a line with cells.
    near = _moving_sum(np.stack([texture, np.ones(lines)]), 2 * round(trace.step))
    texture = near[0] / near[1]
    # A stall shows the same from its beginning to its end.
    for first, stop in trace.stalls():
        texture[first:stop] = np.median(texture[first:stop])
    noise = float(np.average([c.noise for c in columns], weights=[c.lines for c in columns]))
    is_seen = texture >= math.sqrt(noise * float(np.percentile(texture, _WITH_CELLS)))
    followed = trace.followed(is_seen)
    if followed.line.size < _LEAST_WINDOWS:
        return []
    return [unroll(pixels, light, one) for one in _stretches(followed, is_seen, n)]


def _moving_sum(values: _Floats, reach: int) -> _Floats:
    """Sums over `reach` values of the last axis before and after each, fewer at the ends."""
    total = np.cumsum(values, axis=-1)
    total = np.concatenate([np.zeros_like(total[..., :1]), total], axis=-1)
    at, size = np.arange(values.shape[-1]), values.shape[-1]
    last, first = np.minimum(at + reach + 1, size), np.maximum(at - reach, 0)
    summed: _Floats = total[..., last] - total[..., first]
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


def _light(pixels: NDArray[Any], followed: Followed) -> Light:
    """The light of a recording, see `Light`.

    Lines in which nothing moves show the same few cells again and again, so lines count by how far
    the blood moves.
    """
    lines, n = pixels.shape
    weight = np.abs(followed.at_lines(lines)) + 1e-3 * _STILL
    blocks = [slice(low, low + _BLOCK_LINES) for low in range(0, lines, _BLOCK_LINES)]
    with np.errstate(invalid="ignore"):
        mean = sum(weight[block] @ pixels[block].astype(np.float64) for block in blocks)
        mean = np.asarray(mean / weight.sum())
    known = np.isfinite(mean)
    bright = known & (mean > 1e-3 * mean[known].mean()) if known.any() else known
    steady = Light(column=np.where(bright, mean, np.inf), line=np.ones(lines))
    level = [steady.relative(pixels, one.start, one.stop).mean(axis=1) for one in blocks]
    reach = round(_CROSSINGS * n / max(float(np.median(np.abs(followed.velocity))), _STILL))
    moved = _moving_sum(np.stack([weight * np.concatenate(level), weight]), reach)
    line = moved[0] / moved[1]
    return Light(column=steady.column, line=np.maximum(line / line.mean(), 1e-3))


def _stretches(followed: Followed, seen: NDArray[np.bool_], n: int) -> list[Stretch]:
    """The stretches over which velocity is known, short and empty gaps bridged.

    Args:
        followed: The windows whose velocity is known.
        seen: Whether something is seen in each line of the region.
        n: Pixels of a line.
    """
    lines, line = seen.size, followed.line
    velocity = followed.at_lines(lines)
    moved = np.concatenate([[0.0], np.cumsum(np.abs(velocity))])
    # Gaps, also the one before the first window and the one after the last.
    first = np.concatenate([[0.0], line]).astype(np.int64)
    stop = np.concatenate([line, [lines]]).astype(np.int64)
    way = moved[stop] - moved[first]
    crossing = n / max(float(np.median(np.abs(followed.velocity))), _STILL)
    share = np.array([_share_seen(seen[i:j], crossing) for i, j in zip(first, stop, strict=True)])
    # How far the next cell is does not depend on how far the last one is.
    beyond = way - _IN_SIGHT * n
    free = (share <= _OFTEN_EMPTY) & (beyond > 0)
    usual = median_low([float(n), *beyond[free].tolist()]) / math.log(2.0)
    stops = np.flatnonzero((share <= _ALWAYS_EMPTY) & (beyond > _STOPPED * usual))
    for k in stops:
        velocity[first[k] : stop[k]] *= (_IN_SIGHT * n + usual) / way[k]
    lost = (stop - first > (_MOST_UNKNOWN + 1) * followed.step) & (share > _OFTEN_EMPTY)
    half = round(0.5 * followed.step)
    begin = np.concatenate([[0], np.maximum(stop - half, 0)[lost]])
    end = np.concatenate([np.minimum(first + half + 1, lines)[lost], [lines]])
    return [
        Stretch(
            first=int(i),
            moved=np.concatenate([[0.0], np.cumsum(velocity[i : j - 1])]),
            variance=usual**2 * np.count_nonzero((first[stops] >= i) & (first[stops] < j)),
        )
        for i, j in zip(begin, end, strict=True)
        if j - i > 1
    ]


def _share_seen(seen: NDArray[np.bool_], crossing: float) -> float:
    """The share of a gap in which something is seen, but for a cell that leaves or enters."""
    inner = seen[int(crossing) : max(0, int(seen.size - crossing)) + 1]
    return float(inner.mean()) if inner.size else 0.0


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
