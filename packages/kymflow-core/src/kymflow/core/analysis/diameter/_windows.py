"""Diameters of windows of lines: which lines to average, what to fit, when to refuse.

A vessel moves within a window. Where there are lines enough, a window is cut into pieces, each is
fitted on its own, and their mean counts: motion between pieces then blurs nothing, and how far
pieces scatter shows what their fits do not know of. Optics blur all lines alike, and motion those
of pieces as it does those of blocks, so the pieces share one blur (`common_blur`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.diameter._edges import share_whole
from kymflow.core.analysis.diameter._model import Fits, Profile, fit_profiles, half_widths
from kymflow.core.analysis.diameter._profiles import (
    LEAST_LINES,
    LINES_PER_BLOCK,
    Blur,
    common_blur,
    in_windows,
    mean_lines,
    noise_variance,
    steady_lines,
    why_unknown,
)
from kymflow.core.student import t_quantile

_Floats = NDArray[np.float64]

NOT_NUMBERS: Final = "some pixels are not numbers"
_PIECES: Final = 5
"""Of a window, or more, so that none is longer than a block."""
_LEAST_PIECES: Final = 0.6
"""The share of the pieces of a window that are known."""
_LEAST_SHARE: Final = 0.5
"""Of the lines of a window that are whole."""
_MISSING: Final = "an edge is missing"
_ROUNDS: Final = 3
"""In which lines are weighed by fits, and fits made of weighed lines."""
_ONE_SIGMA: Final = 0.841345
"""The share of a normal distribution below one standard deviation."""
_BELIEVED: Final = 4.0
"""Degrees of freedom with which pieces are believed to scatter as their errors say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """One value per window, in pixels along the line; NaN where unknown.

    Attributes:
        diameter: Diameter.
        error: Standard error of that.
        errors_95: How many standard errors the 95 % interval reaches.
        common_error: The part of it that is the same error in all windows, that of the blur.
        fwhm: Full width at half maximum of the mean line.
        center: Centre of the vessel.
        blur: Standard deviation of the blur.
        contrast: Brightness of the vessel above its surroundings.
        why: Why a diameter is unknown; "" if it is known.
    """

    diameter: _Floats
    error: _Floats
    errors_95: float
    common_error: _Floats
    fwhm: _Floats
    center: _Floats
    blur: _Floats
    contrast: _Floats
    why: NDArray[np.str_]


