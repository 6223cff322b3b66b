"""The velocity analysis on records: regions, calibration, artifacts, recomputing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from kymflow.core.analysis.interval_notes import (
    IntervalNote,
    load_interval_notes,
    save_interval_notes,
)
from kymflow.core.analysis.velocity_analysis import VelocityAnalysis, VelocityParams
from kymflow.core.analysis.velocity_results import (
    load_intervals,
    load_params,
    load_summaries,
    load_trace,
)
from kymflow.core.errors import MetadataError, RegionError, RoiNotFoundError
from kymflow.core.metadata import (
    Header,
    ImageMetadata,
    Roi,
    RoiChange,
    edit_roi,
    image_extent,
    load_metadata,
    save_metadata,
)
from kymflow.core.provenance import params_hash
from kymflow_zarr import CorruptDataError, ReadOnlyError, ZarrDataset, ZarrImageRecord

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


def calibrate(record: ZarrImageRecord, rois: tuple[Roi, ...] = ()) -> None:
    header = Header(scale={"t": 1e-3, "x": 0.4}, unit={"t": "s", "x": "um"})
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


def test_an_image_without_rois_is_analysed_whole(record: ZarrImageRecord) -> None:
    run = VelocityAnalysis().run(record)
    assert [str(region) for region in run.computed] == ["channel 1, the whole picture"]
    trace = load_trace(record)
    assert trace["roi_id"].isna().all()
    assert trace["velocity_px_per_line"].median() == pytest.approx(1.5, rel=0.02)
    assert trace["velocity_mm_s"].median() == pytest.approx(0.6, rel=0.02)
    assert set(trace["status"]) <= {"ok", "unknown", "alias"}
    assert median_of(record) == pytest.approx(1.5, rel=0.02)


def test_without_calibration_there_are_no_millimetres(dataset: ZarrDataset) -> None:
    record = dataset.add_image(moving(1.5), axes=("t", "x"))
    VelocityAnalysis().run(record)
    trace = load_trace(record)
    assert trace[["velocity_mm_s", "time_s"]].isna().all(axis=None)
    assert trace["velocity_px_per_line"].median() == pytest.approx(1.5, rel=0.02)
    (entry,) = load_summaries(record)
    assert entry.values["median_mm_s"] is None
    assert entry.values["um_per_pixel"] is None


def test_every_channel_and_roi_has_results_of_its_own(dataset: ZarrDataset) -> None:
    pixels = np.stack([moving(1.5), moving(-2.0)])
    record = dataset.add_image(pixels, axes=("c", "t", "x"))
    calibrate(record)
    VelocityAnalysis().run(record)
    assert median_of(record, (1, None)) == pytest.approx(1.5, rel=0.02)
    assert median_of(record, (2, None)) == pytest.approx(-2.0, rel=0.02)

    calibrate(record, (roi(1, pixels=(2, 20)), roi(7, channel=2)))
    VelocityAnalysis().run(record)
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
        VelocityAnalysis().run(one)
    np.testing.assert_allclose(
        load_trace(record)["velocity_mm_s"], load_trace(cut)["velocity_mm_s"], rtol=1e-6
    )


def test_times_are_those_of_the_recording_wherever_a_roi_begins(record: ZarrImageRecord) -> None:
    late = Roi(id=1, channel=1, dim0_start=100, dim0_stop=300, dim1_start=0, dim1_stop=PIXELS)
    calibrate(record, (late,))
    VelocityAnalysis().run(record)
    trace = load_trace(record)
    assert trace["center_line"].iloc[0] == 100 + 7.5
    assert trace["center_line"].max() < 300
    np.testing.assert_allclose(trace["time_s"], trace["center_line"] * 1e-3)


def test_recomputing_one_roi_leaves_the_others_alone(record: ZarrImageRecord) -> None:
    calibrate(record, (roi(1), roi(2, pixels=(4, 20))))
    VelocityAnalysis().run(record)
    before = load_trace(record)
    run = VelocityAnalysis(params=VelocityParams(window_lines=32), roi_ids=[1]).run(record)
    assert [region.roi_id for region in run.computed] == [1]
    after = load_trace(record)
    pd.testing.assert_frame_equal(
        after[after["roi_id"] == 2].reset_index(drop=True),
        before[before["roi_id"] == 2].reset_index(drop=True),
    )
    assert set(after["params_hash"]) == {entry.params_hash for entry in load_summaries(record)}
    windows = {entry.place: entry.values["window_lines"] for entry in load_summaries(record)}
    assert windows == {(1, 1): 32, (1, 2): 16}


def test_results_of_a_deleted_roi_go(record: ZarrImageRecord) -> None:
    calibrate(record, (roi(1), roi(2)))
    VelocityAnalysis().run(record)
    calibrate(record, (roi(2),))
    VelocityAnalysis(roi_ids=[2]).run(record)
    assert [entry.place for entry in load_summaries(record)] == [(1, 2)]
    assert set(load_trace(record)["roi_id"]) == {2}


def test_results_of_a_deleted_roi_go_though_nothing_is_missing(record: ZarrImageRecord) -> None:
    calibrate(record, (roi(1), roi(2)))
    VelocityAnalysis().run(record)
    calibrate(record, (roi(2),))
    missing = VelocityAnalysis(only_missing=True)
    assert missing.run(record).skipped
    assert [entry.place for entry in load_summaries(record)] == [(1, 2)]
    assert set(load_trace(record)["roi_id"]) == {2}
    assert len(load_params(record)) == 1
    assert missing.run(record).skipped


def test_only_what_is_missing_is_computed(record: ZarrImageRecord) -> None:
    calibrate(record, (roi(1), roi(2, pixels=(4, 20))))
    missing = VelocityAnalysis(only_missing=True)
    assert len(missing.run(record).computed) == 2
    assert missing.run(record).computed == ()

    metadata = load_metadata(record)
    moved = edit_roi(metadata.rois, 2, image_extent(record), RoiChange(dim1_start=6))
    calibrate(record, moved)
    assert [region.roi_id for region in missing.run(record).computed] == [2]

    named = edit_roi(moved, 1, image_extent(record), RoiChange(name="arteriole"))
    calibrate(record, named)
    assert missing.run(record).computed == (), "a name decides nothing"

    other = VelocityAnalysis(params=VelocityParams(tracked=False), only_missing=True)
    assert len(other.run(record).computed) == 2


def test_the_hash_covers_all_that_decides_and_leads_back_to_it(record: ZarrImageRecord) -> None:
    VelocityAnalysis().run(record)
    (entry,) = load_summaries(record)
    document = load_params(record)[entry.params_hash]
    assert params_hash(document) == entry.params_hash
    assert document["pixels_digest"] == record.pixels_digest
    assert document["calibration"] == {
        "seconds_per_line": 1e-3,
        "um_per_pixel": 0.4,
        "dwell_seconds": None,
    }
    hashes = {entry.params_hash}
    header = Header(scale={"t": 2e-3, "x": 0.4}, unit={"t": "s", "x": "um"})
    save_metadata(record, ImageMetadata(header=header))
    for analysis in (
        VelocityAnalysis(),
        VelocityAnalysis(params=VelocityParams(window_lines=32)),
        VelocityAnalysis(params=VelocityParams(correct_scan_speed=False, tracked=False)),
    ):
        analysis.run(record)
        hashes.add(load_summaries(record)[0].params_hash)
    assert len(hashes) == 4


def test_notes_survive_recomputing(record: ZarrImageRecord) -> None:
    VelocityAnalysis().run(record)
    note = IntervalNote(channel=1, roi_id=None, start_line=100, stop_line=160, text="a sneeze")
    save_interval_notes(record, (note,))
    VelocityAnalysis(params=VelocityParams(window_lines=32)).run(record)
    assert load_interval_notes(record) == (note,)
    assert note.overlaps(150, 200)
    assert not note.overlaps(160, 200)
    with pytest.raises(MetadataError, match="from line 5 to 5"):
        save_interval_notes(
            record, (IntervalNote(channel=1, roi_id=None, start_line=5, stop_line=5, text=""),)
        )


def test_a_stall_is_an_interval(dataset: ZarrDataset) -> None:
    flowing = moving(2.0)
    still = np.repeat(flowing[-1:], LINES, axis=0)
    pixels = np.random.default_rng(1).poisson(np.concatenate([flowing, still, flowing]))
    record = dataset.add_image(pixels.astype(np.uint16), axes=("t", "x"))
    save_metadata(
        record,
        ImageMetadata(header=Header(scale={"t": 5e-3, "x": 0.4}, unit={"t": "s", "x": "um"})),
    )
    VelocityAnalysis().run(record)
    intervals = load_intervals(record)
    stalls = intervals[intervals["kind"] == "stall"]
    assert len(stalls) == 1
    assert stalls["start_s"].iloc[0] == pytest.approx(LINES * 5e-3, abs=0.1)
    assert stalls["duration_s"].iloc[0] == pytest.approx(LINES * 5e-3, abs=0.2)


def test_a_region_that_cannot_be_analysed_stops_no_other(record: ZarrImageRecord) -> None:
    calibrate(record, (roi(1), roi(2, pixels=(0, 2))))
    with pytest.raises(RegionError, match="channel 1, ROI 2") as caught:
        VelocityAnalysis().run(record)
    assert caught.value.image_id == record.image_id
    assert [entry.place for entry in load_summaries(record)] == [(1, 1)]


@pytest.mark.parametrize(
    ("field", "value"), [("channel", 0), ("channel", 3), ("z", -1), ("z", 1), ("dim0_stop", 999)]
)
def test_a_roi_that_is_not_in_the_image_is_named_and_stops_no_other(
    dataset: ZarrDataset, field: str, value: int
) -> None:
    record = dataset.add_image(np.stack([moving(1.5), moving(-2.0)]), axes=("c", "t", "x"))
    outside = {**roi(2).to_json(), field: value}  # as a file beside the image may say
    record.save_metadata_payload({"rois": [roi(1).to_json(), outside]})
    with pytest.raises(RegionError, match=rf"ROI 2: ROI field '{field}' is {value}; give one"):
        VelocityAnalysis().run(record)
    assert [entry.place for entry in load_summaries(record)] == [(1, 1)]
    assert median_of(record, (1, 1)) == pytest.approx(1.5, rel=0.02)


def test_what_is_no_kymograph_is_refused(dataset: ZarrDataset) -> None:
    line = dataset.add_image(np.ones(30, np.uint16), axes=("x",))
    with pytest.raises(RegionError, match="lines and pixels"):
        VelocityAnalysis().run(line)
    across = dataset.add_image(moving(1.5).T, axes=("x", "t"))
    with pytest.raises(RegionError, match="time along the lines; transpose it"):
        VelocityAnalysis().run(across)
    stack = dataset.add_image(np.ones((3, 40, 20), np.uint16), axes=("z", "t", "x"))
    with pytest.raises(RegionError, match="3 slices"):
        VelocityAnalysis().run(stack)


def test_a_roi_that_is_not_there(record: ZarrImageRecord) -> None:
    calibrate(record, (roi(1),))
    with pytest.raises(RoiNotFoundError):
        VelocityAnalysis(roi_ids=[5]).run(record)


def test_scan_speed_is_corrected_only_with_a_dwell_time(record: ZarrImageRecord) -> None:
    analysis = VelocityAnalysis(params=VelocityParams(correct_scan_speed=True))
    with pytest.raises(RegionError, match="no dwell time"):
        analysis.run(record)
    metadata = load_metadata(record)
    header = Header(
        scale=metadata.header.scale,
        unit=metadata.header.unit,
        extra={"vendor": {"dwell_time_us": 20.0}},
    )
    save_metadata(record, ImageMetadata(header=header))
    analysis.run(record)
    assert median_of(record) == pytest.approx(1.5 / (1 + 1.5 * 20e-6 / 1e-3), rel=0.02)


class _CutOffError(Exception):
    """Stands for a process that is killed."""


class _Fragile(ZarrImageRecord):
    """A record whose process dies after some writes."""

    left = 0

    def save_json(self, name: str, value: object) -> str:
        self._count()
        return super().save_json(name, value)  # type: ignore[arg-type]  # as given

    def save_df_parquet(self, name: str, df: pd.DataFrame) -> str:
        self._count()
        return super().save_df_parquet(name, df)

    def _count(self) -> None:
        if self.left == 0:
            raise _CutOffError
        self.left -= 1


@pytest.fixture
def fragile(record: ZarrImageRecord) -> Callable[[int], ZarrImageRecord]:
    def make(writes: int) -> ZarrImageRecord:
        twin = object.__new__(_Fragile)
        vars(twin).update(vars(record))
        twin.left = writes
        return twin

    return make


@pytest.mark.parametrize("name", ["params.json", "summary.json", "trace.parquet"])
@pytest.mark.parametrize("content", [b"", b'{"regions": 5}', b"PAR1"])
def test_damaged_results_are_replaced_by_new_ones(
    tmp_path: Path, name: str, content: bytes
) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr")
    record = dataset.add_image(moving(1.5), axes=("t", "x"))
    calibrate(record, (roi(1), roi(2, pixels=(4, 20))))
    VelocityAnalysis().run(record)
    (damaged,) = (tmp_path / "d.zarr").rglob(f"velocity/{name}")
    damaged.write_bytes(content)
    with pytest.raises((CorruptDataError, MetadataError)):  # those of ROI 2 shall stay
        VelocityAnalysis(roi_ids=[1]).run(record)
    VelocityAnalysis().run(record)
    assert [entry.place for entry in load_summaries(record)] == [(1, 1), (1, 2)]
    assert set(load_trace(record)["roi_id"]) == {1, 2}
    assert set(load_params(record)) == {entry.params_hash for entry in load_summaries(record)}
    assert dataset.check(deep=True) == []


@pytest.mark.parametrize("writes", range(6))
def test_cut_off_at_any_write_no_result_is_read_with_anothers_parameters(
    record: ZarrImageRecord, fragile: Callable[[int], ZarrImageRecord], writes: int
) -> None:
    calibrate(record, (roi(1), roi(2, pixels=(4, 20))))
    VelocityAnalysis().run(record)
    other = VelocityAnalysis(params=VelocityParams(window_lines=32), roi_ids=[1])
    with pytest.raises(_CutOffError):
        other.run(fragile(writes))
    documents, trace = load_params(record), load_trace(record)
    entries = load_summaries(record)
    assert (1, 2) in [entry.place for entry in entries]
    for entry in entries:
        assert params_hash(documents[entry.params_hash]) == entry.params_hash
        own = trace[(trace["channel"] == entry.channel) & (trace["roi_id"] == entry.roi_id)]
        assert set(own["params_hash"]) == {entry.params_hash}
        assert len(own) == entry.values["n_windows"]
    again = VelocityAnalysis(params=VelocityParams(window_lines=32), only_missing=True)
    again.run(record)
    assert {entry.values["window_lines"] for entry in load_summaries(record)} == {32}


def test_a_read_only_record_is_not_written(dataset: ZarrDataset, record: ZarrImageRecord) -> None:
    with pytest.raises(ReadOnlyError):
        VelocityAnalysis().run(dataset.as_read_only().record(record.image_id))
    assert load_summaries(record) == []


def test_real_recordings(tmp_path: Path, shared: Path) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr")
    record = dataset.ingest_image(shared / "20250722_A89_0002.tif")
    VelocityAnalysis().run(record)
    trace = load_trace(record)
    roi_1 = trace[trace["roi_id"] == 1]
    reference = record.load_df_parquet("radon")
    expected = np.interp(roi_1["time_s"], reference["time"], reference["velocity"].abs())
    good = (roi_1["r2adj"] >= 0.5).to_numpy()
    ratio = roi_1["velocity_mm_s"].abs().to_numpy()[good] / expected[good]
    assert (np.abs(ratio - 1) < 0.1).mean() > 0.5
