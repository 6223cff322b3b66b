"""KymoBench-2's scenarios: where labs' recordings often are, and plain ones beside them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from kymobench2_synthesis import Blood, Optics, synthesize
from numpy.typing import NDArray

__all__ = ["SCENARIOS", "Recording", "Scenario", "recordings"]

_Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Recordings of one kind.

    Attributes:
        name: What it is about.
        blood: What flows.
        optics: How it is seen.
        flows: One velocity per line, px/line, for each recording; drawn with the generator.
        window_lines: Lines per window.
        shuffled: Whether lines are put in random order: then nothing moves.
    """

    name: str
    blood: Blood = field(default_factory=Blood)
    optics: Optics = field(default_factory=Optics)
    flows: tuple[Callable[[int, np.random.Generator], _Doubles], ...]
    window_lines: int = 16
    shuffled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Pixels ``(time, space)`` and the true velocity of each line, px per line period."""

    pixels: NDArray[np.float32]
    velocity: _Doubles


def recordings(scenario: Scenario, lines: int, *, held: bool) -> Iterator[Recording]:
    """Yield the recordings of a scenario; `held` ones are for figures, others for developing."""
    for number, flow in enumerate(scenario.flows):
        seed = [zlib.crc32(scenario.name.encode()), number, int(held)]
        rng = np.random.default_rng(seed)
        velocity = flow(lines, rng)
        pixels = synthesize(scenario.blood, scenario.optics, velocity, rng)
        if scenario.shuffled:
            pixels = pixels[rng.permutation(lines)]
        yield Recording(pixels=pixels, velocity=velocity)


def _steady(speed: float) -> Callable[[int, np.random.Generator], _Doubles]:
    return lambda lines, _: np.full(lines, speed)


def _pulsing(
    speed: float, share: float, period: float
) -> Callable[[int, np.random.Generator], _Doubles]:
    def flow(lines: int, rng: np.random.Generator) -> _Doubles:
        phase = 2.0 * np.pi * np.arange(lines) / period + rng.uniform(0.0, 6.28)
        velocity: _Doubles = speed * (1.0 + share * np.sin(phase))
        return velocity

    return flow


def _stalled(speed: float, share: float) -> Callable[[int, np.random.Generator], _Doubles]:
    def flow(lines: int, rng: np.random.Generator) -> _Doubles:
        velocity: _Doubles = speed * (1.0 + 0.1 * np.sin(2.0 * np.pi * np.arange(lines) / 120.0))
        length = int(share * lines)
        start = int(rng.uniform(0.2, 0.8) * (lines - length))
        velocity[start : start + length] = 0.0
        return velocity

    return flow


def _stopping(speed: float, stop_lines: int) -> Callable[[int, np.random.Generator], _Doubles]:
    def flow(lines: int, rng: np.random.Generator) -> _Doubles:
        velocity: _Doubles = speed * (1.0 + 0.1 * np.sin(2.0 * np.pi * np.arange(lines) / 120.0))
        for start in range(300, lines - 300, 400):
            at = start + int(rng.integers(100))
            velocity[at : at + stop_lines] = 0.0
        return velocity

    return flow


_SPEEDS = (-6.3, -2.35, 0.87, 3.7)
_PLAIN = tuple(_steady(speed) for speed in _SPEEDS)
_BASE = Scenario(name="plain", flows=_PLAIN)

SCENARIOS: tuple[Scenario, ...] = (
    _BASE,
    replace(_BASE, name="plain w64", window_lines=64),
    replace(_BASE, name="small cells", blood=Blood(cell_px=6.0)),
    replace(_BASE, name="large cells", blood=Blood(cell_px=22.0)),
    replace(
        _BASE, name="19 px", optics=Optics(n_pixels=19), flows=tuple(map(_steady, (-3.1, 0.9, 2.2)))
    ),
    replace(
        _BASE, name="10 px", optics=Optics(n_pixels=10), flows=tuple(map(_steady, (-1.7, 0.9)))
    ),
    replace(_BASE, name="few photons", optics=Optics(photons=3.0)),
    replace(_BASE, name="SNR .35", optics=Optics(photons=2.1)),
    replace(_BASE, name="fewer photons", optics=Optics(photons=1.0)),
    replace(_BASE, name="scanned", optics=Optics(dwell=0.02)),
    replace(_BASE, name="sway", optics=Optics(sway_px=3.0)),
    replace(_BASE, name="pulse", flows=(_pulsing(3.0, 0.5, 100.0), _pulsing(-1.5, 0.3, 150.0))),
    replace(
        _BASE, name="small pulse", optics=Optics(photons=5.0), flows=(_pulsing(3.0, 0.05, 100.0),)
    ),
    *(
        replace(_BASE, name=f"vessel {share:.0%}", optics=Optics(vessel=share))
        for share in (0.8, 0.5, 0.25)
    ),
    replace(_BASE, name="common noise .1", optics=Optics(common=0.1)),
    replace(_BASE, name="common noise .3", optics=Optics(common=0.3)),
    replace(_BASE, name="over-subtracted", optics=Optics(subtract=0.95)),
    replace(_BASE, name="saturated 25%", optics=Optics(saturated=0.25)),
    replace(_BASE, name="saturated 51%", optics=Optics(saturated=0.51)),
    replace(_BASE, name="saturated 74%", optics=Optics(saturated=0.74)),
    replace(
        _BASE,
        name="nearly periodic",
        blood=Blood(cell_px=6.0, spacing_jitter=0.03, size_spread=0.03),
        flows=tuple(map(_steady, (-10.0, 8.5, 11.0))),
    ),
    *(
        replace(
            _BASE, name=f"stall {share:.0%}", flows=(_stalled(2.4, share), _stalled(-4.1, share))
        )
        for share in (0.2, 0.6, 0.8, 0.9, 0.95)
    ),
    replace(_BASE, name="stops of 60 ms", flows=(_stopping(2.4, 60), _stopping(-4.1, 60))),
    replace(
        _BASE,
        name="stops, 5 photons",
        optics=Optics(photons=5.0),
        flows=(_stopping(2.4, 60), _stopping(-4.1, 60)),
    ),
    replace(_BASE, name="shuffled", shuffled=True),
    replace(_BASE, name="shuffled large cells", blood=Blood(cell_px=22.0), shuffled=True),
)
