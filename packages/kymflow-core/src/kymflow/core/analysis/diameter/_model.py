"""The brightness of a vessel across the line, and its fit.

A thin optical section through a vessel full of plasma is a slab, the whole depth of the vessel a
disc seen from the side; the optics blur both by a Gaussian::

    slab(x) = background + contrast * (F((x - c + h) / s) - F((x - c - h) / s))
    disc(x) = background + contrast * integral of sin(a) slab(x; h sin(a)) da, a from 0 to pi / 2

with the normal distribution ``F``, centre ``c``, half width ``h`` and blur ``s``. That a disc is
made of slabs follows from ``sqrt(1 - u**2) = integral of sin(a) [|u| < sin(a)] da``, which is
summed at twelve Gauss-Legendre nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]
Profile: TypeAlias = Literal["slab", "disc"]

_NODES = 12
_STEPS = 40
_CHUNK = 512
_SMALLEST_BLUR = 0.3
_BLUR = 2
"""Among the parameters: centre, half width, blur, contrast, background."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fits:
    """Fits of profiles, all in pixels of the line; most arrays have shape ``(profiles,)``.

    Attributes:
        center: Centre of the vessel.
        half_width: Half of its diameter.
        half_width_error: Standard error of that.
        by_blur: How the half width changes with a blur that was given; 0 if it was fitted.
        blur: Standard deviation of the blur.
        contrast: Brightness above the background; negative for a dark vessel.
        significance: By how many standard deviations of noise a vessel explains the line better
            than no vessel, the square root of the difference in chi squared.
        explained: Share of the variance along the line, noise taken out, that the fit explains; the
            most that noise lets it be.
        chi_squared: Sum of the squares of what is left, in units of the noise.
        fitted: Brightness by the fit, ``(profiles, space)``.
        vessel: The part of it that is the vessel, ``(profiles, space)``.
    """

    center: _Floats
    half_width: _Floats
    half_width_error: _Floats
    by_blur: _Floats
    blur: _Floats
    contrast: _Floats
    significance: _Floats
    explained: _Floats
    chi_squared: _Floats
    fitted: _Floats
    vessel: _Floats


def fit_profiles(
    profiles: _Floats, variance: _Floats, model: Profile, *, blur: float | None = None
) -> Fits:
    """Fit profiles by weighted least squares (Levenberg-Marquardt, all profiles at once).

    Args:
        profiles: Mean brightness, ``(profiles, space)``.
        variance: Of the noise of each value, ``(profiles, space)``.
        model: The shape.
        blur: Standard deviation of the blur, if it is known; else it is fitted.
    """
    parts = [
        _fit(profiles[at : at + _CHUNK], variance[at : at + _CHUNK], model, blur)
        for at in range(0, len(profiles), _CHUNK)
    ]
    return Fits(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in Fits.__slots__}
    )


def half_widths(profiles: _Floats) -> _Floats:
    """The full width at half of the maximum, as is common, in pixels, ``(profiles,)``.

    Between the outermost crossings of the mean of the 5th and the 95th percentile, by linear
    interpolation; NaN where the profile does not fall below it on both sides.
    """
    low, high = np.percentile(profiles, (5, 95), axis=1)
    level = 0.5 * (low + high)
    widths = np.full(len(profiles), np.nan)
    for row, (profile, half) in enumerate(zip(profiles, level, strict=True)):
        (above,) = np.nonzero(profile > half)
        if above.size and above[0] > 0 and above[-1] < profile.size - 1:
            i, j = above[0], above[-1]
            left = i - (profile[i] - half) / (profile[i] - profile[i - 1])
            right = j + (profile[j] - half) / (profile[j] - profile[j + 1])
            widths[row] = right - left
    return widths


