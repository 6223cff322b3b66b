"""A recording cut into blocks of flattened lines, and R²adj of the windows of a block.

Lines are taken in blocks. Only scores, one per window and candidate, are kept for the whole
recording; flattened pixels are made again for the second pass, which is cheaper than keeping them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity._grid import ShearPlan, line_sum_variance
from kymflow.core.analysis.velocity._kernels import Kernels
from kymflow.core.analysis.velocity._preprocess import Columns

_Floats = NDArray[np.float32]
_Doubles = NDArray[np.float64]
_Integers = NDArray[np.int64]

#: Pixels of a block: bounds memory, and a block stays in the processor's cache.
BLOCK_PIXELS = 1 << 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording, and how its windows are computed.

    Attributes:
        pixels: The columns used, ``(time, space)``.
        columns: Their statistics.
        plan: The plan for its geometry.
        kernels: The implementation to use.
        block_pixels: Pixels per block of lines; changes nothing but memory and speed.
    """

    pixels: NDArray[np.generic]
    columns: Columns
    plan: ShearPlan
    kernels: Kernels
    block_pixels: int = BLOCK_PIXELS

    @property
    def n_windows(self) -> int:
        """Number of windows."""
        return (len(self.pixels) - self.plan.window_lines) // self.plan.step + 1

    def blocks(self) -> Iterator[Block]:
        """Yield all windows in order, in blocks that share lines at their borders."""
        plan = self.plan
        w, step, n = plan.window_lines, plan.step, plan.n_pixels
        flicker_correction = plan.degrees / (plan.degrees - w * line_sum_variance(n) / n)
        per_block = max(1, (self.block_pixels // n - w) // step + 1)
        for low in range(0, self.n_windows, per_block):
            high = min(low + per_block, self.n_windows)
            raw = self.pixels[low * step : (high - 1) * step + w]
            lines = self.kernels.flatten(raw, self.columns)
            quarters = lines.reshape(-1, step * n)
            square = np.einsum("ij,ij->i", quarters, quarters)
            sums = lines.sum(axis=1).reshape(-1, step)
            # A window is four quarters; what its mean explains is not motion, and is removed.
            level = np.square(_four(sums.sum(axis=1))) / (w * n)
            variation = np.maximum(_four(square) - level, 0.0)
            # One value per line explains this; like K(v), the correction is what it does for noise.
            common = _four(np.square(sums).sum(axis=1)) / n - level
            yield Block(
                windows=slice(low, high),
                lines=lines,
                variation=variation,
                level=level,
                flicker=1.0 - (1.0 - common * _inverse(variation)) * flicker_correction,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Some windows and the flattened lines that they are made of.

    Attributes:
        windows: Which windows of the recording.
        lines: Their lines, ``(time, space)``.
        variation: Sum of squares of each window about its mean, SST.
        level: Sum of squares that the mean stands for.
        flicker: R²adj of each window for lines that get brighter or darker as a whole, which
            looks like infinitely fast texture.
    """

    windows: slice
    lines: _Floats
    variation: _Doubles
    level: _Doubles
    flicker: _Doubles

    def r2adj(self, explained: _Floats, correction: _Doubles) -> _Floats:
        """Turn ``S`` into ``1 - (1 - S / SST) n / (n - K)``; windows without variation get 0.

        Args:
            explained: ``S``, float32 ``(windows, candidates)``; overwritten.
            correction: ``n / (n - K)`` of each candidate, ``(candidates,)``.
        """
        scale = _inverse(self.variation)
        explained -= self.level.astype(np.float32)[:, None]
        explained *= scale.astype(np.float32)[:, None]
        np.subtract(np.float32(1.0), explained, out=explained)
        explained *= correction.astype(np.float32)
        np.subtract(np.float32(1.0), explained, out=explained)
        explained[scale == 0] = 0.0
        return explained

    def r2adj_of(self, chosen: _Integers, explained: _Doubles, correction: _Doubles) -> _Doubles:
        """The same of some windows, one value for each; `explained` is of what varies in them."""
        scale = _inverse(self.variation[chosen])
        r2adj: _Doubles = np.where(scale > 0, 1.0 - (1.0 - explained * scale) * correction, 0.0)
        return r2adj


def _four(quarters: _Floats) -> _Doubles:
    q = quarters.astype(np.float64)
    return q[:-3] + q[1:-2] + q[2:-1] + q[3:]


def _inverse(variation: _Doubles) -> _Doubles:
    """``1 / SST``, and 0 for windows in which rounding is all that varies."""
    return np.divide(1.0, variation, out=np.zeros_like(variation), where=variation > 1e-9)
