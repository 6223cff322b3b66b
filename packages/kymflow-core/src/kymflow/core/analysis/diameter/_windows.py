"""Diameters of windows of lines: which lines to average, what to fit, when to refuse.

A vessel moves within a window. Where there are lines enough, a window is cut into five pieces, each
is fitted on its own, and their mean counts: motion between pieces then blurs nothing, and how far
pieces scatter shows what their fits do not know of. Optics blur all lines alike, so the pieces
share one blur (`common_blur`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.diameter._model import Profile, fit_profiles, half_widths
from kymflow.core.analysis.diameter._profiles import (
    LEAST_LINES,
    Blur,
    common_blur,
    mean_lines,
    noise_variance,
    why_unknown,
)

_Floats = NDArray[np.float64]

_PIECES: Final = 5
_LEAST_PIECES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """One value per window, in pixels along the line; NaN where unknown.

    Attributes:
        diameter: Diameter.
        error: Standard error of that.
        common_error: The part of it that is the same error in all windows, that of the blur.
        fwhm: Full width at half maximum of the mean line.
        center: Centre of the vessel.
        blur: Standard deviation of the blur.
        contrast: Brightness of the vessel above its surroundings.
        why: Why a diameter is unknown; "" if it is known.
    """

    diameter: _Floats
    error: _Floats
    common_error: _Floats
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
    noise = noise_variance(values)
    blur = common_blur(values, noise, model)
    pieces = _PIECES if size >= _PIECES * LEAST_LINES else 1
    profiles, counts = mean_lines(values, noise, size)
    whole = fit_profiles(
        profiles, noise / counts[:, None], model, blur=blur.value if pieces == 1 else None
    )
    why = why_unknown(whole, values.shape[1])
    known = why == ""
    sign = np.sign(np.median(whole.contrast[known])) if known.any() else 1.0
    common = 2.0 * np.abs(whole.by_blur) * blur.error
    found = Windows(
        diameter=np.where(known, 2.0 * whole.half_width, np.nan),
        error=np.where(known, np.hypot(2.0 * whole.half_width_error, common), np.nan),
        common_error=common,
        fwhm=half_widths(sign * profiles),
        center=np.where(known, whole.center, np.nan),
        blur=np.where(known, whole.blur, np.nan),
        contrast=whole.contrast,
        why=why,
    )
    return found if pieces == 1 else _by_pieces(found, values, noise, size, model, blur)


def _by_pieces(
    whole: Windows, values: _Floats, noise: _Floats, size: int, model: Profile, blur: Blur
) -> Windows:
    """Replace the fits of whole windows by those of their pieces, where enough are known."""
    piece, n = size // _PIECES, values.shape[1]
    cut = values[: len(values) // size * size].reshape(-1, size, n)
    profiles, lines = mean_lines(cut[:, : piece * _PIECES].reshape(-1, n), noise, piece)
    fits = fit_profiles(profiles, noise / lines[:, None], model, blur=blur.value)
    shape = (-1, _PIECES)
    known = (why_unknown(fits, n) == "").reshape(shape)
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
    common = 2.0 * np.abs(mean(fits.by_blur)) * blur.error
    return Windows(
        diameter=np.where(enough, diameter, whole.diameter),
        error=np.where(enough, np.hypot(np.sqrt(dispersion / total), common), whole.error),
        common_error=np.where(enough, common, whole.common_error),
        fwhm=whole.fwhm,
        center=np.where(enough, mean(fits.center), whole.center),
        blur=np.where(enough, mean(fits.blur), whole.blur),
        contrast=np.where(enough, mean(fits.contrast), whole.contrast),
        why=np.where(enough, "", whole.why),
    )
