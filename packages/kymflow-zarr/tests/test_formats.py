"""Datasets of every format ever written can be read, and lose nothing when they are upgraded."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from kymflow_zarr import DatasetSchema, ZarrDataset

DATA = Path(__file__).parent / "data"
VERSIONS = sorted(int(path.stem.removeprefix("format-")) for path in DATA.glob("format-*.zip"))


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> int:
    found: int = request.param
    return found


@pytest.fixture
def place(version: int, tmp_path: Path) -> Path:
    """The unpacked archive."""
    with zipfile.ZipFile(DATA / f"format-{version}.zip") as archive:
        archive.extractall(tmp_path / "old.zarr")
    return tmp_path / "old.zarr"


def assert_contents(dataset: ZarrDataset) -> None:
    records = list(dataset.iter_records("created_utc"))
    assert len(records) == 2
    for number, record in enumerate(records):
        expected = np.arange(480).reshape(60, 8) + number
        assert (record.get_axes(), record.dtype) == (("t", "x"), np.dtype(np.uint16))
        np.testing.assert_array_equal(record.load_array(), expected)
        np.testing.assert_array_equal(np.asarray(record.open_array()[30:40]), expected[30:40])
        np.testing.assert_array_equal(record.load_array_artifact("scores"), [1.0, 2.0, 3.0])
        assert record.load_metadata_payload()["rois"] == [{"id": 1}]
        assert record.load_df_parquet("trace")["v"].tolist() == [number]
        assert dataset.load_table("kym_x", image_ids=[record.image_id])["v"].tolist() == [
            number + 1
        ]


def test_every_supported_version_has_an_archive() -> None:
    assert tuple(VERSIONS) == DatasetSchema.SUPPORTED


def test_it_reads_as_it_is(version: int, place: Path) -> None:
    dataset = ZarrDataset(place, "r")
    assert dataset.schema.version == version
    assert_contents(dataset)


def test_upgraded_it_holds_the_same_and_all_is_well(place: Path) -> None:
    dataset = ZarrDataset(place)
    dataset.upgrade()
    assert dataset.schema.version == DatasetSchema.CURRENT
    reopened = ZarrDataset(place, "r")
    assert_contents(reopened)
    assert reopened.check(deep=True) == []
