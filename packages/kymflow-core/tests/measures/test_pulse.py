"""Heart rate and pulsatility against recordings whose heart is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kymflow.core import KymDataset
from kymflow.core.analysis import Calibration, Result, load_result_table
from kymflow.core.analysis.pulse import PULSE, PulseParams
from kymflow.core.metadata import Header, ImageMetadata, save_metadata
from kymflow.core.plugins import load_analysis, load_indexer
from kymflow.core.testing import check_analysis, compute_result, simulate_cells
from kymflow_zarr import ZarrDataset

CALIBRATION = Calibration(seconds_per_line=1e-3, um_per_pixel=0.4, dwell_seconds=None)


def beating(
    rate_hz: float,
    *,
    seconds: float = 6.0,
    amplitude: float = 0.2,
    second: float = 0.0,
    snr: float = 3.0,
    backwards: bool = False,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Cells at 2 px/line whose velocity beats by `amplitude`, at 1 ms per line."""
    phase = 2.0 * np.pi * rate_hz * 1e-3 * np.arange(round(seconds * 1000))
    beat = np.cos(phase) + second * np.cos(2.0 * phase)
    velocity = (-2.0 if backwards else 2.0) * (1.0 + amplitude * beat)
    return simulate_cells(velocity, snr=snr, seed=seed).pixels


def pulse(
    pixels: NDArray[np.float64], calibration: Calibration = CALIBRATION, **params: Any
) -> Result:
    return compute_result(PULSE, pixels, calibration=calibration, params=PulseParams(**params))


def number(summary: Mapping[str, Any], name: str) -> float:
    value = summary[name]
    assert isinstance(value, float)
    return value


@pytest.mark.parametrize("backwards", [False, True])
def test_rate_and_indices_are_those_of_the_heart(backwards: bool) -> None:
    found = pulse(beating(8.3, backwards=backwards)).summary
    assert found["status"] == "ok"
    assert found["reason"] == ""
    assert number(found, "rate_hz") == pytest.approx(8.3, abs=0.02)
    assert number(found, "rate_low_hz") < 8.3 < number(found, "rate_high_hz")
    assert number(found, "rate_per_min") == pytest.approx(60 * number(found, "rate_hz"))
    assert number(found, "false_alarm") < 1e-6
    # Velocity lies between 0.8 and 1.2 of its mean.
    assert number(found, "pulsatility") == pytest.approx(0.4, rel=0.05)
    assert number(found, "resistance") == pytest.approx(0.4 / 1.2, rel=0.05)
    for index in ("pulsatility", "resistance"):
        assert number(found, f"{index}_low") < number(found, index) < number(found, f"{index}_high")


@pytest.mark.accuracy
@pytest.mark.parametrize(("start_hz", "gain_hz_s"), [(6.0, 0.15), (8.0, -0.1)])
def test_a_rate_that_drifts_is_followed(start_hz: float, gain_hz_s: float) -> None:
    time = 1e-3 * np.arange(10_000)
    phase = 2.0 * np.pi * (start_hz * time + 0.5 * gain_hz_s * time**2)
    pixels = simulate_cells(2.0 * (1.0 + 0.1 * np.cos(phase)), snr=2.0).pixels
    found = pulse(pixels).summary
    mean = (phase[-1] - phase[0]) / (2.0 * np.pi * (time[-1] - time[0]))
    assert number(found, "rate_hz") == pytest.approx(mean, abs=0.05)
    assert number(found, "rate_low_hz") < start_hz + 2.5 * gain_hz_s < number(found, "rate_high_hz")
    assert number(found, "pulsatility") == pytest.approx(0.2, rel=0.15)


@pytest.mark.accuracy
def test_the_waveform_is_folded_by_phase_from_its_fastest_moment_on() -> None:
    found = pulse(beating(6.0, second=0.4, seconds=10.0))
    assert found.summary["harmonics"] == 2
    waveform = found.to_pandas("waveform")
    at = 2.0 * np.pi * waveform["phase"]
    expected = 2.0 * (1.0 + 0.2 * (np.cos(at) + 0.4 * np.cos(2.0 * at)))
    np.testing.assert_allclose(waveform["fitted_px_per_line"], expected, atol=0.05)
    np.testing.assert_allclose(waveform["mean_px_per_line"], expected, atol=0.08)
    np.testing.assert_allclose(waveform["fitted_mm_s"], 0.4 * waveform["fitted_px_per_line"])
    assert (waveform["windows"] > 20).all()


@pytest.mark.accuracy
def test_each_segment_has_its_own_rate() -> None:
    slow, fast = (beating(rate, seconds=10.0, seed=1) for rate in (6.0, 6.5))
    segments = pulse(np.concatenate([slow, fast])).to_pandas("segments")
    assert segments["start_s"].tolist() == pytest.approx([0.0075, 5.0075, 10.0075, 15.0075])
    np.testing.assert_allclose(segments["rate_hz"], [6.0, 6.0, 6.5, 6.5], atol=0.05)
    assert segments["status"].tolist() == ["ok"] * 4
    assert (segments["rate_low_hz"] < segments["rate_high_hz"]).all()