def _fit(profiles: _Floats, variance: _Floats, model: Profile, blur: float | None) -> Fits:
    n = profiles.shape[1]
    theta = _start(profiles)
    if blur is not None:
        theta[:, _BLUR] = blur
    free = np.array([True, True, blur is None, True, True])
    damping = np.full(len(profiles), 1e-2)
    shape, slopes = _model(theta, n, model)
    cost = (np.square(profiles - shape) / variance).sum(axis=1)
    going = np.arange(len(profiles))
    for _ in range(_STEPS):
        if not going.size:
            break
        weight, slopes_free = 1.0 / variance[going], slopes[going] * free
        weighted = slopes_free * weight[:, :, None]
        normal = slopes_free.transpose(0, 2, 1) @ weighted
        gradient = np.einsum("kni,kn->ki", weighted, profiles[going] - shape[going])
        diagonal = np.einsum("kii->ki", normal)
        damped = normal + np.eye(5) * (damping[going, None] * diagonal + 1e-12)[:, :, None]
        step = np.linalg.solve(damped, gradient[:, :, None])[:, :, 0]
        tried = _bounded(theta[going] + step * free, n)
        new_shape, new_slopes = _model(tried, n, model)
        new_cost = (weight * np.square(profiles[going] - new_shape)).sum(axis=1)
        gain = cost[going] - new_cost
        better = gain >= 0
        moved = going[better]
        theta[moved], shape[moved] = tried[better], new_shape[better]
        slopes[moved], cost[moved] = new_slopes[better], new_cost[better]
        damping[going] *= np.where(better, 0.2, 5.0)
        going = going[~better | (gain >= 1e-6 * new_cost)]
    return _described(theta, slopes, free, profiles, variance, cost)


def _described(
    theta: _Floats,
    slopes: _Floats,
    free: NDArray[np.bool_],
    profiles: _Floats,
    variance: _Floats,
    cost: _Floats,
) -> Fits:
    n = profiles.shape[1]
    normal = np.einsum("kni,kn,knj->kij", slopes, 1.0 / variance, slopes)
    covariance = np.linalg.pinv(normal * np.outer(free, free))
    by_blur = np.zeros(len(theta))
    if not free[_BLUR]:
        by_blur = -np.einsum("kj,kj->k", covariance[:, 1], normal[:, :, _BLUR])
    # What the model does not explain, beyond what noise may do, makes its parameters less certain.
    degrees = max(1, n - 5)
    misfit = np.maximum(1.0, cost / (degrees + 2.0 * np.sqrt(2.0 * degrees)))
    errors = np.sqrt(np.maximum(np.einsum("kii->ki", covariance), 0.0) * misfit[:, None])
    total = np.square(profiles - profiles.mean(axis=1, keepdims=True)).sum(axis=1)
    noise = variance.sum(axis=1)
    mean = (profiles / variance).sum(axis=1) / (1.0 / variance).sum(axis=1)
    flat = (np.square(profiles - mean[:, None]) / variance).sum(axis=1)
    # What is left of noise has the relative standard deviation sqrt(2 / n).
    left = cost / np.maximum((1.0 / variance).mean(axis=1), 1e-300)
    rest = left - noise * (1.0 + 3.0 * np.sqrt(2.0 / n))
    explained = 1.0 - np.maximum(rest, 0.0) / np.maximum(total - noise, 1e-300)
    return Fits(
        center=theta[:, 0],
        half_width=theta[:, 1],
        # Nothing changes with the width of a vessel that is not there: it may be any.
        half_width_error=np.where(errors[:, 1] > 0, errors[:, 1], np.inf),
        by_blur=by_blur,
        blur=theta[:, _BLUR],
        contrast=theta[:, 3],
        significance=np.sqrt(np.maximum(flat - cost, 0.0) / misfit),
        explained=np.where(total > noise, explained, 0.0),
        chi_squared=cost,
        fitted=theta[:, 4:] + theta[:, 3:4] * slopes[:, :, 3],
        vessel=theta[:, 3:4] * slopes[:, :, 3],
    )


