"""Velocity as tables, and the analysis over many images."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from kymflow.core import KymDataset
from kymflow.core.analysis.run import run_analysis
from kymflow.core.analysis.velocity_analysis import VelocityAnalysis, VelocityParams
from kymflow.core.analysis.velocity_results import load_params, load_summaries, load_trace
from kymflow.core.analysis_base import BaseAnalysis
from kymflow.core.errors import IndexUpdateError
from kymflow.core.indexers import VelocityIntervalsTable, VelocityTable
from kymflow.core.metadata import Header, ImageMetadata, Roi, save_metadata
from kymflow.core.plugins import load_analysis, load_indexer
from kymflow.core.provenance import params_hash
from kymflow.core.testing import check_indexer
from kymflow_zarr import ReadOnlyError, ZarrDataset, ZarrImageRecord


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


@pytest.fixture
def dataset() -> ZarrDataset:
    """Three images: one with two ROIs, one without, one that is not analysed."""
    dataset = ZarrDataset(MemoryStore())
    for record in (add(dataset, 1.5, rois=2), add(dataset, -2.0)):
        VelocityAnalysis().run(record)
    dataset.add_image(np.ones((40, 20), np.uint16), axes=("t", "x"))
    return dataset


def test_one_row_per_region(dataset: ZarrDataset) -> None:
    update = KymDataset(dataset).update_index(VelocityTable())
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


def test_each_rows_hash_leads_to_the_parameters_of_its_own_region(dataset: ZarrDataset) -> None:
    kym = KymDataset(dataset)
    for indexer in (VelocityTable(), VelocityIntervalsTable()):
        kym.update_index(indexer)
    table = dataset.load_table("kym_velocity")
    assert table["params_hash"].is_unique
    for _, row in table.iterrows():
        found = kym.params_for("kym_velocity", str(row["params_hash"]))
        region = found["region"]
        assert isinstance(region, dict)
        assert params_hash(found) == row["params_hash"]
        assert region["dim1_start"] == (
            1 if row["roi_id"] is not pd.NA and row["roi_id"] == 2 else 0
        )
    assert set(dataset.load_table("kym_velocity_intervals")["params_hash"]) <= set(
        table["params_hash"]
    )


def test_intervals_are_those_of_the_artifact(dataset: ZarrDataset) -> None:
    noise = np.random.default_rng(0).poisson(300, (600, 24)).astype(np.uint16)
    record = dataset.add_image(noise, axes=("t", "x"))
    VelocityAnalysis().run(record)
    KymDataset(dataset).update_index(VelocityIntervalsTable())
    table = dataset.load_table("kym_velocity_intervals", image_ids=[record.image_id])
    assert set(table["kind"]) == {"unknown"}
    assert table["start_s"].isna().all()
    assert (table["stop_line"] > table["start_line"]).all()
    trace = load_trace(record)
    assert (trace["status"] == "unknown").mean() > 0.9


def test_both_keep_every_rule_of_indexers(dataset: ZarrDataset) -> None:
    assert check_indexer(VelocityTable(), dataset) == []
    assert check_indexer(VelocityIntervalsTable(), dataset) == []


def test_results_of_another_version_are_not_passed_off_as_of_this_one(
    dataset: ZarrDataset,
) -> None:
    kym = KymDataset(dataset)
    kym.update_index(VelocityTable())
    before = dataset.load_table("kym_velocity")
    record = next(one for one in dataset.iter_records() if load_summaries(one))
    summary = record.load_json("velocity/summary")
    assert isinstance(summary, dict)
    assert isinstance(summary["regions"], list)
    for entry in summary["regions"]:
        assert isinstance(entry, dict)
        entry["analysis_version"] = "0"
    record.save_json("velocity/summary", summary)
    with pytest.raises(IndexUpdateError, match="run the analysis again"):
        kym.update_index(VelocityTable(), on_error="collect")
    pd.testing.assert_frame_equal(dataset.load_table("kym_velocity"), before)
    VelocityAnalysis(only_missing=True).run(record)
    kym.update_index(VelocityTable())


def test_they_are_found_by_name() -> None:
    assert isinstance(load_indexer("velocity"), VelocityTable)
    assert isinstance(load_indexer("velocity_intervals"), VelocityIntervalsTable)
    assert isinstance(load_analysis("velocity"), VelocityAnalysis)


@dataclass(frozen=True, kw_only=True)
class Breaks:
    """An analysis that fails on images of one size."""

    name: ClassVar[str] = "breaks"
    rows: int

    def run(self, rec: ZarrImageRecord) -> None:
        if rec.shape[0] == self.rows:
            raise RuntimeError(f"no {self.rows} rows, please")
        rec.save_json("breaks/params", {"rows": self.rows})

    def analysis_version(self) -> str:
        return "1"


@pytest.mark.parametrize("workers", [None, ThreadPoolExecutor, ProcessPoolExecutor])
def test_a_run_on_any_executor_gives_the_same_and_a_failure_stops_only_itself(
    tmp_path: Path, workers: Callable[[int], Executor] | None
) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr")
    for velocity in (1.0, 2.0, -1.0, -2.0, 0.5):
        add(dataset, velocity)
    flat = dataset.add_image(np.zeros((40, 20), np.uint16), axes=("t", "x"))
    analysis = VelocityAnalysis(params=VelocityParams(tracked=False))
    if workers is None:
        outcomes = list(run_analysis(dataset, analysis))
    else:
        with workers(2) as executor:
            outcomes = list(run_analysis(dataset, analysis, executor=executor))
    assert [outcome.image_id for outcome in outcomes] == dataset.list_image_ids()
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    assert [outcome.image_id for outcome in failed] == [flat.image_id]
    assert failed[0].error is not None
    assert "RegionError" in failed[0].error.reason
    assert "Traceback" in failed[0].error.details
    done = [one for one in dataset.iter_records() if load_params(one)]
    assert len(done) == 5
    medians = sorted(
        round(float(str(load_summaries(one)[0].values["median_px_per_line"])), 1) for one in done
    )
    assert medians == [-2.0, -1.0, 0.5, 1.0, 2.0]


def test_anyones_analysis_can_be_run(dataset: ZarrDataset) -> None:
    outcomes = list(run_analysis(dataset, Breaks(rows=40)))
    assert sum(outcome.error is None for outcome in outcomes) == 2
    (failed,) = [outcome.error for outcome in outcomes if outcome.error is not None]
    assert "no 40 rows, please" in str(failed)
    first = outcomes[0].image_id
    (only,) = run_analysis(dataset, Breaks(rows=1), image_ids=[first])
    assert (only.error, only.skipped) == (None, False)
    with pytest.raises(ReadOnlyError):
        run_analysis(dataset.as_read_only(), Breaks(rows=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Says:
    """An analysis whose runs return a given value."""

    name: ClassVar[str] = "says"
    value: object

    def run(self, rec: ZarrImageRecord) -> object:  # noqa: ARG002 - what an analysis takes
        return self.value

    def analysis_version(self) -> str:
        return "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """What a run may return; ``skipped`` may also be another thing of that name."""

    skipped: object


def test_an_outcome_says_whether_there_was_anything_to_compute(dataset: ZarrDataset) -> None:
    def skipped(analysis: BaseAnalysis) -> list[bool]:
        outcomes = list(run_analysis(dataset, analysis))
        assert all(outcome.error is None for outcome in outcomes)
        return [outcome.skipped for outcome in outcomes]

    velocity = VelocityAnalysis(params=VelocityParams(tracked=False), only_missing=True)
    first, again = skipped(velocity), skipped(velocity)
    assert not any(first)
    assert all(again)
    assert not any(skipped(replace(velocity, only_missing=False)))
    count = len(first)
    assert skipped(Says(value=Skipped(skipped=True))) == [True] * count
    for value in (None, 3, Skipped(skipped=False), Skipped(skipped=np.ones(2))):
        assert skipped(Says(value=value)) == [False] * count