@pytest.mark.accuracy
def test_unknown_windows_are_gaps() -> None:
    pixels = beating(7.0, seconds=10.0)
    noise = np.random.default_rng(0).normal(1.0, 0.2, (2500, pixels.shape[1]))
    pixels[3000:5500] = pixels.mean(axis=0) * noise
    found = pulse(pixels).summary
    assert number(found, "rate_hz") == pytest.approx(7.0, abs=0.02)
    assert number(found, "pulsatility") == pytest.approx(0.4, rel=0.06)


@pytest.mark.accuracy
@pytest.mark.parametrize("seed", range(4))
def test_steady_flow_has_no_heart_rate(seed: int) -> None:
    found = pulse(beating(8.0, amplitude=0.0, seed=seed)).summary
    assert found["status"] == "unknown"
    assert found["reason"] == "no rate of the band stands out from noise"
    assert number(found, "false_alarm") > 0.01
    assert found["rate_hz"] is None
    assert found["pulsatility"] is None


@pytest.mark.parametrize(
    ("calibration", "params", "reason"),
    [
        ({"seconds_per_line": None}, {}, "its line period is unknown"),
        ({"seconds_per_line": 5e-3}, {}, "windows of 0.08 s average over a beat at 14 Hz"),
        ({"seconds_per_line": 2e-4}, {}, "1.2 s are too short: 10 beats at 4 Hz take 2.5 s"),
        ({}, {"species": "human"}, "5.99 s are too short: 10 beats at 0.6 Hz take 16.7 s"),
        ({}, {"lowest_hz": 20.0}, "the band from 20 to 14 Hz is empty"),
    ],
)
def test_it_refuses_with_a_reason(
    calibration: dict[str, Any], params: dict[str, Any], reason: str
) -> None:
    given = {"seconds_per_line": 1e-3, "um_per_pixel": 0.4, "dwell_seconds": None, **calibration}
    found = pulse(beating(8.0), Calibration(**given), **params).summary
    assert found["status"] == "unknown"
    assert str(found["reason"]).startswith(reason)
    assert found["rate_hz"] is None


@pytest.mark.accuracy
def test_the_band_is_that_of_the_species_unless_given() -> None:
    found = pulse(beating(8.0), species="rat").summary
    assert (found["band_low_hz"], found["band_high_hz"]) == (3.5, 9.0)
    found = pulse(beating(8.0), lowest_hz=9.0).summary
    assert (found["band_low_hz"], found["band_high_hz"]) == (9.0, 14.0)
    assert found["status"] == "unknown"


def test_without_a_pixel_size_there_are_no_millimetres() -> None:
    uncalibrated = Calibration(seconds_per_line=1e-3, um_per_pixel=None, dwell_seconds=None)
    found = pulse(beating(8.0), uncalibrated)
    assert number(found.summary, "pulsatility") == pytest.approx(0.4, rel=0.05)
    assert found.to_pandas("waveform")["fitted_mm_s"].isna().all()


def test_it_keeps_every_rule_and_has_tables(tmp_path: Path) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr", durability="none")
    record = dataset.add_image(beating(8.0).astype(np.uint16), axes=("t", "x"))
    header = Header(scale={"t": 1e-3, "x": 0.4}, unit={"t": "s", "x": "um"})
    save_metadata(record, ImageMetadata(header=header))
    assert load_analysis("pulse") is PULSE
    assert check_analysis(PULSE, dataset) == []

    kymographs = KymDataset(dataset)
    (early,) = kymographs.run("pulse")
    assert early.status == "failed"
    assert "run 'velocity' on the image first" in str(early.error)
    kymographs.run("velocity")
    (outcome,) = kymographs.run("pulse")
    assert outcome.status == "ok"
    for name in ("pulse", "pulse_segments"):
        kymographs.update_index(load_indexer(name))
    (row,) = kymographs["pulse"].to_dict("records")
    assert row["rate_hz"] == pytest.approx(8.0, abs=0.02)
    assert kymographs["pulse_segments"]["status"].tolist() == ["ok"]
    assert len(load_result_table(record, PULSE, "waveform")) == 24


@pytest.mark.accuracy
def test_both_halves_of_real_recordings_agree(real_recordings: Path) -> None:
    import tifffile

    calibration = Calibration(seconds_per_line=1.134e-3, um_per_pixel=0.45, dwell_seconds=None)
    pixels = tifffile.imread(real_recordings / "20250722_A89_0002.tif")
    middle = len(pixels) // 2
    halves = (pixels[:middle], pixels[middle:])
    first, second = (pulse(half, calibration).summary for half in halves)
    assert number(first, "rate_low_hz") < number(second, "rate_high_hz")
    assert number(second, "rate_low_hz") < number(first, "rate_high_hz")
