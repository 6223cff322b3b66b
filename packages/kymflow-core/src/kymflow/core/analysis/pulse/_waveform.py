"""The waveform of one beat, and how much velocity changes within it.

Velocity at phase ``p`` is ``mean + sum_h a_h cos(h p) + b_h sin(h p)``, with the harmonics that
rise above the noise. A window shows each of them smaller (`window_gain`), which is undone. The
pulsatility index is ``(max - min) / mean`` (Gosling and King 1974), the resistance index
``(max - min) / max`` (Pourcelot 1974), of the fitted waveform in the direction of the mean flow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.estimates import Estimate
from kymflow.core.analysis.pulse._phase import Phase
from kymflow.core.analysis.pulse._spectrum import Series, without_trend
from kymflow.core.student import t_quantile

_Floats = NDArray[np.float64]

PHASES = 24
"""Bins of a beat."""
_FINE = 240
_DRAWS = 2000
_SIGNIFICANT = 6.0
"""Power over noise from which a higher harmonic is included: 0.25 % of noise reaches it."""
_LEAST_GAIN = 0.3
_ROUNDS = 4
_OF_VELOCITY = 0.005
"""By which share velocity itself shows changes too small or too large: measured on simulations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waveform:
    """One beat, from its fastest moment on.

    Attributes:
        phase: Middle of each bin, as a share of the beat, ``(bins,)``.
        fitted: Velocity by the fit at these phases, ``(bins,)``.
        binned: Mean of the windows in each bin, ``(bins,)``; NaN where there is none.
        standard_error: Of `binned`, from the spread of the windows.
        windows: Windows in each bin, ``(bins,)``.
        harmonics: How many harmonics the fit has.
        pulsatility: Pulsatility index.
        resistance: Resistance index.
    """

    phase: _Floats
    fitted: _Floats
    binned: _Floats
    standard_error: _Floats
    windows: NDArray[np.int64]
    harmonics: int
    pulsatility: Estimate
    resistance: Estimate


def fit_waveform(
    series: Series,
    mean_error: float,
    phase: Phase,
    *,
    window_s: float,
    trend_s: float,
    harmonics: int,
) -> Waveform:
    """Fit the waveform.

    Args:
        series: Velocities, with their trend.
        mean_error: The standard error of their mean.
        phase: The phase of the pulse.
        window_s: Duration of a window.
        trend_s: Width of the running mean that is the trend.
        harmonics: The most harmonics to take in.
    """
    at = phase.at(series.time_s)
    usable = [h for h in range(1, harmonics + 1) if _usable(h * phase.rate_hz, window_s, series)]
    orders = _fit_beside_trend(series, at, usable or [1], trend_s).above_noise()
    wave = _fit_beside_trend(series, at, orders, trend_s)
    noise = wave.noise
    mean = float(series.values[noise.known].mean())
    # Folded with a phase that is not exact, harmonics add up less than they are.
    gains = np.repeat(
        [
            window_gain(h * phase.rate_hz * window_s) * np.exp(-0.5 * h**2 * phase.variance)
            for h in orders
        ],
        2,
    )
    coefficients = wave.coefficients / gains
    fine = _design(2.0 * np.pi * np.arange(_FINE) / _FINE, orders)
    direction = 1.0 if mean >= 0 else -1.0
    beat = direction * fine @ coefficients
    pulsatility, resistance = _indices(
        direction * coefficients,
        wave.covariance / np.outer(gains, gains),
        (direction * mean, mean_error),
        fine,
    )
    at = at[noise.known]
    values = noise.values[noise.known] + _design(at, orders) @ wave.coefficients
    top = 2.0 * np.pi * int(beat.argmax()) / _FINE
    bins = ((at - top) / (2.0 * np.pi) % 1.0 * PHASES).astype(np.int64) % PHASES
    middle = (np.arange(PHASES) + 0.5) / PHASES
    windows = np.bincount(bins, minlength=PHASES)
    with np.errstate(divide="ignore", invalid="ignore"):
        binned = np.bincount(bins, values, PHASES) / windows
        spread = np.bincount(bins, np.square(values), PHASES) / windows - np.square(binned)
        error = np.sqrt(np.maximum(spread, 0.0) / windows)
    return Waveform(
        phase=middle,
        fitted=mean + _design(top + 2.0 * np.pi * middle, orders) @ coefficients,
        binned=mean + binned,
        standard_error=error,
        windows=windows,
        harmonics=len(orders),
        pulsatility=pulsatility,
        resistance=resistance,
    )


