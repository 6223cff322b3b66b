"""From a candidate to the velocity of a window, and its precision.

The correction (`_shear.refine`) is a regression on slopes that noise blurs: it comes out too
small, by the share of the squared slopes that noise is, and more precise than it is (errors in
variables: W. A. Fuller, "Measurement Error Models", Wiley 1987).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity._kernels import Kernels
from kymflow.core.analysis.velocity._plan import REFINEMENT, ShearPlan
from kymflow.core.analysis.velocity._preprocess import NOISE_VARIANCE_SHARE, smoothed
from kymflow.core.analysis.velocity._windows import Windows

_Doubles = NDArray[np.float64]
_Integers = NDArray[np.int64]

#: Most corrections of one window. One is enough unless the scan was well off.
_MAX_CORRECTIONS = 3
#: Measured (docs/velocity.md): single windows scatter by this share of what their residuals say.
_ERROR_SHARE = 0.715
#: What is made of noise to learn how precise it seems.
_NOISE_WINDOWS, _NOISE_CANDIDATES = 32, 9
#: Where next to all slopes are noise, at most this much is made of the rest.
_LEAST_SIGNAL, _MOST_GAIN = 0.15, 1.5


def noise_precision(plan: ShearPlan, kernels: Kernels) -> _Doubles:
    """Return the precision that white noise alone seems to have at each fine candidate.

    Slopes of a prediction are squared, and noise has slopes, too. How much they add depends on
    nothing but the geometry; it is taken from noise, at some candidates.
    """
    step, w = plan.step, plan.window_lines
    rng = np.random.default_rng(0)
    noise = smoothed(rng.standard_normal(((_NOISE_WINDOWS + 3) * step, plan.n_pixels), np.float32))
    positive = plan.coarse[plan.coarse.size // 2 :]
    some = positive[np.unique(np.linspace(0, positive.size - 1, _NOISE_CANDIDATES).astype(int))]
    starts = np.tile(step * np.arange(_NOISE_WINDOWS), some.size)
    seen = kernels.refine(noise, starts, w, np.repeat(some, _NOISE_WINDOWS))[1]
    mean = seen.reshape(some.size, _NOISE_WINDOWS).mean(axis=1)
    found: _Doubles = np.interp(np.abs(plan.fine), some, mean) * NOISE_VARIANCE_SHARE
    return found


def refined(
    windows: Windows, start: _Integers, kernels: Kernels, noise: _Doubles
) -> tuple[_Doubles, _Doubles, _Doubles]:
    """Correct velocities until a correction is small; return velocity, R²adj and precision.

    Args:
        windows: The windows.
        start: The fine candidate that each begins with, ``(windows,)``.
        kernels: The implementation to use.
        noise: See `noise_precision`.
    """
    plan, count = windows.plan, start.size
    fine = plan.fine
    spacing = np.gradient(fine)
    velocity, r2adj, precision = np.empty(count), np.empty(count), np.empty(count)
    at, todo = start, np.arange(count)
    for _ in range(_MAX_CORRECTIONS):
        correction, exact, explained = kernels.refine(
            windows.lines, windows.starts[todo], plan.window_lines, fine[at]
        )
        seen = exact * NOISE_VARIANCE_SHARE
        signal = np.maximum(seen - noise[at], _LEAST_SIGNAL * seen)
        gain = np.divide(seen, signal, out=np.ones_like(seen), where=signal > 0)
        correction *= np.minimum(gain, _MOST_GAIN)
        # Beyond one coarse candidate the linear model says nothing any more.
        limit = REFINEMENT * spacing[at]
        correction = np.clip(correction, -limit, limit)
        velocity[todo] = fine[at] + correction
        r2adj[todo] = windows.r2adj_at(at, explained, todo)
        precision[todo] = signal / gain**2 / _ERROR_SHARE**2
        again = np.abs(correction) > spacing[at]
        todo = todo[again]
        if not todo.size:
            break
        at = plan.nearest_fine(velocity[todo])
    return velocity, r2adj, precision
