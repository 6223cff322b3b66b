"""The log: one row for each run, whatever became of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kymflow.core import BaseIndexer, KymDataset
from kymflow.core.analysis import run_analysis
from kymflow.core.analysis.velocity import VELOCITY, VelocityParams
from kymflow.core.errors import IndexUpdateError
from kymflow.core.run_log import load_run_log
from kymflow_zarr import ZarrDataset, ZarrImageRecord

MakeIndexer = Callable[..., BaseIndexer]


def test_a_dataset_on_which_nothing_ran_has_an_empty_log(empty: ZarrDataset) -> None:
    log = load_run_log(empty)
    assert len(log) == 0
    assert {"run_id", "user", "command", "counts"} <= set(log.columns)


def test_a_run_says_who_did_what_when_with_which_parameters(tmp_path: Path) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr")
    dataset.add_image(np.ones((8, 6), np.uint8), axes=("t", "x"))
    before = datetime.now(UTC)
    list(run_analysis(dataset, VELOCITY, params=VelocityParams(window_lines=32), label="long"))
    (run,) = load_run_log(dataset).to_dict("records")
    assert before - timedelta(seconds=1) < run["started_utc"] <= run["finished_utc"]
    assert run["user"]
    assert run["host"]
    assert run["command"].startswith(Path(sys.argv[0]).name)
    assert (run["action"], run["name"], run["version"], run["label"]) == (
        *("analyze", "velocity", VELOCITY.version),
        "long",
    )
    assert f"kymflow-core {version('kymflow-core')}" in run["software"]
    assert json.loads(run["params"])["window_lines"] == 32
    assert json.loads(run["counts"]) == {"images": 1, "failed": 1}
    assert dataset.check(deep=True) == []


def test_runs_are_in_order_and_none_is_lost(
    dataset: ZarrDataset, make_indexer: MakeIndexer
) -> None:
    bad = dataset.list_image_ids()[0]

    def rows_of(rec: ZarrImageRecord) -> pd.DataFrame:
        if rec.image_id == bad:
            raise ValueError("no")
        return pd.DataFrame({"a": [1]})

    kym = KymDataset(dataset)
    for number in range(3):
        kym.update_index(make_indexer(lambda _: pd.DataFrame({"a": [1]}), version=str(number)))
    with pytest.raises(IndexUpdateError):
        kym.update_index(make_indexer(rows_of, version="3"), on_error="collect")
    log = kym.log()
    assert log["version"].tolist() == ["0", "1", "2", "3"]
    assert log["run_id"].is_monotonic_increasing
    assert log["params"].isna().all()
    assert json.loads(log["counts"].iloc[-1])["failed"] == 1


def test_a_run_that_was_stopped_early_is_in_the_log(dataset: ZarrDataset) -> None:
    outcomes = run_analysis(dataset, VELOCITY)
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]  # it is a generator
    (run,) = load_run_log(dataset).to_dict("records")
    assert json.loads(run["counts"]) == {"images": 3, "ok": 1}


def test_repair_and_deletion_leave_it_alone(dataset: ZarrDataset) -> None:
    kym = KymDataset(dataset)
    kym.run(VELOCITY)
    dataset.delete_image(dataset.list_image_ids()[0])
    dataset.repair()
    assert len(kym.log()) == 1
