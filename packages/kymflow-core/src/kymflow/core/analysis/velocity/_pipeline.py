"""The shear-R² estimator over a whole recording: scan, choose a candidate, refine.

Lines are taken in blocks. Only scores, one per window and candidate, are kept for the whole
recording; flattened pixels are made again for the second pass, which is cheaper than keeping them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity import _tracking
from kymflow.core.analysis.velocity._grid import REFINEMENT, ShearPlan, line_sum_variance
from kymflow.core.analysis.velocity._kernels import Kernels
from kymflow.core.analysis.velocity._preprocess import NOISE_VARIANCE_SHARE, Columns

__all__ = ["BLOCK_PIXELS", "ShearEstimate", "evidence_at", "shear_estimate"]

_Floats = NDArray[np.float32]
_Doubles = NDArray[np.float64]
_Integers = NDArray[np.int64]

#: Pixels of a block: bounds memory, and a block stays in the processor's cache.
BLOCK_PIXELS = 1 << 19
#: Most corrections of one window. One is enough unless the scan was well off.
_MAX_CORRECTIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ShearEstimate:
    """Arrays of one value per window.

    Attributes:
        velocity: px/line.
        r2adj: What motion at this velocity explains.
        precision: Inverse variance of the velocity; zero where nothing moves at all.
        moving: Whether this looks like motion at all: the best candidate is inside of the searched
            range (at its border there is a slope and no peak), and motion explains more than
            light that flickers does.
    """

    velocity: _Doubles
    r2adj: _Doubles
    precision: _Doubles
    moving: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
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


def shear_estimate(
    pixels: NDArray[np.generic],
    columns: Columns,
    plan: ShearPlan,
    kernels: Kernels,
    *,
    tracked: bool,
    block_pixels: int,
) -> ShearEstimate:
    """Return the estimate of every window.

    Args:
        pixels: The recording, ``(time, space)``.
        columns: Its column statistics.
        plan: The plan for its geometry.
        kernels: The implementation to use.
        tracked: Choose candidates as one path, and pool neighbours.
        block_pixels: Pixels per block of lines; changes nothing but memory and speed.
    """
    count = (len(pixels) - plan.window_lines) // plan.step + 1
    scores = np.empty((count, plan.coarse.size), np.float32)
    for block in _blocks(pixels, columns, plan, kernels, block_pixels):
        scores[block.windows] = _r2adj(
            kernels.scan(block.lines, plan), plan.noise_correction(), block
        )
    if tracked:
        likelihood = _tracking.log_likelihood(scores, plan.noise_sum, plan.degrees)
        chosen = kernels.best_path(likelihood)
        del likelihood
    else:
        chosen = scores.argmax(axis=1)
    moving = (chosen > 0) & (chosen < plan.coarse.size - 1)
    start = plan.nearest_fine(_peak(scores, chosen, plan.coarse))
    del scores

    velocity, r2adj, precision = np.empty(count), np.empty(count), np.empty(count)
    for block in _blocks(pixels, columns, plan, kernels, block_pixels):
        here = block.windows
        velocity[here], r2adj[here], precision[here] = _refine(block, start[here], plan, kernels)
        moving[here] &= r2adj[here] > block.flicker
    if tracked:
        velocity = _tracking.pool_neighbours(velocity, precision)
    return ShearEstimate(velocity=velocity, r2adj=r2adj, precision=precision, moving=moving)


def evidence_at(
    velocity: _Doubles,
    pixels: NDArray[np.generic],
    columns: Columns,
    plan: ShearPlan,
    kernels: Kernels,
    *,
    block_pixels: int,
) -> tuple[_Doubles, NDArray[np.bool_]]:
    """Return R²adj and `ShearEstimate.moving` at velocities (px/line) found in another way.

    Velocities beyond the searched range, or NaN, have no evidence: 0.
    """
    out = np.zeros(velocity.size)
    moving = np.zeros(velocity.size, bool)
    inside = np.abs(velocity) <= plan.fine[-1]
    at = plan.nearest_fine(np.where(inside, velocity, 0.0))
    for block in _blocks(pixels, columns, plan, kernels, block_pixels):
        chosen = np.flatnonzero(inside[block.windows])
        explained = _corrections(block, at[block.windows], chosen, plan, kernels)[2]
        ratio = _r2adj_at(explained, at[block.windows][chosen], block, chosen, plan)
        out[block.windows.start + chosen] = ratio
        moving[block.windows] = out[block.windows] > block.flicker
    return out, moving


def _blocks(
    pixels: NDArray[np.generic],
    columns: Columns,
    plan: ShearPlan,
    kernels: Kernels,
    block_pixels: int,
) -> Iterator[_Block]:
    """Yield all windows in order, in blocks that share lines at their borders."""
    w, step, n = plan.window_lines, plan.step, plan.n_pixels
    count = (len(pixels) - w) // step + 1
    flicker_correction = plan.degrees / (plan.degrees - w * line_sum_variance(n) / n)
    per_block = max(1, (block_pixels // n - w) // step + 1)
    for low in range(0, count, per_block):
        high = min(low + per_block, count)
        raw = pixels[low * step : (high - 1) * step + w]
        lines = kernels.flatten(raw, columns.inverse_mean, columns.dead)
        quarters = lines.reshape(-1, step * n)
        square = np.einsum("ij,ij->i", quarters, quarters)
        sums = lines.sum(axis=1).reshape(-1, step)
        # A window is four quarters; what its mean explains is no motion, and is taken out.
        level = np.square(_four(sums.sum(axis=1))) / (w * n)
        variation = np.maximum(_four(square) - level, 0.0)
        # One value per line explains this; like K(v), the correction is what it does for noise.
        common = _four(np.square(sums).sum(axis=1)) / n - level
        yield _Block(
            windows=slice(low, high),
            lines=lines,
            variation=variation,
            level=level,
            flicker=1.0 - (1.0 - common * _inverse(variation)) * flicker_correction,
        )


def _four(quarters: _Floats) -> _Doubles:
    q = quarters.astype(np.float64)
    return q[:-3] + q[1:-2] + q[2:-1] + q[3:]


def _r2adj(explained: _Floats, correction: _Doubles, block: _Block) -> _Floats:
    """Turn ``S`` into ``1 - (1 - S / SST) n / (n - K)``; windows without variation get 0."""
    scale = _inverse(block.variation)
    explained -= block.level.astype(np.float32)[:, None]
    explained *= scale.astype(np.float32)[:, None]
    np.subtract(np.float32(1.0), explained, out=explained)
    explained *= correction.astype(np.float32)
    np.subtract(np.float32(1.0), explained, out=explained)
    explained[scale == 0] = 0.0
    return explained


def _r2adj_at(
    explained: _Doubles, at: _Integers, block: _Block, chosen: _Integers, plan: ShearPlan
) -> _Doubles:
    """R²adj of the chosen windows; `explained` is of windows whose mean was taken out."""
    scale = _inverse(block.variation[chosen])
    r2adj = 1.0 - (1.0 - explained * scale) * plan.noise_correction(fine=True)[at]
    return np.where(scale > 0, r2adj, 0.0)


def _inverse(variation: _Doubles) -> _Doubles:
    """``1 / SST``, and 0 for windows in which rounding is all that varies."""
    return np.divide(1.0, variation, out=np.zeros_like(variation), where=variation > 1e-9)


def _peak(scores: _Floats, chosen: _Integers, candidates: _Doubles) -> _Doubles:
    """Return the top of the parabola through three candidates, or the candidate itself."""
    middle = np.clip(chosen, 1, candidates.size - 2)
    row = np.arange(len(scores))
    left, centre, right = (scores[row, middle + d].astype(np.float64) for d in (-1, 0, 1))
    a = candidates[middle - 1] - candidates[middle]
    b = candidates[middle + 1] - candidates[middle]
    # y = centre + p x + q x**2 through (a, left) and (b, right), with a < 0 < b.
    q = ((right - centre) / b - (left - centre) / a) / (b - a)
    p = (right - centre) / b - q * b
    top = np.divide(-p, 2.0 * q, out=np.zeros_like(p), where=q < 0)
    inside = (q < 0) & (top > a) & (top < b) & (middle == chosen)
    return np.where(inside, candidates[middle] + top, candidates[chosen])


def _refine(
    block: _Block, start: _Integers, plan: ShearPlan, kernels: Kernels
) -> tuple[_Doubles, _Doubles, _Doubles]:
    """Correct velocities until a correction is small; return velocity, R²adj and precision."""
    count = start.size
    fine = plan.fine
    spacing = np.gradient(fine)
    velocity, r2adj, precision = np.empty(count), np.empty(count), np.empty(count)
    at, todo = start.copy(), np.arange(count)
    for _ in range(_MAX_CORRECTIONS):
        correction, exact, explained = _corrections(block, at, todo, plan, kernels)
        here = at[todo]
        # Beyond one coarse candidate the linear model says nothing any more.
        limit = REFINEMENT * spacing[here]
        correction = np.clip(correction, -limit, limit)
        velocity[todo] = fine[here] + correction
        r2adj[todo] = _r2adj_at(explained, here, block, todo, plan)
        precision[todo] = exact * NOISE_VARIANCE_SHARE
        at[todo] = plan.nearest_fine(velocity[todo])
        todo = todo[np.abs(correction) > spacing[here]]
        if not todo.size:
            break
    return velocity, r2adj, precision


def _corrections(
    block: _Block, at: _Integers, todo: _Integers, plan: ShearPlan, kernels: Kernels
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
