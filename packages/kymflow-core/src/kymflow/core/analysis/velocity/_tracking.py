"""Which candidate of each window: the best one, or the best path through all windows.

A window alone sometimes prefers a wrong candidate: noise, or a cell one length further on.
Flow does not jump at random, so the tracked estimate is the path that maximises (Viterbi)::

    sum_k L_k(j_k) - min(jump, local * |j_k - j_(k-1)|)        j = index of a coarse candidate

with the log-likelihood ``L = -(n - K) / 8 * log(1 - R2adj)``: half of ``(n - K) log`` for Gaussian
noise, and a quarter of that because each pixel is in four windows. Changing by one candidate costs
`LOCAL_COST`; a change of any size costs no more than `JUMP_COST`, so that stalls, reversals and
pulses that are really there stay.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity._plan import ShearPlan

#: Costs are whole numbers, so that sums of them with float32 scores are exact in float64 and
#: both implementations of `best_path` return the same path.
LOCAL_COST = 3.0
JUMP_COST = 12.0

#: Windows on each side that may be pooled: those that share at least half of their lines.
POOL_REACH = 2
_POOL_GATE = 3.0
#: Velocities are off by this share of what flow changes within a window.
_CHANGE_SHARE = 0.1
#: Means over windows that rest in part are off by this share of what velocities around differ.
_EDGE_SHARE = 0.12
#: Rest that is averaged with motion seems to move by up to so many times the resolution.
_EDGE_REST = 4.0


def log_likelihood(
    r2adj: NDArray[np.float32], noise_sum: NDArray[np.float64], degrees: float
) -> NDArray[np.float32]:
    """Return ``-(n - K) / 8 * log(1 - R2adj)``, float32 ``(windows, candidates)``."""
    scale = (np.maximum(degrees - noise_sum, 1.0) / -8.0).astype(np.float32)
    unexplained = np.subtract(np.float32(1.0), r2adj)
    np.maximum(unexplained, np.float32(1e-3), out=unexplained)
    np.log(unexplained, out=unexplained)
    unexplained *= scale
    return unexplained


def log_likelihood_at(
    velocity: NDArray[np.float64], r2adj: NDArray[np.float64], plan: ShearPlan
) -> NDArray[np.float64]:
    """Return the same of estimates, ``(windows,)``."""
    spent = plan.fine_noise_sum[plan.nearest_fine(velocity)]
    unexplained = np.maximum(1.0 - r2adj, 1e-3)
    found: NDArray[np.float64] = (plan.degrees - spent) / -8.0 * np.log(unexplained)
    return found


def best_path(score: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the candidate of each window on the best path, int64 ``(windows,)``.

    Args:
        score: Log-likelihoods, float32 ``(windows, candidates)``. Overwritten with the score of
            the best path that ends in each candidate.
    """
    windows, candidates = score.shape
    reach = math.ceil(JUMP_COST / LOCAL_COST) - 1
    # How far each candidate is below the best one, with some on both sides that cannot be it.
    below = np.full(candidates + 2 * reach, -np.inf)
    for k in range(1, windows):
        before = score[k - 1].astype(np.float64)
        below[reach : reach + candidates] = before - before.max()
        best = np.full(candidates, -JUMP_COST)
        for d in range(-reach, reach + 1):
            start = reach + d
            np.maximum(best, below[start : start + candidates] - LOCAL_COST * abs(d), out=best)
        score[k] += best
    path = np.empty(windows, np.int64)
    path[-1] = score[-1].argmax()
    for k in range(windows - 1, 0, -1):
        top, low = int(score[k - 1].argmax()), max(0, int(path[k]) - reach)
        near = np.arange(low, min(candidates, int(path[k]) + reach + 1))
        value = score[k - 1, near] - LOCAL_COST * np.abs(near - path[k])
        jumped = score[k - 1, top] - min(LOCAL_COST * abs(top - path[k]), JUMP_COST)
        path[k - 1] = near[value.argmax()] if value.max() > jumped else top
    return path


