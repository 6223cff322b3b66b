"""Recordings as laboratories have them: beside the vessel, at rest, noisy, evenly spaced."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kymflow.core.analysis.velocity import (
    IntervalKind,
    VelocityResult,
    WindowStatus,
    estimate_velocity,
    find_intervals,
)
from kymflow.core.testing import simulate_cells

pytestmark = pytest.mark.accuracy

Pixels = NDArray[np.float64]
Flowing = Callable[..., Pixels]


def estimate(pixels: NDArray[np.generic], *, tracked: bool = True) -> VelocityResult:
    return estimate_velocity(pixels, seconds_per_line=1e-3, um_per_pixel=0.5, tracked=tracked)


def share_known(result: VelocityResult) -> float:
    return float((result.status != WindowStatus.UNKNOWN.value).mean())


def median_error(result: VelocityResult, velocity: float) -> float:
    return float(np.median(np.abs(result.candidate_px_per_line / velocity - 1.0)))


@settings(max_examples=12, derandomize=True)
@given(
    before=st.integers(0, 40),
    after=st.integers(0, 40),
    dark=st.floats(0.02, 0.2),
    seed=st.integers(0, 99),
)
def test_a_line_that_runs_beyond_the_vessel_is_as_good_as_the_vessel_alone(
    flowing: Flowing, before: int, after: int, dark: float, seed: int
) -> None:
    inside = flowing(1.7, n_pixels=24, lines=2000, seed=seed)
    rng = np.random.default_rng(seed)
    light = [np.full((2000, n), 1000.0 * dark) for n in (before, after)]
    left, right = (part + 60.0 * rng.standard_normal(part.shape) for part in light)
    wide, alone = estimate(np.hstack([left, inside, right])), estimate(inside)
    assert share_known(wide) >= share_known(alone) - 0.02
    assert median_error(wide, 1.7) <= 1.3 * median_error(alone, 1.7) + 0.005
    if before + after > 12:
        assert abs(wide.first_pixel - before) <= 3
        assert abs(wide.first_pixel + wide.n_pixels - before - 24) <= 3


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 0.9, 0.95])
def test_the_stalled_share_is_right_however_long_it_stands(flowing: Flowing, share: float) -> None:
    velocity = 2.2 * (1.0 + 0.1 * np.sin(np.arange(6000) / 20.0))
    length = round(share * velocity.size)
    start = (velocity.size - length) // 3
    velocity[start : start + length] = 0.0
    result = estimate(flowing(velocity))
    found = find_intervals(result).share_stalled
    assert found == pytest.approx(share, abs=0.02)
    flows = (result.center_line < start - 20) | (result.center_line > start + length + 20)
    assert np.median(result.velocity_px_per_line[flows]) == pytest.approx(2.2, rel=0.05)


def test_a_background_that_was_subtracted_changes_little(flowing: Flowing) -> None:
    pixels = flowing(-1.4, lines=3000)
    rest = np.random.default_rng(0).uniform(5.0, 85.0, pixels.shape[1])
    subtracted = pixels - pixels.mean(axis=0) + rest
    assert median_error(estimate(subtracted), -1.4) <= median_error(estimate(pixels), -1.4) + 0.01
    assert share_known(estimate(subtracted)) > 0.97


@pytest.mark.parametrize("common", [0.05, 0.3])
def test_noise_that_a_line_has_in_common_is_taken_out(flowing: Flowing, common: float) -> None:
    pixels = flowing(1.9, n_pixels=38, lines=3000)
    noise = np.random.default_rng(1).standard_normal((len(pixels), 1))
    result = estimate(pixels + common * pixels.mean() * noise)
    assert share_known(result) > 0.9
    assert median_error(result, 1.9) < 0.05


def test_noise_that_a_line_has_in_common_does_not_hide_where_the_vessel_is(
    flowing: Flowing,
) -> None:
    rng = np.random.default_rng(5)
    inside = flowing(1.9, n_pixels=24, lines=3000)
    light = [80.0 + 20.0 * rng.standard_normal((3000, n)) for n in (12, 10)]
    pixels = np.hstack([light[0], inside, light[1]])
    result = estimate(pixels + 100.0 * rng.standard_normal((3000, 1)))
    assert abs(result.first_pixel - 12) <= 4
    assert abs(result.first_pixel + result.n_pixels - 36) <= 4
    assert share_known(result) > 0.8
    assert median_error(result, 1.9) < 0.06


def test_intervals_hold_where_flow_pulses_beside_a_long_rest(flowing: Flowing) -> None:
    velocity = 2.2 * (1.0 + 0.2 * np.sin(np.arange(5000) / 20.0))
    velocity[400:4600] = 0.0
    result = estimate(flowing(velocity, n_pixels=38))
    truth = np.convolve(velocity, np.full(16, 1.0 / 16.0), mode="valid")[::4]
    flows = (result.status == WindowStatus.OK.value) & (truth > 0.5)
    score = np.abs(result.candidate_px_per_line - truth) / result.standard_error_px_per_line
    assert (score[flows] < 1.0).mean() > 0.6
    assert (score[flows] < 1.96).mean() > 0.85


def test_what_is_cut_off_at_the_brightest_value_is_unknown_when_it_is_most(
    flowing: Flowing,
) -> None:
    pixels = flowing(1.9, lines=2000)
    result = estimate(np.minimum(pixels, np.quantile(pixels, 0.3)))
    assert result.saturated_share == pytest.approx(0.7, abs=0.01)
    assert share_known(result) == 0.0


@pytest.mark.parametrize("tracked", [False, True])
def test_lines_in_random_order_hold_no_velocity(flowing: Flowing, tracked: bool) -> None:
    pixels = flowing(2.6, n_pixels=38, lines=6000, feature_px=5.0)
    shuffled = pixels[np.random.default_rng(3).permutation(len(pixels))]
    assert share_known(estimate(shuffled, tracked=tracked)) <= 0.025
    assert share_known(estimate(pixels, tracked=tracked)) > 0.9


def test_evenly_spaced_cells_may_be_the_next_ones(flowing: Flowing) -> None:
    spacing, velocity = 11.0, 7.0  # nearer to the next cell, which moves backwards by 4
    lines, pixels = np.arange(2000)[:, None], np.arange(38)
    wave = np.cos(2.0 * np.pi * (pixels - velocity * lines) / spacing)
    noise = np.random.default_rng(2).standard_normal(wave.shape)
    result = estimate(1000.0 + 100.0 * wave + 30.0 * noise)
    assert (result.status == WindowStatus.ALIAS.value).mean() > 0.95
    away = result.candidate_px_per_line - velocity
    assert np.median(np.abs(away - spacing * np.round(away / spacing))) < 0.1
    # The second velocity is another cell's, to a candidate.
    apart = result.second_px_per_line - result.candidate_px_per_line
    assert np.median(np.abs(apart)) > 0.5 * spacing
    assert np.isnan(estimate(flowing(1.0, lines=2000)).second_px_per_line).all()


@pytest.mark.parametrize("velocity", [0.4, 1.7, 5.1])
@pytest.mark.parametrize("snr", [1.0, 4.0])
@pytest.mark.parametrize("tracked", [False, True])
def test_a_standard_error_is_one(
    flowing: Flowing, velocity: float, snr: float, tracked: bool
) -> None:
    pixels = flowing(velocity, n_pixels=38, lines=4000, snr=snr)
    result = estimate(pixels, tracked=tracked)
    known = result.status == WindowStatus.OK.value
    score = (result.candidate_px_per_line - velocity) / result.standard_error_px_per_line
    # Of a slow, steady flow neighbours tell more than their pooling counts on: too careful by half.
    assert 0.35 < 1.4826 * np.median(np.abs(score[known])) < 1.5
    low, high = result.interval_mm_s(0.95)
    truth = velocity * 0.5
    assert ((low < truth) & (truth < high))[known].mean() > 0.85


def test_even_and_odd_lines_show_scatter_that_residuals_do_not(flowing: Flowing) -> None:
    rng = np.random.default_rng(4)
    steady = np.full(3000, 1.3)
    shaking = steady + np.diff(0.8 * rng.standard_normal(3001))  # each line is elsewhere
    quiet, shaken = (estimate(flowing(v, n_pixels=38, snr=9.0)) for v in (steady, shaking))
    assert quiet.dispersion < 1.3
    assert shaken.dispersion > 2.0
    known = shaken.status == WindowStatus.OK.value
    score = (shaken.candidate_px_per_line - 1.3) / shaken.standard_error_px_per_line
    assert 0.5 < 1.4826 * np.median(np.abs(score[known])) < 1.5


@pytest.mark.parametrize("stop_lines", [70, 120])
def test_short_stops_are_transients_as_long_as_they_are(flowing: Flowing, stop_lines: int) -> None:
    velocity = np.full(4000, 2.6)
    starts = range(500, 3600, 500)
    for start in starts:
        velocity[start : start + stop_lines] = 0.0
    found = find_intervals(estimate(flowing(velocity)))
    transients = found.of_kind(IntervalKind.TRANSIENT)
    assert [i.start_line for i in transients] == pytest.approx(list(starts), abs=8)
    assert [i.duration_s for i in transients] == pytest.approx(
        [1e-3 * stop_lines] * len(starts), abs=0.016
    )
    assert found.count(IntervalKind.STALL) == 0


def test_a_window_that_rests_in_part_is_the_mean_over_its_lines(flowing: Flowing) -> None:
    velocity = np.full(3000, 3.0)
    velocity[1000:2000] = 0.0
    result = estimate(flowing(velocity))
    truth = np.array([velocity[int(c - 7.5) : int(c + 8.5)].mean() for c in result.center_line])
    part = (truth > 0.0) & (truth < 3.0)
    assert 4 <= part.sum() <= 8
    assert np.abs(result.velocity_px_per_line - truth)[part].max() < 0.8


@pytest.mark.parametrize("lines", [0, 100, 1500])
def test_flow_rests_where_no_cell_comes_for_long(lines: int) -> None:
    blood = simulate_cells(np.full(4000, 2.0), hematocrit=0.25, snr=4.0, seed=3).pixels
    rng = np.random.default_rng(0)
    noise = np.diff(blood[:400], axis=0).std() * rng.standard_normal((lines, blood.shape[1])) / 3.0
    plasma = np.quantile(blood, 0.9, axis=0) + noise
    found = find_intervals(estimate(np.vstack([blood[:2000], plasma, blood[2000:]])))
    stalls = found.of_kind(IntervalKind.STALL)
    assert len(stalls) == (lines == 1500)
    assert found.share_stalled == pytest.approx(1500 / 5500 if lines == 1500 else 0.0, abs=0.01)


@pytest.mark.parametrize("share", [0.08, 0.15, 0.25])
def test_cells_that_rest_for_a_while_leave_no_trace_elsewhere(share: float) -> None:
    velocity = np.full(5000, 2.0)
    stop = 1000 + round(share * velocity.size)
    velocity[1000:stop] = 0.0
    result = estimate(simulate_cells(velocity, hematocrit=0.4, snr=10.0).pixels)
    flows = (result.center_line < 980) | (result.center_line > stop + 20)
    known = flows & (result.status == WindowStatus.OK)
    assert known.sum() > 0.9 * flows.sum()
    assert (np.abs(result.velocity_px_per_line[known] - 2.0) < 0.5).mean() > 0.99
    assert find_intervals(result).share_stalled == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_long_gaps_between_clusters_of_cells_are_no_stalls(seed: int) -> None:
    blood = simulate_cells(np.full(5000, 1.5), hematocrit=0.1, cluster=3.0, snr=3.0, seed=seed)
    found = find_intervals(estimate(blood.pixels))
    assert found.share_stalled == 0.0
    assert found.share_unknown > 0.4


def test_the_edge_of_a_cell_in_a_gap_is_not_certain() -> None:
    blood = simulate_cells(np.full(5000, 2.5), hematocrit=0.1, cell_px=16.0, snr=3.0, n_pixels=40)
    result = estimate(blood.pixels)
    certain = result.status == WindowStatus.OK
    assert certain.mean() > 0.25
    assert np.abs(result.velocity_px_per_line[certain] - 2.5).max() < 1.5
    excursion = np.abs(result.candidate_px_per_line - 2.5) > 5.0
    assert excursion.any()


def test_a_narrow_vessel_shows_cells_that_nearly_cross_it_from_line_to_line() -> None:
    blood = simulate_cells(np.full(3000, -6.3), hematocrit=0.4, cell_px=12.0, snr=3.0, n_pixels=9)
    result = estimate(blood.pixels)
    assert (result.status == WindowStatus.ALIAS).mean() > 0.75
    assert median_error(result, -6.3) < 0.15


@pytest.mark.parametrize(("speed", "pulse", "longer"), [(0.05, 0.0, True), (3.0, 0.3, False)])
def test_the_likeliest_window_length_resolves_slow_flow_and_follows_pulses(
    speed: float, pulse: float, longer: bool
) -> None:
    velocity = speed * (1.0 + pulse * np.sin(np.arange(8000) / 20.0))
    blood = simulate_cells(velocity, hematocrit=0.4, snr=3.0, seed=1).pixels
    result = estimate_velocity(blood, seconds_per_line=1e-3, um_per_pixel=0.5, window_lines=None)
    assert (result.window_lines > 16) == longer
    truth = np.interp(result.center_line, np.arange(8000), velocity)
    assert share_known(result) > 0.8
    assert np.nanmedian(np.abs(result.velocity_px_per_line / truth - 1.0)) < 0.05
    again = estimate_velocity(
        blood, seconds_per_line=1e-3, um_per_pixel=0.5, window_lines=result.window_lines
    )
    np.testing.assert_array_equal(again.velocity_px_per_line, result.velocity_px_per_line)


def test_single_windows_of_a_narrow_line_are_known_where_they_stand_out(flowing: Flowing) -> None:
    found = estimate(flowing(1.5, n_pixels=7, lines=2000, seed=3), tracked=False)
    assert share_known(found) > 0.2
    known = found.status == WindowStatus.OK.value
    assert np.median(found.velocity_px_per_line[known]) == pytest.approx(1.5, rel=0.05)
