"""Cells in the column of blood: two levels of brightness, runs of one of them, cells in each run.

Levels are those of two normal distributions of equal spread (expectation maximisation). Half-way
between them cells end. Cells that touch make a run of about the length of two: a run of length
``L`` is ``round((L + g) / (l + g))`` cells with the length ``l`` of one and the smallest gap ``g``
that is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.cells._unroll import STEP_PX, Column

_Floats = NDArray[np.float64]

_SMOOTHING_PX: Final = (0.8, 1.2, 1.8, 2.7)
_ENOUGH_CONTRAST: Final = 10.0
"""Contrast over noise from which there is no need to smooth more."""
_STEPS: Final = 60
_SHORTEST: Final = 0.35
"""Of a cell: shorter runs are noise."""
_NEAR: Final = 0.2
"""Lengths within this share of the typical one are those of single cells."""
_CLEARLY_MORE: Final = 0.1
_CERTAIN: Final = 1.5
"""Standard deviations of noise beyond half-way that a run must reach."""
_SEEN_GAP: Final = 0.08
"""The smallest gap that is seen, as a share of a cell."""
_DRAWS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Blood:
    """What passes the middle of the line, smoothed no more than it takes to see cells.

    Attributes:
        columns: The column of each stretch.
        middle_px: The middle of the line.
        width_px: Standard deviation of the smoothing.
        values: For each column, the part that passes the middle.
        noise: For each of these values the standard deviation of its noise.
        levels: The darker and the brighter level.
        contrast: Their difference over the median noise.
    """

    columns: tuple[Column, ...]
    middle_px: float
    width_px: float
    values: tuple[_Floats, ...]
    noise: tuple[_Floats, ...]
    levels: tuple[float, float]
    contrast: float

    def lines_moved(self) -> tuple[NDArray[np.int64], _Floats]:
        """The lines of all stretches, and by how much each moved from the one before it."""
        stretches = [column.stretch for column in self.columns]
        lines = [one.first + np.arange(one.moved.size) for one in stretches]
        steps = [np.diff(one.moved, prepend=one.moved[0]) for one in stretches]
        return np.concatenate(lines), np.concatenate(steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The cells that pass the middle of the line, stretch by stretch, in the order of the column.

    Attributes:
        center_px: Place of each in its column, ``(cells,)``.
        length_px: Length of each.
        gap_px: Gap to the next one; NaN after the last of a stretch.
        line: Line of the region at which it passes.
        single_px: The length of a single cell.
        dark: Whether cells are the darker level.
        alike: The share of runs that are as long as a single cell.
    """

    center_px: _Floats
    length_px: _Floats
    gap_px: _Floats
    line: _Floats
    single_px: float
    dark: bool
    alike: float


def look(columns: Sequence[Column], middle_px: float) -> Blood:
    """Smooth columns, no more than it takes to see cells above noise."""
    looks = (_look(columns, middle_px, width) for width in _SMOOTHING_PX)
    for blood in looks:
        if blood.contrast > _ENOUGH_CONTRAST:
            return blood
    return _look(columns, middle_px, _SMOOTHING_PX[-1])


def _look(columns: Sequence[Column], middle_px: float, width_px: float) -> Blood:
    parts = [_smooth(column, column.profile, middle_px, width_px) for column in columns]
    levels = _levels(np.concatenate([values for values, _ in parts]))
    noise = float(np.median(np.concatenate([noise for _, noise in parts])))
    return Blood(
        columns=tuple(columns),
        middle_px=middle_px,
        width_px=width_px,
        values=tuple(values for values, _ in parts),
        noise=tuple(noise for _, noise in parts),
        levels=levels,
        contrast=(levels[1] - levels[0]) / noise,
    )


def shade_of(blood: Blood, range_px: tuple[float, float]) -> Literal["dark", "bright"] | None:
    """Which level is that of the cells: its runs are more alike in length. None if that is open."""
    dark, bright = (count_cells(blood, range_px, dark=dark).alike for dark in (True, False))
    if abs(dark - bright) < _CLEARLY_MORE:
        return None
    return "dark" if dark > bright else "bright"


def count_cells(blood: Blood, range_px: tuple[float, float], *, dark: bool) -> Cells:
    """The cells that pass.

    Args:
        blood: What passes.
        range_px: Shortest and longest length that a single cell may have.
        dark: Whether cells are the darker level.
    """
    runs = [_runs(blood, i, values, dark=dark) for i, values in enumerate(blood.values)]
    single, alike = _typical_length(np.concatenate(runs), range_px)
    found = [_divide(each, single, blood.width_px) for each in runs]
    lines = []
    for column, (centers, _) in zip(blood.columns, found, strict=True):
        stretch = column.stretch
        sign = 1.0 if stretch.moved[-1] >= stretch.moved[0] else -1.0
        farthest = np.maximum.accumulate(sign * stretch.moved)
        # The first value passes when the blood has moved farthest towards growing pixel index.
        passing = float(stretch.moved.max()) - centers
        lines.append(stretch.first + np.searchsorted(farthest, sign * passing))
    gaps = [_gaps(centers, lengths) for centers, lengths in found]
    return Cells(
        center_px=np.concatenate([centers for centers, _ in found]),
        length_px=np.concatenate([lengths for _, lengths in found]),
        gap_px=np.concatenate(gaps),
        line=np.concatenate(lines).astype(np.float64),
        single_px=single,
        dark=dark,
        alike=alike,
    )


