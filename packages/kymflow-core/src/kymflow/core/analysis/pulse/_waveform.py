"""The waveform of one beat, and how much velocity changes within it.

Velocity at phase ``p`` is ``mean + sum_h a_h cos(h p) + b_h sin(h p)``, with the harmonics that
rise above the noise. A window of ``w`` lines shows their mean, which is ``sinc(h f w)`` of them;
this is undone. The pulsatility index is ``(max - min) / mean`` (Gosling and King 1974), the
resistance index ``(max - min) / max`` (Pourcelot 1974), of the fitted waveform in the direction of
the mean flow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.pulse._phase import Phase
from kymflow.core.analysis.pulse._spectrum import Series, noise_level, trend

__all__ = ["PHASES", "Indices", "Waveform", "fit_waveform"]

_Floats = NDArray[np.float64]

PHASES = 24
"""Bins of a beat."""
_FINE = 240
_DRAWS = 2000
_SIGNIFICANT = 6.0
"""Power over noise from which a higher harmonic is taken in: 0.25 % of noise reaches it."""
_LEAST_GAIN = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Indices:
    """An index with its 95 % interval."""

    value: float
    low: float
    high: float


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
    pulsatility: Indices
    resistance: Indices


def fit_waveform(
    rest: Series,
    mean: float,
    mean_error: float,
    phase: Phase,
    *,
    window_s: float,
    trend_s: float,
    harmonics: int,
) -> Waveform:
    """Fit the waveform.

    Args:
        rest: Velocities less their trend.
        mean: Mean velocity.
        mean_error: Its standard error.
        phase: The phase of the pulse.
        window_s: Duration of a window.
        trend_s: Width of the running mean that is the trend.
        harmonics: The most harmonics to take in.
    """
    at = phase.at(rest.time_s[rest.known])
    orders = [h for h in range(1, harmonics + 1) if _usable(h * phase.rate_hz, window_s, rest)]
    orders = orders or [1]
    fit, values = _fit_beside_trend(rest, at, orders, trend_s)
    noise = _spread_out(rest.known, values - _design(at, orders) @ fit)
    left = replace(rest, values=noise)
    count = values.size
    # The variance of a coefficient is 2 / n times the noise level at its frequency.
    levels = {h: noise_level(left, h * phase.rate_hz) for h in orders}
    power = {
        h: count * float(np.hypot(*fit[2 * i : 2 * i + 2])) ** 2 / (4.0 * levels[h])
        for i, h in enumerate(orders)
    }
    orders = [h for h in orders if h == 1 or power[h] > _SIGNIFICANT]
    fit = _fit(at, values, orders)
    # Folded with a phase that is not exact, harmonics add up less than they are.
    blur = [np.exp(-0.5 * h**2 * phase.unseen_variance) for h in orders]
    gains = np.repeat([_gain(h * phase.rate_hz, window_s) for h in orders], 2) * np.repeat(blur, 2)
    errors = np.repeat([np.sqrt(2.0 * levels[h] / count) for h in orders], 2) / gains
    direction = 1.0 if mean >= 0 else -1.0
    coefficients = direction * fit / gains
    fine = 2.0 * np.pi * np.arange(_FINE) / _FINE
    beat = _design(fine, orders) @ coefficients
    pulsatility, resistance = _indices(
        coefficients, errors, direction * mean, mean_error, _design(fine, orders)
    )
    top = float(fine[beat.argmax()])
    bins = ((at - top) / (2.0 * np.pi) % 1.0 * PHASES).astype(np.int64) % PHASES
    middle = (np.arange(PHASES) + 0.5) / PHASES
    windows = np.bincount(bins, minlength=PHASES)
    with np.errstate(divide="ignore", invalid="ignore"):
        binned = np.bincount(bins, values, PHASES) / windows
        spread = np.bincount(bins, np.square(values), PHASES) / windows - np.square(binned)
        error = np.sqrt(np.maximum(spread, 0.0) / windows)
    return Waveform(
        phase=middle,
        fitted=mean + _design(top + 2.0 * np.pi * middle, orders) @ (fit / gains),
        binned=mean + binned,
        standard_error=error,
        windows=windows,
        harmonics=len(orders),
        pulsatility=pulsatility,
        resistance=resistance,
    )


def _usable(rate_hz: float, window_s: float, series: Series) -> bool:
    return _gain(rate_hz, window_s) > _LEAST_GAIN and rate_hz * series.step_s < 0.4


def _gain(rate_hz: float, window_s: float) -> float:
    """What is left of a sine after the mean over a window."""
    return float(np.sinc(rate_hz * window_s))


def _design(phase: _Floats, orders: list[int]) -> _Floats:
    waves = [wave(h * phase) for h in orders for wave in (np.cos, np.sin)]
    return np.stack(waves, axis=1).astype(np.float64)


def _fit(phase: _Floats, values: _Floats, orders: list[int]) -> _Floats:
    return np.linalg.lstsq(_design(phase, orders), values, rcond=None)[0].astype(np.float64)


def _fit_beside_trend(
    rest: Series, at: _Floats, orders: list[int], trend_s: float
) -> tuple[_Floats, _Floats]:
    """The fit, and the values less a trend in which nothing of the fit is left.

    A running mean takes a little of the pulse with it where windows are unknown.
    """
    values = rest.values[rest.known]
    fit = _fit(at, values, orders)
    for _ in range(2):
        waves = _design(at, orders) @ fit
        others = replace(rest, values=_spread_out(rest.known, values - waves))
        values = waves + (others.values - trend(others, trend_s))[rest.known]
        fit = _fit(at, values, orders)
    return fit, values


def _spread_out(known: NDArray[np.bool_], values: _Floats) -> _Floats:
    whole = np.zeros(known.size)
    whole[known] = values
    return whole


def _indices(
    coefficients: _Floats, errors: _Floats, mean: float, mean_error: float, design: _Floats
) -> tuple[Indices, Indices]:
    """Both indices, and their intervals from draws of all that is uncertain.

    Noise makes the range of a waveform larger on average. The draws show by how much at the fitted
    waveform, so the interval is the basic one: mirrored at the estimate.
    """
    rng = np.random.default_rng(0)
    drawn = coefficients + errors * rng.standard_normal((_DRAWS, errors.size))
    waves = drawn @ design.T
    means = mean + mean_error * rng.standard_normal(_DRAWS)
    wave = design @ coefficients
    found = []
    for top, range_, tops, ranges in (
        (mean, np.ptp(wave), means, np.ptp(waves, axis=1)),
        (mean + wave.max(), np.ptp(wave), means + waves.max(axis=1), np.ptp(waves, axis=1)),
    ):
        value = float(range_ / top)
        high, low = np.percentile(ranges / tops, (2.5, 97.5))
        found.append(
            Indices(
                value=value, low=max(0.0, 2.0 * value - float(low)), high=2.0 * value - float(high)
            )
        )
    return found[0], found[1]
