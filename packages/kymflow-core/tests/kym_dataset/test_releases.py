"""Results and tables of a released version are known, and continued, by this one."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from kymflow.core import KymDataset
from kymflow.core.indexers import ImageSummary, RoiTable, VelocityIntervalsTable, VelocityTable
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
    for indexer in (ImageSummary(), RoiTable(), VelocityTable(), VelocityIntervalsTable()):
        kymographs.update_index(indexer)
    for name, old in before.items():
        new = kymographs.load_index(name)
        assert list(new) == list(old)
        assert len(new) == len(old)
        assert new["params_hash"].tolist() == old["params_hash"].tolist()