def count_error(blood: Blood, cells: Cells) -> float:
    """The standard deviation of the count by noise: as much is added as there is, and counted."""
    rng = np.random.default_rng(0)
    counts = []
    for _ in range(_DRAWS):
        total = 0
        for i, column in enumerate(blood.columns):
            spread = np.sqrt(column.noise / np.maximum(column.weight, 1.0))
            noisy = column.profile + spread * rng.standard_normal(spread.size)
            values = _smooth(column, noisy, blood.middle_px, blood.width_px)[0]
            runs = _runs(blood, i, values, dark=cells.dark)
            total += _divide(runs, cells.single_px, blood.width_px)[0].size
        counts.append(total)
    return float(np.std(counts))


def _smooth(
    column: Column, profile: _Floats, middle_px: float, width_px: float
) -> tuple[_Floats, _Floats]:
    """The part of a profile that passes the middle, smoothed, and the noise of each value."""
    reach = max(1, int(np.ceil(3.0 * width_px / STEP_PX)))
    kernel = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) * STEP_PX / width_px))
    weight = column.weight
    norm = np.maximum(np.convolve(weight, kernel, mode="same"), 1e-12)
    smoothed = np.convolve(weight * profile, kernel, mode="same") / norm
    variance = np.convolve(weight, np.square(kernel), mode="same") / np.square(norm)
    part = column.passing(middle_px)
    return smoothed[part], np.sqrt(column.noise * variance[part])


def _levels(values: _Floats) -> tuple[float, float]:
    """The two levels of a profile."""
    low, high = (float(p) for p in np.percentile(values, (1, 99)))
    spread, share = max((high - low) / 4.0, 1e-12), 0.5
    for _ in range(_STEPS):
        odds = np.log((1.0 - share) / share) + 0.5 * (
            np.square((values - low) / spread) - np.square((values - high) / spread)
        )
        dark = 1.0 / (1.0 + np.exp(np.clip(odds, -50.0, 50.0)))
        share = float(np.clip(dark.mean(), 1e-3, 1.0 - 1e-3))
        low = float((dark * values).sum() / dark.sum())
        high = float(((1.0 - dark) * values).sum() / (1.0 - dark).sum())
        off = dark * np.square(values - low) + (1.0 - dark) * np.square(values - high)
        spread = max(float(np.sqrt(off.mean())), 1e-12)
    return min(low, high), max(low, high)


def _runs(blood: Blood, at: int, values: _Floats, *, dark: bool) -> _Floats:
    """Where runs of cells begin and end, ``(runs, 2)``, in pixels from the first value."""
    low, high = blood.levels
    height = max(high - low, 1e-12)
    cell = ((high - values) if dark else (values - low)) / height - 0.5
    certain = _CERTAIN * blood.noise[at] / height
    state = np.where(cell > certain, 1, np.where(cell < -certain, -1, 0))
    inside = _without_doubt(cell > 0, state)
    (edges,) = np.nonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(np.int8)))
    places = [STEP_PX * _crossing(cell, int(edge)) for edge in edges]
    return np.array(places, dtype=np.float64).reshape(-1, 2)


def _without_doubt(above: NDArray[np.bool_], state: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each value is of a cell; excursions that noise may have made are not changes."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(above.astype(np.int8))) + 1])
    sure = np.logical_or.reduceat(state == np.where(above, 1, -1), starts)
    each = np.repeat(sure, np.diff(np.concatenate([starts, [above.size]])))
    inside: NDArray[np.bool_] = above == each
    return inside


def _crossing(cell: _Floats, edge: int) -> float:
    """Where half-way is crossed before value `edge`, by linear interpolation."""
    if not 0 < edge < cell.size:
        return float(edge)
    before, after = float(cell[edge - 1]), float(cell[edge])
    return edge - 0.5 if before * after >= 0 else edge - 1.0 + before / (before - after)


def _typical_length(runs: _Floats, range_px: tuple[float, float]) -> tuple[float, float]:
    """The commonest length within a range, and the share of all that are near it.

    Cells are all about as long; gaps between them are not.
    """
    lengths = runs[:, 1] - runs[:, 0]
    lengths = lengths[lengths >= _SHORTEST * range_px[0]]
    if not lengths.size:
        return float(np.mean(range_px)), 0.0
    tried = np.geomspace(*range_px, 60)
    near = np.abs(lengths[:, None] / tried - 1.0) <= _NEAR
    best = near[:, int(near.sum(axis=0).argmax())]
    single = float(np.median(lengths[best])) if best.any() else float(np.mean(range_px))
    return single, float((np.abs(lengths / single - 1.0) <= _NEAR).mean())


def _divide(runs: _Floats, single_px: float, width_px: float) -> tuple[_Floats, _Floats]:
    """Centres and lengths of cells: short runs left out, long ones divided.

    Gaps between cells that seem to touch are part of their run: those that smoothing by `width_px`
    fills are up to twice as wide as that.
    """
    lengths = runs[:, 1] - runs[:, 0]
    kept = lengths >= _SHORTEST * single_px
    starts, lengths = runs[kept, 0], lengths[kept]
    gap = max(_SEEN_GAP * single_px, width_px)
    count = np.maximum(1, np.round((lengths + gap) / (single_px + gap))).astype(np.int64)
    each = np.repeat(lengths / count, count)
    order = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(starts, count) + (order + 0.5) * each, each


def _gaps(centers: _Floats, lengths: _Floats) -> _Floats:
    """The gap after each cell; NaN after the last one."""
    if not centers.size:
        return centers
    stops, starts = centers + 0.5 * lengths, centers - 0.5 * lengths
    return np.concatenate([np.maximum(starts[1:] - stops[:-1], 0.0), [np.nan]])
