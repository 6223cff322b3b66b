"""Synthetic kymographs: blood cells that move at a known speed, seen with shot noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

LINE_INTERVAL_S = 0.001
PIXEL_SIZE_UM = 0.25

_CELL_SPACING_UM = 14.0
_CELL_WIDTH_UM = 5.0
_PLASMA_PHOTONS = 60.0
_CELL_PHOTONS = 15.0
_COUNTS_PER_PHOTON = 12.0
_OVERSAMPLING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One synthetic recording.

    Attributes:
        name: Name of its file, without ending.
        velocity_mm_s: Mean velocity in mm/s; positive towards larger x.
        pulsatility: Half the swing of the heart beat, as a fraction of the mean.
        heart_rate_hz: Beats per second.
        stall_s: When the flow stands still, from and to, in s; None if never.
        lines: Number of lines.
        pixels: Number of pixels in a line.
        seed: Of the random numbers, so that each run makes the same image.
    """

    name: str
    velocity_mm_s: float
    pulsatility: float = 0.0
    heart_rate_hz: float = 5.0
    stall_s: tuple[float, float] | None = None
    lines: int = 4000
    pixels: int = 96
    seed: int = 0


DEMO_ANALYSIS: Final = "velocity"
"""The analysis that finds what the scenes were made with."""
DEMO_COLUMNS: Final = ("median_mm_s", "share_stalled")
"""What it found, in its table."""

DEMO_SCENES = (
    Scene(name="capillary_slow", velocity_mm_s=0.4, seed=1),
    Scene(name="capillary_fast", velocity_mm_s=1.2, seed=2),
    Scene(name="arteriole_pulsatile", velocity_mm_s=-0.8, pulsatility=0.4, seed=3),
    Scene(name="capillary_with_stall", velocity_mm_s=0.6, stall_s=(2.0, 4.0), lines=6000, seed=12),
)

MADE_WITH: Final = {scene.name: scene.velocity_mm_s for scene in DEMO_SCENES}
"""What each scene was made with, by its name: mean velocity, in mm/s."""


def synthesize(scene: Scene) -> NDArray[np.uint16]:
    """Make the image of a scene.

    The vessel's contents are a fixed pattern of dark cells in bright plasma, which is shifted by
    the way travelled up to each line; photons are counted with Poisson noise.

    Args:
        scene: What to make.

    Returns:
        Counts ``(time, space)``, uint16.
    """
    random = np.random.default_rng(scene.seed)
    travelled_um = np.cumsum(velocity_mm_s(scene)) * LINE_INTERVAL_S * 1000.0
    position_um = np.arange(scene.pixels) * PIXEL_SIZE_UM
    # What stands at x at time t started at x minus the way travelled.
    origin_um = position_um[np.newaxis, :] - travelled_um[:, np.newaxis]
    start_um = float(origin_um.min()) - _CELL_SPACING_UM
    step_um = PIXEL_SIZE_UM / _OVERSAMPLING
    pattern = _cells(float(origin_um.max()) + _CELL_SPACING_UM - start_um, step_um, random)
    photons = np.interp((origin_um - start_um) / step_um, np.arange(pattern.size), pattern)
    counts = random.poisson(photons) * _COUNTS_PER_PHOTON
    image: NDArray[np.uint16] = np.clip(counts, 0, 4095).astype(np.uint16)
    return image


def save_kymograph(path: Path, counts: NDArray[np.uint16]) -> None:
    """Write an image ``(time, space)`` as an ImageJ TIFF with the calibration of all scenes."""
    import tifffile

    tifffile.imwrite(
        path,
        counts,
        imagej=True,
        resolution=(1 / PIXEL_SIZE_UM, 1.0),
        metadata={
            "axes": "YX",
            "unit": "um",
            "finterval": LINE_INTERVAL_S,
            # ImageJ has no name for an image whose lines are moments.
            "kymflow_axes": "t,x",
        },
    )


def velocity_mm_s(scene: Scene) -> NDArray[np.float64]:
    """The true velocity at each line, in mm/s."""
    time_s = np.arange(scene.lines) * LINE_INTERVAL_S
    beat = np.sin(2 * np.pi * scene.heart_rate_hz * time_s)
    velocity: NDArray[np.float64] = scene.velocity_mm_s * (1.0 + scene.pulsatility * beat)
    if scene.stall_s is not None:
        start, stop = scene.stall_s
        velocity[(time_s >= start) & (time_s < stop)] = 0.0
    return velocity


def _cells(length_um: float, step_um: float, random: np.random.Generator) -> NDArray[np.float64]:
    """Expected photons along a stretch of vessel: smooth dark dips at irregular distances."""
    position_um = np.arange(0.0, length_um, step_um)
    gaps = random.gamma(shape=4.0, scale=_CELL_SPACING_UM / 4.0, size=int(length_um / 4) + 2)
    shade = np.zeros_like(position_um)
    reach = round(2 * _CELL_WIDTH_UM / step_um)
    for centre_um in np.cumsum(gaps):
        middle = round(float(centre_um) / step_um)
        near = slice(max(0, middle - reach), min(position_um.size, middle + reach))
        if near.start >= near.stop:
            break
        distance = (position_um[near] - centre_um) / (_CELL_WIDTH_UM / 2)
        shade[near] = np.maximum(shade[near], np.exp(-0.5 * distance**2))
    return _PLASMA_PHOTONS + (_CELL_PHOTONS - _PLASMA_PHOTONS) * shade
