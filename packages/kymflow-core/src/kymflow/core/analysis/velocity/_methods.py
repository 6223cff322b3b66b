"""What a method says about windows of one length: shear, and radon for comparison."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity._calibration import dispersion, stands_out
from kymflow.core.analysis.velocity._evidence import is_ambiguous, is_excursion, noise_threshold
from kymflow.core.analysis.velocity._kernels import Kernels
from kymflow.core.analysis.velocity._pipeline import evidence_at, shear_estimate
from kymflow.core.analysis.velocity._radon import radon_velocity
from kymflow.core.analysis.velocity._refine import noise_precision
from kymflow.core.analysis.velocity._tracking import log_likelihood_at
from kymflow.core.analysis.velocity._windows import Windows

_Doubles = NDArray[np.float64]
_Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Velocity of some windows and how sure it is. Arrays are ``(windows,)``.

    Attributes:
        windows: The windows.
        velocity: px/line as lines show it; NaN where nothing moves at all.
        error: Standard error of `velocity`; NaN where there is none.
        r2adj: What motion at this velocity explains.
        known: Whether there is evidence for it.
        ambiguous: Whether another velocity may be the right one.
        rival: That velocity.
        threshold: R²adj below which nothing is known.
        dispersion: See `dispersion`; part of `error`.
    """

    windows: Windows
    velocity: _Doubles
    error: _Doubles
    r2adj: _Doubles
    known: _Flags
    ambiguous: _Flags
    rival: _Doubles
    threshold: float
    dispersion: float

    @property
    def merit(self) -> float:
        """The log-likelihood of what is known, less what a fitted velocity per window costs.

        That is half the logarithm of the independent pixels of each window (the Bayesian
        information criterion: G. Schwarz, Ann. Stat. 6, 1978), a quarter of it as for likelihoods.
        """
        velocity, r2adj, plan = self.velocity[self.known], self.r2adj[self.known], self.windows.plan
        likelihood = log_likelihood_at(velocity, r2adj, plan) - math.log(plan.degrees) / 8.0
        return float(likelihood.sum())


def by_shear(
    windows: Windows, kernels: Kernels, unknown_below: float | None, *, tracked: bool
) -> Findings:
    """Return what the shear-R² estimator finds; for the arguments see `estimate_velocity`."""
    noise = noise_precision(windows.plan, kernels)
    found = shear_estimate(windows, kernels, noise, tracked=tracked)
    threshold = noise_threshold(windows.plan) if unknown_below is None else float(unknown_below)
    known = found.moving & (found.r2adj >= threshold)
    if unknown_below is None:
        likelier = stands_out(found, windows, kernels, noise, tracked=tracked)
        if likelier is not None:
            known, threshold = likelier, 0.0
    moves = found.precision > 0
    known &= moves
    ambiguous = is_ambiguous(found.rivalry)
    if tracked:
        ambiguous |= is_excursion(found.velocity, known, windows.plan)
    scatter = dispersion(windows, kernels, found.velocity, known)
    error = np.full(moves.size, np.nan)
    np.power(found.precision, -0.5, out=error, where=moves)
    return Findings(
        windows=windows,
        velocity=np.where(moves, found.velocity, np.nan),
        error=error * scatter,
        r2adj=found.r2adj,
        known=known,
        ambiguous=ambiguous,
        rival=found.rival,
        threshold=threshold,
        dispersion=scatter,
    )


def by_radon(
    pixels: NDArray[np.generic], windows: Windows, kernels: Kernels, unknown_below: float | None
) -> Findings:
    """Return what radon finds in raw pixels, with the evidence for it by the shear estimator."""
    plan, count = windows.plan, windows.starts.size
    velocity = radon_velocity(pixels, plan.window_lines, windows.starts)
    r2adj, moving = evidence_at(windows, kernels, velocity)
    threshold = noise_threshold(plan) if unknown_below is None else float(unknown_below)
    absent = np.full(count, np.nan)
    return Findings(
        windows=windows,
        velocity=velocity,
        error=absent,
        r2adj=r2adj,
        known=moving & (r2adj >= threshold) & ~np.isnan(velocity),
        ambiguous=np.zeros(count, bool),
        rival=absent,
        threshold=threshold,
        dispersion=1.0,
    )
