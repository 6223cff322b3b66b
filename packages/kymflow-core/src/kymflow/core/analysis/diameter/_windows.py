"""Diameters of windows of lines: which lines to average, what to fit, when to refuse.

A vessel moves within a window. Where there are lines enough, a window is cut into five pieces, each
is fitted on its own, and their mean counts: motion between pieces then blurs nothing, and how far
pieces scatter shows what their fits do not know of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.diameter._model import Fits, Profile, fit_profiles, half_widths

__all__ = ["Windows", "measure_windows"]

_Floats = NDArray[np.float64]

_PIECES: Final = 5
_LEAST_PIECES: Final = 3
_LEAST_LINES: Final = 8
"""A piece with fewer lines is too noisy to be fitted on its own, or to say how blurred it is."""
_LINES_FOR_BLUR: Final = 40
_LEAST_CONTRAST: Final = 5.0
_LEAST_EXPLAINED: Final = 0.6
_WORST_ERROR: Final = 0.25
_ODD_LINE: Final = 5.0
"""Standard deviations, by the median deviation, from which a line is left out of its window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """One value per window, in pixels along the line; NaN where unknown.

    Attributes:
        diameter: Diameter.
        error: Standard error of that.
        fwhm: Full width at half maximum of the mean line.
        center: Centre of the vessel.
        blur: Standard deviation of the blur.
        contrast: Brightness of the vessel above its surroundings.
        why: Why a diameter is unknown; "" if it is known.
    """

    diameter: _Floats
    error: _Floats
    fwhm: _Floats
    center: _Floats
    blur: _Floats
    contrast: _Floats
    why: NDArray[np.str_]


def measure_windows(values: _Floats, size: int, model: Profile) -> Windows:
    """Measure the diameter in windows of lines.

    Args:
        values: Pixels, ``(time, space)``.
        size: Lines per window.
        model: The shape of the vessel.
    """
    noise = _noise_variance(values)
    profiles, whole = _fit(values, noise, size, model)
    why = _why_unknown(whole, values.shape[1])
    known = why == ""
    sign = np.sign(np.median(whole.contrast[known])) if known.any() else 1.0
    found = Windows(
        diameter=np.where(known, 2.0 * whole.half_width, np.nan),
        error=np.where(known, 2.0 * whole.half_width_error, np.nan),
        fwhm=half_widths(sign * profiles),
        center=np.where(known, whole.center, np.nan),
        blur=np.where(known, whole.blur, np.nan),
        contrast=whole.contrast,
        why=why,
    )
    if size < _PIECES * _LEAST_LINES:
        return found
    return _by_pieces(found, values, noise, size, model)


def _by_pieces(
    whole: Windows, values: _Floats, noise: _Floats, size: int, model: Profile
) -> Windows:
    """Replace the fits of whole windows by those of their pieces, where enough are known."""
    piece = size // _PIECES
    used = values[: len(values) // size * size].reshape(-1, size, values.shape[1])
    _, fits = _fit(used[:, : piece * _PIECES].reshape(-1, values.shape[1]), noise, piece, model)
    shape = (-1, _PIECES)
    known = (_why_unknown(fits, values.shape[1]) == "").reshape(shape)
    count = known.sum(axis=1)
    weight = np.where(known, 0.25 / np.square(fits.half_width_error).reshape(shape), 0.0)
    total = np.maximum(weight.sum(axis=1), 1e-300)

    def mean(of: _Floats) -> _Floats:
        weighted: _Floats = (weight * of.reshape(shape)).sum(axis=1) / total
        return weighted

    diameter = mean(2.0 * fits.half_width)
    enough = count >= _LEAST_PIECES
    off = (weight * np.square(2.0 * fits.half_width.reshape(shape) - diameter[:, None])).sum(axis=1)
    degrees = int((count - 1)[enough].sum())
    dispersion = max(1.0, float(off[enough].sum()) / degrees) if degrees else 1.0
    return Windows(
        diameter=np.where(enough, diameter, whole.diameter),
        error=np.where(enough, np.sqrt(dispersion / total), whole.error),
        fwhm=whole.fwhm,
        center=np.where(enough, mean(fits.center), whole.center),
        blur=np.where(enough, mean(fits.blur), whole.blur),
        contrast=np.where(enough, mean(fits.contrast), whole.contrast),
        why=np.where(enough, "", whole.why),
    )


def _fit(values: _Floats, noise: _Floats, size: int, model: Profile) -> tuple[_Floats, Fits]:
    """The mean line of each window, and its fit."""
    profiles, counts = _means(values, noise, size)
    blur = None
    if size < _LEAST_LINES < len(values):
        some = _fit(values, noise, min(_LINES_FOR_BLUR, len(values)), model)[1]
        good = _why_unknown(some, values.shape[1]) == ""
        blur = float(np.median(some.blur[good])) if good.any() else None
    return profiles, fit_profiles(profiles, noise / counts[:, None], model, blur=blur)


def _noise_variance(values: _Floats) -> _Floats:
    """The variance of the noise of each pixel, from the differences of neighbouring lines."""
    if len(values) == 1:
        # The median of the square of a difference is 0.91 of the variance of one value.
        along = np.diff(values[0])
        return np.full(values.shape[1], max(float(np.median(np.square(along))) / 0.91, 1e-12))
    variance = 0.5 * np.square(np.diff(values, axis=0)).mean(axis=0)
    least: _Floats = np.maximum(variance, max(float(variance.mean()) * 1e-3, 1e-12))
    return least


def _means(values: _Floats, noise: _Floats, size: int) -> tuple[_Floats, _Floats]:
    """The mean line of each window and of how many lines it is, odd ones left out.

    A line is odd if it is farther from the mean of its window than others are: an edge is missing,
    or the vessel has jumped.
    """
    cut = values[: len(values) // size * size].reshape(-1, size, values.shape[1])
    means = cut.mean(axis=1)
    if size < _LEAST_LINES:
        return means, np.full(len(cut), float(size))
    far = (np.square(cut - means[:, None]) / noise).mean(axis=2)
    middle = float(np.median(far))
    spread = 1.4826 * float(np.median(np.abs(far - middle)))
    kept = far <= middle + _ODD_LINE * max(spread, 1e-12)
    kept |= kept.mean(axis=1, keepdims=True) < 0.5
    counts = kept.sum(axis=1).astype(np.float64)
    return (cut * kept[:, :, None]).sum(axis=1) / counts[:, None], counts


def _why_unknown(fits: Fits, n: int) -> NDArray[np.str_]:
    """Why each fit is not a diameter; "" if it is one."""
    first, last = fits.center - fits.half_width, fits.center + fits.half_width
    why = np.full(fits.center.size, "", dtype=object)
    why[fits.half_width_error > _WORST_ERROR * fits.half_width] = "its width is not determined"
    why[fits.explained < _LEAST_EXPLAINED] = "the line does not look like one vessel"
    why[(first < fits.blur) | (last > n - 1 - fits.blur)] = "an edge is outside of the line"
    faint = np.abs(fits.contrast) < _LEAST_CONTRAST * fits.contrast_error
    why[faint] = "no vessel stands out from noise"
    return why.astype(np.str_)
