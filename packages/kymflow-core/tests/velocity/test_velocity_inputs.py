"""What cannot be analyzed is refused with a reason, or comes back without velocity."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from kymflow.core.analysis.velocity import VelocityResult, WindowStatus, estimate_velocity
from kymflow.core.errors import (
    AnalysisParameterError,
    InvalidKymographError,
    KymflowCoreError,
    MissingExtraError,
)

Flowing = Callable[..., NDArray[np.float64]]


def _estimate(pixels: Any, **options: Any) -> VelocityResult:
    return estimate_velocity(
        pixels, **{"seconds_per_line": 1e-3, "um_per_pixel": 0.5, "backend": "numpy", **options}
    )


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.ones(100), "1 dimensions"),
        (np.ones((4, 100, 20)), "3 dimensions"),
        (np.ones((100, 20), complex), "complex128"),
        (np.ones((100, 20), bool), "bool"),
        (np.array([["a", "b"]] * 100), "<U1"),
        (np.ones((100, 3)), "3 pixels is too short"),
        (np.ones((15, 20)), "longer than the recording of 15 lines"),
        (np.ones((0, 20)), "longer than the recording of 0 lines"),
        (np.zeros((100, 20)), "its mean is 0"),
        (np.full((100, 20), -3.0), "its mean is -3"),
    ],
)
def test_pixels_that_are_not_a_kymograph_are_refused(pixels: NDArray[Any], reason: str) -> None:
    with pytest.raises(InvalidKymographError, match=reason) as caught:
        _estimate(pixels)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, KymflowCoreError)
    assert caught.value.reason in str(caught.value)


@pytest.fixture(params=[np.nan, np.inf, -np.inf], ids=str)
def bad(request: pytest.FixtureRequest) -> float:
    value: float = request.param
    return value


def test_a_column_with_values_that_are_not_finite_weighs_nothing(
    flowing: Flowing, bad: float
) -> None:
    pixels = flowing(1.3)
    pixels[321, 7] = bad
    spoilt = _estimate(pixels)
    pixels[:, 7] = bad
    absent = _estimate(pixels)
    np.testing.assert_array_equal(
        spoilt.candidate_px_per_line, absent.candidate_px_per_line, strict=True
    )
    assert np.median(absent.velocity_px_per_line) == pytest.approx(1.3, rel=0.02)
    assert set(absent.status) == {"ok"}


def test_lines_without_any_number_are_left_out(flowing: Flowing, bad: float) -> None:
    pixels = flowing(1.3)
    pixels[321:324] = pixels[500] = bad
    pixels[600:700] = bad
    pixels[:, 7] = bad
    result = _estimate(pixels)
    gap = (result.center_line > 610) & (result.center_line < 690)
    assert set(result.status[gap]) == {"unknown"}
    seen = (result.center_line < 590) | (result.center_line > 710)
    assert (result.status[seen] == "ok").mean() > 0.95
    assert np.median(result.velocity_px_per_line[seen]) == pytest.approx(1.3, rel=0.02)


def test_values_that_are_not_finite_in_all_columns_are_pointed_at(
    flowing: Flowing, bad: float
) -> None:
    pixels = flowing(1.0)
    pixels[321, 7:] = bad
    pixels[322, :4] = bad
    with pytest.raises(InvalidKymographError, match=r"pixel 7 of line 321 .* only 3 columns"):
        _estimate(pixels)
    # Outside of the crop they do no harm.
    assert _estimate(pixels, line_range=(0, 300)).n_windows > 0


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"window_lines": 14}, "window_lines"),
        ({"window_lines": 4}, "window_lines"),
        ({"window_lines": -16}, "window_lines"),
        ({"seconds_per_line": 0.0}, "seconds_per_line"),
        ({"seconds_per_line": float("nan")}, "seconds_per_line"),
        ({"um_per_pixel": -0.5}, "um_per_pixel"),
        ({"um_per_pixel": float("inf")}, "um_per_pixel"),
        ({"dwell_seconds": 0.0}, "dwell_seconds"),
        ({"dwell_seconds": 1e-6, "seconds_per_line": None}, "dwell_seconds"),
        ({"dwell_seconds": 1e-3, "seconds_per_line": 1e-3}, "dwell_seconds"),
        ({"method": "fourier"}, "method"),
        ({"backend": "gpu"}, "backend"),
        ({"line_range": (10, 10)}, "line_range"),
        ({"line_range": (0, 801)}, "line_range"),
        ({"pixel_range": (-1, 20)}, "pixel_range"),
        ({"max_px_per_line": 0.0}, "max_px_per_line"),
        ({"unknown_below": 1.0}, "unknown_below"),
        ({"unknown_below": float("nan")}, "unknown_below"),
    ],
)
def test_parameters_out_of_range_are_refused(
    flowing: Flowing, options: dict[str, Any], parameter: str
) -> None:
    with pytest.raises(AnalysisParameterError, match=parameter) as caught:
        _estimate(flowing(1.0), **options)
    assert caught.value.parameter == parameter
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("option", "package", "extra"),
    [({"backend": "numba"}, "numba", "fast"), ({"method": "radon"}, "scikit-image", "radon")],
)
def test_a_missing_extra_is_named(
    flowing: Flowing,
    monkeypatch: pytest.MonkeyPatch,
    option: dict[str, str],
    package: str,
    extra: str,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=rf"kymflow-core\[{extra}\]") as caught:
        _estimate(flowing(1.0), **option)
    assert (caught.value.package, caught.value.extra) == (package, extra)
    assert isinstance(caught.value, ImportError)


def test_without_numba_numpy_is_used(flowing: Flowing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert _estimate(flowing(1.0), backend="auto").backend == "numpy"


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((400, 20), 4095, np.uint16),
        np.tile(np.linspace(50.0, 300.0, 20), (400, 1)),
        np.tile(np.random.default_rng(0).integers(1, 4000, 20).astype(np.uint16), (400, 1)),
        np.tile(np.linspace(1e-6, 3e-6, 20), (400, 1)),
    ],
    ids=["saturated", "gradient", "static stripes", "tiny values"],
)
@pytest.mark.parametrize("tracked", [True, False])
def test_a_picture_that_never_changes_has_no_velocity(
    pixels: NDArray[np.generic], tracked: bool, backend: Literal["numpy", "numba"]
) -> None:
    result = _estimate(pixels, tracked=tracked, backend=backend)
    assert set(result.status) == {"unknown"}
    assert np.isnan(result.velocity_px_per_line).all()
    assert result.static_share == pytest.approx(1.0)


def test_light_that_only_flickers_has_no_velocity(backend: Literal["numpy", "numba"]) -> None:
    rng = np.random.default_rng(0)
    pixels = np.tile(np.linspace(500.0, 900.0, 24), (800, 1))
    pixels *= 1.0 + 0.05 * rng.standard_normal((800, 1))
    result = _estimate(pixels, backend=backend)
    assert np.mean(result.status == WindowStatus.UNKNOWN) > 0.95


@pytest.mark.parametrize("value", [0.0, 700.0, 4095.0])
def test_one_constant_column_does_not_look_like_rest(flowing: Flowing, value: float) -> None:
    pixels = flowing(3.0)
    pixels[:, 11] = value
    result = _estimate(pixels)
    known = result.status != WindowStatus.UNKNOWN
    assert known.mean() > 0.9
    assert np.median(result.velocity_px_per_line[known]) == pytest.approx(3.0, rel=0.05)


def test_noise_beside_a_constant_column_has_no_velocity() -> None:
    pixels = 100.0 + np.random.default_rng(1).standard_normal((4000, 20))
    pixels[:, 5] = 4095.0
    result = _estimate(pixels)
    assert np.mean(result.status == WindowStatus.UNKNOWN) > 0.98


@pytest.mark.accuracy
@pytest.mark.parametrize("n_pixels", [5, 10, 19, 38])
@pytest.mark.parametrize("window_lines", [8, 16, 64])
@pytest.mark.parametrize("tracked", [True, False])
def test_pure_noise_is_unknown_but_for_the_stated_share(
    n_pixels: int, window_lines: int, tracked: bool
) -> None:
    rng = np.random.default_rng(n_pixels * window_lines)
    pixels = rng.poisson(200.0, (window_lines * 500, n_pixels)).astype(np.uint16)
    result = _estimate(pixels, window_lines=window_lines, tracked=tracked, backend="auto")
    false_alarms = np.mean(result.status != WindowStatus.UNKNOWN)
    # 2 % is stated; about 500 independent windows leave some room for chance.
    assert false_alarms <= 0.035


def test_the_threshold_can_be_chosen(flowing: Flowing) -> None:
    noisy = flowing(1.0, snr=0.7)
    strict = _estimate(noisy, unknown_below=0.9)
    lenient = _estimate(noisy, unknown_below=0.0)
    assert (strict.status == WindowStatus.UNKNOWN).all()
    assert np.mean(lenient.status == WindowStatus.UNKNOWN) < 0.05
    assert strict.unknown_below == 0.9


def test_a_recording_of_one_window(flowing: Flowing, backend: Literal["numpy", "numba"]) -> None:
    result = _estimate(flowing(2.0, lines=16), backend=backend)
    assert result.n_windows == 1
    assert result.velocity_px_per_line[0] == pytest.approx(2.0, rel=0.1)
