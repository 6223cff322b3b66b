"""From raw pixels to what a texture that moves adds to or takes from its column.

``y(t, x) = I(t, x) / mean_t I(t, x) - 1``, then [1 2 1]/4 along ``x``. The mean is that of the
whole recording, so uneven illumination across the line, which never moves, is gone, while a texture
that stands still for a while (a stall) stays. The filter takes out noise finer than the optics; the
two edge pixels are left alone, because a padded filter would drag texture towards the edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kymflow.core.errors import InvalidKymographError

__all__ = ["NOISE_VARIANCE_SHARE", "Columns", "column_statistics", "flatten"]

#: The filter leaves neighbouring pixels' noise alike: a sum over a smooth slope has the variance of
#: unfiltered noise, while residuals show this share of it (the sum of the squared filter taps).
NOISE_VARIANCE_SHARE = 0.375
#: A column darker than this share of the mean pixel has no signal to divide by.
_DEAD_FRACTION = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What a recording's columns have in common over time.

    Attributes:
        inverse_mean: ``1 / mean_t I(t, x)``, float32 ``(space,)``; zero where `dead`.
        dead: Columns without any light, bool ``(space,)``: flattened to zero.
        static_share: Share of the recording's variance that never moves, 0 to 1: the variance
            over ``x`` of the column means, divided by the variance of all pixels.
        saturated_share: Share of pixels at the recording's brightest value.
    """

    inverse_mean: NDArray[np.float32]
    dead: NDArray[np.bool_]
    static_share: float
    saturated_share: float


def column_statistics(pixels: NDArray[np.generic], block_lines: int) -> Columns:
    """Return the statistics of all columns, summed block by block in double precision.

    Args:
        pixels: The recording, ``(time, space)``, finite numbers.
        block_lines: Lines converted at once; bounds memory.

    Raises:
        InvalidKymographError: The mean of the pixels is not positive.
    """
    lines, n = pixels.shape
    total = np.zeros(n)
    squares = 0.0
    brightest = pixels.max()
    saturated = 0
    # Sums of squares are taken about a pivot: far from zero they would cancel.
    pivot = float(pixels[: min(lines, 64)].astype(np.float64).mean())
    for low in range(0, lines, block_lines):
        raw = pixels[low : low + block_lines]
        saturated += int(np.count_nonzero(raw == brightest))
        block = raw.astype(np.float32)
        block -= np.float32(pivot)
        total += block.sum(axis=0, dtype=np.float64)
        # Line-sized pieces keep single precision harmless, and this is one fast pass.
        squares += float(np.einsum("ij,ij->i", block, block).sum(dtype=np.float64))
    mean = total / lines
    variance = squares / (lines * n) - float(mean.mean()) ** 2
    spread = float(mean.var())
    mean += pivot
    overall = float(mean.mean())
    if not overall > 0:
        raise InvalidKymographError(
            f"its mean is {overall:.6g}; velocity is estimated from brightness relative to the "
            "mean of each column, so give pixels that are positive where there is light"
        )
    dead = mean <= _DEAD_FRACTION * overall
    inverse = np.divide(1.0, mean, out=np.zeros(n), where=~dead)
    if variance <= 1e-12 * max(overall * overall, 1e-300):
        share = 1.0
    else:
        share = min(1.0, spread / variance)
    return Columns(
        inverse_mean=inverse.astype(np.float32),
        dead=dead,
        static_share=share,
        saturated_share=saturated / (lines * n),
    )


def flatten(
    pixels: NDArray[np.generic], inverse_mean: NDArray[np.float32], dead: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return ``y`` of some lines, float32 ``(time, space)``.

    Args:
        pixels: Lines of the recording, ``(time, space)``.
        inverse_mean: `Columns.inverse_mean`.
        dead: `Columns.dead`.
    """
    flat = pixels.astype(np.float32)
    flat *= inverse_mean
    flat -= np.float32(1.0)
    flat[:, dead] = 0.0
    smooth = flat.copy()
    inner = smooth[:, 1:-1]
    np.add(flat[:, :-2], flat[:, 2:], out=inner)
    inner *= np.float32(0.25)
    flat *= np.float32(0.5)
    inner += flat[:, 1:-1]
    return smooth
