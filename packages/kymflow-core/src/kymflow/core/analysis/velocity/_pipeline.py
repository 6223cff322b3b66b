"""The shear-R² estimator over a whole recording: scan, choose a candidate, refine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity import _tracking
from kymflow.core.analysis.velocity._blocks import Recording
from kymflow.core.analysis.velocity._grid import ShearPlan
from kymflow.core.analysis.velocity._refine import corrections, refine

_Floats = NDArray[np.float32]
_Doubles = NDArray[np.float64]
_Integers = NDArray[np.int64]

#: Candidates this far from the chosen one are others, not its flank.
_RIVALS_APART = 4
_CHUNK_WINDOWS = 1 << 14


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


def shear_estimate(recording: Recording, noise: _Doubles, *, tracked: bool) -> ShearEstimate:
    """Return the estimate of every window.

    Args:
        recording: The recording.
        noise: See `noise_precision`.
        tracked: Choose candidates as one path, and pool neighbours.
    """
    plan, kernels, count = recording.plan, recording.kernels, recording.n_windows
    scores = np.empty((count, plan.coarse.size), np.float32)
    for block in recording.blocks():
        scores[block.windows] = block.r2adj(
            kernels.scan(block.lines, plan), plan.noise_correction()
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
    for block in recording.blocks():
        here = block.windows
        velocity[here], r2adj[here], precision[here] = refine(
            block, start[here], plan, kernels, noise
        )
        moving[here] &= r2adj[here] > block.flicker
    if tracked:
        velocity, precision = _tracking.pool_neighbours(
            velocity, precision, 0.5 / plan.window_lines
        )
    return ShearEstimate(
        velocity=velocity,
        r2adj=r2adj,
        precision=precision,
        moving=moving,
        rival=rival,
        rivalry=rivalry,
    )


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


def evidence_at(recording: Recording, velocity: _Doubles) -> tuple[_Doubles, NDArray[np.bool_]]:
    """Return R²adj and `ShearEstimate.moving` at velocities (px/line) found in another way.

    Velocities beyond the searched range, or NaN, have no evidence: 0.
    """
    plan = recording.plan
    penalty = plan.noise_correction(fine=True)
    out = np.zeros(velocity.size)
    moving = np.zeros(velocity.size, bool)
    inside = np.abs(velocity) <= plan.fine[-1]
    at = plan.nearest_fine(np.where(inside, velocity, 0.0))
    for block in recording.blocks():
        chosen = np.flatnonzero(inside[block.windows])
        here = at[block.windows]
        explained = corrections(block, here, chosen, plan, recording.kernels)[2]
        r2adj = block.r2adj_of(chosen, explained, penalty[here[chosen]])
        out[block.windows.start + chosen] = r2adj
        moving[block.windows] = out[block.windows] > block.flicker
    return out, moving


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
