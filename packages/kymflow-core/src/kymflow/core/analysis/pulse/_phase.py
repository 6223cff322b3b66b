"""The phase of the pulse over time, which gives its rate and the interval for it.

The amplitude of each of a few blocks, ``a_k = 2 / n_k sum y exp(-2 pi i f0 t)``, has a phase. Its
slope over time corrects ``f0``. A heart does not keep time exactly: phases wander, by a variance of
``q`` per second more than noise explains, so the slope is fitted by generalised least squares with
the covariance ``diag(s_k**2) + q min(t_j, t_k)``, and has the standard error that follows from it.
That is about the mean rate of the recording. Hearts drift, too, over more than seconds, so a minute
later the mean is another: the interval holds how much the quarters of the recording differ, or
hearts do where that is too few to see.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.pulse._spectrum import Peak, Series
from kymflow.core.student import t_quantile

_Floats = NDArray[np.float64]

_RATIO_PER_BLOCK = 4.0
_SHORTEST_BLOCK_BEATS = 2.0
_LEAST_BLOCKS = 4
_MOST_BLOCKS = 200
_ROUNDS = 4
_FOLLOWED = 0.3
"""By which share of what is new in a block the rate follows it."""
_LEAST_GAIN = 2.0
"""Of log-likelihood, by which wandering must explain phases better than noise alone."""
_QUARTERS = 4
_USUAL_DRIFT = 0.01
"""Standard deviation of the rates of quarters over their mean, as in real recordings of 34 s."""
_USUAL_DEGREES = 3
"""Degrees of freedom with which that is believed before a recording is seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """The phase of the pulse over time.

    Attributes:
        rate_hz: Its mean rate.
        error_hz: The standard error of that.
        half_interval_hz: Half of the 95 % interval of the rate of a heart that drifts.
        variance: How far the phase may be from this, on average, in square radians: by noise, and
            by wandering between the blocks.
        time_s: Times of the blocks, ``(blocks,)``.
        radians: Phase at these times, ``(blocks,)``.
    """

    rate_hz: float
    error_hz: float
    half_interval_hz: float
    variance: float
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
    # A pulse that wanders has more power than its peak, which is that of one frequency; the shorter
    # the blocks, the more of it they show.
    blocks = _cut(series, peak, peak.ratio)
    for _ in range(_ROUNDS):
        blocks = _cut(series, peak, blocks.ratio)
    variance = 2.0 * peak.level / (blocks.count * blocks.power)
    middle, seen = blocks.middle_s, _unwrapped(blocks)
    wander, share = _wander(middle, seen, variance)
    line = _fit_line(middle, seen, share * variance, wander)
    rate, error = peak.rate_hz + line.slope / (2.0 * np.pi), line.error / (2.0 * np.pi)
    drift, degrees = _drift(middle, seen, share * variance, wander, rate)
    return Phase(
        rate_hz=rate,
        error_hz=error,
        half_interval_hz=math.hypot(
            t_quantile(0.975, middle.size - 2) * error, t_quantile(0.975, degrees) * drift
        ),
        variance=line.variance + wander * blocks.length_s / 6.0,
        time_s=middle,
        radians=2.0 * np.pi * peak.rate_hz * middle + line.smooth,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Blocks:
    """The pulse in blocks of a series; arrays have shape ``(blocks,)``.

    Attributes:
        length_s: Length of a block.
        middle_s: Middle of the known values of each.
        count: Known values.
        amplitude: Complex amplitude at the rate of the peak.
        power: Mean square of the amplitudes, that of noise taken off.
        ratio: Power over the noise level, as in `Peak`, of all blocks together.
    """

    length_s: float
    middle_s: _Floats
    count: _Floats
    amplitude: NDArray[np.complex128]
    power: float
    ratio: float


def _cut(series: Series, peak: Peak, ratio: float) -> _Blocks:
    """Cut a series into blocks, each long enough to see a pulse of this ratio in it."""
    duration = series.duration_s
    most = min(int(duration * peak.rate_hz / _SHORTEST_BLOCK_BEATS), _MOST_BLOCKS)
    number = int(np.clip(ratio / _RATIO_PER_BLOCK, _LEAST_BLOCKS, max(_LEAST_BLOCKS, most)))
    pieces = series.pieces(duration / number)
    count = np.array([piece.known.sum() for piece in pieces], dtype=np.float64)
    waves = [np.exp(-2j * np.pi * peak.rate_hz * piece.time_s) for piece in pieces]
    total = [np.sum(piece.values * wave) for piece, wave in zip(pieces, waves, strict=True)]
    amplitude = 2.0 * np.array(total, dtype=np.complex128) / count
    power = max(
        float(np.mean(np.abs(amplitude) ** 2 - 4.0 * peak.level / count)),
        4.0 * peak.level / float(count.sum()),
    )
    return _Blocks(
        length_s=duration / number,
        middle_s=np.array([piece.time_s[piece.known].mean() for piece in pieces]),
        count=count,
        amplitude=amplitude,
        power=power,
        ratio=power * float(count.sum()) / (4.0 * peak.level),
    )


def _unwrapped(blocks: _Blocks) -> _Floats:
    """The phases of blocks, each the nearest to what the rate of those before it lets expect.

    The largest block comes first: there the rate is most like that of the peak.
    """
    phase, time = np.angle(blocks.amplitude), blocks.middle_s
    start = int(np.abs(blocks.amplitude).argmax())
    for order in (range(start + 1, phase.size), range(start - 1, -1, -1)):
        last, rate = start, 0.0
        for k in order:
            gap = time[k] - time[last]
            step = phase[k] - phase[last] - rate * gap
            step -= 2.0 * np.pi * np.round(step / (2.0 * np.pi))
            phase[k] = phase[last] + rate * gap + step
            rate += _FOLLOWED * step / gap
            last = k
    return phase


def _wander(time_s: _Floats, phase: _Floats, variance: _Floats) -> tuple[float, float]:
    """How much phases wander, in square radians per second, and the share of noise in `variance`.

    In the sine transform of the steps from block to block, wandering is flat, and noise grows as
    ``2 - 2 cos(pi j / K)``: both are fitted by maximum likelihood. Where the rate wanders, the
    surroundings of its peak are not noise, so `variance` may be too large. Wandering counts if it
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


def _drift(
    time_s: _Floats, phase: _Floats, variance: _Floats, wander: float, rate_hz: float
) -> tuple[float, int]:
    """The standard error of a mean rate that comes from drift, in Hz, and its degrees of freedom.

    How much quarters differ, beyond noise and wandering, is averaged with what is usual.
    """
    squares, degrees = _USUAL_DEGREES * (_USUAL_DRIFT * rate_hz) ** 2, _USUAL_DEGREES
    if phase.size >= 3 * _QUARTERS:
        parts = np.array_split(np.arange(phase.size), _QUARTERS)
        lines = [_fit_line(time_s[i], phase[i], variance[i], wander) for i in parts]
        seen = float(np.var([line.slope for line in lines], ddof=1))
        expected = float(np.mean([line.error**2 for line in lines]))
        squares += (_QUARTERS - 1) * max(0.0, seen - expected) / (2.0 * np.pi) ** 2
        degrees += _QUARTERS - 1
    return math.sqrt(squares / degrees / _QUARTERS), degrees


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A straight line through phases.

    Attributes:
        slope: Its slope.
        error: The standard error of that.
        smooth: The phases that both noise and wandering leave likely, ``(blocks,)``.
        variance: Mean variance of these.
    """

    slope: float
    error: float
    smooth: _Floats
    variance: float


def _fit_line(time_s: _Floats, phase: _Floats, variance: _Floats, wander: float) -> _Line:
    """Fit a line by generalised least squares, with what wanders about it (kriging)."""
    t = time_s - time_s[0]
    walk = wander * np.minimum.outer(t, t)
    weight = np.linalg.inv(walk + np.diag(variance))
    design = np.stack([np.ones_like(t), t], axis=1)
    covariance = np.linalg.inv(design.T @ weight @ design)
    line = covariance @ design.T @ weight @ phase
    rest = phase - design @ line
    return _Line(
        slope=float(line[1]),
        error=float(np.sqrt(covariance[1, 1])),
        smooth=design @ line + walk @ weight @ rest,
        variance=float(np.mean(np.diag(walk) - np.einsum("ij,jk,ki->i", walk, weight, walk))),
    )
