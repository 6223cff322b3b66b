"""The search for a periodic component in an evenly sampled series with gaps.

``P(f) = |sum y exp(-2 pi i f t)|**2 / n`` over the known values is the classical periodogram. For
noise, ``P`` is exponential around the noise level ``N(f)``, which is the mean of ``P`` in the
neighbourhood of ``f`` without the peak itself. A mean of ``m`` independent values is not exact:
``z = P / N`` exceeds a value with probability ``(1 + z / m)**-m`` (the F distribution with 2 and
``2 m`` degrees of freedom). Of a recording cut into pieces the sum of the pieces' ``z`` is used,
too, which finds a rate that drifts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]

_OVERSAMPLING = 8
_OUTLIER = 8.0
"""Standard deviations, by the median deviation, from which a value is left out."""
_PEAK_REACH = 2.0
"""Half width of a peak, in units of one over the duration: what is left out of the noise."""
_PEAK_REACH_HZ = 1.0
"""The same for a rate that wanders."""
_NOISE_REACH_HZ = 3.0
_INDEPENDENT = 3.0
"""As many independent frequencies there are, per band times duration: measured on noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Values at even times, some of them unknown.

    Attributes:
        time_s: Times, ``(n,)``.
        values: Values, ``(n,)``; zero where unknown.
        known: Whether each is known, ``(n,)``.
        step_s: Time from one to the next.
    """

    time_s: _Floats
    values: _Floats
    known: NDArray[np.bool_]
    step_s: float

    @property
    def duration_s(self) -> float:
        """From the first known value to the last."""
        at = np.flatnonzero(self.known)
        return float(at[-1] - at[0] + 1) * self.step_s if at.size else 0.0

    def between(self, start_s: float, stop_s: float) -> Series:
        """A part of it."""
        inside = (self.time_s >= start_s) & (self.time_s < stop_s)
        return replace(
            self,
            time_s=self.time_s[inside],
            values=self.values[inside],
            known=self.known[inside],
        )

    def pieces(self, length_s: float) -> list[Series]:
        """It cut into pieces of equal length, those left out that are mostly unknown."""
        first = float(self.time_s[0])
        count = max(1, round(self.time_s.size * self.step_s / length_s))
        borders = first + np.arange(count + 1) * (self.time_s.size * self.step_s / count)
        cut = [self.between(a, b) for a, b in pairwise(borders)]
        return [piece for piece in cut if piece.known.mean() > 0.3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The most significant frequency of a series.

    Attributes:
        rate_hz: Its frequency.
        ratio: Its power over the noise level, of the whole series.
        level: The noise level there.
        false_alarm: Probability that noise alone has such a peak anywhere in the band.
    """

    rate_hz: float
    ratio: float
    level: float
    false_alarm: float


def without_trend(series: Series, width_s: float) -> Series:
    """A series less its running mean (twice, over `width_s`), and without outliers."""
    rest = series.values - _trend(series, width_s)
    spread = 1.4826 * float(np.median(np.abs(rest[series.known])))
    known = series.known & (np.abs(rest) <= _OUTLIER * spread)
    kept = replace(series, values=np.where(known, series.values, 0.0), known=known)
    return replace(kept, values=np.where(known, kept.values - _trend(kept, width_s), 0.0))


def _trend(series: Series, width_s: float) -> _Floats:
    """The running mean of the known values, twice, ``(n,)``."""
    lines = max(1, round(width_s / series.step_s)) | 1
    weight = _running_sum(series.known.astype(np.float64), lines)
    mean = _running_sum(series.values, lines) / np.maximum(weight, 1.0)
    twice: _Floats = _running_sum(mean * weight, lines) / np.maximum(
        _running_sum(weight, lines), 1.0
    )
    return twice


