"""The scenarios of KymoBench-1: which vessels, how fast, in which windows."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from kymobench_synthesis import Vessel, synthesize
from numpy.typing import NDArray

__all__ = ["SCENARIOS", "Recording", "Scenario", "recordings"]

_SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Recordings that are pooled into one line of the table.

    Attributes:
        name: One letter, with a prime where speeds are moved off round values.
        title: What it is about.
        n_pixels: Pixels per line.
        window_lines: Lines per window.
        cell_px: Cell length.
        snrs: Signal-to-noise ratios, a recording for each.
        speeds: Constant speeds in px/line, both signs; empty for flow that pulsates.
    """

    name: str
    title: str
    n_pixels: int
    window_lines: int
    cell_px: float
    snrs: tuple[float, ...]
    speeds: tuple[float, ...] = ()

    @property
    def off_grid(self) -> Scenario:
        """The same with speeds times 1.09.

        Round speeds may coincide with an estimator's candidates, and an estimator that
        prefers its candidates would look better than it is.
        """
        return Scenario(
            name=self.name + "'",
            title=self.title + ", speeds x 1.09",
            n_pixels=self.n_pixels,
            window_lines=self.window_lines,
            cell_px=self.cell_px,
            snrs=self.snrs,
            speeds=tuple(1.09 * speed for speed in self.speeds),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One synthetic recording.

    Attributes:
        pixels: ``(time, space)``.
        velocity: True velocity of each line, px/line.
        snr: Its signal-to-noise ratio.
        speed: Its constant velocity, None if it pulsates.
    """

    pixels: NDArray[np.uint16]
    velocity: NDArray[np.float64]
    snr: float
    speed: float | None


SCENARIOS = (
    Scenario(
        name="A",
        title="constant, 38 px, w16, cells 20 px",
        n_pixels=38,
        window_lines=16,
        cell_px=20.0,
        snrs=(0.5, 1.0, 2.0, 4.0),
        speeds=_SPEEDS,
    ),
    Scenario(
        name="B",
        title="constant, 38 px, w16, cells 6 px",
        n_pixels=38,
        window_lines=16,
        cell_px=6.0,
        snrs=(1.0, 4.0),
        speeds=_SPEEDS,
    ),
    Scenario(
        name="C",
        title="constant, narrow 7 px, w16, cells 8 px",
        n_pixels=7,
        window_lines=16,
        cell_px=8.0,
        snrs=(2.0,),
        speeds=(0.5, 1.0, 2.0),
    ),
    Scenario(
        name="D",
        title="constant, 38 px, w64, cells 20 px",
        n_pixels=38,
        window_lines=64,
        cell_px=20.0,
        snrs=(1.0, 4.0),
        speeds=_SPEEDS,
    ),
    Scenario(
        name="E",
        title="pulse, stall, reversal, 38 px, w16",
        n_pixels=38,
        window_lines=16,
        cell_px=20.0,
        snrs=(1.0, 2.0, 4.0),
    ),
    Scenario(
        name="F",
        title="pulse, stall, reversal, 19 px, w16",
        n_pixels=19,
        window_lines=16,
        cell_px=20.0,
        snrs=(1.0, 2.0, 4.0),
    ),
)

_PULSE_LINES = 12_000
_PULSE_SECONDS_PER_LINE = 1.17e-3


def recordings(scenario: Scenario, lines: int) -> Iterator[Recording]:
    """Yield the recordings of a scenario.

    Each has its own seed, made of speed, sign and SNR: a recording does not change when others
    are added or left out.

    Args:
        scenario: The scenario.
        lines: Lines of a recording with constant flow; pulsating ones have 12000.
    """
    for snr in scenario.snrs:
        vessel = Vessel(n_pixels=scenario.n_pixels, cell_px=scenario.cell_px, snr=snr)
        if not scenario.speeds:
            velocity = pulsating(scenario.n_pixels)
            rng = _rng(scenario, f"pulse {snr}")
            yield Recording(
                pixels=synthesize(vessel, velocity, rng), velocity=velocity, snr=snr, speed=None
            )
        for speed in scenario.speeds:
            for signed in (speed, -speed):
                velocity = np.full(lines, signed)
                pixels = synthesize(vessel, velocity, _rng(scenario, f"{signed:+.4f} {snr}"))
                yield Recording(pixels=pixels, velocity=velocity, snr=snr, speed=signed)


def pulsating(n_pixels: int) -> NDArray[np.float64]:
    """Return 14 s of flow with a pulse of 8 Hz, a stall at 4-5 s and a reversal at 8-9 s."""
    t = np.arange(_PULSE_LINES) * _PULSE_SECONDS_PER_LINE
    velocity = 0.12 * n_pixels * (1.0 + 0.35 * np.sin(2.0 * np.pi * 8.0 * t))
    velocity[(t >= 4.0) & (t < 5.0)] = 0.0
    velocity[(t >= 8.0) & (t < 9.0)] *= -0.6
    sigma = 8.0
    kernel = np.exp(-0.5 * (np.arange(-32, 33) / sigma) ** 2)
    smooth: NDArray[np.float64] = np.convolve(
        np.pad(velocity, 32, mode="edge"), kernel / kernel.sum(), mode="valid"
    )
    return smooth


def _rng(scenario: Scenario, key: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(f"{scenario.name} {key}".encode()))
