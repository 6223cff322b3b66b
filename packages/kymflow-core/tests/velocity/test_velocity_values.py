"""Velocities are right, have the right sign, time and unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from kymflow.core.analysis.velocity import WindowStatus, estimate_velocity

Flowing = Callable[..., NDArray[np.float64]]


@pytest.mark.parametrize("speed", [0.13, 0.7, 1.0, 2.37, 6.1, 11.3])
@pytest.mark.parametrize("sign", [1, -1])
def test_constant_velocity_is_found(
    flowing: Flowing, backend: Literal["numpy", "numba"], speed: float, sign: int
) -> None:
    result = estimate_velocity(
        flowing(sign * speed), seconds_per_line=1e-3, um_per_pixel=0.5, backend=backend
    )
    assert set(result.status) == {"ok"}
    assert np.median(result.velocity_px_per_line) == pytest.approx(sign * speed, rel=0.02)
    error = np.abs(result.velocity_px_per_line / (sign * speed) - 1.0)
    assert np.mean(error < 0.15) > 0.95


def test_positive_is_motion_towards_growing_pixel_index() -> None:
    picture = np.full((64, 24), 100.0)
    for line in range(64):
        # Two bright cells that move one pixel up with every line.
        picture[line, [line % 24, (line + 9) % 24]] = 200.0
    result = estimate_velocity(picture, seconds_per_line=None, um_per_pixel=None)
    assert np.median(result.velocity_px_per_line) == pytest.approx(1.0, abs=0.05)


def test_calibration_turns_pixels_per_line_into_mm_per_second(flowing: Flowing) -> None:
    result = estimate_velocity(flowing(2.0), seconds_per_line=2e-3, um_per_pixel=0.5)
    assert result.velocity_mm_s is not None
    # 2 px/line * 0.5 um/px / 2 ms/line = 500 um/s.
    assert np.median(result.velocity_mm_s) == pytest.approx(0.5, rel=0.02)
    np.testing.assert_allclose(result.velocity_mm_s, result.velocity_px_per_line * 0.25)


@pytest.mark.parametrize(
    ("period", "pixel", "has_time", "has_speed"),
    [(None, None, False, False), (1e-3, None, True, False), (None, 0.5, False, False)],
)
def test_missing_calibration_is_not_assumed(
    flowing: Flowing, period: float | None, pixel: float | None, has_time: bool, has_speed: bool
) -> None:
    result = estimate_velocity(flowing(2.0), seconds_per_line=period, um_per_pixel=pixel)
    assert (result.time_s is not None) == has_time
    assert (result.velocity_mm_s is not None) == has_speed
    assert np.median(result.velocity_px_per_line) == pytest.approx(2.0, rel=0.02)


def test_time_is_the_middle_of_the_window(flowing: Flowing) -> None:
    result = estimate_velocity(flowing(1.0, lines=80), seconds_per_line=0.01, um_per_pixel=1.0)
    assert result.n_windows == (80 - 16) // 4 + 1
    assert result.time_s is not None
    # Lines 0..15 have their middle at 7.5.
    np.testing.assert_allclose(result.center_line[:3], [7.5, 11.5, 15.5])
    np.testing.assert_allclose(result.time_s[:3], [0.075, 0.115, 0.155])


def test_a_crop_keeps_the_time_of_the_recording(flowing: Flowing) -> None:
    result = estimate_velocity(
        flowing(1.0), seconds_per_line=0.01, um_per_pixel=1.0, line_range=(100, 200)
    )
    assert result.time_s is not None
    assert result.time_s[0] == pytest.approx(1.075)
    assert result.n_lines == 100


def test_changes_of_velocity_are_followed(flowing: Flowing) -> None:
    lines = np.arange(3000)
    truth = 3.0 + 1.5 * np.sin(2.0 * np.pi * lines / 400.0)
    truth[1500:2000] = 0.0
    truth[2000:2500] *= -1.0
    result = estimate_velocity(flowing(truth), seconds_per_line=1e-3, um_per_pixel=1.0)
    expected = np.interp(result.center_line, lines, truth)
    # Windows that straddle a jump have no one velocity.
    away = np.min(np.abs(result.center_line[:, None] - [1500, 2000, 2500]), axis=1) > 20
    off = np.abs(result.velocity_px_per_line - expected)[away]
    assert np.median(off) < 0.06
    assert np.mean(off > 0.5) < 0.01


def test_no_velocity_is_preferred(flowing: Flowing) -> None:
    found = [
        np.median(
            estimate_velocity(
                flowing(v, seed=7), seconds_per_line=None, um_per_pixel=None
            ).velocity_px_per_line
        )
        - v
        for v in np.linspace(1.0, 1.4, 9)
    ]
    # The candidates are 0.375 px/line apart: attraction to them would show as +-0.1.
    assert np.max(np.abs(found)) < 0.02


@pytest.mark.parametrize("n_pixels", [7, 10])
def test_narrow_lines_have_little_bias(flowing: Flowing, n_pixels: int) -> None:
    truth = 1.3
    result = estimate_velocity(
        flowing(truth, n_pixels=n_pixels, lines=4000, snr=5.0),
        seconds_per_line=None,
        um_per_pixel=None,
    )
    assert np.nanmedian(result.velocity_px_per_line) == pytest.approx(truth, rel=0.03)


def test_tracking_takes_out_gross_errors(flowing: Flowing) -> None:
    noisy = flowing(2.2, lines=4000, snr=0.6, n_pixels=24)
    share = {}
    for tracked in (True, False):
        result = estimate_velocity(noisy, seconds_per_line=None, um_per_pixel=None, tracked=tracked)
        share[tracked] = np.mean(np.abs(result.candidate_px_per_line / 2.2 - 1.0) > 0.5)
    assert share[False] > 0.02
    assert share[True] < 0.2 * share[False]


def test_windows_without_evidence_have_no_velocity(flowing: Flowing) -> None:
    recording = flowing(2.0, lines=1600)
    noise = np.random.default_rng(3).standard_normal((800, recording.shape[1]))
    recording[800:] = recording[:800].mean(axis=0) * (1.0 + 0.1 * noise)
    result = estimate_velocity(recording, seconds_per_line=1e-3, um_per_pixel=0.5)
    late = result.center_line > 816
    assert np.mean(result.status[late] == WindowStatus.UNKNOWN) > 0.97
    unknown = result.status == WindowStatus.UNKNOWN
    assert result.velocity_mm_s is not None
    assert np.isnan(result.velocity_px_per_line[unknown]).all()
    assert np.isnan(result.velocity_mm_s[unknown]).all()
    assert np.isfinite(result.velocity_px_per_line[~unknown]).all()
    assert np.isfinite(result.candidate_px_per_line).all()


def test_fast_flow_is_marked_as_possible_alias(flowing: Flowing) -> None:
    result = estimate_velocity(
        flowing(15.5, n_pixels=32, lines=2000, snr=20.0), seconds_per_line=1e-3, um_per_pixel=1.0
    )
    assert result.alias_above_px_per_line == pytest.approx(0.45 * 32)
    alias = result.status == WindowStatus.ALIAS
    assert alias.mean() > 0.5
    assert (np.abs(result.velocity_px_per_line[alias]) > 14.4).all()
    assert (np.abs(result.velocity_px_per_line[result.status == "ok"]) <= 14.4).all()


def test_scan_speed_correction(flowing: Flowing) -> None:
    period, dwell = 1e-3, 4e-6
    recording = flowing(-8.0, lines=1200, snr=10.0)
    apparent = estimate_velocity(recording, seconds_per_line=period, um_per_pixel=1.0)
    true = estimate_velocity(
        recording, seconds_per_line=period, um_per_pixel=1.0, dwell_seconds=dwell
    )
    a = apparent.velocity_px_per_line
    np.testing.assert_allclose(true.velocity_px_per_line, a / (1.0 + a * dwell / period))
    np.testing.assert_allclose(
        true.standard_error_px_per_line,
        apparent.standard_error_px_per_line / (1.0 + a * dwell / period) ** 2,
    )
    # Against the scan, a cell is met early: it seems slower than it is.
    assert (np.abs(true.velocity_px_per_line) > np.abs(a)).all()


def test_scan_speed_correction_is_exact_for_a_scanned_texture() -> None:
    period, dwell, truth, n, lines = 1.0, 0.01, 5.0, 40, 600
    rng = np.random.default_rng(2)
    texture = np.convolve(rng.standard_normal(40_000), np.hanning(41), mode="same")
    texture /= 10.0 * texture.std()
    # Pixel x of line t is looked at at time t * period + x * dwell.
    when = np.arange(lines)[:, None] * period + np.arange(n) * dwell
    place = (np.arange(n) - truth * when + 3500.0) * 10.0
    picture = 100.0 * (1.0 + np.interp(place, np.arange(texture.size), texture))
    result = estimate_velocity(
        picture, seconds_per_line=period, um_per_pixel=1.0, dwell_seconds=dwell
    )
    assert np.median(result.velocity_px_per_line) == pytest.approx(truth, rel=0.005)


def test_standard_error_is_of_the_right_size(flowing: Flowing) -> None:
    truth = 1.7
    result = estimate_velocity(
        flowing(truth, lines=6000, snr=2.0),
        seconds_per_line=None,
        um_per_pixel=None,
        tracked=False,
    )
    ratio = (result.candidate_px_per_line - truth) / result.standard_error_px_per_line
    assert 0.6 < 1.4826 * np.median(np.abs(ratio)) < 1.7


def test_facts_about_the_recording(flowing: Flowing) -> None:
    recording = flowing(1.0, snr=np.inf)
    result = estimate_velocity(recording, seconds_per_line=1e-3, um_per_pixel=0.5, window_lines=32)
    static = recording.mean(axis=0).var() / recording.var()
    assert result.static_share == pytest.approx(static, rel=1e-3)
    assert result.resolution_px_per_line == pytest.approx(0.5 / 32)
    assert result.saturated_share == pytest.approx(1 / recording.size)
    assert (result.window_lines, result.step_lines, result.n_pixels) == (32, 8, 32)
