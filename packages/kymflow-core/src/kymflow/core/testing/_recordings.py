"""Synthetic recordings whose truth is known: cells along a vessel, and a vessel across the line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FINE = 8
"""Samples per pixel of the train of cells before it is scanned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRecording:
    """A kymograph of cells that move along the line, and the truth about them.

    Attributes:
        pixels: Brightness, float64 ``(time, space)``, about 1000.
        moved_px: How far the cells have moved at each line, ``(time,)``, in pixels.
        center_px: Centre of each cell at the first line, ascending, in pixels of the line.
        length_px: Length of each cell, in pixels.
    """

    pixels: NDArray[np.float64]
    moved_px: NDArray[np.float64]
    center_px: NDArray[np.float64]
    length_px: NDArray[np.float64]

    def count_passing(self, place_px: float) -> int:
        """How many cells' centres pass a place of the line during the recording."""
        first, last = place_px - self.moved_px.max(), place_px - self.moved_px.min()
        return int(((self.center_px >= first) & (self.center_px < last)).sum())


def simulate_cells(
    velocity_px_per_line: NDArray[np.float64],
    *,
    n_pixels: int = 40,
    cell_px: float = 16.0,
    hematocrit: float = 0.3,
    snr: float = 2.0,
    cluster: float = 1.0,
    dark: bool = True,
    contrast: float = 0.5,
    blur_px: float = 1.0,
    seed: int = 0,
) -> CellRecording:
    """Cells as bars of about the same length and depth, with exponential gaps between them.

    Lengths have a standard deviation of 10 %, depths one of 8 %.

    Args:
        velocity_px_per_line: For each line, ``(time,)``; positive towards growing pixel index.
        n_pixels: Pixels per line.
        cell_px: Mean length of a cell.
        hematocrit: Share of the line that cells cover.
        snr: Standard deviation of the moving signal over that of the noise, which is white.
        cluster: Mean number of cells that follow each other with a tenth of the usual gap.
        dark: Whether cells are darker than plasma, as they are if the plasma is labelled.
        contrast: Depth of a cell, 0 to 1.
        blur_px: Standard deviation of the blur by the optics.
        seed: Of everything that is random.
    """
    rng = np.random.default_rng(seed)
    moved = np.concatenate([[0.0], np.cumsum(velocity_px_per_line)[:-1]])
    origin = -moved.max() - 60.0
    length_px = n_pixels - moved.min() + 60.0 - origin
    gap_px = cell_px * (1.0 - hematocrit) / hematocrit
    count = int(1.5 * length_px / (cell_px + gap_px)) + 40
    lengths = np.maximum(3.0, rng.normal(cell_px, 0.1 * cell_px, count))
    close = rng.random(count) < 1.0 - 1.0 / cluster
    # Close cells have a tenth of the others' gap; together they keep the mean.
    mean_gap = gap_px / (1.0 - 0.9 * close.mean())
    gaps = rng.exponential(np.where(close, 0.1 * mean_gap, mean_gap))
    starts = origin + np.cumsum(gaps + lengths) - lengths
    train = _train(starts - origin, lengths, rng.normal(1.0, 0.08, count), length_px, blur_px)
    at = (np.arange(n_pixels) - moved[:, None] - origin) * _FINE
    cells = np.interp(at, np.arange(train.size), train)
    shading = 1.0 + 0.2 * np.cos(np.linspace(0.0, 3.0, n_pixels))
    signal = (-contrast if dark else contrast) * cells
    noise = rng.standard_normal(signal.shape) * (signal.std() / snr)
    return CellRecording(
        pixels=1000.0 * shading * (1.0 + signal + noise),
        moved_px=moved,
        center_px=starts + lengths / 2.0,
        length_px=lengths,
    )


