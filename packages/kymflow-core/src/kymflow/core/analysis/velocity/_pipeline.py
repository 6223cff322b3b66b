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
from kymflow.core.analysis.velocity._preprocess import NOISE_VARIANCE_SHARE, Columns, smoothed

__all__ = [
    "BLOCK_PIXELS",
    "ShearEstimate",
    "dispersion",
    "evidence_at",
    "null_evidence",
    "shear_estimate",
]

_Floats = NDArray[np.float32]
_Doubles = NDArray[np.float64]
_Integers = NDArray[np.int64]

#: Pixels of a block: bounds memory, and a block stays in the processor's cache.
BLOCK_PIXELS = 1 << 19
#: Most corrections of one window. One is enough unless the scan was well off.
_MAX_CORRECTIONS = 3
#: Candidates this far from the chosen one are others, not its flank.
_RIVALS_APART = 4
_CHUNK_WINDOWS = 1 << 14
#: Windows made of lines in random order; where more than this share of them is at rest, lines are
#: alike in any order.
_NULL_WINDOWS, _NULL_AT_REST = 256, 0.05
#: Windows split into even and odd lines.
_SPLIT_WINDOWS = 96
#: Measured (docs/velocity.md): single windows scatter by this share of what their residuals say.
_ERROR_SHARE = 0.85
#: What is made of noise to learn how precise it seems.
_NOISE_WINDOWS, _NOISE_CANDIDATES = 64, 9
#: Where next to all slopes are noise, no more than this is made of the rest.
_LEAST_SIGNAL, _MOST_GAIN = 0.15, 1.5


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
        rival: The best velocity among candidates far from the chosen one, px/line.
        rivalry: The log-likelihood of `rival` over that of the chosen candidate.
    """

    velocity: _Doubles
    r2adj: _Doubles
    precision: _Doubles
    moving: NDArray[np.bool_]
    rival: _Doubles
    rivalry: _Doubles


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
    rival, rivalry = _rivals(scores, chosen, plan)
    del scores

    velocity, r2adj, precision = np.empty(count), np.empty(count), np.empty(count)
    noise = _noise_precision(plan, kernels)
    for block in _blocks(pixels, columns, plan, kernels, block_pixels):
        here = block.windows
        velocity[here], r2adj[here], precision[here] = _refine(
            block, start[here], plan, kernels, noise
        )
        moving[here] &= r2adj[here] > block.flicker
    if tracked:
        velocity, precision = _tracking.pool_neighbours(velocity, precision)
    return ShearEstimate(
        velocity=velocity,
        r2adj=r2adj,
        precision=precision,
        moving=moving,
        rival=rival,
        rivalry=rivalry,
    )


def null_evidence(
    pixels: NDArray[np.generic],
    columns: Columns,
    plan: ShearPlan,
    kernels: Kernels,
    *,
    tracked: bool,
) -> float:
    """Return the log-likelihood that 1 % of windows reach when nothing moves.

    Lines of the recording in random order hold the same light and noise, and no motion. Where
    texture stands still for long, lines are alike in any order, and this says nothing: 0.
    """
    count = (len(pixels) - plan.window_lines) // plan.step + 1
    if count < _NULL_WINDOWS // 2:
        return 0.0
    drawn = np.random.default_rng(0).permutation(len(pixels))[: (_NULL_WINDOWS + 3) * plan.step]
    found = shear_estimate(
        np.ascontiguousarray(pixels[drawn]),
        columns,
        plan,
        kernels,
        tracked=tracked,
        block_pixels=BLOCK_PIXELS,
    )
    at_rest = np.abs(found.velocity) < 0.5 / plan.window_lines
    if at_rest.mean() > _NULL_AT_REST:
        return 0.0
    evidence = _tracking.log_likelihood_at(found.velocity, found.r2adj, plan)
    return float(np.percentile(np.where(found.moving, evidence, 0.0), 99.0))


def dispersion(
    velocity: _Doubles,
    known: NDArray[np.bool_],
    pixels: NDArray[np.generic],
    columns: Columns,
    plan: ShearPlan,
    kernels: Kernels,
) -> float:
    """Return by how much velocities scatter more than their standard errors say, at least 1.

    Even and odd lines of a window see the same flow, at twice the displacement per line, with noise
    of their own. The spread of their difference over its standard error is taken from some windows
    of the recording. What disturbs both alike stays unseen.
    """
    (windows,) = np.nonzero(known)
    w = plan.window_lines
    if windows.size < _SPLIT_WINDOWS // 4 or w < 16:
        return 1.0
    some = windows[np.linspace(0, windows.size - 1, _SPLIT_WINDOWS).astype(np.int64)]
    raw = np.concatenate([pixels[k * plan.step : k * plan.step + w] for k in some])
    lines = kernels.flatten(raw, columns)
    at = plan.nearest_fine(velocity[some])
    splits = [np.ascontiguousarray(lines[first::2]) for first in (0, 1)]
    ratio = np.zeros(some.size)
    for candidate in np.unique(at):
        (here,) = np.nonzero(at == candidate)
        twice = 2.0 * float(plan.fine[candidate])
        (d, p, _), (e, q, _) = (
            kernels.refine_group(half, here * (w // 2), w // 2, twice) for half in splits
        )
        both = np.divide(p * q, p + q, out=np.zeros_like(p), where=p + q > 0)
        ratio[here] = np.abs(d - e) * np.sqrt(both * NOISE_VARIANCE_SHARE)
    return max(1.0, 1.4826 * float(np.median(ratio)))


def _rivals(scores: _Floats, chosen: _Integers, plan: ShearPlan) -> tuple[_Doubles, _Doubles]:
    """Return `ShearEstimate.rival` and `rivalry`."""
    candidates = np.arange(plan.coarse.size)
    rival, rivalry = np.empty(chosen.size), np.empty(chosen.size)
    for low in range(0, chosen.size, _CHUNK_WINDOWS):
        here = slice(low, low + _CHUNK_WINDOWS)
        evidence = _tracking.log_likelihood(scores[here], plan.noise_sum, plan.degrees)
        apart = np.abs(candidates - chosen[here, None])
        best = np.where(apart <= 1, evidence, -np.inf).max(axis=1)
        evidence[apart <= _RIVALS_APART] = -np.inf
        other = evidence.argmax(axis=1)
        reached = evidence[np.arange(other.size), other]
        rival[here] = plan.coarse[other]
        rivalry[here] = np.where(best > 0, reached / np.maximum(best, 1e-9), 1.0)
    return rival, rivalry


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
        lines = kernels.flatten(raw, columns)
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


def _noise_precision(plan: ShearPlan, kernels: Kernels) -> _Doubles:
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


def _refine(
    block: _Block, start: _Integers, plan: ShearPlan, kernels: Kernels, noise: _Doubles
) -> tuple[_Doubles, _Doubles, _Doubles]:
    """Correct velocities until a correction is small; return velocity, R²adj and precision.

    The correction is a regression on slopes that noise blurs: it comes out too small, by the share
    of the squared slopes that noise is, and more precise than it is (errors in variables).
    """
    count = start.size
    fine = plan.fine
    spacing = np.gradient(fine)
    velocity, r2adj, precision = np.empty(count), np.empty(count), np.empty(count)
    at, todo = start.copy(), np.arange(count)
    for _ in range(_MAX_CORRECTIONS):
        correction, exact, explained = _corrections(block, at, todo, plan, kernels)
        here = at[todo]
        seen = exact * NOISE_VARIANCE_SHARE
        signal = np.maximum(seen - noise[here], _LEAST_SIGNAL * seen)
        gain = np.divide(seen, signal, out=np.ones_like(seen), where=signal > 0)
        correction *= np.minimum(gain, _MOST_GAIN)
        # Beyond one coarse candidate the linear model says nothing any more.
        limit = REFINEMENT * spacing[here]
        correction = np.clip(correction, -limit, limit)
        velocity[todo] = fine[here] + correction
        r2adj[todo] = _r2adj_at(explained, here, block, todo, plan)
        precision[todo] = signal / gain / _ERROR_SHARE**2
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
