"""Diameters against vessels whose diameter is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kymflow.core.analysis import Calibration, Result
from kymflow.core.analysis.diameter import DIAMETER, DiameterParams
from kymflow.core.plugins import load_analysis
from kymflow.core.testing import check_analysis, compute_result, sample_dataset, simulate_vessel

UM = 0.25
CALIBRATION = Calibration(seconds_per_line=0.01, um_per_pixel=UM, dwell_seconds=None)


def diameter(pixels: NDArray[Any], calibration: Calibration = CALIBRATION, **params: Any) -> Result:
    return compute_result(
        DIAMETER, pixels, calibration=calibration, params=DiameterParams(**params)
    )


def vessel(diameter_um: float | NDArray[np.float64], lines: int = 200, **options: Any) -> Any:
    return simulate_vessel(np.broadcast_to(diameter_um, lines).astype(np.float64), **options)


@pytest.mark.parametrize("profile", ["slab", "disc"])
@pytest.mark.parametrize("size_um", [4.0, 8.0, 20.0])
def test_the_diameter_is_that_of_the_vessel(profile: str, size_um: float) -> None:
    recording = vessel(size_um, profile=profile, motion_um=0.5, missing=0.05)
    found = diameter(recording.pixels, profile=profile).summary
    assert found["status"] == "ok"
    assert found["contrast"] == "bright"
    assert found["mean_um"] == pytest.approx(size_um, abs=0.2)
    assert found["blur_um"] == pytest.approx(0.5, abs=0.25)
    assert found["mean_px"] == pytest.approx(size_um / UM, abs=0.8)


@pytest.mark.accuracy
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    inside: list[bool] = []
    for seed in range(12):
        size = 6.0 + 0.1 * seed
        trace = diameter(vessel(size, lines=400, seed=seed).pixels, window_lines=50).to_pandas(
            "trace"
        )
        inside += ((trace["low_um"] < size) & (size < trace["high_um"])).tolist()
    assert len(inside) == 96
    assert 0.88 <= np.mean(inside) <= 1.0


@pytest.mark.accuracy
def test_motion_within_a_long_window_widens_nothing() -> None:
    found = [
        diameter(vessel(5.0, lines=400, motion_um=1.5, seed=seed).pixels, window_lines=200)
        for seed in range(6)
    ]
    trace = np.concatenate([one.to_pandas("trace")["diameter_um"] for one in found])
    assert np.mean(trace) == pytest.approx(5.0, abs=0.035)


@pytest.mark.accuracy
def test_lines_without_an_edge_bias_nothing() -> None:
    found = [
        diameter(
            vessel(10.0, lines=400, profile="disc", missing=0.1, seed=seed).pixels, profile="disc"
        )
        for seed in range(4)
    ]
    assert np.mean([one.summary["mean_um"] for one in found]) == pytest.approx(10.0, abs=0.06)


def test_where_most_lines_have_no_edge_or_no_numbers_it_is_unknown() -> None:
    recording = vessel(10.0, lines=400, snr=4.0)
    pixels = recording.pixels.copy()
    pixels[100:200:3, 63:] = pixels[100:200:3, -1:]
    pixels[210, 5] = np.nan
    pixels[300:390] = np.nan
    trace = diameter(pixels).to_pandas("trace")
    assert trace["reason"].tolist()[2:] == ["", "some pixels are not numbers"]
    np.testing.assert_allclose(trace["diameter_um"][:3], 10.0, atol=0.2)
    single = diameter(pixels, window_lines=1).to_pandas("trace")
    assert (single["reason"][100:200:3] == "an edge is missing").mean() > 0.9
    assert single["reason"][210] == "some pixels are not numbers"


def test_a_dark_vessel_is_found_as_well() -> None:
    pixels = 100.0 - vessel(8.0, snr=4.0).pixels
    found = diameter(pixels).summary
    assert found["contrast"] == "dark"
    assert found["mean_um"] == pytest.approx(8.0, abs=0.2)
    assert found["fwhm_um"] == pytest.approx(8.0, abs=0.4)


def test_single_lines_can_be_measured() -> None:
    recording = vessel(np.linspace(8.0, 12.0, 120), lines=120, snr=8.0)
    trace = diameter(recording.pixels, window_lines=1).to_pandas("trace")
    assert len(trace) == 120
    error = trace["diameter_um"].to_numpy() - recording.diameter_um
    assert np.nanmedian(np.abs(error)) < 0.2
    assert trace["time_s"].tolist() == pytest.approx([0.01 * line for line in range(120)])


def test_the_mean_line_follows_the_vessel() -> None:
    recording = vessel(8.0, snr=5.0, motion_um=2.0, seed=3)
    trace = diameter(recording.pixels, window_lines=20).to_pandas("trace")
    center = recording.center_um.reshape(-1, 20).mean(axis=1) / UM
    # Lines in which the vessel jumps are left out of the mean.
    np.testing.assert_allclose(trace["center_px"], center, atol=2.0)


def test_a_dilation_is_an_event_with_onset_and_size() -> None:
    usual = np.full(600, 10.0)
    usual[200:350] = 12.0
    usual[450:520] = 8.5
    recording = vessel(usual, lines=600, snr=4.0)
    found = diameter(recording.pixels, window_lines=10)
    assert found.summary["events"] == 2
    events = found.to_pandas("events")
    assert events["kind"].tolist() == ["dilation", "constriction"]
    np.testing.assert_allclose(events["onset_s"], [2.0, 4.5], atol=0.11)
    np.testing.assert_allclose(events["stop_s"], [3.5, 5.2], atol=0.11)
    np.testing.assert_allclose(events["change"], [0.2, -0.15], atol=0.05)
    np.testing.assert_allclose(events["change_um"], [2.0, -1.5], atol=0.5)


def test_a_line_that_crosses_at_an_angle_sees_a_wider_vessel() -> None:
    recording = vessel(10.0, snr=5.0)
    assert diameter(recording.pixels, angle_deg=30.0).summary["mean_um"] == pytest.approx(
        5.0, abs=0.1
    )


NOISE = np.random.default_rng(0).normal(100.0, 10.0, (200, 64))


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        pytest.param(NOISE, "no vessel stands out from noise", id="noise"),
        pytest.param(
            vessel(40.0, n_pixels=64).pixels, "no vessel stands out from noise", id="wide"
        ),
        pytest.param(vessel(10.0).pixels[:, 64:], "an edge is outside the line", id="cut"),
    ],
)
def test_it_refuses_with_a_reason(pixels: NDArray[np.float64], reason: str) -> None:
    found = diameter(pixels)
    assert found.summary["status"] == "unknown"
    assert found.summary["reason"] == reason
    assert found.summary["mean_um"] is None
    trace = found.to_pandas("trace")
    assert trace["diameter_um"].isna().all()
    assert set(trace["status"]) == {"unknown"}


def test_without_a_pixel_size_there_are_pixels_only() -> None:
    unknown = Calibration(seconds_per_line=None, um_per_pixel=None, dwell_seconds=None)
    found = diameter(vessel(10.0).pixels, unknown)
    assert found.summary["mean_px"] == pytest.approx(40.0, abs=0.8)
    assert np.isnan(float(found.summary["mean_um"] or 0.0))
    assert found.to_pandas("trace")[["diameter_um", "time_s"]].isna().all(axis=None)


@pytest.mark.accuracy
@settings(max_examples=10)
@given(gain=st.floats(1e-2, 1e3), offset=st.floats(0.0, 1e3), seed=st.integers(0, 100))
def test_brightness_does_not_matter(gain: float, offset: float, seed: int) -> None:
    pixels = vessel(8.0, lines=40, seed=seed).pixels
    plain, other = diameter(pixels).summary, diameter(gain * (pixels + offset)).summary
    assert other["mean_px"] == pytest.approx(plain["mean_px"], rel=1e-2)


@pytest.mark.accuracy
@settings(max_examples=10)
@given(seed=st.integers(0, 100))
def test_the_mirror_image_has_the_same_diameter(seed: int) -> None:
    pixels = vessel(8.0, lines=40, seed=seed).pixels
    plain, other = diameter(pixels).summary, diameter(pixels[:, ::-1]).summary
    assert other["mean_px"] == pytest.approx(plain["mean_px"], rel=1e-2)


def test_it_keeps_every_rule(tmp_path: Path) -> None:
    assert load_analysis("diameter") is DIAMETER
    dataset = sample_dataset(tmp_path / "d.zarr")
    dataset.add_image(vessel(8.0).pixels.astype(np.uint16), axes=("t", "x"))
    dataset.add_image(vessel(8.0).pixels.astype(np.uint16), axes=("y", "x"))
    assert check_analysis(DIAMETER, dataset) == []
