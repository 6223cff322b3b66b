"""The shear-R² estimator over a whole recording: scan, choose a candidate, refine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity import _tracking
from kymflow.core.analysis.velocity._evidence import noise_threshold
from kymflow.core.analysis.velocity._kernels import Kernels
from kymflow.core.analysis.velocity._plan import RIVALS_APART, ShearPlan
from kymflow.core.analysis.velocity._refine import refined
from kymflow.core.analysis.velocity._windows import Windows

_Floats = NDArray[np.float32]
_Doubles = NDArray[np.float64]
_Integers = NDArray[np.int64]


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


def shear_estimate(
    windows: Windows, kernels: Kernels, noise: _Doubles, *, tracked: bool
) -> ShearEstimate:
    """Return the estimate of every window.

    Args:
        windows: The windows.
        kernels: The implementation to use.
        noise: See `noise_precision`.
        tracked: Choose candidates as one path, and pool neighbours.
    """
    plan = windows.plan
    scores = windows.r2adj(kernels.scan(windows.lines, plan))
    evidence = _tracking.log_likelihood(scores, plan.noise_sum, plan.degrees)
    chosen = kernels.best_path(evidence.copy()) if tracked else scores.argmax(axis=1)
    start = plan.nearest_fine(_peak(scores, chosen, plan.coarse))
    velocity, r2adj, precision = refined(windows, start, kernels, noise)
    if tracked:
        velocity, precision = _tracking.pool_neighbours(
            velocity, precision, r2adj >= noise_threshold(plan), 0.5 / plan.window_lines
        )
    rival, rivalry = _rivals(evidence, chosen, plan)
    at_border = (chosen == 0) | (chosen == plan.coarse.size - 1)
    return ShearEstimate(
        velocity=velocity,
        r2adj=r2adj,
        precision=precision,
        moving=~at_border & (r2adj > windows.flicker),
        rival=rival,
        rivalry=rivalry,
    )


def evidence_at(
    windows: Windows, kernels: Kernels, velocity: _Doubles
) -> tuple[_Doubles, NDArray[np.bool_]]:
    """Return R²adj and `ShearEstimate.moving` at velocities (px/line) found in another way.

    Velocities beyond the searched range, or NaN, have no evidence: 0.
    """
    plan = windows.plan
    r2adj = np.zeros(velocity.size)
    (inside,) = np.nonzero(np.abs(velocity) <= plan.fine[-1])
    at = plan.nearest_fine(velocity[inside])
    starts = windows.starts[inside]
    explained = kernels.refine(windows.lines, starts, plan.window_lines, plan.fine[at])[2]
    r2adj[inside] = windows.r2adj_at(at, explained, inside)
    return r2adj, r2adj > windows.flicker


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


def _rivals(evidence: _Floats, chosen: _Integers, plan: ShearPlan) -> tuple[_Doubles, _Doubles]:
    """Return `ShearEstimate.rival` and `rivalry`; `evidence` is overwritten."""
    row, last = np.arange(chosen.size), plan.coarse.size - 1
    beside = np.clip(chosen + np.arange(-RIVALS_APART, RIVALS_APART + 1)[:, None], 0, last)
    best = evidence[row, beside[RIVALS_APART - 1 : RIVALS_APART + 2]].max(axis=0)
    evidence[row, beside] = -np.inf
    other = evidence.argmax(axis=1)
    reached = evidence[row, other].astype(np.float64)
    return plan.coarse[other], np.where(best > 0, reached / np.maximum(best, 1e-9), 1.0)
