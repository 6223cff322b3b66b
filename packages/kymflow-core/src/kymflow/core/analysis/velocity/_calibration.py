"""What a recording itself says of how far its velocities are to be trusted.

Its lines in random order say how likely motion seems where nothing moves; even and odd lines, which
see the same flow, say how much velocities scatter.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity import _tracking
from kymflow.core.analysis.velocity._kernels import Kernels
from kymflow.core.analysis.velocity._pipeline import ShearEstimate, shear_estimate
from kymflow.core.analysis.velocity._preprocess import NOISE_VARIANCE_SHARE
from kymflow.core.analysis.velocity._windows import Windows, windows_of

_Doubles = NDArray[np.float64]

#: Windows made of lines in random order; where more than this share of them is at rest, lines are
#: alike in any order.
_NULL_WINDOWS, _NULL_AT_REST = 256, 0.05
#: The tail of likelihoods begins where this share of windows lies above; so many may pass.
_NULL_TAIL, _NULL_PASS = 0.1, 0.002
#: Windows split into even and odd lines.
_SPLIT_WINDOWS = 96


def stands_out(
    found: ShearEstimate, windows: Windows, kernels: Kernels, noise: _Doubles, *, tracked: bool
) -> NDArray[np.bool_] | None:
    """Return which windows are likelier than what comes of lines in random order, or None.

    Lines of the recording in random order hold the same light and noise, and no motion. A window
    stands out by itself, or, tracked, with those that it is pooled with. Where texture stands still
    for long, lines are alike in any order; then, and with few windows, this says nothing: None.

    Args:
        found: The recording's estimate.
        windows: Its windows.
        kernels: The implementation to use.
        noise: See `noise_precision`.
        tracked: Whether windows were estimated together.
    """
    lines, plan = windows.lines, windows.plan
    if windows.starts.size < _NULL_WINDOWS // 2:
        return None
    count = min(len(lines), (_NULL_WINDOWS + 3) * plan.step)
    drawn = np.random.default_rng(0).choice(len(lines), count, replace=False)
    in_random_order = windows_of(lines[drawn], plan)
    null = shear_estimate(in_random_order, kernels, noise, tracked=False)
    if (np.abs(null.velocity) < 0.5 / plan.window_lines).mean() > _NULL_AT_REST:
        return None
    evidence, of_null = (
        np.where(e.moving, _tracking.log_likelihood_at(e.velocity, e.r2adj, plan), 0.0)
        for e in (found, null)
    )
    known = evidence > _rarely_reached(of_null)
    if tracked:
        mostly_moving = _around(found.moving.astype(np.float64)) > 0.5
        known |= mostly_moving & (_around(evidence) > _rarely_reached(_around(of_null)))
    return known


def _rarely_reached(evidence: _Doubles) -> float:
    """Return the log-likelihood that a share of `_NULL_PASS` reach.

    Tails of log-likelihoods fall exponentially, so the highest tenth says it far more steadily than
    the few highest.
    """
    begin = float(np.quantile(evidence, 1.0 - _NULL_TAIL))
    above = evidence[evidence > begin] - begin
    return begin + float(above.mean() if above.size else 0.0) * math.log(_NULL_TAIL / _NULL_PASS)


def _around(evidence: _Doubles) -> _Doubles:
    """Return the mean over each window and the neighbours that are pooled with it."""
    reach = _tracking.POOL_REACH
    total = np.cumsum(np.pad(evidence, (reach + 1, reach), mode="edge"))
    return (total[2 * reach + 1 :] - total[: -2 * reach - 1]) / (2 * reach + 1)


def dispersion(
    windows: Windows, kernels: Kernels, velocity: _Doubles, known: NDArray[np.bool_]
) -> float:
    """Return by how much velocities scatter more than their standard errors say, at least 1.

    Even and odd lines of a window see the same flow, at twice the displacement per line, with noise
    of their own. The spread of their difference over its standard error is taken from some windows
    of the recording. What disturbs both alike stays unseen.
    """
    w = windows.plan.window_lines
    (chosen,) = np.nonzero(known)
    if chosen.size < _SPLIT_WINDOWS // 4 or w < 16:
        return 1.0
    some = chosen[np.linspace(0, chosen.size - 1, _SPLIT_WINDOWS).astype(np.int64)]
    lines = windows.lines[(windows.starts[some][:, None] + np.arange(w)).ravel()]
    twice = 2.0 * windows.plan.fine[windows.plan.nearest_fine(velocity[some])]
    starts = np.arange(some.size) * (w // 2)
    (d, p, _), (e, q, _) = (
        kernels.refine(np.ascontiguousarray(lines[first::2]), starts, w // 2, twice)
        for first in (0, 1)
    )
    both = np.divide(p * q, p + q, out=np.zeros_like(p), where=p + q > 0)
    ratio = np.abs(d - e) * np.sqrt(both * NOISE_VARIANCE_SHARE)
    return max(1.0, 1.4826 * float(np.median(ratio)))