def pool_neighbours(
    velocity: NDArray[np.float64],
    precision: NDArray[np.float64],
    evident: NDArray[np.bool_],
    resolution: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average each window with neighbours that tell about the same velocity (derived here).

    Neighbour ``j`` at distance ``d`` weighs ``1 / (1 / precision_j + d q)``: a random walk with
    variance ``q`` per window is assumed in between. ``q`` is learned from the recording, of flow
    and of rest apart, as a long rest says nothing about flow: windows four apart share no line, so
    the variance of their difference is ``4 q`` plus both variances.
    Flow that changes from window to window thus gets next to no pooling, steady flow the most:
    ``1 + 2 * POOL_REACH`` windows, which span two windows' lines. A neighbour that differs by
    more than three standard deviations is on the other side of an edge and is left out.

    Args:
        velocity: px/line, ``(windows,)``.
        precision: Inverse variance of each, zero where there is no estimate.
        evident: Windows that may be learned from.
        resolution: Slower than this, px/line, is rest.

    Returns:
        The averages, and the precision of each. Windows at distance ``d`` share ``1 - d / 4`` of
        their lines, and so much of their errors; the random walk in between adds its variance,
        and so does what flow changes within a window (`_change_variance`).
    """
    windows = velocity.size
    known = precision > 0
    variance = np.divide(1.0, precision, out=np.full(windows, np.inf), where=known)
    walk = _walk_variance(velocity, variance, evident & known, np.abs(velocity) < resolution)
    # Row `POOL_REACH + d` holds what the neighbour at distance `d` weighs, and its error.
    shares = np.zeros((2 * POOL_REACH + 1, windows))
    errors = np.zeros_like(shares)
    values = np.zeros_like(shares)
    shares[POOL_REACH], values[POOL_REACH] = precision, velocity
    errors[POOL_REACH] = np.sqrt(np.where(known, variance, 0.0))
    for distance in range(1, min(POOL_REACH, windows - 1) + 1):
        gap2 = np.square(velocity[distance:] - velocity[:-distance])
        with np.errstate(invalid="ignore"):
            near = gap2 <= _POOL_GATE**2 * (variance[distance:] + variance[:-distance])
        for row, here, there in (
            (POOL_REACH + distance, slice(None, -distance), slice(distance, None)),
            (POOL_REACH - distance, slice(distance, None), slice(None, -distance)),
        ):
            share = np.where(near & known[here] & known[there], 1.0, 0.0)
            shares[row, here] = share / (variance[there] + distance * walk[here])
            errors[row, here] = errors[POOL_REACH, there]
            values[row, here] = velocity[there]
    weight = shares.sum(axis=0)
    shares = np.divide(shares, weight, out=np.zeros_like(shares), where=known)
    pooled = np.where(known, (shares * values).sum(axis=0), velocity)
    pooled, at_edges = _averaged_at_edges(pooled, np.abs(pooled) < _EDGE_REST * resolution)
    apart = np.abs(np.subtract.outer(np.arange(len(shares)), np.arange(len(shares))))
    errors *= shares
    spread = (errors * ((1.0 - apart / 4.0) @ errors)).sum(axis=0)
    spread += walk * (np.square(shares) * apart[POOL_REACH][:, None]).sum(axis=0)
    spread += _change_variance(pooled, spread) + at_edges
    return pooled, np.divide(1.0, spread, out=np.zeros(windows), where=known & (spread > 0))


def _averaged_at_edges(
    velocity: NDArray[np.float64], at_rest: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return velocities, those of windows that rest in part as means over their lines.

    A texture that moves in some lines of a window and rests in the others has two velocities, and
    the better one is found. Windows a quarter and a half away show what those others do. The second
    array is the variance of these means, by how much velocities around differ; else it is zero.
    """
    averaged, variance = velocity.copy(), np.zeros(velocity.size)
    if velocity.size >= 5:
        around = np.lib.stride_tricks.sliding_window_view(np.pad(velocity, 2, mode="edge"), 5)
        resting = np.lib.stride_tricks.sliding_window_view(np.pad(at_rest, 2, mode="edge"), 5)
        edge = resting.any(axis=1) & ~resting.all(axis=1)
        averaged[edge] = around[edge] @ np.array([0.125, 0.25, 0.25, 0.25, 0.125])
        variance[edge] = np.square(_EDGE_SHARE * np.ptp(around[edge], axis=1))
    return averaged, variance


def _walk_variance(
    velocity: NDArray[np.float64],
    variance: NDArray[np.float64],
    evident: NDArray[np.bool_],
    at_rest: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the variance of velocity per window that the variances do not account for."""
    walk = np.zeros(velocity.size)
    both = evident[4:] & evident[:-4]
    for state in (at_rest, ~at_rest):
        alike = both & state[4:] & state[:-4]
        if not alike.any():
            alike = both
        if not alike.any():
            continue
        # 1.4826 times the median deviation is one standard deviation, whatever the outliers.
        seen = (1.4826 * float(np.median(np.abs(velocity[4:] - velocity[:-4])[alike]))) ** 2
        expected = float(np.median((variance[4:] + variance[:-4])[alike]))
        walk[state] = max(0.0, seen - expected) / 4.0
    return walk


def _change_variance(
    velocity: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how uncertain velocities are because flow changes within the window.

    Not every line of a window says equally much, so what comes out is not quite the mean over its
    lines. It was measured (docs/velocity.md) to be off by `_CHANGE_SHARE` of the change.
    """
    at = np.arange(velocity.size)
    before, after = np.maximum(at - 2, 0), np.minimum(at + 2, at.size - 1)
    change = np.square(velocity[after] - velocity[before])
    # A difference within two standard errors is not a change.
    change -= 4.0 * (variance[after] + variance[before])
    return _CHANGE_SHARE**2 * np.maximum(change, 0.0)