def _train(
    starts: NDArray[np.float64],
    lengths: NDArray[np.float64],
    depths: NDArray[np.float64],
    length_px: float,
    blur_px: float,
) -> NDArray[np.float64]:
    """The blurred train of cells, `_FINE` samples per pixel."""
    samples = int(length_px * _FINE) + 1
    train = np.zeros(samples)
    for start, cell, depth in zip(starts, lengths, depths, strict=True):
        train[round(start * _FINE) : round((start + cell) * _FINE)] = depth
    reach = int(4.0 * blur_px * _FINE)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (blur_px * _FINE)) ** 2)
    size = 1 << (samples + kernel.size).bit_length()
    blurred = np.fft.irfft(np.fft.rfft(train, size) * np.fft.rfft(kernel / kernel.sum(), size))
    return blurred[reach : reach + samples]


@dataclass(frozen=True, slots=True, kw_only=True)
class VesselRecording:
    """A recording of lines across a vessel, and the truth about it.

    Attributes:
        pixels: Photon counts, float64 ``(time, space)``.
        diameter_um: Diameter at each line, ``(time,)``, in µm.
        center_um: Centre at each line, ``(time,)``, in µm from the first pixel.
    """

    pixels: NDArray[np.float64]
    diameter_um: NDArray[np.float64]
    center_um: NDArray[np.float64]


def simulate_vessel(
    diameter_um: NDArray[np.float64],
    *,
    um_per_pixel: float = 0.25,
    n_pixels: int = 128,
    snr: float = 2.0,
    blur_um: float = 0.5,
    motion_um: float = 0.0,
    missing: float = 0.0,
    profile: str = "slab",
    background: float = 0.3,
    seed: int = 0,
) -> VesselRecording:
    """A vessel filled with bright plasma, as lines across it show it.

    Args:
        diameter_um: For each line, ``(time,)``.
        um_per_pixel: Pixel size.
        n_pixels: Pixels per line.
        snr: Brightness of the vessel above the background over the standard deviation of the
            noise inside of it; the noise is that of photons.
        blur_um: Standard deviation of the blur by the optics.
        motion_um: Standard deviation of the centre, which wanders slowly.
        missing: Share of lines in which the outer quarter of the vessel on one side is dark.
        profile: ``"slab"``: a thin optical section; ``"disc"``: the whole depth of the vessel.
        background: Brightness outside, relative to that of the vessel above it.
        seed: Of everything that is random.
    """
    rng = np.random.default_rng(seed)
    lines = diameter_um.size
    walk = np.cumsum(rng.standard_normal(lines)) if motion_um else np.zeros(lines)
    spread = float(walk.std())
    wander = (walk - walk.mean()) * (motion_um / spread if spread else 0.0)
    center = (n_pixels - 1) * um_per_pixel / 2.0 + wander
    fine = 8
    step = um_per_pixel / fine
    x = np.arange(-4 * fine * 8, (n_pixels + 32) * fine) * step
    lost = np.where(rng.random(lines) < missing, rng.choice([-1, 1], lines), 0)
    reach = max(1, int(4.0 * blur_um / step))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / blur_um) ** 2)
    box = np.ones(fine) / fine  # a pixel collects light over its whole width
    kernel = np.convolve(kernel / kernel.sum(), box)
    clean = np.empty((lines, n_pixels))
    at = np.arange(n_pixels) * um_per_pixel
    for line in range(lines):
        radius = diameter_um[line] / 2.0
        u = (x - center[line]) / radius
        shape = np.clip((1.0 - np.abs(u)) * radius / step + 0.5, 0.0, 1.0)
        if profile == "disc":
            shape = np.sqrt(np.clip(1.0 - u**2, 0.0, None))
        if lost[line]:
            shape = np.where(u * lost[line] > 0.5, 0.0, shape)
        blurred = np.convolve(shape, kernel, mode="same")
        # `same` of an even kernel is half a sample late.
        clean[line] = np.interp(at, x - step / 2.0, blurred)
    photons = snr**2 * (1.0 + background)
    counts = rng.poisson(photons * (clean + background)).astype(np.float64)
    return VesselRecording(pixels=counts, diameter_um=diameter_um, center_um=center)