def measure_windows(values: _Floats, size: int, model: Profile) -> Windows:
    """Measure the diameter in windows of lines.

    Args:
        values: Pixels, ``(time, space)``; lines in which some are not numbers count nothing.
        size: Lines per window.
        model: The shape of the vessel.
    """
    whole_lines = np.asarray(np.isfinite(values).all(axis=1))
    noise = noise_variance(values[whole_lines])
    values = np.where(whole_lines[:, None], values, values[whole_lines].mean(axis=0))
    weight, blur = _weigh_lines(values, whole_lines, noise, model)
    pieces = max(_PIECES, -(-size // LINES_PER_BLOCK)) if size >= _PIECES * LEAST_LINES else 1
    profiles, counts = mean_lines(values, weight, size)
    whole = fit_profiles(
        profiles, noise / counts[:, None], model, blur=blur.value if pieces == 1 else None
    )
    why = why_unknown(whole, values.shape[1])
    why = np.where(counts < _LEAST_SHARE * size, _MISSING, why)
    numbers = in_windows(whole_lines, size).mean(axis=1)
    why = np.where(numbers < _LEAST_SHARE, NOT_NUMBERS, why)
    known = why == ""
    sign = np.sign(np.median(whole.contrast[known])) if known.any() else 1.0
    common = 2.0 * np.abs(whole.by_blur) * blur.error
    found = Windows(
        diameter=np.where(known, 2.0 * whole.half_width, np.nan),
        error=np.where(known, np.hypot(2.0 * whole.half_width_error, common), np.nan),
        errors_95=1.96,
        common_error=common,
        fwhm=half_widths(sign * profiles),
        center=np.where(known, whole.center, np.nan),
        blur=np.where(known, whole.blur, np.nan),
        contrast=whole.contrast,
        why=why,
    )
    if pieces == 1:
        return found
    # What is left of a window after its pieces counts in none of them.
    used = size // pieces * pieces
    cut = (in_windows(each, size)[:, :used] for each in (values, weight))
    lines, own = (each.reshape(-1, *each.shape[2:]) for each in cut)
    profiles, counts = mean_lines(lines, own, size // pieces)
    fits = fit_profiles(profiles, noise / counts[:, None], model, blur=blur.value)
    good = (why_unknown(fits, values.shape[1]) == "") & (counts >= _LEAST_SHARE * size // pieces)
    return _by_pieces(found, fits, good.reshape(-1, pieces), blur)


def _weigh_lines(
    values: _Floats, known: NDArray[np.bool_], noise: _Floats, model: Profile
) -> tuple[_Floats, Blur]:
    """How much each line counts, ``(time,)``, and the blur of all."""
    steady = known * steady_lines(values, noise)
    size = min(LINES_PER_BLOCK, len(values))
    blocks = in_windows(values, size)
    weight = steady
    blur = Blur(value=None, error=0.0)
    for _ in range(_ROUNDS):
        profiles, counts = mean_lines(values, weight, size)
        variance = noise / counts[:, None]
        blur = common_blur(profiles, variance, model, near=blur.value)
        if blur.value is None or size < LEAST_LINES:
            break
        fits = fit_profiles(profiles, variance, model, blur=blur.value)
        whole = share_whole(blocks, noise, fits, why_unknown(fits, values.shape[1]) == "")
        weight = steady.copy()
        weight[: whole.size] *= whole.ravel()
    return weight, blur


def _by_pieces(whole: Windows, fits: Fits, known: NDArray[np.bool_], blur: Blur) -> Windows:
    """Replace the fits of whole windows by those of their pieces, where enough are known.

    Args:
        whole: The fits of whole windows.
        fits: Those of all pieces, window by window.
        known: Whether each of them is a diameter, ``(windows, pieces)``.
        blur: The blur of all.
    """
    count = known.sum(axis=1)
    half_width_error = fits.half_width_error.reshape(known.shape)
    weight = np.where(known, 0.25 / np.square(half_width_error), 0.0)
    total = np.maximum(weight.sum(axis=1), 1e-300)

    def mean(of: _Floats) -> _Floats:
        weighted: _Floats = (weight * of.reshape(known.shape)).sum(axis=1) / total
        return weighted

    diameter = mean(2.0 * fits.half_width)
    enough = (known.mean(axis=1) >= _LEAST_PIECES) & ~np.isin(whole.why, (_MISSING, NOT_NUMBERS))
    own = 2.0 * fits.half_width.reshape(known.shape)
    off = (weight * np.square(own - diameter[:, None])).sum(axis=1)
    degrees = int((count - 1)[enough].sum())
    dispersion = (_BELIEVED + float(off[enough].sum())) / (_BELIEVED + degrees)
    # The dispersion is itself an estimate, so errors are Student's, not normal.
    one, two = (t_quantile(share, _BELIEVED + degrees) for share in (_ONE_SIGMA, 0.975))
    dispersion *= one**2
    common = 2.0 * np.abs(mean(fits.by_blur)) * blur.error
    return Windows(
        diameter=np.where(enough, diameter, whole.diameter),
        error=np.where(enough, np.hypot(np.sqrt(dispersion / total), common), whole.error),
        errors_95=two / one,
        common_error=np.where(enough, common, whole.common_error),
        fwhm=whole.fwhm,
        center=np.where(enough, mean(fits.center), whole.center),
        blur=np.where(enough, mean(fits.blur), whole.blur),
        contrast=np.where(enough, mean(fits.contrast), whole.contrast),
        why=np.where(enough, "", whole.why),
    )
