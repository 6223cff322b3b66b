"""From a candidate to the velocity of a window, and its precision.

The correction (`_shear.refine_group`) is a regression on slopes that noise blurs: it comes out too
small, by the share of the squared slopes that noise is, and more precise than it is (errors in
variables: W. A. Fuller, "Measurement Error Models", Wiley 1987).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity._blocks import Block
from kymflow.core.analysis.velocity._grid import REFINEMENT, ShearPlan
from kymflow.core.analysis.velocity._kernels import Kernels
from kymflow.core.analysis.velocity._preprocess import NOISE_VARIANCE_SHARE, smoothed

_Doubles = NDArray[np.float64]
_Integers = NDArray[np.int64]

#: Most corrections of one window. One is enough unless the scan was well off.
_MAX_CORRECTIONS = 3
#: Measured (docs/velocity.md): single windows scatter by this share of what their residuals say.
_ERROR_SHARE = 0.85
#: What is made of noise to learn how precise it seems.
_NOISE_WINDOWS, _NOISE_CANDIDATES = 64, 9
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
    starts = step * np.arange(_NOISE_WINDOWS)
    positive = plan.coarse[plan.coarse.size // 2 :]
    some = positive[np.unique(np.linspace(0, positive.size - 1, _NOISE_CANDIDATES).astype(int))]
    seen = [float(kernels.refine_group(noise, starts, w, float(v))[1].mean()) for v in some]
    found: _Doubles = np.interp(np.abs(plan.fine), some, seen) * NOISE_VARIANCE_SHARE
    return found


def refine(
    block: Block, start: _Integers, plan: ShearPlan, kernels: Kernels, noise: _Doubles
) -> tuple[_Doubles, _Doubles, _Doubles]:
    """Correct velocities until a correction is small; return velocity, R²adj and precision.

    Args:
        block: Some windows.
        start: The fine candidate that each begins with, ``(windows,)``.
        plan: The plan for their geometry.
        kernels: The implementation to use.
        noise: See `noise_precision`.
    """
    count = start.size
    fine = plan.fine
    spacing = np.gradient(fine)
    penalty = plan.noise_correction(fine=True)
    velocity, r2adj, precision = np.empty(count), np.empty(count), np.empty(count)
    at, todo = start.copy(), np.arange(count)
    for _ in range(_MAX_CORRECTIONS):
        correction, exact, explained = corrections(block, at, todo, plan, kernels)
        here = at[todo]
        seen = exact * NOISE_VARIANCE_SHARE
        signal = np.maximum(seen - noise[here], _LEAST_SIGNAL * seen)
        gain = np.divide(seen, signal, out=np.ones_like(seen), where=signal > 0)
        correction *= np.minimum(gain, _MOST_GAIN)
        # Beyond one coarse candidate the linear model says nothing any more.
        limit = REFINEMENT * spacing[here]
        correction = np.clip(correction, -limit, limit)
        velocity[todo] = fine[here] + correction
        r2adj[todo] = block.r2adj_of(todo, explained, penalty[here])
        precision[todo] = signal / gain / _ERROR_SHARE**2
        at[todo] = plan.nearest_fine(velocity[todo])
        todo = todo[np.abs(correction) > spacing[here]]
        if not todo.size:
            break
    return velocity, r2adj, precision


def corrections(
    block: Block, at: _Integers, todo: _Integers, plan: ShearPlan, kernels: Kernels
) -> tuple[_Doubles, _Doubles, _Doubles]:
    """Refine the windows `todo` of a block, grouped by the fine candidate that they are at."""
    order = todo[np.argsort(at[todo], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(at[order])) + 1) if order.size else []
    out = np.zeros((3, at.size))
    for group in groups:
        out[:, group] = kernels.refine_group(
            block.lines, group * plan.step, plan.window_lines, float(plan.fine[at[group[0]]])
        )
    return out[0, todo], out[1, todo], out[2, todo]
