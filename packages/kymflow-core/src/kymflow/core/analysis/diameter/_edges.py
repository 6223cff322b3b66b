"""Lines of which an edge is missing: how likely each one is whole.

Where something lies above a vessel, or no dye reaches its wall, the vessel seems to end early on
one side. A line is a mixture of cases: the vessel is whole, or it ends at one of a few places left
or right of its centre. How common the second is follows from all lines (expectation maximisation),
and with it how likely each line is whole. Weighted by that, mean lines have no bias by those lines
that nobody could tell from whole ones, as they would if doubtful lines were left out or kept.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.diameter._model import Fits, normal_cdf

_Floats = NDArray[np.float64]

_CUTS: Final = (0.0, 0.25, 0.5, 0.75)
"""Where a vessel may seem to end, in half widths from its centre."""
_EXPECTED: Final = 0.25
"""Lines of each such case that are expected before any is seen."""
_ROUNDS: Final = 50
_MEDIAN_CHI_SQUARED: Final = 0.455
"""With one degree of freedom."""
_MOST: Final = 50.0
"""Of the logarithm of a likelihood ratio."""


def share_whole(blocks: _Floats, noise: _Floats, fits: Fits, known: NDArray[np.bool_]) -> _Floats:
    """The probability of each line to show both edges, ``(blocks, lines)``.

    Args:
        blocks: Lines in short blocks, ``(blocks, lines, space)``.
        noise: Variance of the noise of each pixel of the line, ``(space,)``.
        fits: A fit of the mean line of each block.
        known: Whether it is a vessel; lines of other blocks are taken for whole.
    """
    if not known.any():
        return np.ones(blocks.shape[:2])
    off = (blocks - fits.fitted[:, None]) / noise
    # A vessel that moves within a block dims one edge, too, and brightens the other.
    shift = -np.gradient(fits.vessel, axis=1)
    seen = np.einsum("btn,bn->bt", off, shift)
    information = np.maximum((np.square(shift) / noise).sum(axis=1), 1e-12)
    excess = float(np.median((np.square(seen) / information[:, None])[known])) / _MEDIAN_CHI_SQUARED
    motion = max(0.0, excess - 1.0) / float(np.median(information[known]))
    known_shift = (motion / (1.0 + motion * information))[:, None]
    off -= (known_shift * seen)[:, :, None] * (shift / noise)[:, None]
    evidence = []
    for side in (-1.0, 1.0):
        for cut in _CUTS:
            end = fits.center + side * cut * fits.half_width
            beyond = side * (np.arange(blocks.shape[2]) - end[:, None]) / fits.blur[:, None]
            lost = fits.vessel * normal_cdf(beyond)
            for_loss = -np.einsum("btn,bn->bt", off, lost)
            power = (np.square(lost) / noise).sum(axis=1)[:, None]
            power -= known_shift * np.square((lost * shift / noise).sum(axis=1))[:, None]
            evidence.append(for_loss - 0.5 * power)
    cases = np.exp(np.clip(np.stack([np.zeros(blocks.shape[:2]), *evidence]), -_MOST, _MOST))
    cases[1:, ~known] = 0.0
    shares = np.array([0.95, *[0.05 / len(evidence)] * len(evidence)])
    each = shares[:, None, None] * cases
    for _ in range(_ROUNDS):
        each /= each.sum(axis=0)
        lines = each[:, known].sum(axis=(1, 2))
        lines[1:] += _EXPECTED
        each = (lines / lines.sum())[:, None, None] * cases
    whole: _Floats = each[0] / each.sum(axis=0)
    return whole
