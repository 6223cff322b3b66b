"""Stamps that tell which images have changed, and what is kept of them from run to run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from zarr.storage import MemoryStore

from kymflow_zarr import InvalidNameError, ReadOnlyError, ZarrDataset, ZarrImageRecord


@pytest.fixture
def dataset(tmp_path: Path) -> ZarrDataset:
    made = ZarrDataset(tmp_path / "d.zarr", durability="none")
    for _ in range(2):
        made.add_image(np.zeros((4, 3), np.uint8), axes=("t", "x"))
    return made


def _edit_in_place(record: ZarrImageRecord, root: Path) -> None:
    path = root / "images" / record.image_id / "analysis" / "provenance.json"
    path.write_bytes(path.read_bytes() + b" ")


def _remove(record: ZarrImageRecord, root: Path) -> None:
    (root / "images" / record.image_id / "analysis" / "drift" / "result.json").unlink()


@pytest.mark.parametrize(
    "change",
    [
        lambda record, _: record.save_json("drift/result", {"px": 2}),
        lambda record, _: record.save_json("drift/result", {"px": 1}),
        lambda record, _: record.save_json("new", 1),
        lambda record, _: record.save_array_artifact("scores", np.ones(3)),
        _edit_in_place,
        _remove,
    ],
    ids=["other", "same again", "new", "array", "edited", "removed"],
)
def test_a_stamp_differs_once_an_artifact_does(
    dataset: ZarrDataset, tmp_path: Path, change: Callable[[ZarrImageRecord, Path], object]
) -> None:
    image_ids = dataset.list_image_ids()
    record = dataset.record(image_ids[0])
    record.save_json("drift/result", {"px": 1})
    before = dataset.artifact_stamps(image_ids)
    assert dataset.artifact_stamps(image_ids) == before
    change(record, tmp_path / "d.zarr")
    after = dataset.artifact_stamps(image_ids)
    assert after[image_ids[0]] != before[image_ids[0]]
    assert after[image_ids[1]] == before[image_ids[1]]


def test_there_is_no_stamp_where_changes_cannot_be_seen(dataset: ZarrDataset) -> None:
    assert dataset.artifact_stamps(["none"]) == {"none": ""}
    in_memory = ZarrDataset(MemoryStore())
    image_id = in_memory.add_image(np.zeros((4, 3), np.uint8), axes=("t", "x")).image_id
    assert in_memory.artifact_stamps([image_id]) == {image_id: ""}


def test_what_was_derived_is_kept_until_it_is_lost(dataset: ZarrDataset, tmp_path: Path) -> None:
    assert dataset.load_derived("index/kym_roi") == {}
    dataset.save_derived("index/kym_roi", {"b": "2", "a": "1"})
    assert dataset.as_read_only().load_derived("index/kym_roi") == {"a": "1", "b": "2"}
    assert dataset.check() == []
    (kept,) = (tmp_path / "d.zarr" / "index" / "derived").rglob("*.parquet")
    kept.write_bytes(kept.read_bytes()[:-8])
    assert dataset.load_derived("index/kym_roi") == {}
    kept.unlink()
    assert dataset.load_derived("index/kym_roi") == {}


def test_it_is_written_only_where_it_may_be(dataset: ZarrDataset) -> None:
    with pytest.raises(ReadOnlyError):
        dataset.as_read_only().save_derived("x", {})
    with pytest.raises(InvalidNameError):
        dataset.save_derived("../x", {})
