"""Line-scanning particle image velocimetry, as it is published, for comparison.

Lines are correlated with the lines that follow them, and the correlations of 100 pairs are
averaged; a Gaussian through the highest value and its neighbours is the displacement. Here
correlations are means over the pixels that overlap, and not by phase alone: on short lines both are
better. Source: T. N. Kim, P. W. Goodwill, Y. Chen, S. M. Conolly, C. B. Schaffer, D. Liepmann, R.
A. Wang, "Line-scanning particle image velocimetry", PLoS ONE 7 (2012), e38590.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["AVERAGED_LINES", "lspiv_velocity"]

_Doubles = NDArray[np.float64]

#: Pairs of lines that are averaged.
AVERAGED_LINES = 100
#: Largest displacement, as a share of the line.
_LARGEST_SHARE = 0.6


def lspiv_velocity(pixels: NDArray[np.floating], starts: NDArray[np.int64]) -> _Doubles:
    """Return the velocity of stretches of `AVERAGED_LINES` lines, px/line.

    Args:
        pixels: Lines without their columns' means, ``(time, space)``.
        starts: First line of each stretch.
    """
    n = pixels.shape[1]
    spectra = np.fft.rfft(pixels, 2 * n, axis=1)
    pairs = spectra[1:] * np.conj(spectra[:-1])
    lines = np.minimum(starts, len(pairs) - AVERAGED_LINES)[:, None] + np.arange(AVERAGED_LINES)
    correlation = np.fft.irfft(pairs[lines].mean(axis=1), 2 * n, axis=1)
    farthest = round(_LARGEST_SHARE * n)
    moved = np.arange(-farthest, farthest + 1)
    overlapping = correlation[:, moved] / (n - np.abs(moved))
    return np.array([_peak(one) - farthest for one in overlapping])


def _peak(correlation: _Doubles) -> float:
    """Where a Gaussian through the highest value and its neighbours has its middle."""
    at = int(np.clip(correlation.argmax(), 1, correlation.size - 2))
    left, middle, right = np.log(np.maximum(correlation[at - 1 : at + 2], 1e-6))
    bend = left - 2.0 * middle + right
    return at + (0.5 * (left - right) / bend if bend < 0 else 0.0)
