"""Synthetic kymographs with known velocity, small and quick."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

Pixels = NDArray[np.float64]


@pytest.fixture(scope="session")
def flowing() -> Callable[..., Pixels]:
    """Return a maker of recordings in which a random texture moves along the line."""
    return make_flowing


def make_flowing(
    velocity: NDArray[np.float64] | float,
    *,
    n_pixels: int = 32,
    lines: int = 800,
    snr: float = 3.0,
    seed: int = 0,
    feature_px: float = 2.5,
) -> Pixels:
    """Return brightness about 1000 with a texture that moves `velocity` px/line, ``(time, space)``.

    Args:
        velocity: px/line, one value or one per line.
        n_pixels: Pixels per line.
        lines: Lines, if `velocity` is one value.
        snr: Standard deviation of the texture over that of white noise; may be infinite.
        seed: Of texture and noise.
        feature_px: Standard deviation of the Gaussian that the texture is smoothed with.
    """
    rng = np.random.default_rng(seed)
    speed = np.full(lines, velocity) if np.isscalar(velocity) else np.asarray(velocity)
    moved = np.concatenate([[0.0], np.cumsum(speed[:-1])])
    fine = 8
    length = int((n_pixels + np.ptp(moved) + 20.0) * fine)
    sigma = feature_px * fine
    reach = np.arange(-int(4 * sigma), int(4 * sigma) + 1)
    kernel = np.exp(-0.5 * (reach / sigma) ** 2)
    texture = np.convolve(rng.standard_normal(length + reach.size - 1), kernel, mode="valid")
    texture *= 0.1 / texture.std()
    place = (np.arange(n_pixels) - moved[:, None] + moved.max() + 10.0) * fine
    signal = np.interp(place, np.arange(texture.size), texture)
    if np.isfinite(snr):
        signal = signal + (0.1 / snr) * rng.standard_normal(signal.shape)
    shading = 1.0 + 0.3 * np.cos(np.linspace(0.0, 3.0, n_pixels))
    return np.asarray(1000.0 * shading * (1.0 + signal))


@pytest.fixture(params=["numpy", "numba"])
def backend(request: pytest.FixtureRequest) -> str:
    """Return each backend in turn; skip the compiled one where numba is not installed."""
    name: str = request.param
    if name == "numba" and importlib.util.find_spec("numba") is None:
        pytest.skip("numba is not installed")
    return name


@pytest.fixture
def real_kymographs() -> Path:
    """Return the folder of real recordings that are not part of the project, or skip."""
    given = os.environ.get("KYMFLOW_SHARED")
    places = [Path(given)] if given else []
    places += [parent.parent / "shared" for parent in Path(__file__).resolve().parents]
    for place in places:
        if (place / "data" / "kymographs").is_dir():
            return place / "data" / "kymographs"
    pytest.skip("the shared kymographs are not here")
