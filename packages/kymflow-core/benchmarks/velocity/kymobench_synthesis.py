"""Synthetic line-scan kymographs whose velocity is known.

A train of red blood cells moves along the line. Cells are dark bars in bright plasma, of about the
same length, with exponentially distributed gaps, blurred by the optics::

    I(t, x) = g(x) * (1 - contrast * h(x - s(t))) * (1 + flicker(t))

``h`` is the train (0 plasma, 1 cell), ``s(t)`` how far it has moved in pixels, ``g(x)`` uneven
illumination with some column noise. Photons are counted (Poisson), with a gain that makes the noise
``snr`` times weaker than the moving signal. The camera rounds to integers of 12 bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Vessel", "synthesize", "window_means"]

_OVERSAMPLING = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Vessel:
    """What is imaged, and how well.

    Attributes:
        n_pixels: Pixels per line.
        cell_px: Mean length of a cell in pixels; single cells vary by 15 %.
        snr: Standard deviation of the moving signal over that of the noise.
        hematocrit: Share of the line that cells cover.
        contrast: Depth of a cell, 0 to 1; single cells have 70 to 100 % of it.
        blur_px: Standard deviation of the optics' blur in pixels.
        shading: Depth of uneven illumination along the line.
        column_noise: Relative spread of single columns' sensitivity.
        flicker: Relative spread of the light from line to line.
        full_scale: Mean brightness in the camera's units.
    """

    n_pixels: int
    cell_px: float
    snr: float
    hematocrit: float = 0.45
    contrast: float = 0.7
    blur_px: float = 1.5
    shading: float = 0.35
    column_noise: float = 0.02
    flicker: float = 0.01
    full_scale: float = 400.0


def synthesize(
    vessel: Vessel, velocity: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.uint16]:
    """Return a kymograph ``(time, space)``.

    Args:
        vessel: What is imaged.
        velocity: Velocity of the cells during each line, px/line; positive is motion towards
            growing pixel index.
        rng: Source of all randomness.
    """
    n, lines = vessel.n_pixels, velocity.size
    moved = np.concatenate([[0.0], np.cumsum(velocity[:-1])])
    margin = 4.0 * vessel.blur_px + 10.0
    origin = -float(moved.max()) - margin
    train = _train(vessel, n - float(moved.min()) + margin - origin, rng)

    x = np.arange(n)
    at = (x - moved[:, None] - origin) * _OVERSAMPLING
    low = np.floor(at).astype(np.int64)
    part = at - low
    cells = (1.0 - part) * train[low] + part * train[low + 1]

    light = 1.0 + vessel.shading * np.cos(np.pi * (x - 0.25 * n) / n)
    light = light * (1.0 + vessel.column_noise * rng.standard_normal(n))
    flicker = 1.0 + vessel.flicker * rng.standard_normal((lines, 1))
    clean = np.maximum(light * (1.0 - vessel.contrast * cells) * flicker, 0.0)
    moving = light * vessel.contrast * (cells - cells.mean())
    # Photon noise has variance gain * mean; the gain is set so that the ratio is the SNR asked for.
    gain = (float(moving.std()) / vessel.snr) ** 2 / float(clean.mean())
    counted = rng.poisson(clean / gain) * gain
    camera: NDArray[np.uint16] = np.clip(np.round(counted * vessel.full_scale), 0, 4095).astype(
        np.uint16
    )
    return camera


def window_means(
    velocity: NDArray[np.float64], window_lines: int, step_lines: int
) -> NDArray[np.float64]:
    """Return the true velocity of each window: the mean over its lines."""
    total = np.concatenate([[0.0], np.cumsum(velocity)])
    starts = np.arange(0, velocity.size - window_lines + 1, step_lines)
    means: NDArray[np.float64] = (total[starts + window_lines] - total[starts]) / window_lines
    return means


def _train(vessel: Vessel, length_px: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the blurred train of cells, oversampled, at least `length_px` long."""
    gap_px = vessel.cell_px * (1.0 - vessel.hematocrit) / vessel.hematocrit
    count = int(2.0 * length_px / (vessel.cell_px + gap_px)) + 20
    lengths = np.maximum(2.0, rng.normal(vessel.cell_px, 0.15 * vessel.cell_px, count))
    gaps = rng.exponential(gap_px, count)
    depths = rng.uniform(0.7, 1.0, count)
    starts = np.cumsum(gaps + lengths) - lengths - vessel.cell_px
    samples = int(length_px * _OVERSAMPLING) + 2 * _OVERSAMPLING
    train = np.zeros(samples)
    for start, cell, depth in zip(starts, lengths, depths, strict=True):
        low = max(0, round(start * _OVERSAMPLING))
        train[low : max(0, round((start + cell) * _OVERSAMPLING))] = depth
    sigma = vessel.blur_px * _OVERSAMPLING
    reach = int(4.0 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = np.pad(train, reach, mode="edge")
    size = 1 << int(np.ceil(np.log2(padded.size + kernel.size)))
    spectrum = np.fft.rfft(padded, size) * np.fft.rfft(kernel / kernel.sum(), size)
    return np.fft.irfft(spectrum, size)[2 * reach : 2 * reach + samples]
