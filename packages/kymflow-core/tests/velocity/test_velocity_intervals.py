"""Stalls, transients and times without evidence, and the summary of a recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kymflow.core.analysis.velocity import (
    IntervalKind,
    StallRule,
    VelocityResult,
    estimate_velocity,
    find_intervals,
    summarize,
)
from kymflow.core.errors import AnalysisParameterError

Flowing = Callable[..., NDArray[np.float64]]

_PERIOD = 2e-3


def _estimate(pixels: NDArray[np.float64], **options: Any) -> VelocityResult:
    return estimate_velocity(
        pixels, **{"seconds_per_line": _PERIOD, "um_per_pixel": 0.5, **options}
    )


@pytest.fixture(scope="module")
def stalling(flowing: Flowing) -> VelocityResult:
    """Return the estimate of 10 s of flow with rests of 0.15, 0.3 and 2 s, then 1 s of noise."""
    velocity = np.full(5000, 3.0)
    for start, duration in ((1.0, 0.15), (2.0, 0.3), (4.0, 2.0)):
        velocity[round(start / _PERIOD) : round((start + duration) / _PERIOD)] = 0.0
    pixels = flowing(velocity)
    rng = np.random.default_rng(5)
    noise = rng.standard_normal(pixels[4500:].shape)
    pixels[4500:] = pixels[:4500].mean(axis=0) * (1.0 + 0.1 * noise)
    return _estimate(pixels)


def test_stalls_are_found_where_they_are(stalling: VelocityResult) -> None:
    found = find_intervals(stalling)
    (stall,) = found.of_kind(IntervalKind.STALL)
    assert stall.start_s == pytest.approx(4.0, abs=0.016)
    assert stall.stop_s == pytest.approx(6.0, abs=0.016)
    transients = found.of_kind(IntervalKind.TRANSIENT)
    assert [i.start_s for i in transients] == pytest.approx([1.0, 2.0], abs=0.016)
    assert [i.duration_s for i in transients] == pytest.approx([0.15, 0.3], abs=0.02)
    assert found.total_s(IntervalKind.STALL) == stall.duration_s
    assert found.share_stalled == pytest.approx(2.45 / 10.0, abs=0.01)


def test_unknown_is_an_interval_and_no_stall(stalling: VelocityResult) -> None:
    found = find_intervals(stalling)
    unknown = found.of_kind(IntervalKind.UNKNOWN)
    seen = sum(i.stop_window - i.first_window for i in unknown) / stalling.n_windows
    assert found.share_unknown == pytest.approx(seen)
    assert found.share_unknown == pytest.approx(0.1, abs=0.02)
    assert found.total_s(IntervalKind.UNKNOWN) == pytest.approx(1.0, abs=0.15)
    late = [i for i in found.intervals if i.start_s is not None and i.start_s > 9.0]
    assert {i.kind for i in late} == {IntervalKind.UNKNOWN}
    assert list(found.intervals) == sorted(found.intervals, key=lambda i: i.start_line)


def test_a_long_gap_in_the_evidence_ends_a_stall(flowing: Flowing) -> None:
    velocity = np.full(5000, 3.0)
    velocity[1000:4000] = 0.0
    pixels = flowing(velocity)
    rng = np.random.default_rng(5)
    noise = rng.standard_normal((500, pixels.shape[1]))
    pixels[2000:2500] = pixels.mean(axis=0) * (1.0 + 0.1 * noise)
    found = find_intervals(_estimate(pixels))
    first, second = found.of_kind(IntervalKind.STALL)
    assert first.stop_s == pytest.approx(4.0, abs=0.05)
    assert second.start_s == pytest.approx(5.0, abs=0.05)


def test_the_rule_can_be_changed(stalling: VelocityResult) -> None:
    short = find_intervals(stalling, StallRule(minimum_s=0.1, stall_s=0.2))
    assert short.count(IntervalKind.STALL) == 2
    assert short.count(IntervalKind.TRANSIENT) == 1
    merged = find_intervals(stalling, StallRule(merge_s=2.5, minimum_s=0.2))
    assert merged.count(IntervalKind.STALL) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"enter_share": 0.2},
        {"enter_share": -0.1},
        {"merge_s": -1.0},
        {"minimum_s": 2.0},
    ],
)
def test_rules_that_make_no_sense_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(AnalysisParameterError, match=next(iter(options))):
        StallRule(**options)


def test_steady_flow_has_no_stall(flowing: Flowing) -> None:
    found = find_intervals(_estimate(flowing(-2.0, lines=3000)))
    assert found.intervals == ()
    assert (found.share_unknown, found.share_stalled) == (0.0, 0.0)


def test_without_a_line_period_only_unknown_is_searched(flowing: Flowing) -> None:
    velocity = np.full(3000, 3.0)
    velocity[1000:2500] = 0.0
    found = find_intervals(_estimate(flowing(velocity), seconds_per_line=None))
    assert found.share_stalled is None
    assert found.enter_below_px_per_line is None
    assert all(i.kind == IntervalKind.UNKNOWN for i in found.intervals)
    assert all(i.duration_s is None for i in found.intervals)


def test_noise_is_unknown_and_not_a_stall() -> None:
    pixels = 1000.0 + 50.0 * np.random.default_rng(0).standard_normal((4000, 24))
    result = _estimate(pixels)
    found = find_intervals(result)
    assert found.share_unknown > 0.98
    assert found.share_stalled == 0.0
    summary = summarize(result, found)
    assert summary.share_unknown == found.share_unknown


def test_a_static_picture_summarizes_to_no_value() -> None:
    result = _estimate(np.tile(np.linspace(100.0, 200.0, 24), (400, 1)))
    summary = summarize(result, find_intervals(result))
    assert summary.n_known == 0
    assert summary.share_unknown == 1.0
    assert summary.direction == "none"
    for value in (
        summary.median_mm_s,
        summary.mean_px_per_line,
        summary.cv,
        summary.standard_error_px_per_line,
    ):
        assert value is None


def test_summary_of_pulsating_flow(flowing: Flowing) -> None:
    lines = np.arange(8000)
    velocity = -4.0 + 1.2 * np.sin(2.0 * np.pi * lines / 500.0)
    result = _estimate(flowing(velocity))
    summary = summarize(result, find_intervals(result))
    assert summary.n_windows == summary.n_known == result.n_windows
    assert summary.direction == "negative"
    assert summary.median_px_per_line == pytest.approx(-4.0, abs=0.1)
    assert summary.mean_px_per_line == pytest.approx(-4.0, abs=0.05)
    assert summary.p5_px_per_line == pytest.approx(-5.2, abs=0.1)
    assert summary.p95_px_per_line == pytest.approx(-2.8, abs=0.1)
    assert summary.cv == pytest.approx(1.2 / np.sqrt(2.0) / 4.0, rel=0.05)
    # px/line * 0.5 um / 2 ms = 0.25 mm/s.
    assert summary.mean_mm_s == pytest.approx(0.25 * -4.0, abs=0.02)
    # 8000 lines are 250 windows of 32 lines that share none: sd / sqrt(250).
    assert summary.standard_error_px_per_line == pytest.approx(1.2 / np.sqrt(500.0), rel=0.05)
    assert summary.standard_error_mm_s == pytest.approx(0.25 * 1.2 / np.sqrt(500.0), rel=0.05)


@pytest.mark.accuracy
def test_standard_error_covers_the_truth(flowing: Flowing) -> None:
    off = []
    for seed in range(12):
        result = _estimate(flowing(2.0, lines=1200, snr=1.5, seed=seed))
        summary = summarize(result, find_intervals(result))
        assert summary.mean_px_per_line is not None
        assert summary.standard_error_px_per_line is not None
        off.append((summary.mean_px_per_line - 2.0) / summary.standard_error_px_per_line)
    assert 0.4 < float(np.std(off)) < 2.0


def test_reversing_flow_is_mixed_and_calibration_is_optional(flowing: Flowing) -> None:
    velocity = np.repeat([3.0, -3.0], 1000)
    result = _estimate(flowing(velocity), seconds_per_line=None)
    summary = summarize(result, find_intervals(result))
    assert summary.direction == "mixed"
    assert summary.median_mm_s is None
    assert summary.share_stalled is None
    assert summary.p95_px_per_line == pytest.approx(3.0, abs=0.1)


def _speeds(estimate: VelocityResult, velocity: list[float]) -> VelocityResult:
    """An estimate with these velocities in px/line, NaN where there is no evidence."""
    values = np.array(velocity)
    status = np.where(np.isnan(values), "unknown", "ok")
    lines = estimate.step_lines * np.arange(values.size, dtype=np.float64)
    return replace(
        estimate,
        velocity_px_per_line=values,
        status=status,
        r2adj=np.where(np.isnan(values), 0.0, 0.9),
        center_line=lines,
        time_s=lines * _PERIOD,
    )


def _windows(seconds: float, estimate: VelocityResult) -> int:
    return round(seconds / (estimate.step_lines * _PERIOD))


def test_a_stall_does_not_cross_a_gap_in_the_evidence(stalling: VelocityResult) -> None:
    second = _windows(1.0, stalling)
    slow = [0.3] * (2 * second)  # between the speeds at which a stall begins and ends
    flow, rest = [3.0] * (8 * second), [0.0] * second
    seen = find_intervals(_speeds(stalling, [*flow, *rest, *slow, *flow]))
    (stall,) = seen.of_kind(IntervalKind.STALL)
    assert stall.duration_s == pytest.approx(3.0, abs=0.05), "slow flow does not end a stall"
    gap = [np.nan] * _windows(0.5, stalling)
    found = find_intervals(_speeds(stalling, [*flow, *rest, *gap, *slow, *flow]))
    (stall,) = found.of_kind(IntervalKind.STALL)
    assert stall.duration_s == pytest.approx(1.0, abs=0.05), "what happened in the gap is unknown"


def test_flow_to_and_fro_is_not_a_stall(stalling: VelocityResult) -> None:
    second = _windows(1.0, stalling)
    to_and_fro = [3.0, -3.0, 0.01] * second
    found = find_intervals(_speeds(stalling, [*([3.0] * second), *to_and_fro]))
    assert found.of_kind(IntervalKind.STALL) == ()
    assert found.share_stalled == 0.0


def test_a_window_without_evidence_is_not_stalled_as_well(stalling: VelocityResult) -> None:
    rest = [0.0, 0.0, 0.0, np.nan] * _windows(1.0, stalling)
    found = find_intervals(_speeds(stalling, rest))
    assert found.share_unknown == 0.25
    assert found.share_stalled is not None
    assert found.share_unknown + found.share_stalled == 1.0
