"""The lines of a recording as windows, and how much of what varies in each motion explains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity._plan import ShearPlan, line_sum_variance

_Floats = NDArray[np.float32]
_Doubles = NDArray[np.float64]
_Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """All windows of some flattened lines.

    Attributes:
        lines: Flattened lines, float32 ``(time, space)``.
        starts: First line of each window, int64 ``(windows,)``.
        plan: The plan for their geometry.
        level: Sum of squares that the mean of each window stands for, which is not motion.
        variation: Sum of squares of each window about its mean, SST.
        flicker: R²adj of each window for lines that get brighter or darker as a whole, which
            looks like infinitely fast texture.
    """

    lines: _Floats
    starts: _Integers
    plan: ShearPlan
    level: _Doubles
    variation: _Doubles
    flicker: _Doubles

    def r2adj(self, explained: _Floats) -> _Floats:
        """Turn the scan's ``S`` into ``1 - (1 - S / SST) n / (n - K)``, ``(windows, candidates)``.

        Windows without variation get 0. `explained` is overwritten.
        """
        correction = _correction(self.plan.noise_sum, self.plan.degrees)
        explained -= self.level.astype(np.float32)[:, None]
        scale = _inverse(self.variation)
        explained *= scale.astype(np.float32)[:, None]
        # 1 - (1 - s) c = s c - (c - 1)
        explained *= correction.astype(np.float32)
        explained -= (correction - 1.0).astype(np.float32)
        explained[scale == 0] = 0.0
        return explained

    def r2adj_at(self, fine: _Integers, explained: _Doubles, some: _Integers) -> _Doubles:
        """The same of the windows `some`, each at one fine candidate."""
        correction = _correction(self.plan.fine_noise_sum, self.plan.degrees)[fine]
        inverse = _inverse(self.variation[some])
        share = (explained - self.level[some]) * inverse
        r2adj: _Doubles = np.where(inverse > 0, 1.0 - (1.0 - share) * correction, 0.0)
        return r2adj


def windows_of(lines: _Floats, plan: ShearPlan) -> Windows:
    """Return the windows of flattened lines, float32 ``(time, space)``."""
    w, step, n = plan.window_lines, plan.step, plan.n_pixels
    count = (len(lines) - w) // step + 1
    by_quarter = lines[: (count + 3) * step].reshape(count + 3, step, n)
    square = _four(np.einsum("qtx,qtx->q", by_quarter, by_quarter))
    sums = np.einsum("qtx->qt", by_quarter)
    level = np.square(_four(sums.sum(axis=1))) / (w * n)
    variation = np.maximum(square - level, 0.0)
    # One value per line explains this; like K(v), the correction is what it does for noise.
    common = _four(np.square(sums).sum(axis=1)) / n - level
    correction = _correction(w * line_sum_variance(n) / n, plan.degrees)
    return Windows(
        lines=lines,
        starts=step * np.arange(count),
        plan=plan,
        level=level,
        variation=variation,
        flicker=1.0 - (1.0 - common * _inverse(variation)) * correction,
    )


def _correction(noise_sum: _Doubles | float, degrees: float) -> _Doubles:
    """Return ``n / (n - K)``, the factor of the adjusted R²."""
    factor: _Doubles = degrees / np.maximum(degrees - np.asarray(noise_sum), 1.0)
    return factor


def _inverse(variation: _Doubles) -> _Doubles:
    """``1 / SST``, and 0 for windows in which rounding is all that varies."""
    return np.divide(1.0, variation, out=np.zeros_like(variation), where=variation > 1e-9)


def _four(quarters: _Floats) -> _Doubles:
    """Sums of four quarters side by side: a window."""
    q = quarters.astype(np.float64)
    return q[:-3] + q[1:-2] + q[2:-1] + q[3:]
