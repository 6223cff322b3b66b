"""Mean lines of windows, their noise and their blur, and when a fit is not a diameter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.diameter._model import Fits, Profile, fit_profiles

_Floats = NDArray[np.float64]
_T = TypeVar("_T", bound=np.generic)

LEAST_LINES: Final = 8
"""Fewer lines are too noisy to say how blurred they are, or which of them are odd."""
LINES_PER_BLOCK: Final = 20
"""In so few a vessel hardly moves, and their mean shows it well enough."""
_MOST_FOR_BLUR: Final = 60
_STEP: Final = 0.25
_STEPS: Final = 2
"""The blur is looked for in steps of a quarter of itself, then of a sixteenth."""
_UNDETERMINED: Final = "its width is not determined"
_LEAST_SIGNIFICANCE: Final = 6.0
_LEAST_EXPLAINED: Final = 0.9
_WORST_ERROR: Final = 0.25
_ODD_LINE: Final = 5.0
"""Standard deviations, by the median deviation, from which a line is left out of its window."""
_PART_OF_LINE: Final = 8
"""A line is odd if an eighth of it is."""


def noise_variance(values: _Floats) -> _Floats:
    """The variance of the noise of each pixel, from the differences of neighbouring lines."""
    if len(values) == 1:
        # The median of the square of a difference is 0.91 of the variance of one value.
        along = np.diff(values[0])
        return np.full(values.shape[1], max(float(np.median(np.square(along))) / 0.91, 1e-12))
    variance = 0.5 * np.square(np.diff(values, axis=0)).mean(axis=0)
    least: _Floats = np.maximum(variance, max(float(variance.mean()) * 1e-3, 1e-12))
    return least


def mean_lines(values: _Floats, weight: _Floats, size: int) -> tuple[_Floats, _Floats]:
    """The mean line of each window, ``(windows, space)``, and of how many lines it is.

    Doubtful lines say less than their weight: whether they count is itself not known.

    Args:
        values: Pixels, ``(time, space)``.
        weight: Of each line, ``(time,)``, from 0 to 1; each window has some.
        size: Lines per window.
    """
    cut, own = in_windows(values, size), in_windows(weight, size)
    means = np.einsum("wtn,wt->wn", cut, own) / np.maximum(own.sum(axis=1), 1e-3)[:, None]
    return means, np.maximum(np.square(own).sum(axis=1), 1e-3)


def in_windows(values: NDArray[_T], size: int) -> NDArray[_T]:
    """Lines in windows, ``(windows, size, ...)``; those that make no whole window are left out."""
    return values[: len(values) // size * size].reshape(-1, size, *values.shape[1:])


def steady_lines(values: _Floats, noise: _Floats) -> _Floats:
    """1 for each line that looks like those around it, 0 for odd ones, ``(time,)``.

    A line is odd if a part of it is farther from the mean of its window than others are, as when
    the vessel has jumped.

    Args:
        values: Pixels, ``(time, space)``.
        noise: Variance of the noise of each pixel of the line, ``(space,)``.
    """
    steady = np.ones(len(values))
    if len(values) < LEAST_LINES:
        return steady
    size = min(LINES_PER_BLOCK, len(values))
    n = values.shape[1]
    cut = in_windows(values, size)
    part = max(1, n // _PART_OF_LINE)
    sums = np.cumsum((cut - cut.mean(axis=1, keepdims=True)) / np.sqrt(noise), axis=2)
    far = np.abs(sums[:, :, part:] - sums[:, :, :-part]).max(axis=2)
    middle = float(np.median(far))
    spread = 1.4826 * float(np.median(np.abs(far - middle)))
    kept = far <= middle + _ODD_LINE * max(spread, 1e-12)
    kept |= kept.mean(axis=1, keepdims=True) < 0.5
    steady[: kept.size] = kept.ravel()
    return steady


@dataclass(frozen=True, slots=True, kw_only=True)
class Blur:
    """The blur by the optics.

    Attributes:
        value: Its standard deviation, in pixels; None if nothing shows it.
        error: The standard error of that.
    """

    value: float | None
    error: float


def common_blur(
    profiles: _Floats, variance: _Floats, model: Profile, *, near: float | None = None
) -> Blur:
    """The blur that explains mean lines of short blocks best, by maximum likelihood.

    Of a small vessel width, blur and contrast can hardly be told apart in a few lines; the blur of
    the optics is the same in all of them.

    Args:
        profiles: Mean lines, ``(profiles, space)``.
        variance: Of their noise, ``(profiles, space)``.
        model: The shape.
        near: About what it is, if that is known.
    """
    some = np.linspace(0, len(profiles) - 1, min(_MOST_FOR_BLUR, len(profiles))).astype(np.int64)
    profiles, variance = profiles[some], variance[some]
    alone = fit_profiles(profiles, variance, model)
    # Without those that are not determined, the others would seem less blurred than all are.
    good = np.isin(why_unknown(alone, profiles.shape[1]), ("", _UNDETERMINED))
    if not good.any():
        return Blur(value=None, error=0.0)
    own = (profiles[good], variance[good], model)
    if near is None:
        near, _ = _likeliest(float(np.median(alone.blur[good])), *own, step=_STEP)
    value, error = _likeliest(near, *own, step=_STEP / 4.0)
    return Blur(value=value, error=error)


def _likeliest(
    start: float, profiles: _Floats, variance: _Floats, model: Profile, *, step: float
) -> tuple[float, float]:
    """The likeliest blur near a value, and its error, from a parabola through chi squared."""
    tried = start * np.exp(step * np.arange(-_STEPS, _STEPS + 1))
    cost = [float(fit_profiles(profiles, variance, model, blur=s).chi_squared.sum()) for s in tried]
    best = int(np.clip(np.argmin(cost), 1, tried.size - 2))
    left, middle, right = cost[best - 1 : best + 2]
    bend = max((left - 2.0 * middle + right) / step**2, 1e-12)
    shift = float(np.clip((left - right) / (2.0 * step * bend), -step, step))
    value = float(tried[best]) * math.exp(shift)
    # The log-likelihood is minus half of chi squared; misfit makes it less certain.
    misfit = max(1.0, middle / max(1, profiles.size - 4 * len(profiles) - 1))
    return value, value * math.sqrt(2.0 * misfit / bend)


def why_unknown(fits: Fits, n: int) -> NDArray[np.str_]:
    """Why each fit is not a diameter; "" if it is one."""
    first, last = fits.center - fits.half_width, fits.center + fits.half_width
    why = np.full(fits.center.size, "", dtype=object)
    why[fits.half_width_error > _WORST_ERROR * fits.half_width] = _UNDETERMINED
    why[fits.explained < _LEAST_EXPLAINED] = "the line does not look like one vessel"
    why[(first < fits.blur) | (last > n - 1 - fits.blur)] = "an edge is outside the line"
    why[fits.significance < _LEAST_SIGNIFICANCE] = "no vessel stands out from noise"
    return why.astype(np.str_)
