"""Rules that hold for all recordings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kymflow.core.analysis.velocity import VelocityResult, WindowStatus, estimate_velocity

Pixels = NDArray[np.float64]
Flowing = Callable[..., Pixels]

_EXAMPLES = settings(max_examples=15)
_SPEEDS = st.floats(-8.0, 8.0, allow_nan=False)
_SEEDS = st.integers(0, 1000)


def _estimate(pixels: NDArray[np.generic], *, tracked: bool = True) -> VelocityResult:
    return estimate_velocity(
        pixels, seconds_per_line=1e-3, um_per_pixel=0.5, tracked=tracked, backend="numpy"
    )


def _same(first: VelocityResult, second: VelocityResult, *, factor: float = 1.0) -> None:
    """Check that two results agree, up to a factor of the velocity.

    A window without evidence may choose between equals: one whose best candidate is at the end of
    the search has a slope there and no peak, however much it explains. With evidence, results agree
    within a standard error: a mirrored line falls between other bins, so its noise is interpolated
    with other weights. In a few windows two candidates are equally good for all that.
    """
    known = np.ones(first.n_windows, dtype=bool)
    for result in (first, second):
        known &= (result.status != WindowStatus.UNKNOWN) & (
            result.r2adj > result.unknown_below + 0.02
        )
    one, other = first.candidate_px_per_line[known], factor * second.candidate_px_per_line[known]
    error = first.standard_error_px_per_line[known]
    close = np.abs(one - other) <= 5e-3 * (1.0 + np.abs(other)) + error
    assert np.count_nonzero(~close) <= 0.02 * close.size + 2
    # Evidence is taken at a candidate. Two neighbours may be equally good, and lead to the same
    # corrected velocity; what they explain then differs by some hundredths.
    np.testing.assert_allclose(first.r2adj[known][close], second.r2adj[known][close], atol=0.06)


def _same_but_for_ties(first: VelocityResult, second: VelocityResult) -> None:
    """Check that two results are equal to rounding.

    Without evidence, two candidates may be equal to rounding. With it they are not, but for a
    window whose correction ends exactly at the limit.
    """
    close = np.isclose(
        first.candidate_px_per_line, second.candidate_px_per_line, rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(first.r2adj[close], second.r2adj[close], atol=1e-4)
    known = first.status != WindowStatus.UNKNOWN
    assert np.count_nonzero(~close & known) <= 0.01 * known.size + 1


@_EXAMPLES
@example(speed=0.0, seed=1, tracked=False)
@example(speed=0.0, seed=16, tracked=True)
@given(speed=_SPEEDS, seed=_SEEDS, tracked=st.booleans())
def test_flipping_space_negates_velocity(
    flowing: Flowing, speed: float, seed: int, tracked: bool
) -> None:
    pixels = flowing(speed, lines=240, seed=seed)
    _same(
        _estimate(pixels, tracked=tracked),
        _estimate(pixels[:, ::-1], tracked=tracked),
        factor=-1.0,
    )


@_EXAMPLES
@given(speed=_SPEEDS, seed=_SEEDS, gain=st.floats(1e-3, 1e3))
def test_brightness_does_not_matter(flowing: Flowing, speed: float, seed: int, gain: float) -> None:
    pixels = flowing(speed, lines=240, seed=seed)
    _same(_estimate(pixels), _estimate(gain * pixels))


@_EXAMPLES
@given(speed=_SPEEDS, seed=_SEEDS, factor=st.floats(0.1, 10.0))
def test_a_longer_line_period_means_slower_flow(
    flowing: Flowing, speed: float, seed: int, factor: float
) -> None:
    pixels = flowing(speed, lines=120, seed=seed)
    base = estimate_velocity(pixels, seconds_per_line=1e-3, um_per_pixel=0.5)
    slow = estimate_velocity(pixels, seconds_per_line=factor * 1e-3, um_per_pixel=0.5)
    assert base.velocity_mm_s is not None
    assert slow.velocity_mm_s is not None
    assert base.time_s is not None
    assert slow.time_s is not None
    np.testing.assert_allclose(slow.velocity_mm_s * factor, base.velocity_mm_s, rtol=1e-12)
    np.testing.assert_allclose(slow.time_s, base.time_s * factor, rtol=1e-12)


@_EXAMPLES
@given(data=st.data())
def test_cropping_by_range_equals_cropping_the_array(flowing: Flowing, data: st.DataObject) -> None:
    pixels = flowing(data.draw(_SPEEDS), lines=200, seed=data.draw(_SEEDS))
    top = data.draw(st.integers(0, 100))
    bottom = data.draw(st.integers(top + 16, 200))
    left = data.draw(st.integers(0, 20))
    right = data.draw(st.integers(left + 5, 32))
    whole = estimate_velocity(
        pixels,
        seconds_per_line=1e-3,
        um_per_pixel=0.5,
        line_range=(top, bottom),
        pixel_range=(left, right),
    )
    part = estimate_velocity(
        pixels[top:bottom, left:right].copy(), seconds_per_line=1e-3, um_per_pixel=0.5
    )
    np.testing.assert_array_equal(whole.candidate_px_per_line, part.candidate_px_per_line)
    np.testing.assert_array_equal(whole.status, part.status)
    np.testing.assert_array_equal(whole.r2adj, part.r2adj)
    np.testing.assert_allclose(whole.center_line, part.center_line + top)


@_EXAMPLES
@given(
    speed=_SPEEDS,
    seed=_SEEDS,
    n_pixels=st.integers(5, 48),
    lines=st.integers(64, 400),
    quarter=st.integers(2, 16),
    tracked=st.booleans(),
)
def test_compiled_results_equal_numpy(
    flowing: Flowing,
    speed: float,
    seed: int,
    n_pixels: int,
    lines: int,
    quarter: int,
    tracked: bool,
) -> None:
    pytest.importorskip("numba")
    pixels = flowing(speed, n_pixels=n_pixels, lines=lines, seed=seed, snr=4.0)
    plain, compiled = (
        estimate_velocity(
            pixels,
            seconds_per_line=1e-3,
            um_per_pixel=0.5,
            window_lines=4 * quarter,
            tracked=tracked,
            backend=backend,
        )
        for backend in ("numpy", "numba")
    )
    assert (plain.backend, compiled.backend) == ("numpy", "numba")
    _same_but_for_ties(plain, compiled)


@pytest.mark.parametrize(
    "dtype", ["uint8", "uint16", ">u2", "int16", "int32", "float32", "float64", ">f4"]
)
def test_pixel_types_give_the_same(flowing: Flowing, dtype: str) -> None:
    levels = np.round(flowing(1.6, lines=200) / 10.0)
    expected = _estimate(levels)
    result = _estimate(levels.astype(dtype))
    np.testing.assert_allclose(
        result.candidate_px_per_line, expected.candidate_px_per_line, rtol=1e-4
    )


def test_the_recording_is_left_as_it_was(flowing: Flowing) -> None:
    pixels = flowing(1.0, lines=100).astype(np.float32)
    before = pixels.copy()
    estimate_velocity(pixels, seconds_per_line=1e-3, um_per_pixel=0.5)
    np.testing.assert_array_equal(pixels, before)