def _start(profiles: _Floats) -> _Floats:
    """First guesses: centre, half width, blur, contrast, background."""
    smooth = profiles.copy()
    for _ in range(2):
        smooth[:, 1:-1] = 0.25 * (smooth[:, :-2] + 2.0 * smooth[:, 1:-1] + smooth[:, 2:])
    n = smooth.shape[1]
    edge = max(1, n // 10)
    outside = np.concatenate([smooth[:, :edge], smooth[:, -edge:]], axis=1).mean(axis=1)
    low, high = smooth.min(axis=1), smooth.max(axis=1)
    bright = high - outside >= outside - low
    upright = np.where(bright[:, None], smooth, -smooth)
    base, top = upright.min(axis=1), upright.max(axis=1)
    inside = upright > 0.5 * (base + top)[:, None]
    inside &= _around(inside, upright.argmax(axis=1))
    count = np.maximum(inside.sum(axis=1), 1)
    center = (inside * np.arange(n)).sum(axis=1) / count
    contrast = np.where(bright, top - base, base - top)
    background = np.where(bright, base, -base)
    return np.stack(
        [center, count / 2.0, np.full(len(profiles), 1.5), contrast, background], axis=1
    )


def _around(inside: NDArray[np.bool_], peak: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Between the first and the last of the values near the peak, gaps of noise bridged."""
    kept = np.zeros_like(inside)
    for row, at in enumerate(peak):
        (marked,) = np.nonzero(inside[row])
        if not marked.size:
            continue
        gaps = np.flatnonzero(np.diff(marked) > 1 + inside.shape[1] // 8)
        starts = np.concatenate([[0], gaps + 1])
        stops = np.concatenate([gaps, [marked.size - 1]])
        for first, last in zip(marked[starts], marked[stops], strict=True):
            if first <= at <= last:
                kept[row, first : last + 1] = True
    return kept


def _bounded(theta: _Floats, n: int) -> _Floats:
    low = np.array([-0.5 * n, 0.2, _SMALLEST_BLUR, -np.inf, -np.inf])
    high = np.array([1.5 * n, 1.5 * n, 0.25 * n, np.inf, np.inf])
    return np.clip(theta, low, high)


def _model(theta: _Floats, n: int, model: Profile) -> tuple[_Floats, _Floats]:
    """Brightness ``(profiles, n)`` and its derivatives ``(profiles, n, 5)``."""
    nodes, weights = _nodes(model)
    center, half, blur, contrast, background = theta.T[:, :, None]
    from_center = np.arange(n) - center
    shape = np.zeros_like(from_center)
    by_center, by_half, by_blur = (np.zeros_like(shape) for _ in range(3))
    for node, weight in zip(nodes, weights, strict=True):
        right = (from_center + half * node) / blur
        left = (from_center - half * node) / blur
        shape += weight * (normal_cdf(right) - normal_cdf(left))
        at_right, at_left = _density(right) / blur, _density(left) / blur
        by_center += weight * (at_left - at_right)
        by_half += weight * node * (at_right + at_left)
        by_blur += weight * (left * at_left - right * at_right)
    slopes = np.stack(
        [contrast * by_center, contrast * by_half, contrast * by_blur, shape, np.ones_like(shape)],
        axis=2,
    )
    return background + contrast * shape, slopes


@cache
def _nodes(model: Profile) -> tuple[_Floats, _Floats]:
    """Half widths and weights of the slabs that make the shape."""
    if model == "slab":
        return np.ones(1), np.ones(1)
    at, weight = np.polynomial.legendre.leggauss(_NODES)
    sine = np.sin(0.25 * np.pi * (at + 1.0))
    return sine, 0.25 * np.pi * weight * sine


def _density(z: _Floats) -> _Floats:
    density: _Floats = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    return density


def normal_cdf(z: _Floats) -> _Floats:
    """The normal distribution, to 1e-7 (Abramowitz and Stegun 26.2.17)."""
    t = 1.0 / (1.0 + 0.2316419 * np.abs(z))
    series = t * (
        0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429)))
    )
    tail = _density(z) * series
    return np.where(z >= 0, 1.0 - tail, tail)
