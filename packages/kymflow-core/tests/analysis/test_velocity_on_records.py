"""The velocity analysis on records: regions, calibration, intervals, and what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from kymflow.core.analysis import (
    AnalysisOutcome,
    RegionResult,
    load_result_table,
    load_results,
    run_analysis,
)
from kymflow.core.analysis.velocity import VELOCITY, VelocityParams
from kymflow.core.metadata import Header, ImageMetadata, Roi, save_metadata
from kymflow_zarr import ZarrDataset, ZarrImageRecord

LINES = 400
PIXELS = 24


def moving(velocity: float, seed: int = 0) -> NDArray[np.uint16]:
    """Texture that moves by `velocity` pixels per line, with shot noise."""
    rng = np.random.default_rng(seed)
    reach = int(abs(velocity) * LINES) + PIXELS + 8
    texture = np.convolve(rng.random(2 * reach), np.ones(5) / 5, mode="same")
    at = np.arange(PIXELS) - velocity * np.arange(LINES)[:, None] + reach
    clean = np.interp(at, np.arange(2 * reach), texture)
    noisy: NDArray[np.uint16] = rng.poisson(200 + 800 * clean).astype(np.uint16)
    return noisy


@pytest.fixture
def dataset() -> ZarrDataset:
    return ZarrDataset(MemoryStore())


@pytest.fixture
def record(dataset: ZarrDataset) -> ZarrImageRecord:
    """A calibrated kymograph that moves by 1.5 px/line: 0.6 mm/s."""
    record = dataset.add_image(moving(1.5), axes=("t", "x"))
    calibrate(record)
    return record


def analyze(record: ZarrImageRecord, dataset: ZarrDataset, **options: Any) -> AnalysisOutcome:
    (outcome,) = run_analysis(dataset, VELOCITY, image_ids=[record.image_id], **options)
    return outcome


def reason_of(outcome: AnalysisOutcome) -> str:
    assert outcome.error is not None
    return outcome.error.reason


def load_summaries(record: ZarrImageRecord) -> tuple[RegionResult, ...]:
    return load_results(record, VELOCITY).results


def load_trace(record: ZarrImageRecord) -> pd.DataFrame:
    return load_result_table(record, VELOCITY, "trace")


def calibrate(record: ZarrImageRecord, rois: tuple[Roi, ...] = ()) -> None:
    header = Header(scale={"t": 1e-3, "x": 0.4}, unit={"t": "s", "x": "um"})
    save_metadata(record, ImageMetadata(header=header, rois=rois))


def set_dwell(record: ZarrImageRecord, microseconds: float, rois: tuple[Roi, ...] = ()) -> None:
    header = Header(
        scale={"t": 1e-3, "x": 0.4},
        unit={"t": "s", "x": "um"},
        extra={"vendor": {"dwell_time_us": microseconds}},
    )
    save_metadata(record, ImageMetadata(header=header, rois=rois))


def roi(number: int, *, pixels: tuple[int, int] = (0, PIXELS), channel: int = 1) -> Roi:
    return Roi(
        id=number,
        channel=channel,
        dim0_start=0,
        dim0_stop=LINES,
        dim1_start=pixels[0],
        dim1_stop=pixels[1],
    )


def median_of(record: ZarrImageRecord, place: tuple[int, int | None] = (1, None)) -> float:
    (entry,) = [entry for entry in load_summaries(record) if entry.place == place]
    value = entry.values["median_px_per_line"]
    assert isinstance(value, float)
    return value


def test_an_image_without_rois_is_analyzed_whole(
    dataset: ZarrDataset, record: ZarrImageRecord
) -> None:
    outcome = analyze(record, dataset)
    assert [str(region) for region in outcome.computed] == ["channel 1, the whole picture"]
    trace = load_trace(record)
    assert trace["roi_id"].isna().all()
    assert trace["velocity_px_per_line"].median() == pytest.approx(1.5, rel=0.02)
    assert trace["velocity_mm_s"].median() == pytest.approx(0.6, rel=0.02)
    assert set(trace["status"]) <= {"ok", "unknown", "alias"}
    assert median_of(record) == pytest.approx(1.5, rel=0.02)


def test_without_calibration_there_are_no_millimetres(dataset: ZarrDataset) -> None:
    record = dataset.add_image(moving(1.5), axes=("t", "x"))
    analyze(record, dataset)
    trace = load_trace(record)
    assert trace[["velocity_mm_s", "time_s"]].isna().all(axis=None)
    assert trace["velocity_px_per_line"].median() == pytest.approx(1.5, rel=0.02)
    (entry,) = load_summaries(record)
    assert entry.values["median_mm_s"] is None
    assert entry.values["um_per_pixel"] is None


def test_every_channel_and_roi_has_its_own_results(dataset: ZarrDataset) -> None:
    pixels = np.stack([moving(1.5), moving(-2.0)])
    record = dataset.add_image(pixels, axes=("c", "t", "x"))
    calibrate(record)
    analyze(record, dataset)
    assert median_of(record, (1, None)) == pytest.approx(1.5, rel=0.02)
    assert median_of(record, (2, None)) == pytest.approx(-2.0, rel=0.02)

    calibrate(record, (roi(1, pixels=(2, 20)), roi(7, channel=2)))
    analyze(record, dataset)
    assert [entry.place for entry in load_summaries(record)] == [(1, 1), (2, 7)]
    assert median_of(record, (2, 7)) == pytest.approx(-2.0, rel=0.02)
    assert set(load_trace(record)["roi_id"]) == {1, 7}


def test_a_roi_gives_what_its_cut_out_pixels_give(dataset: ZarrDataset) -> None:
    pixels = moving(1.5)
    record = dataset.add_image(pixels, axes=("t", "x"))
    calibrate(record, (roi(1, pixels=(4, 20)),))
    cut = dataset.add_image(pixels[:, 4:20], axes=("t", "x"))
    calibrate(cut)
    for one in (record, cut):
        analyze(one, dataset)
    np.testing.assert_array_equal(
        load_trace(record)["velocity_mm_s"], load_trace(cut)["velocity_mm_s"]
    )


def test_times_are_those_of_the_recording_wherever_a_roi_begins(
    dataset: ZarrDataset, record: ZarrImageRecord
) -> None:
    late = Roi(id=1, channel=1, dim0_start=100, dim0_stop=300, dim1_start=0, dim1_stop=PIXELS)
    calibrate(record, (late,))
    analyze(record, dataset)
    trace = load_trace(record)
    assert trace["center_line"].iloc[0] == 100 + 7.5
    assert trace["center_line"].max() < 300
    np.testing.assert_allclose(trace["time_s"], trace["center_line"] * 1e-3)


def test_a_stall_is_an_interval(dataset: ZarrDataset) -> None:
    flowing = moving(2.0)
    still = np.repeat(flowing[-1:], LINES, axis=0)
    pixels = np.random.default_rng(1).poisson(np.concatenate([flowing, still, flowing]))
    record = dataset.add_image(pixels.astype(np.uint16), axes=("t", "x"))
    save_metadata(
        record,
        ImageMetadata(header=Header(scale={"t": 5e-3, "x": 0.4}, unit={"t": "s", "x": "um"})),
    )
    analyze(record, dataset)
    intervals = load_result_table(record, VELOCITY, "intervals")
    stalls = intervals[intervals["kind"] == "stall"]
    assert len(stalls) == 1
    assert stalls["start_s"].iloc[0] == pytest.approx(LINES * 5e-3, abs=0.1)
    assert stalls["duration_s"].iloc[0] == pytest.approx(LINES * 5e-3, abs=0.2)


def test_scan_speed_is_corrected_only_with_a_dwell_time(
    dataset: ZarrDataset, record: ZarrImageRecord
) -> None:
    corrected = VelocityParams(correct_scan_speed=True)
    assert "no dwell time" in reason_of(analyze(record, dataset, params=corrected))
    set_dwell(record, 20.0)
    analyze(record, dataset, params=corrected)
    assert median_of(record) == pytest.approx(1.5 / (1 + 1.5 * 20e-6 / 1e-3), rel=0.02)


def test_a_dwell_time_at_which_a_line_takes_longer_than_its_period_is_refused(
    dataset: ZarrDataset, record: ZarrImageRecord
) -> None:
    set_dwell(record, 44.0, (roi(1, pixels=(10, 20)), roi(2, pixels=(10, 24))))
    outcome = analyze(record, dataset, params=VelocityParams(correct_scan_speed=True))
    # 20 pixels are scanned within 0.88 ms, 24 are not within the millisecond of a line.
    assert [region.roi_id for region in outcome.computed] == [1]
    assert "ROI 2: dwell_seconds=4.4e-05 cannot be used: give at most 4.16667e-05" in reason_of(
        outcome
    )
    assert analyze(record, dataset, overwrite=True).status == "ok", "not used, not refused"


def test_real_recordings(tmp_path: Path, shared: Path) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr")
    record = dataset.ingest_image(shared / "20250722_A89_0002.tif")
    analyze(record, dataset)
    trace = load_trace(record)
    roi_1 = trace[trace["roi_id"] == 1]
    reference = record.load_df_parquet("radon")
    expected = np.interp(roi_1["time_s"], reference["time"], reference["velocity"].abs())
    good = (roi_1["r2adj"] >= 0.5).to_numpy()
    ratio = roi_1["velocity_mm_s"].abs().to_numpy()[good] / expected[good]
    assert (np.abs(ratio - 1) < 0.1).mean() > 0.5
