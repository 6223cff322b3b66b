"""The phase of the pulse over time, which gives its rate and the interval for it.

The amplitude of each of a few blocks, ``a_k = 2 / n_k sum y exp(-2 pi i f0 t)``, has a phase. Its
slope over time corrects ``f0``. A heart does not keep time exactly: phases wander, by a variance of
``q`` per second more than noise explains, so the slope is fitted by generalised least squares with
the covariance ``diag(s_k**2) + q min(t_j, t_k)``, and has the standard error that follows from it.
Rates drift, too, over more than seconds: where the four quarters of a recording differ by more than
that standard error, what they differ by is added.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.pulse._spectrum import Peak, Series
from kymflow.core.student import t_quantile

__all__ = ["Phase", "follow_phase"]

_Floats = NDArray[np.float64]

_RATIO_PER_BLOCK = 4.0
_SHORTEST_BLOCK_BEATS = 2.0
_MOST_BLOCKS = 200
_LEAST_GAIN = 2.0
"""Of log-likelihood, by which wandering must explain phases better than noise alone."""
_QUARTERS = 4
_DIFFERENT = 2.6
"""The 95 % quantile of chi squared with three degrees of freedom, over three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """The phase of the pulse over time.

    Attributes:
        rate_hz: Its mean rate.
        half_interval_hz: Half of its 95 % interval.
        unseen_variance: Variance of the phase within a block about the line between the blocks'
            phases, in square radians: what wandering adds that blocks do not show.
        time_s: Times of the blocks, ``(blocks,)``.
        radians: Phase at these times, ``(blocks,)``.
    """

    rate_hz: float
    half_interval_hz: float
    unseen_variance: float
    time_s: _Floats
    radians: _Floats

    def at(self, time_s: _Floats) -> _Floats:
        """The phase at any time, by the mean rate between blocks and beyond them."""
        line = 2.0 * np.pi * self.rate_hz
        rest = self.radians - line * self.time_s
        return line * time_s + np.interp(time_s, self.time_s, rest)


def follow_phase(series: Series, peak: Peak) -> Phase:
    """The phase of a peak, block by block.

    Args:
        series: A series without trend.
        peak: Its most significant frequency.
    """
    duration = series.duration_s
    most = int(duration * peak.rate_hz / _SHORTEST_BLOCK_BEATS)
    blocks = int(np.clip(peak.ratio / _RATIO_PER_BLOCK, 4, max(4, min(most, _MOST_BLOCKS))))
    pieces = series.pieces(duration / blocks)
    omega = 2.0 * np.pi * peak.rate_hz
    count = np.array([piece.known.sum() for piece in pieces], dtype=np.float64)
    middle = np.array([piece.time_s[piece.known].mean() for piece in pieces])
    amplitude = np.array(
        [2.0 * np.sum(p.values * np.exp(-1j * omega * p.time_s)) / p.known.sum() for p in pieces]
    )
    power = max(
        float(np.mean(np.abs(amplitude) ** 2 - 4.0 * peak.level / count)),
        4.0 * peak.level / float(count.sum()),
    )
    variance = 2.0 * peak.level / (count * power)
    rest = np.unwrap(np.angle(amplitude))
    wander, share = _wander(middle, rest, variance)
    slope, error, smooth = _slope(middle, rest, share * variance, wander)
    drift = _drift(middle, rest, share * variance, wander)
    rate = peak.rate_hz + slope / (2.0 * np.pi)
    return Phase(
        rate_hz=rate,
        half_interval_hz=math.hypot(
            t_quantile(0.975, middle.size - 2) * error, t_quantile(0.975, _QUARTERS - 1) * drift
        )
        / (2.0 * np.pi),
        unseen_variance=wander * duration / blocks / 6.0,
        time_s=middle,
        radians=omega * middle + smooth,
    )


def _wander(time_s: _Floats, phase: _Floats, variance: _Floats) -> tuple[float, float]:
    """How much phases wander, in square radians per second, and the share of noise in `variance`.

    In the sine transform of the steps from block to block, wandering is flat, and noise grows as
    ``2 - 2 cos(pi j / K)``: both are fitted by maximum likelihood. Where the rate wanders, the
    surroundings of its peak are no noise, so `variance` may be too large. Wandering counts if it
    makes what is seen much likelier.
    """
    blocks = phase.size
    gap = float(np.diff(time_s).mean())
    line = (phase[-1] - phase[0]) / (time_s[-1] - time_s[0])
    steps = np.diff(phase - line * time_s)
    mode = np.arange(1, blocks)
    sines = np.sqrt(2.0 / blocks) * np.sin(np.pi * np.outer(mode, mode) / blocks)
    seen = np.square(sines @ steps)
    noise = float(variance.mean()) * (2.0 - 2.0 * np.cos(np.pi * mode / blocks))
    shares = np.array([1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05])
    wanders = np.concatenate([[0.0], np.geomspace(1e-4, 10.0, 51)])
    expected = wanders[:, None, None] * gap + shares[:, None] * noise
    unlikely = 0.5 * (np.log(expected) + seen / expected).sum(axis=-1)
    if unlikely[0, 0] - unlikely.min() < _LEAST_GAIN:
        return 0.0, 1.0
    at, share = np.unravel_index(int(unlikely.argmin()), unlikely.shape)
    return float(wanders[at]), float(shares[share])


def _drift(time_s: _Floats, phase: _Floats, variance: _Floats, wander: float) -> float:
    """The standard error of the mean slope that comes from quarters whose slopes differ.

    Zero unless they differ by more than noise and wandering would let 95 % of them differ.
    """
    if phase.size < 3 * _QUARTERS:
        return 0.0
    parts = np.array_split(np.arange(phase.size), _QUARTERS)
    found = [_slope(time_s[i], phase[i], variance[i], wander)[:2] for i in parts]
    slopes, errors = np.array(found).T
    seen, expected = float(slopes.var(ddof=1)), float(np.square(errors).mean())
    return math.sqrt((seen - expected) / _QUARTERS) if seen > _DIFFERENT * expected else 0.0


def _slope(
    time_s: _Floats, phase: _Floats, variance: _Floats, wander: float
) -> tuple[float, float, _Floats]:
    """Slope, its standard error, and the phase that both noise and wander leave likely."""
    t = time_s - time_s[0]
    walk = wander * np.minimum.outer(t, t)
    weight = np.linalg.inv(walk + np.diag(variance))
    design = np.stack([np.ones_like(t), t], axis=1)
    covariance = np.linalg.inv(design.T @ weight @ design)
    line = covariance @ design.T @ weight @ phase
    rest = phase - design @ line
    return float(line[1]), float(np.sqrt(covariance[1, 1])), design @ line + walk @ weight @ rest
