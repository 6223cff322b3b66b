"""KymoBench-2's recordings: red cells as objects, scanned pixel by pixel, counted photon by photon.

A cell is a dip in the light of bright plasma, with its own length and depth, at its own
place in the blood. Blood has moved ``s(t)`` px at time ``t``, continuously, also within a line:
pixel ``x`` of line ``i`` is seen at ``i + dwell x`` line periods. What the pixel sees is::

    light(x) (inside(x) (1 - depth cells(x + sway(t) - s(t))) + (1 - inside(x)) outside) flicker(i)

in photons, with Poisson statistics and the excess noise of a photomultiplier. An offset of the
whole line, saturation and a subtracted background come on top.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Blood", "Optics", "synthesize"]

_Doubles = NDArray[np.float64]
_OVERSAMPLING = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Blood:
    """What flows.

    Attributes:
        cell_px: Mean length of a cell.
        hematocrit: Share of the line that cells cover.
        size_spread: Relative spread of lengths.
        spacing_jitter: Spread of the gaps relative to their mean: 1 is a random train
            (exponential gaps), 0.05 a nearly periodic one.
        depth: Share of the light that a cell takes; single cells have 60 to 100 % of it.
    """

    cell_px: float = 12.0
    hematocrit: float = 0.4
    size_spread: float = 0.15
    spacing_jitter: float = 1.0
    depth: float = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Optics:
    """How it is seen.

    Attributes:
        n_pixels: Pixels per line.
        photons: Photons per pixel where plasma is brightest.
        excess: Excess noise factor of the detector, at least 1.
        blur_px: Standard deviation of the blur.
        shading: Depth of uneven illumination along the line.
        vessel: Share of the line that lies in the vessel, about its middle.
        outside: Light beside the vessel, relative to plasma.
        flicker: Relative spread of the light from line to line.
        common: Spread of an offset that a whole line has, relative to the mean.
        dwell: Time from one pixel to the next in line periods.
        sway_px: Amplitude of the tissue's motion, a tenth as fast as the heart.
        saturated: Share of pixels that are to be cut off at the brightest value.
        subtract: Share of the column's mean that is subtracted as background, 0 for none.
    """

    n_pixels: int = 38
    photons: float = 20.0
    excess: float = 1.3
    blur_px: float = 1.0
    shading: float = 0.3
    vessel: float = 1.0
    outside: float = 0.08
    flicker: float = 0.01
    common: float = 0.0
    dwell: float = 0.0
    sway_px: float = 0.0
    saturated: float = 0.0
    subtract: float = 0.0


def synthesize(
    blood: Blood, optics: Optics, velocity: _Doubles, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return a kymograph, float32 ``(time, space)``.

    Args:
        blood: What flows.
        optics: How it is seen.
        velocity: Velocity during each line, px per line period.
        rng: Source of all randomness.
    """
    n, lines = optics.n_pixels, velocity.size
    moved = np.concatenate([[0.0], np.cumsum(velocity)])
    x = np.arange(n, dtype=np.float64)
    when = np.arange(lines)[:, None] + optics.dwell * x
    displaced = np.interp(when, np.arange(lines + 1), moved)
    sway = optics.sway_px * np.sin(2.0 * np.pi * when / 1000.0 + rng.uniform(0, 6.28))
    at = x + sway - displaced
    low = float(at.min()) - 5.0 * optics.blur_px
    train = _train(blood, optics.blur_px, float(at.max()) - low + 10.0, rng)
    where = (at - low) * _OVERSAMPLING
    cells = np.interp(where.ravel(), np.arange(train.size), train).reshape(lines, n)

    inside = _inside(x, n, optics.vessel)
    light = 1.0 + optics.shading * np.cos(np.pi * (x - 0.3 * n) / n)
    light = light * (1.0 + 0.02 * rng.standard_normal(n))
    flicker = 1.0 + optics.flicker * rng.standard_normal((lines, 1))
    clean = light * (inside * (1.0 - blood.depth * cells) + (1.0 - inside) * optics.outside)
    gain = 1.0 / optics.excess
    photons = optics.photons * np.maximum(clean * flicker, 0.0)
    counted = rng.poisson(photons * gain) / gain
    pixels = counted * (1000.0 / optics.photons)
    pixels += optics.common * pixels.mean() * rng.standard_normal((lines, 1))
    if optics.saturated:
        pixels = np.minimum(pixels, np.quantile(pixels, 1.0 - optics.saturated))
    if optics.subtract:
        pixels -= pixels.mean(axis=0) - rng.uniform(5.0, 85.0, n) * (1.0 - optics.subtract) / 0.05
    floats: NDArray[np.float32] = pixels.astype(np.float32)
    return floats


def _inside(x: _Doubles, n: int, share: float) -> _Doubles:
    """1 inside the vessel, 0 outside, with an edge of a pixel; all inside for a share of 1."""
    if share >= 1.0:
        return np.ones(n)
    half = 0.5 * share * n
    centre = 0.5 * (n - 1)
    return np.clip(half - np.abs(x - centre) + 0.5, 0.0, 1.0)


def _train(blood: Blood, blur_px: float, length: float, rng: np.random.Generator) -> _Doubles:
    """How much of a cell is at each place, 0 to 1, oversampled and blurred."""
    gap = blood.cell_px * (1.0 - blood.hematocrit) / blood.hematocrit
    count = int(1.5 * length / (blood.cell_px + gap)) + 30
    lengths = blood.cell_px * np.maximum(1.0 + blood.size_spread * rng.standard_normal(count), 0.3)
    if blood.spacing_jitter >= 1.0:
        gaps = rng.exponential(gap, count)
    else:
        gaps = gap + blood.spacing_jitter * (gap + blood.cell_px) * rng.standard_normal(count)
    centres = np.cumsum(np.maximum(gaps, 0.0) + lengths) - rng.uniform(0, blood.cell_px + gap)
    depths = rng.uniform(0.6, 1.0, count)
    samples = int(length * _OVERSAMPLING) + 1
    train = np.zeros(samples)
    for centre, cell, depth in zip(centres, lengths, depths, strict=True):
        first = max(0, int((centre - cell / 2) * _OVERSAMPLING))
        u = (
            np.arange(first, min(samples, int((centre + cell / 2) * _OVERSAMPLING) + 2))
        ) / _OVERSAMPLING
        profile = np.clip(1.0 - np.square((u - centre) / (cell / 2)), 0.0, 1.0) ** 0.35
        train[first : first + u.size] = np.maximum(train[first : first + u.size], depth * profile)
    sigma = blur_px * _OVERSAMPLING
    reach = int(4.0 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.convolve(np.pad(train, reach, mode="edge"), kernel / kernel.sum(), mode="valid")
