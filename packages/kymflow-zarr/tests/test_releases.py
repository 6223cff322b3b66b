"""What a released version wrote opens, reads and takes new results in this one."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kymflow_zarr import ZarrDataset

ARCHIVES = sorted((Path(__file__).parent / "data").glob("release-*.zip"))


@pytest.fixture(params=ARCHIVES, ids=lambda path: path.stem)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The unpacked archive of a release."""
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(tmp_path)
    return tmp_path


@pytest.fixture
def expected(place: Path) -> dict[str, Any]:
    """What the release said is in its dataset."""
    said: dict[str, Any] = json.loads((place / "expected.json").read_text(encoding="utf-8"))
    return said


def test_it_reads_as_it_is(place: Path, expected: dict[str, Any]) -> None:
    dataset = ZarrDataset(place / "dataset.zarr", "r")
    assert dataset.list_image_ids() == sorted(expected["images"])
    for image_id, said in expected["images"].items():
        record = dataset.record(image_id)
        assert list(record.shape) == said["shape"]
        assert list(record.get_axes()) == said["axes"]
        assert record.load_array().dtype.name == said["dtype"]
        assert record.pixels_digest == said["pixels_digest"]
        inside = [key.split("/", 2)[2] for key in record.list_analysis_keys()]
        assert inside == said["artifacts"]
        assert record.list_array_artifacts() == said["arrays"]
    for name, said in expected["tables"].items():
        assert len(dataset.load_table(name)) == said["rows"]
        assert list(dataset.load_table(name)) == said["columns"]
    assert dataset.check(deep=True) == []


def test_its_typed_values_are_what_was_saved(place: Path) -> None:
    dataset = ZarrDataset(place / "dataset.zarr", "r")
    types = dataset.load_table("types").sort_values("t")
    assert [str(kind) for kind in types.dtypes[["i", "c", "b"]]] == ["Int64", "category", "bool"]
    assert types["i"].tolist() == [1, pd.NA]
    record = dataset.record(types["image_id"].iloc[0])
    assert record.load_df_parquet("radon")["velocity"].tolist() == [1.25, -2.5]
    assert record.load_df_csv_gz("peaks")["peak"].tolist() == [3, 4]
    assert record.load_json("extra") == {"k": [1, 2, {"deep": None}]}
    np.testing.assert_array_equal(
        record.load_array_artifact("scores"), np.arange(6.0).reshape(2, 3)
    )


def test_it_takes_new_results_and_images(place: Path, expected: dict[str, Any]) -> None:
    dataset = ZarrDataset(place / "dataset.zarr")
    record = dataset.record(next(iter(expected["images"])))
    record.save_json("new/result", {"x": 1})
    record.save_df_parquet("new/table", pd.DataFrame({"v": [1.5]}))
    record.save_array_artifact("new", np.arange(3))
    rows = pd.DataFrame({"image_id": [record.image_id], "i": pd.array([7], "Int64")})
    dataset.replace_rows_for_image_id("types", record.image_id, rows)
    added = dataset.add_image(np.zeros((3, 4), np.uint8), axes=("t", "x"))
    dataset.update_manifest()
    again = ZarrDataset(place / "dataset.zarr", "r")
    assert again.record(record.image_id).load_json("new/result") == {"x": 1}
    assert 7 in again.load_table("types")["i"].tolist()
    assert added.image_id in again.list_image_ids()
    assert again.check(deep=True) == []


def test_its_export_is_ingested(place: Path, expected: dict[str, Any], tmp_path: Path) -> None:
    dataset = ZarrDataset(tmp_path / "taken.zarr")
    assert sorted(dataset.ingest_legacy_folder(place / "export")) == sorted(expected["images"])
    assert dataset.check(deep=True) == []
    original = ZarrDataset(place / "dataset.zarr", "r")
    for name in expected["tables"]:
        pd.testing.assert_frame_equal(dataset.load_table(name), original.load_table(name))
    for image_id in expected["images"]:
        old, new = original.record(image_id), dataset.record(image_id)
        assert new.list_analysis_keys() == old.list_analysis_keys()
        np.testing.assert_array_equal(new.load_array(), old.load_array())
