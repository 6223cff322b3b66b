"""The Radon transform, for comparison."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from kymflow.core.analysis.velocity import estimate_velocity

Flowing = Callable[..., NDArray[np.float64]]


@pytest.mark.parametrize("speed", [-4.0, -1.0, 0.7, 2.0])
def test_radon_agrees_where_it_is_good(flowing: Flowing, speed: float) -> None:
    pytest.importorskip("skimage")
    pixels = flowing(speed, lines=60, snr=np.inf, n_pixels=40, feature_px=1.5)
    # Without uneven illumination, which radon takes for a texture at rest.
    pixels /= pixels.mean(axis=0)
    result = estimate_velocity(pixels, seconds_per_line=1e-3, um_per_pixel=0.5, method="radon")
    assert result.method == "radon"
    assert not result.tracked
    assert np.median(result.candidate_px_per_line) == pytest.approx(speed, rel=0.1)
    assert np.isnan(result.standard_error_px_per_line).all()
    # Evidence is measured on the same scale as for shear.
    assert np.median(result.r2adj) > 0.5


def test_radon_reports_no_velocity_without_evidence() -> None:
    pytest.importorskip("skimage")
    pixels = 100.0 + np.random.default_rng(0).standard_normal((40, 20))
    result = estimate_velocity(pixels, seconds_per_line=1e-3, um_per_pixel=0.5, method="radon")
    assert set(result.status) == {"unknown"}
    assert np.isnan(result.velocity_px_per_line).all()


def test_radon_of_lines_that_only_flicker_is_not_a_number() -> None:
    pytest.importorskip("skimage")
    # All pixels of a line alike: stripes at 90 degrees, infinitely fast.
    pixels = np.repeat(np.random.default_rng(0).uniform(50, 100, (32, 1)), 20, axis=1)
    result = estimate_velocity(pixels, seconds_per_line=1e-3, um_per_pixel=0.5, method="radon")
    assert set(result.status) == {"unknown"}
    assert not np.isinf(result.candidate_px_per_line).any()