def find_peak(series: Series, band_hz: tuple[float, float], piece_s: float) -> Peak:
    """The most significant frequency of a band, of the whole series or of its pieces together.

    Args:
        series: A series without trend.
        band_hz: Lowest and highest frequency.
        piece_s: Length of the pieces.
    """
    pieces = series.pieces(piece_s)
    found = [_peak_of([series], band_hz)]
    if len(pieces) > 1:
        found.append(_peak_of(pieces, band_hz))
    rate, _ = min(found, key=lambda one: one[1])
    power, level, _ = _power(series, np.array([rate]))
    false_alarm = min(1.0, len(found) * min(chance for _, chance in found))
    return Peak(
        rate_hz=rate,
        ratio=float(power[0] / level[0]),
        level=float(level[0]),
        false_alarm=false_alarm,
    )


def _peak_of(pieces: list[Series], band_hz: tuple[float, float]) -> tuple[float, float]:
    """The frequency of the highest peak, and its false-alarm probability."""
    duration = max(piece.duration_s for piece in pieces)
    grid = np.arange(band_hz[0], band_hz[1], 1.0 / (_OVERSAMPLING * duration))
    ratios = np.zeros(grid.size)
    independent = 0.0
    for piece in pieces:
        power, level, m = _power(piece, grid)
        ratios += power / level
        independent += m
    best = int(ratios.argmax())
    single = _exceeds(float(ratios[best]), len(pieces), independent / len(pieces))
    trials = max(1.0, _INDEPENDENT * duration * (band_hz[1] - band_hz[0]))
    chance = -math.expm1(trials * math.log1p(-min(single, 1.0 - 1e-12)))
    return _top(grid, ratios, best), chance


def _power(series: Series, grid: _Floats) -> tuple[_Floats, _Floats, float]:
    """Power and noise level at frequencies, and of how many values a level is the mean."""
    n = max(1, int(series.known.sum()))
    duration = series.duration_s
    size = 1 << (_OVERSAMPLING * series.values.size - 1).bit_length()
    power = np.abs(np.fft.rfft(series.values, size)) ** 2 / n
    spacing = 1.0 / (size * series.step_s)
    total = np.concatenate([[0.0], np.cumsum(power)])

    def summed(low: _Floats, high: _Floats) -> tuple[_Floats, _Floats]:
        first = np.clip(np.ceil(low / spacing), 1, power.size).astype(np.int64)
        last = np.clip(np.floor(high / spacing) + 1, first, power.size).astype(np.int64)
        return total[last] - total[first], (last - first).astype(np.float64)

    reach = max(_NOISE_REACH_HZ, 12.0 / duration)
    around, wide = summed(np.maximum(grid - reach, 0.5 * grid), grid + reach)
    own = max(_PEAK_REACH / duration, _PEAK_REACH_HZ)
    peak, narrow = summed(grid - own, grid + own)
    count = np.maximum(wide - narrow, 1.0)
    level = np.maximum((around - peak) / count, 1e-300)
    independent = float(np.median(count)) * spacing * duration
    return np.interp(grid, np.arange(power.size) * spacing, power), level, max(independent, 1.0)


def _exceeds(total: float, pieces: int, m: float) -> float:
    """The probability that the sum of `pieces` ratios of noise exceeds `total`.

    Exact for one piece; for several the tail of a gamma distribution at a total that is lowered for
    the uncertainty of the noise level, so that both have the same leading exponent.
    """
    if pieces == 1:
        return math.exp(-m * math.log1p(total / m))
    lowered = pieces * m * math.log1p(total / (pieces * m))
    term = total_terms = 1.0
    for k in range(1, pieces):
        term *= lowered / k
        total_terms += term
    return min(1.0, math.exp(-lowered) * total_terms)


def _top(grid: _Floats, values: _Floats, best: int) -> float:
    """The top of the parabola through a maximum and its neighbours."""
    if not 0 < best < grid.size - 1:
        return float(grid[best])
    left, centre, right = values[best - 1 : best + 2]
    bend = left - 2.0 * centre + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float(grid[best] + shift * (grid[1] - grid[0]))


def _running_sum(values: _Floats, width: int) -> _Floats:
    """Sums over `width` values around each, fewer at the ends."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(values.size)
    half = width // 2
    summed: _Floats = (
        total[np.minimum(at + half + 1, values.size)] - total[np.maximum(at - half, 0)]
    )
    return summed
