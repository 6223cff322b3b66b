"""Errors and speed of all methods on the scenarios, on the same windows, in one run."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from kymobench_scenarios import Scenario, recordings
from kymobench_synthesis import Vessel, synthesize, window_means
from numpy.typing import NDArray

from kymflow.core.analysis.velocity import (
    Method,
    VelocityResult,
    WindowStatus,
    estimate_velocity,
)

__all__ = ["Accuracy", "Speed", "measure_accuracy", "measure_speed"]

_Doubles = NDArray[np.float64]

#: Slower true velocities (px/line) have no meaningful relative error; such windows are left out.
_SLOWEST = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Errors of one method in one scenario, pooled over windows.

    Attributes:
        scenario: The scenario's name.
        method: ``radon``, ``shear`` or ``shear tracked``.
        windows: How many windows were compared.
        median_error: Median of |estimate / truth - 1|. Every window counts, also those that the
            estimator itself calls unknown.
        within_5_percent: Share of windows no more than 5 % off.
        gross: Share more than 50 % off.
        sign: Share with the wrong sign.
        unknown: Share that the estimator calls unknown; None for radon, which never does.
        gross_if_known: Share of gross errors among the others.
    """

    scenario: str
    method: str
    windows: int
    median_error: float
    within_5_percent: float
    gross: float
    sign: float
    unknown: float | None
    gross_if_known: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Processor time for one window geometry, in microseconds per window.

    Attributes:
        n_pixels: Pixels per line.
        window_lines: Lines per window.
        radon: The Radon transform.
        numpy: shear tracked, NumPy.
        numba: shear tracked, compiled, without compilation; None if numba is not installed.
    """

    n_pixels: int
    window_lines: int
    radon: float
    numpy: float
    numba: float | None


def measure_accuracy(
    scenario: Scenario, *, lines: int, windows_per_recording: int
) -> list[Accuracy]:
    """Return the errors of all methods.

    Args:
        scenario: The scenario.
        lines: Lines of recordings with constant flow.
        windows_per_recording: Windows that are compared, spread evenly over each recording.
            The Radon transform of all of them would take hours.
    """
    truths: list[_Doubles] = []
    estimates: dict[str, list[_Doubles]] = {"radon": [], "shear": [], "shear tracked": []}
    unknown: dict[str, list[NDArray[np.bool_]]] = {"shear": [], "shear tracked": []}
    for recording in recordings(scenario, lines):
        w, pixels = scenario.window_lines, recording.pixels
        truth = window_means(recording.velocity, w, w // 4)
        visible = np.flatnonzero(np.abs(truth) >= _SLOWEST)
        spread = np.linspace(0, visible.size - 1, min(windows_per_recording, visible.size))
        chosen = visible[np.round(spread).astype(np.int64)]
        truths.append(truth[chosen])
        for method in ("shear", "shear tracked"):
            result = _estimate(pixels, w, tracked=method == "shear tracked")
            estimates[method].append(result.candidate_px_per_line[chosen])
            unknown[method].append(result.status[chosen] == WindowStatus.UNKNOWN.value)
        estimates["radon"].append(_radon(pixels, w, chosen))
    truth = np.concatenate(truths)
    return [
        _accuracy(
            scenario.name,
            method,
            truth,
            np.concatenate(parts),
            np.concatenate(unknown[method]) if method in unknown else None,
        )
        for method, parts in estimates.items()
    ]


def measure_speed(n_pixels: int, window_lines: int, *, lines: int, radon_windows: int) -> Speed:
    """Return the processor time per window on a recording of typical length.

    Everything from raw integers to the result is in: checks, statistics, preprocessing, scan,
    tracking, correction. The weights of the geometry, which are otherwise computed once per
    geometry, are computed again in every repetition. Compilation is not in: one call warms up.
    The best of several repetitions counts, for radon as well.
    """
    vessel = Vessel(n_pixels=n_pixels, cell_px=20.0 if n_pixels > 10 else 8.0, snr=2.0)
    velocity = np.full(lines, 0.06 * n_pixels)
    pixels = synthesize(vessel, velocity, np.random.default_rng(n_pixels))
    windows = (lines - window_lines) // (window_lines // 4) + 1
    few = pixels[: (radon_windows - 1) * (window_lines // 4) + window_lines]
    radon = _best(lambda: _estimate(few, window_lines, method="radon"), 3) / radon_windows
    compiled = None
    if importlib.util.find_spec("numba") is not None:
        compiled = _best(lambda: _estimate(pixels, window_lines, backend="numba"), 9) / windows
    plain = _best(lambda: _estimate(pixels, window_lines, backend="numpy"), 5) / windows
    return Speed(
        n_pixels=n_pixels,
        window_lines=window_lines,
        radon=1e6 * radon,
        numpy=1e6 * plain,
        numba=None if compiled is None else 1e6 * compiled,
    )


def _estimate(
    pixels: NDArray[np.uint16],
    window_lines: int,
    *,
    tracked: bool = True,
    method: Method = "shear",
    backend: Literal["auto", "numpy", "numba"] = "auto",
) -> VelocityResult:
    return estimate_velocity(
        pixels,
        seconds_per_line=1e-3,
        um_per_pixel=0.5,
        window_lines=window_lines,
        method=method,
        tracked=tracked,
        backend=backend,
    )


def _radon(pixels: NDArray[np.uint16], window_lines: int, chosen: NDArray[np.int64]) -> _Doubles:
    """Return radon's velocity of the chosen windows through the front door, one at a time."""
    step = window_lines // 4
    return np.array(
        [
            _estimate(
                pixels[k * step : k * step + window_lines], window_lines, method="radon"
            ).candidate_px_per_line[0]
            for k in chosen
        ]
    )


def _best(work: Callable[[], object], repetitions: int) -> float:
    """Return the processor time of the fastest repetition, all threads counted, in seconds."""
    work()
    seconds = []
    for _ in range(repetitions):
        _forget_geometry()
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def _forget_geometry() -> None:
    # The one private name used here: without this, weights would be free of charge.
    from kymflow.core.analysis.velocity import _plan

    _plan.shear_plan.cache_clear()


def _accuracy(
    scenario: str,
    method: str,
    truth: _Doubles,
    estimate: _Doubles,
    unknown: NDArray[np.bool_] | None,
) -> Accuracy:
    with np.errstate(invalid="ignore"):
        error = np.abs(estimate / truth - 1.0)
    # No number at all, radon at 90 degrees, is as wrong as can be.
    error[~np.isfinite(error)] = np.inf
    gross = error > 0.5
    return Accuracy(
        scenario=scenario,
        method=method,
        windows=truth.size,
        median_error=float(np.median(error)),
        within_5_percent=float((error <= 0.05).mean()),
        gross=float(gross.mean()),
        sign=float((np.sign(estimate) != np.sign(truth)).mean()),
        unknown=None if unknown is None else float(unknown.mean()),
        gross_if_known=(
            None if unknown is None or unknown.all() else float(gross[~unknown].mean())
        ),
    )
