"""What a recording itself says of how far its velocities are to be trusted.

Its lines in random order say how likely motion seems where nothing moves; even and odd lines, which
see the same flow, say how much velocities scatter.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity import _tracking
from kymflow.core.analysis.velocity._blocks import Recording
from kymflow.core.analysis.velocity._pipeline import shear_estimate
from kymflow.core.analysis.velocity._preprocess import NOISE_VARIANCE_SHARE

_Doubles = NDArray[np.float64]

#: Windows made of lines in random order; where more than this share of them is at rest, lines are
#: alike in any order.
_NULL_WINDOWS, _NULL_AT_REST = 256, 0.05
#: Windows split into even and odd lines.
_SPLIT_WINDOWS = 96


def null_evidence(recording: Recording, noise: _Doubles, *, tracked: bool) -> float:
    """Return the log-likelihood that 1 % of windows reach when nothing moves.

    Lines of the recording in random order hold the same light and noise, and no motion. Where
    texture stands still for long, lines are alike in any order, and this says nothing: 0.
    """
    pixels, plan = recording.pixels, recording.plan
    if recording.n_windows < _NULL_WINDOWS // 2:
        return 0.0
    drawn = np.random.default_rng(0).permutation(len(pixels))[: (_NULL_WINDOWS + 3) * plan.step]
    shuffled = replace(recording, pixels=np.ascontiguousarray(pixels[drawn]))
    found = shear_estimate(shuffled, noise, tracked=tracked)
    at_rest = np.abs(found.velocity) < 0.5 / plan.window_lines
    if at_rest.mean() > _NULL_AT_REST:
        return 0.0
    evidence = _tracking.log_likelihood_at(found.velocity, found.r2adj, plan)
    return float(np.percentile(np.where(found.moving, evidence, 0.0), 99.0))


def dispersion(recording: Recording, velocity: _Doubles, known: NDArray[np.bool_]) -> float:
    """Return by how much velocities scatter more than their standard errors say, at least 1.

    Even and odd lines of a window see the same flow, at twice the displacement per line, with noise
    of their own. The spread of their difference over its standard error is taken from some windows
    of the recording. What disturbs both alike stays unseen.
    """
    pixels, plan, kernels = recording.pixels, recording.plan, recording.kernels
    (windows,) = np.nonzero(known)
    w = plan.window_lines
    if windows.size < _SPLIT_WINDOWS // 4 or w < 16:
        return 1.0
    some = windows[np.linspace(0, windows.size - 1, _SPLIT_WINDOWS).astype(np.int64)]
    raw = np.concatenate([pixels[k * plan.step : k * plan.step + w] for k in some])
    lines = kernels.flatten(raw, recording.columns)
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
