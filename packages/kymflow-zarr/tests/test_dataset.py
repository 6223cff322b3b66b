"""Opening, creating and refusing datasets; images in them."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zarr
from zarr.storage import LocalStore, MemoryStore

from kymflow_zarr import (
    CorruptDataError,
    ImageNotFoundError,
    NotADatasetError,
    ReadOnlyError,
    SchemaValidationError,
    UnsupportedFormatError,
    ZarrDataset,
)


def test_a_path_a_url_and_a_local_store_name_the_same_dataset(tmp_path: Path) -> None:
    place = tmp_path / "d.zarr"
    made = ZarrDataset(place).add_image(np.ones((2, 3)), axes=("t", "x"))
    for name in (str(place), place.as_uri(), LocalStore(place)):
        assert ZarrDataset(name, "r").list_image_ids() == [made.image_id]


def test_two_datasets_over_one_memory_store_see_each_other() -> None:
    store = MemoryStore()
    made = ZarrDataset(store).add_image(np.ones((2, 3)), axes=("t", "x"))
    assert ZarrDataset(store, "r").list_image_ids() == [made.image_id]


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_only_mode_a_creates(tmp_path: Path, mode: str) -> None:
    with pytest.raises(NotADatasetError, match="ingest a folder"):
        ZarrDataset(tmp_path / "none.zarr", mode)  # type: ignore[arg-type]  # one of two literals
    assert not (tmp_path / "none.zarr").exists()


def test_a_plain_file_is_not_a_dataset(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(NotADatasetError, match="plain file"):
        ZarrDataset(path)
    assert path.read_text(encoding="utf-8") == "mine"


def test_a_folder_with_other_contents_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photo.tif").write_bytes(b"x")
    with pytest.raises(NotADatasetError, match="other contents"):
        ZarrDataset(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.tif"]


def test_another_zarr_group_is_not_a_dataset(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "other.zarr")
    with pytest.raises(NotADatasetError, match="another kind"):
        ZarrDataset(tmp_path / "other.zarr")


def test_a_newer_version_is_refused_with_the_versions_named(tmp_path: Path) -> None:
    ZarrDataset(tmp_path)
    root = tmp_path / "zarr.json"
    document = json.loads(root.read_text(encoding="utf-8"))
    document["attributes"]["schema_version"] = 7
    root.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(UnsupportedFormatError, match=r"format version 7.* knows 1, 2") as caught:
        ZarrDataset(tmp_path, "r")
    assert (caught.value.found, caught.value.supported) == (7, (1, 2))


def test_a_changed_root_document_is_refused_and_that_of_another_dataset_does(
    tmp_path: Path,
) -> None:
    ZarrDataset(tmp_path).add_image(np.ones((2, 3)), axes=("t", "x"))
    root = tmp_path / "zarr.json"
    root.write_bytes(root.read_bytes().replace(b"created_utc", b"created_utx"))
    with pytest.raises(CorruptDataError, match=r"'zarr\.json' is damaged.* new dataset's"):
        ZarrDataset(tmp_path, "r")
    ZarrDataset(tmp_path / "new.zarr")
    (tmp_path / "new.zarr" / "zarr.json").rename(root)
    shutil.rmtree(tmp_path / "new.zarr")
    dataset = ZarrDataset(tmp_path, "r")
    assert (len(dataset), dataset.check(deep=True)) == (1, [])


@pytest.mark.parametrize(
    "dtype", ["bool", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", ">u2"]
)
@pytest.mark.parametrize("shape", [(7,), (60, 16), (3, 8, 5), (2, 2, 6, 5)])
def test_pixels_come_back_as_they_were(
    dataset: ZarrDataset, dtype: str, shape: tuple[int, ...]
) -> None:
    pixels = (np.random.default_rng(1).random(shape) * 100).astype(dtype)
    axes = ("t", "c", "y", "x")[-len(shape) :]
    record = dataset.record(dataset.add_image(pixels, axes=axes).image_id)
    np.testing.assert_array_equal(record.load_array(), pixels)
    np.testing.assert_array_equal(np.asarray(record.open_array()[...]), pixels)
    assert record.load_array().dtype == np.dtype(dtype).newbyteorder("<")
    assert (record.shape, record.get_axes()) == (shape, axes)


def test_chunks_that_do_not_divide_the_shape(dataset: ZarrDataset) -> None:
    pixels = np.arange(5 * 7 * 3, dtype=np.int32).reshape(5, 7, 3)
    record = dataset.add_image(pixels, axes=("z", "y", "x"), chunks=(2, 4, 2))
    np.testing.assert_array_equal(record.load_array(), pixels)
    lazy = record.open_array()
    assert lazy.chunks == (2, 4, 2)
    np.testing.assert_array_equal(np.asarray(lazy[1:4, 3:6, 2]), pixels[1:4, 3:6, 2])


def test_a_kymograph_of_a_few_megabytes_is_one_chunk_and_lines_stay_whole(
    dataset: ZarrDataset,
) -> None:
    record = dataset.add_image(np.zeros((30_000, 38), np.uint16), axes=("t", "x"))
    assert record.open_array().chunks == (30_000, 38)
    tall = dataset.add_image(np.zeros((200_000, 38), np.uint16), axes=("t", "x"))
    assert tall.open_array().chunks == (100_000, 38)


@pytest.mark.parametrize(
    ("pixels", "axes", "message"),
    [
        (np.zeros((0, 3)), ("t", "x"), "at least 1 long"),
        (np.zeros((2, 3)), ("t",), "do not name each dimension"),
        (np.zeros((2, 3)), ("x", "x"), "do not name each dimension"),
        (np.zeros((2, 3)), (1, 2), "do not name each dimension"),
        (np.zeros((2, 3), complex), ("t", "x"), "cannot store pixels of type 'complex128'"),
        (np.array([[object()]]), ("t", "x"), "cannot store pixels of type 'object'"),
        (np.zeros((1,) * 9), tuple("abcdefghi"), "1 to 8 axes"),
        (np.float64(3.0).reshape(()), (), "1 to 8 axes"),
    ],
)
def test_what_cannot_be_stored_is_refused(
    dataset: ZarrDataset, pixels: np.ndarray, axes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SchemaValidationError, match=message):
        dataset.add_image(pixels, axes=axes)
    assert dataset.list_image_ids() == []


@pytest.mark.parametrize("chunks", [(True, 3), (2.0, 3), (0, 3)], ids=repr)
def test_chunks_that_are_no_whole_numbers_are_refused(
    dataset: ZarrDataset, chunks: tuple[Any, ...]
) -> None:
    # True was stored as a length, and the image could not be exported.
    with pytest.raises(SchemaValidationError, match="at least 1 long, as an int"):
        dataset.add_image(np.zeros((2, 3)), axes=("t", "x"), chunks=chunks)


def test_bounds_of_pictures(dataset: ZarrDataset) -> None:
    def bounds(shape: tuple[int, ...], axes: tuple[str, ...]) -> dict[str, int]:
        return dataset.add_image(np.zeros(shape, np.uint8), axes=axes).get_image_bounds()

    assert bounds((60, 16), ("t", "x")) == {"width": 16, "height": 60, "num_slices": 1}
    assert bounds((4, 60, 16), ("z", "y", "x")) == {"width": 16, "height": 60, "num_slices": 4}
    assert bounds((2, 60, 16), ("c", "t", "x")) == {"width": 16, "height": 60, "num_slices": 1}
    assert bounds((4, 6, 5, 2), ("z", "y", "x", "c")) == {
        "width": 5,
        "height": 6,
        "num_slices": 4,
    }


def test_deleting_an_image(dataset: ZarrDataset) -> None:
    kept = dataset.add_image(np.ones((2, 3)), axes=("t", "x"))
    gone = dataset.add_image(np.ones((2, 3)), axes=("t", "x"))
    gone.save_json("result", {"a": 1})
    rows = pa.table({"image_id": [kept.image_id, gone.image_id]})
    dataset.save_table("t", rows)
    dataset.update_manifest()
    dataset.delete_image(gone.image_id)
    assert dataset.list_image_ids() == [kept.image_id]
    assert dataset.load_table("t")["image_id"].tolist() == [kept.image_id]
    assert list(dataset.load_manifest().entries) == [kept.image_id]
    with pytest.raises(ImageNotFoundError):
        dataset.record(gone.image_id)
    with pytest.raises(ImageNotFoundError):
        dataset.delete_image(gone.image_id)
    for read in (gone.load_array, gone.open_array):  # nothing of it is damaged
        with pytest.raises(ImageNotFoundError):
            read()
    assert dataset.check(deep=True) == []


def test_an_id_that_begins_like_another_is_not_it(dataset: ZarrDataset) -> None:
    record = dataset.add_image(np.ones((2, 3)), axes=("t", "x"))
    with pytest.raises(ImageNotFoundError):
        dataset.record(record.image_id[:-1])


def test_deleting_an_image_leaves_a_folder_whose_name_goes_on() -> None:
    store = MemoryStore()
    dataset = ZarrDataset(store)
    image_id = dataset.add_image(np.ones((2, 3)), axes=("t", "x")).image_id
    zarr.create_group(store, path=f"images/{image_id}0")
    dataset.delete_image(image_id)
    assert list(zarr.open_group(store, path="images", mode="r").group_keys()) == [f"{image_id}0"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file names")
def test_a_name_with_a_colon_is_not_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ZarrDataset("mouse:3.zarr").location == str(tmp_path / "mouse:3.zarr")
    assert (tmp_path / "mouse:3.zarr" / "zarr.json").is_file()


def test_a_url_is_named_as_it_was_given() -> None:
    pytest.importorskip("obstore")
    dataset = ZarrDataset("memory:///lab")
    assert dataset.location == "memory:///lab"
    assert dataset.list_image_ids() == []
    with pytest.raises(NotADatasetError, match=r"'foo://bar/x' .*: it cannot be opened") as caught:
        ZarrDataset("foo://bar/x")
    assert "\n" not in str(caught.value)


def test_an_unreachable_object_store_is_a_clear_error() -> None:
    pytest.importorskip("obstore")
    with pytest.raises(OSError, match=r"the object store says .* check the URL") as caught:
        ZarrDataset("http://localhost:1/lab.zarr", "r")
    assert "\n" not in str(caught.value)


def test_a_dataset_on_disk_can_be_pickled_for_workers(disk: ZarrDataset) -> None:
    record = disk.add_image(np.ones((2, 3)), axes=("t", "x"))
    twin = pickle.loads(pickle.dumps(disk.as_read_only()))
    assert (twin.mode, twin.list_image_ids()) == ("r", [record.image_id])


def test_a_pickled_dataset_is_the_same_in_another_folder_and_is_never_made_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(home)
    dataset = ZarrDataset("lab.zarr")
    record = dataset.add_image(np.zeros((4, 3), np.uint8), axes=("t", "x"))
    pickled = pickle.dumps(dataset)
    monkeypatch.chdir(elsewhere)
    twin = pickle.loads(pickled)
    assert twin.list_image_ids() == [record.image_id]
    twin.record(record.image_id).save_json("note", {"by": "a worker"})
    assert list(elsewhere.iterdir()) == []
    (home / "lab.zarr").rename(home / "moved.zarr")
    with pytest.raises(NotADatasetError, match="no dataset was found there"):
        pickle.loads(pickled)
    assert [path.name for path in home.iterdir()] == ["moved.zarr"]


def test_a_dataset_in_memory_cannot_be_pickled() -> None:
    with pytest.raises(TypeError, match="open it by its path"):
        pickle.dumps(ZarrDataset(MemoryStore()))


def test_mode_r_refuses_every_write_before_the_first_byte(
    dataset: ZarrDataset, folder: Path
) -> None:
    import pandas as pd

    record = dataset.add_image(np.ones((2, 3)), axes=("t", "x"))
    frame = pd.DataFrame({"image_id": [record.image_id]})
    dataset.save_table("t", frame)
    reader = dataset.as_read_only()
    read = reader.record(record.image_id)
    for refuse in (
        lambda: reader.add_image(np.ones((2, 3)), axes=("t", "x")),
        lambda: reader.delete_image(record.image_id),
        lambda: reader.save_table("t", frame),
        lambda: reader.delete_table("t"),
        lambda: reader.replace_rows_for_image_id("t", record.image_id, frame),
        lambda: reader.save_sources_index(reader.load_sources_index()),
        lambda: reader.refresh_from_folder(folder),
        lambda: reader.ingest_image(folder / "a.tif"),
        lambda: reader.ingest_legacy_folder(folder),
        reader.update_manifest,
        reader.rebuild_manifest,
        reader.repair,
        lambda: read.save_json("x", {}),
        lambda: read.save_df_parquet("x", frame),
        lambda: read.save_df_csv_gz("x", frame),
        lambda: read.save_array_artifact("x", np.ones(2)),
        lambda: read.save_metadata_payload({}),
        read.delete_analysis,
    ):
        with pytest.raises(ReadOnlyError, match="open it with mode="):
            refuse()


def test_mode_r_leaves_every_byte_on_disk_alone(
    disk: ZarrDataset, folder: Path, tmp_path: Path, snapshot: object
) -> None:
    disk.refresh_from_folder(folder)
    before = snapshot(tmp_path)  # type: ignore[operator]  # a fixture that is a function
    reader = ZarrDataset(tmp_path / "dataset.zarr", "r")
    list(reader.iter_records("acquired_local_epoch_ns"))
    reader.load_sources_index()
    reader.check(deep=True)
    reader.plan_refresh(folder)
    assert snapshot(tmp_path) == before  # type: ignore[operator]


def test_durability_and_mode_are_checked() -> None:
    with pytest.raises(ValueError, match="choose one of 'record', 'batch', 'none'"):
        ZarrDataset(MemoryStore(), durability="always")  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ValueError, match="choose one of 'r', 'r\\+', 'a'"):
        ZarrDataset(MemoryStore(), "w")  # type: ignore[arg-type]  # wrong on purpose