def window_gain(windows_per_beat: float) -> float:
    """What a window shows of the amplitude of a sine, with `windows_per_beat` its share of a beat.

    The slope of a straight line that is fitted to moving cells is their velocity weighted by a
    parabola, ``1 - u**2`` for ``u`` from -1 to 1 over the window: the middle of the window lies
    between more pairs of lines than its ends. This is the Fourier transform of that.
    """
    x = np.pi * windows_per_beat
    return float(3.0 * (np.sin(x) - x * np.cos(x)) / x**3)


def _usable(rate_hz: float, window_s: float, series: Series) -> bool:
    return window_gain(rate_hz * window_s) > _LEAST_GAIN and rate_hz * series.step_s < 0.4


def _design(phase: _Floats, orders: Sequence[int]) -> _Floats:
    waves = [wave(h * phase) for h in orders for wave in (np.cos, np.sin)]
    return np.stack(waves, axis=1).astype(np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wave:
    """Harmonics as they are fitted to windows.

    Attributes:
        orders: Which harmonics.
        coefficients: Of cosine and sine of each, ``(2 * orders,)``.
        covariance: Of the coefficients.
        noise: What the fit leaves of the series, without trend and outliers.
    """

    orders: Sequence[int]
    coefficients: _Floats
    covariance: _Floats
    noise: Series

    def above_noise(self) -> list[int]:
        """The first harmonic, and higher ones that noise alone would hardly make."""
        kept = [1]
        for i, order in enumerate(self.orders[1:], start=1):
            own = slice(2 * i, 2 * i + 2)
            pair = self.coefficients[own]
            power = 0.5 * float(pair @ np.linalg.pinv(self.covariance[own, own]) @ pair)
            if power > _SIGNIFICANT:
                kept.append(order)
        return kept


def _fit_beside_trend(series: Series, at: _Floats, orders: Sequence[int], trend_s: float) -> _Wave:
    """Fit harmonics to a series at phases `at`, ``(n,)``.

    Trend and outliers are those of what the fit leaves: a running mean takes a little of the pulse
    with it where windows are unknown, and beside a pulse outliers go unnoticed.
    """
    design = _design(at, orders)
    fit = np.zeros(design.shape[1])
    noise = without_trend(series, trend_s)
    for _ in range(_ROUNDS):
        rest = replace(series, values=np.where(series.known, series.values - design @ fit, 0.0))
        noise = without_trend(rest, trend_s)
        more = np.linalg.lstsq(design[noise.known], noise.values[noise.known], rcond=None)[0]
        fit = fit + more
        noise = replace(noise, values=np.where(noise.known, noise.values - design @ more, 0.0))
    known = noise.known
    return _Wave(
        orders=orders,
        coefficients=fit,
        covariance=_covariance(design[known], noise.values[known], at[known]),
        noise=noise,
    )


def _covariance(design: _Floats, noise: _Floats, at: _Floats) -> _Floats:
    """The covariance of fitted coefficients, from how noise differs from beat to beat.

    The sandwich estimate with beats as clusters (Liang and Zeger 1986): noise may be correlated
    within a beat, and larger where velocity changes. It is made larger so that the quantiles of a
    normal distribution become those of Student's.
    """
    _, beat = np.unique(np.floor(at / (2.0 * np.pi)), return_inverse=True)
    count, size = int(beat.max()) + 1, design.shape[1]
    scores = np.stack([np.bincount(beat, one, count) for one in (design * noise[:, None]).T])
    bread = np.linalg.pinv(design.T @ design)
    degrees = max(1, count - size)
    student = t_quantile(0.975, degrees) / t_quantile(0.975, 1e6)
    covariance: _Floats = bread @ (scores @ scores.T) @ bread * (student**2 * count / degrees)
    return covariance


def _indices(
    coefficients: _Floats, covariance: _Floats, mean: tuple[float, float], design: _Floats
) -> tuple[Estimate, Estimate]:
    """Both indices, and their intervals from draws of all that is uncertain.

    Noise makes the range of a waveform larger on average. The draws show by how much at the fitted
    waveform, so the interval is the basic one: mirrored at the estimate.
    """
    rng = np.random.default_rng(0)
    drawn = rng.multivariate_normal(coefficients, covariance, _DRAWS, method="eigh")
    waves = (drawn @ design.T) * rng.normal(1.0, _OF_VELOCITY, (_DRAWS, 1))
    means = rng.normal(*mean, _DRAWS)
    wave = design @ coefficients
    found = []
    for top, tops in ((mean[0], means), (mean[0] + wave.max(), means + waves.max(axis=1))):
        value = float(np.ptp(wave) / top)
        high, low = np.percentile(np.ptp(waves, axis=1) / tops, (2.5, 97.5))
        found.append(
            Estimate(
                value=value, low=max(0.0, 2.0 * value - float(low)), high=2.0 * value - float(high)
            )
        )
    return found[0], found[1]
