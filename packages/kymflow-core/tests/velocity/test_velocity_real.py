"""Real recordings, and recordings of real size."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from kymflow.core.analysis.velocity import estimate_velocity, find_intervals, summarize


def _reference(path: Path) -> NDArray[np.float64]:
    # Windows that the laboratory's tool could not read are empty.
    return np.genfromtxt(path, delimiter=",", skip_header=1)[:, 1]


def test_the_trace_agrees_with_the_laboratory_where_there_is_evidence(
    real_kymographs: Path,
) -> None:
    pixels = tifffile.imread(real_kymographs / "20250722_A89_0002.tif")
    reference = _reference(real_kymographs / "20250722_A89_0002.radon.csv")
    result = estimate_velocity(pixels, seconds_per_line=34.02 / 30000, um_per_pixel=0.45)
    assert result.velocity_mm_s is not None
    n = min(reference.size, result.n_windows)
    evident = (result.r2adj[:n] >= 0.5) & np.isfinite(reference[:n])
    assert evident.mean() > 0.5
    ratio = result.velocity_mm_s[:n][evident] / reference[:n][evident]
    assert np.mean(np.abs(ratio - 1.0) <= 0.1) > 0.85


@pytest.mark.accuracy
@pytest.mark.parametrize("name", ["20250722_A89_0002", "Capillary2"])
def test_both_halves_of_the_line_agree(real_kymographs: Path, name: str) -> None:
    pixels = tifffile.imread(real_kymographs / f"{name}.tif")
    half = pixels.shape[1] // 2
    left, right = (
        estimate_velocity(pixels, seconds_per_line=1.134e-3, um_per_pixel=0.45, pixel_range=part)
        for part in ((0, half), (pixels.shape[1] - half, pixels.shape[1]))
    )
    both = (left.status == "ok") & (right.status == "ok")
    assert both.sum() > 300
    same_sign = np.sign(left.velocity_px_per_line[both]) == np.sign(
        right.velocity_px_per_line[both]
    )
    assert same_sign.mean() > 0.9


@pytest.mark.accuracy
def test_real_recordings_summarize(real_kymographs: Path) -> None:
    for path in sorted(real_kymographs.glob("*.tif")):
        result = estimate_velocity(
            tifffile.imread(path), seconds_per_line=1.134e-3, um_per_pixel=0.45
        )
        summary = summarize(result, find_intervals(result))
        assert summary.n_windows == 7497
        assert summary.direction in ("positive", "negative", "mixed")


@pytest.mark.slow
def test_memory_for_two_million_lines() -> None:
    pytest.importorskip("numba")
    rng = np.random.default_rng(0)
    row = rng.integers(200, 400, (20_000, 38), dtype=np.uint16)
    pixels = np.tile(row, (100, 1))
    assert len(pixels) == 2_000_000
    tracemalloc.start()
    try:
        result = estimate_velocity(pixels, seconds_per_line=1e-3, um_per_pixel=0.5)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.n_windows == 499_997
    assert peak + pixels.nbytes < 1e9
