"""Velocity as tables, and the analysis over many images."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from kymflow.core import KymDataset
from kymflow.core.analysis import AnalysisOutcome, load_result_table, load_results, run_analysis
from kymflow.core.analysis.velocity import VELOCITY, VelocityParams
from kymflow.core.indexers import AnalysisTable, analysis_tables
from kymflow.core.metadata import (
    Header,
    ImageMetadata,
    Roi,
    RoiChange,
    create_roi,
    delete_roi,
    edit_roi,
    image_extent,
    load_metadata,
    save_metadata,
)
from kymflow.core.plugins import load_analysis, load_indexer
from kymflow.core.provenance import params_hash
from kymflow.core.testing import check_indexer
from kymflow_zarr import ZarrDataset, ZarrImageRecord

SUMMARY, INTERVALS = analysis_tables(VELOCITY)


def moving(velocity: float) -> NDArray[np.uint16]:
    """Texture that moves by `velocity` pixels per line, 200 lines of 24 pixels."""
    rng = np.random.default_rng(3)
    texture = np.convolve(rng.random(3000), np.ones(5) / 5, mode="same")
    at = np.arange(24) - velocity * np.arange(200)[:, None] + 1500
    noisy: NDArray[np.uint16] = rng.poisson(
        200 + 800 * np.interp(at, np.arange(3000), texture)
    ).astype(np.uint16)
    return noisy


def add(dataset: ZarrDataset, velocity: float, rois: int = 0) -> ZarrImageRecord:
    record = dataset.add_image(moving(velocity), axes=("t", "x"))
    places = tuple(
        Roi(
            id=number + 1,
            channel=1,
            dim0_start=0,
            dim0_stop=200,
            dim1_start=number,
            dim1_stop=24,
        )
        for number in range(rois)
    )
    header = Header(scale={"t": 1e-3, "x": 0.4}, unit={"t": "s", "x": "um"})
    save_metadata(record, ImageMetadata(header=header, rois=places))
    return record


def run(dataset: ZarrDataset, **options: Any) -> list[AnalysisOutcome]:
    return list(run_analysis(dataset, VELOCITY, **options))


@pytest.fixture
def dataset() -> ZarrDataset:
    """Three images: one with two ROIs, one without, one that is not analyzed."""
    dataset = ZarrDataset(MemoryStore())
    analyzed = [add(dataset, velocity, rois).image_id for velocity, rois in ((1.5, 2), (-2.0, 0))]
    assert all(outcome.error is None for outcome in run(dataset, image_ids=analyzed))
    dataset.add_image(np.ones((40, 20), np.uint16), axes=("t", "x"))
    return dataset


def test_one_row_per_region(dataset: ZarrDataset) -> None:
    update = KymDataset(dataset).update_index(SUMMARY)
    assert (update.table, update.rows, update.images) == ("kym_velocity", 3, 3)
    table = dataset.load_table("kym_velocity")
    by_roi = table.set_index("roi_id", drop=False).sort_index()
    assert by_roi["roi_id"].isna().sum() == 1
    assert sorted(by_roi["roi_id"].dropna()) == [1, 2]
    whole = table[table["roi_id"].isna()].iloc[0]
    assert whole["median_px_per_line"] == pytest.approx(-2.0, rel=0.03)
    assert whole["median_mm_s"] == pytest.approx(-0.8, rel=0.03)
    assert whole["direction"] == "negative"
    assert (whole["seconds_per_line"], whole["um_per_pixel"]) == (1e-3, 0.4)
    assert whole["n_windows"] == 47
    assert 0 < whole["standard_error_mm_s"] < 0.1
    assert whole["p5_mm_s"] <= whole["median_mm_s"] <= whole["p95_mm_s"]


def test_each_rows_hash_leads_to_the_parameters_of_its_region(dataset: ZarrDataset) -> None:
    kym = KymDataset(dataset)
    for indexer in (SUMMARY, INTERVALS):
        kym.update_index(indexer)
    table = dataset.load_table("kym_velocity")
    assert table["params_hash"].is_unique
    for _, row in table.iterrows():
        found = kym.params_for("kym_velocity", str(row["params_hash"]))
        region = found["region"]
        assert isinstance(region, dict)
        assert params_hash(found) == row["params_hash"]
        assert region["dim1_start"] == (1 if pd.notna(row["roi_id"]) and row["roi_id"] == 2 else 0)
    assert set(dataset.load_table("kym_velocity_intervals")["params_hash"]) <= set(
        table["params_hash"]
    )


def test_intervals_are_those_of_the_artifact(dataset: ZarrDataset) -> None:
    noise = np.random.default_rng(0).poisson(300, (600, 24)).astype(np.uint16)
    record = dataset.add_image(noise, axes=("t", "x"))
    run(dataset, image_ids=[record.image_id])
    KymDataset(dataset).update_index(INTERVALS)
    table = dataset.load_table("kym_velocity_intervals", image_ids=[record.image_id])
    assert set(table["kind"]) == {"unknown"}
    assert table["start_s"].isna().all()
    assert (table["stop_line"] > table["start_line"]).all()
    trace = load_result_table(record, VELOCITY, "trace")
    assert (trace["status"] == "unknown").mean() > 0.9


def test_both_keep_every_rule_of_indexers(dataset: ZarrDataset) -> None:
    assert check_indexer(SUMMARY, dataset) == []
    assert check_indexer(INTERVALS, dataset) == []


def test_a_row_says_which_version_computed_it(dataset: ZarrDataset) -> None:
    record = next(one for one in dataset.iter_records() if load_results(one, VELOCITY).results)
    summary = record.load_json("velocity/summary")
    assert isinstance(summary, dict)
    assert isinstance(summary["regions"], list)
    for entry in summary["regions"]:
        assert isinstance(entry, dict)
        entry["analysis_version"] = "0"
    record.save_json("velocity/summary", summary)
    KymDataset(dataset).update_index(SUMMARY)
    table = dataset.load_table("kym_velocity")
    older = table["image_id"] == record.image_id
    assert set(table[older]["analysis_version"]) == {"0"}
    assert set(table[~older]["analysis_version"]) == {VELOCITY.version}
    (outcome,) = run(dataset, image_ids=[record.image_id])
    assert outcome.status == "ok", "a result of an older version is outdated"


def test_results_of_regions_that_are_gone_or_changed_have_no_rows(dataset: ZarrDataset) -> None:
    kym = KymDataset(dataset)
    kym.update_index(SUMMARY)
    before = dataset.load_table("kym_velocity")
    record = next(one for one in dataset.iter_records() if len(load_metadata(one).rois) == 2)
    metadata = load_metadata(record)
    rois = delete_roi(metadata.rois, 1)
    moved = edit_roi(rois, 2, image_extent(record), RoiChange(dim1_start=5))
    save_metadata(record, replace(metadata, rois=moved))

    update = kym.update_index(SUMMARY)

    assert set(dataset.load_table("kym_velocity")["roi_id"].dropna()) == set()
    assert update.left_out == {
        record.image_id: (
            "velocity, channel 1, ROI 1: this region no longer exists",
            "velocity, channel 1, ROI 2: the region has other borders now; run the analysis again",
        )
    }
    run(dataset, image_ids=[record.image_id])
    assert kym.update_index(SUMMARY).left_out == {}
    (row,) = dataset.load_table("kym_velocity", image_ids=[record.image_id]).to_dict("records")
    assert row["roi_id"] == 2
    assert row["region_hash"] not in set(before["region_hash"])

    # A new ROI has a new id: what was said of the old one does not apply to it.
    current = load_metadata(record)
    again = create_roi(current.rois, image_extent(record), last_id=current.last_roi_id)
    save_metadata(record, replace(current, rois=again))
    assert [roi.id for roi in again] == [2, 3]


def test_a_lost_table_has_no_rows_and_is_reported(tmp_path: Path) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr", durability="none")
    record = add(dataset, 1.5)
    run(dataset)
    (path,) = (tmp_path / "d.zarr").rglob("velocity/intervals.parquet")
    path.unlink()
    update = KymDataset(dataset).update_index(INTERVALS)
    assert update.rows == 0
    assert "the table 'intervals' is lost" in update.left_out[record.image_id][0]
    assert KymDataset(dataset).update_index(SUMMARY).rows == 1


def test_labels_are_rows_of_one_table(dataset: ZarrDataset) -> None:
    run(dataset, params=VelocityParams(window_lines=32), label="w32")
    KymDataset(dataset).update_index(SUMMARY)
    table = dataset.load_table("kym_velocity")
    assert table.groupby("label")["window_lines"].agg(set).to_dict() == {"": {16}, "w32": {32}}


def test_two_equal_rois_count_once(dataset: ZarrDataset) -> None:
    record = dataset.add_image(moving(1.0), axes=("t", "x"))
    same = tuple(
        Roi(id=number, dim0_start=0, dim0_stop=200, dim1_start=0, dim1_stop=24) for number in (1, 2)
    )
    save_metadata(record, ImageMetadata(rois=same))
    kym = KymDataset(dataset)
    kym.run("velocity", image_ids=[record.image_id])
    kym.run("velocity", label="w32", window_lines=32)
    kym.update_index(SUMMARY)
    own = kym["velocity"].query("image_id == @record.image_id and label == ''")
    assert len(own) == 2
    velocities = kym.velocities()
    assert list(velocities.columns[:3]) == ["file", "folder", "acquired"]
    (row,) = velocities[velocities["image_id"] == record.image_id].to_dict("records")
    assert row["roi_id"] == 1
    assert len(kym.velocities()) == 4, "two ROIs with borders of their own, two others"
    assert set(kym.velocities(label="w32")["window_lines"]) == {32}


def test_they_are_found_by_name() -> None:
    assert load_indexer("velocity") == AnalysisTable(analysis=VELOCITY)
    assert load_indexer("velocity_intervals") == AnalysisTable(analysis=VELOCITY, table="intervals")
    assert load_analysis("velocity") is VELOCITY


@pytest.mark.parametrize("workers", [None, ThreadPoolExecutor, ProcessPoolExecutor])
def test_a_run_on_any_executor_gives_the_same_and_a_failure_stops_only_itself(
    tmp_path: Path, workers: Callable[[int], Executor] | None
) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr")
    for velocity in (1.0, 2.0, -1.0, -2.0, 0.5):
        add(dataset, velocity)
    flat = dataset.add_image(np.zeros((40, 20), np.uint16), axes=("t", "x"))
    untracked = VelocityParams(tracked=False)
    if workers is None:
        outcomes = run(dataset, params=untracked)
    else:
        with workers(2) as executor:
            outcomes = run(dataset, params=untracked, executor=executor)
    assert [outcome.image_id for outcome in outcomes] == dataset.list_image_ids()
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    assert [outcome.image_id for outcome in failed] == [flat.image_id]
    assert failed[0].error is not None
    assert "cannot analyze this kymograph" in failed[0].error.reason
    assert "Traceback" in failed[0].error.details
    stored = [load_results(one, VELOCITY) for one in dataset.iter_records()]
    medians = sorted(
        round(float(str(entry.values["median_px_per_line"])), 1)
        for each in stored
        for entry in each.results
    )
    assert medians == [-2.0, -1.0, 0.5, 1.0, 2.0]
