"""Results and tables of a released version are known, and continued, by this one."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd
import pytest

from kymflow.core import BaseIndexer, KymDataset
from kymflow.core.analysis import image_status, load_results, run_analysis
from kymflow.core.analysis.velocity import VELOCITY, VelocityParams
from kymflow.core.indexers import ImageSummary, RoiTable, analysis_tables
from kymflow_zarr import ZarrDataset

ARCHIVES = sorted((Path(__file__).parent.parent / "data").glob("release-*.zip"))


@pytest.fixture(params=ARCHIVES, ids=lambda path: path.stem)
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> ZarrDataset:
    """The dataset of a release, as it left it."""
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(tmp_path)
    return ZarrDataset(tmp_path / "dataset.zarr")


def test_its_tables_lead_back_to_its_parameters(dataset: ZarrDataset) -> None:
    kymographs = KymDataset(dataset)
    rows = kymographs.load_index("velocity")
    assert len(rows) == 1
    params = kymographs.params_for("velocity", rows["params_hash"].iloc[0])
    assert params


def test_its_results_are_indexed_again(dataset: ZarrDataset) -> None:
    kymographs = KymDataset(dataset)
    before = {name: kymographs.load_index(name) for name in kymographs.list_indexes()}
    indexers: list[BaseIndexer] = [ImageSummary(), RoiTable(), *analysis_tables(VELOCITY)]
    for indexer in indexers:
        kymographs.update_index(indexer)
    for name, old in before.items():
        new = kymographs.load_index(name)
        assert len(new) == len(old)
        # What may be missing is `Int64` now, also where nothing is.
        pd.testing.assert_frame_equal(new[list(old)], old, check_dtype=False)


def test_its_results_are_outdated_by_version(dataset: ZarrDataset) -> None:
    analyzed = [rec for rec in dataset.iter_records() if load_results(rec, VELOCITY).results]
    (record,) = analyzed
    (region,) = image_status(record, VELOCITY, params=VelocityParams()).regions
    assert (region.state, region.causes) == ("outdated", ("version",))
    assert {outcome.status for outcome in run_analysis(dataset, VELOCITY)} == {"ok"}
    (region,) = image_status(record, VELOCITY, params=VelocityParams()).regions
    assert region.state == "current"
