"""What a dataset can be opened from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
import zarr
from zarr.buffer.cpu import Buffer
from zarr.storage import LocalStore, MemoryStore, StorePath, ZipStore

from kymflow_zarr import CorruptDataError, NotADatasetError, ReadOnlyError, ZarrDataset


class Like:
    """A path of another library."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


def test_whatever_names_a_folder_opens_it(tmp_path: Path) -> None:
    place = tmp_path / "d.zarr"
    made = ZarrDataset(Like(place)).add_image(np.ones((2, 3)))
    for named in (
        place,
        str(place),
        place.as_uri(),
        Like(place),
        LocalStore(place),
        StorePath(LocalStore(place)),
        StorePath(LocalStore(tmp_path), "d.zarr"),
        zarr.open_group(place, mode="r"),
        zarr.open_group(place, mode="r+"),
    ):
        dataset = ZarrDataset(named, "r")
        assert list(dataset) == [made.image_id]
        assert dataset.location == str(place)


def test_a_place_in_a_store_is_a_separate_dataset() -> None:
    memory = MemoryStore()
    first = ZarrDataset(StorePath(memory, "lab/first.zarr"))
    second = ZarrDataset(StorePath(memory, "lab/second.zarr"))
    record = first.add_image(np.arange(6).reshape(2, 3))
    record.save_json("a/b", 1)
    record.save_array_artifact("map", np.ones(3))
    first.save_table("t", pd.DataFrame({"image_id": [record.image_id]}))
    assert (len(first), len(second)) == (1, 0)
    group = zarr.open_group(memory, path="lab/first.zarr", mode="r")
    again = ZarrDataset(group, "r")
    assert again.location.endswith("lab/first.zarr")
    assert again[record.image_id].load_array().tolist() == [[0, 1, 2], [3, 4, 5]]
    assert np.asarray(again[record.image_id].open_array()[1]).tolist() == [3, 4, 5]
    assert again.tables["t"]["image_id"].tolist() == [record.image_id]
    assert first.check(deep=True) == second.check(deep=True) == []
    first.delete_image(record.image_id)
    assert (len(first), len(second)) == (0, 0)


@pytest.mark.parametrize("nothing", [None, 3, b"d.zarr", {}, object()], ids=type)
def test_what_cannot_hold_a_dataset_gets_a_message_that_says_what_can(nothing: Any) -> None:
    with pytest.raises(TypeError, match="a path, a URL, or a zarr Store, StorePath or Group"):
        ZarrDataset(nothing)


def test_an_array_holds_no_dataset(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "a.zarr", shape=(3,), dtype="u1")
    with pytest.raises(TypeError, match="cannot be opened from a 'Array'"):
        ZarrDataset(array)  # type: ignore[arg-type]  # wrong on purpose


# --- stores that are read-only --------------------------------------------------------------------


def read_only(place: Path) -> list[Any]:
    return [
        LocalStore(place, read_only=True),
        StorePath(LocalStore(place, read_only=True)),
        zarr.open_group(place, mode="r"),
    ]


def test_a_store_that_is_read_only_is_opened_for_reading(tmp_path: Path, snapshot: Any) -> None:
    made = ZarrDataset(tmp_path / "d.zarr").add_image(np.ones((2, 3)))
    before = snapshot(tmp_path)
    for store in read_only(tmp_path / "d.zarr"):
        dataset = ZarrDataset(store)
        assert dataset.mode == "r"
        assert list(dataset) == [made.image_id]
        with pytest.raises(ReadOnlyError):
            dataset.save_table("t", pd.DataFrame({"a": [1]}))
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("mode", ["a", "r+"])
def test_to_write_to_a_store_that_is_read_only_is_refused(
    tmp_path: Path, mode: Any, snapshot: Any
) -> None:
    ZarrDataset(tmp_path / "d.zarr")
    before = snapshot(tmp_path)
    for store in read_only(tmp_path / "d.zarr"):
        with pytest.raises(
            ReadOnlyError, match=r"mode='(a|r\+)': the store is read-only; use mode"
        ):
            ZarrDataset(store, mode)
    assert snapshot(tmp_path) == before


@pytest.mark.skipif(sys.platform != "linux", reason="mounts on Linux")
def test_a_disk_that_is_read_only_is_named_by_the_whole_path(tmp_path: Path) -> None:
    place, shown = tmp_path / "d.zarr", tmp_path / "shown.zarr"
    made = ZarrDataset(place).add_image(np.ones((2, 3)))
    shown.mkdir()
    if subprocess.run(["mount", "--bind", place, shown], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", shown], check=True)
        dataset = ZarrDataset(shown)
        calls: list[Callable[[], object]] = [
            lambda: dataset[made.image_id].save_json("a", 1),
            lambda: dataset.add_image(np.ones((2, 3))),
            lambda: dataset.delete_image(made.image_id),
        ]
        for call in calls:
            with pytest.raises(OSError, match="Read-only file system") as caught:
                call()
            assert str(caught.value.filename).startswith(str(shown))
    finally:
        subprocess.run(["umount", "--lazy", shown], check=True)


def test_a_store_that_can_never_replace_a_key_is_for_reading(tmp_path: Path) -> None:
    store = ZipStore(tmp_path / "d.zip", mode="w")
    with pytest.raises(ReadOnlyError, match="a store that can be written to"):
        ZarrDataset(store, "a")
    with pytest.raises(NotADatasetError, match="no dataset was found there"):
        ZarrDataset(store)
    store.close()


def test_a_dataset_in_a_zip_file_can_be_read(tmp_path: Path) -> None:
    source = ZarrDataset(tmp_path / "d.zarr")
    record = source.add_image(np.arange(6).reshape(2, 3))
    record.save_json("a/b", 1)
    source.save_table("t", pd.DataFrame({"v": [1]}))
    with ZipFile(tmp_path / "d.zip", "w") as archive:
        for path in sorted(Path(source.location).rglob("*")):
            archive.write(path, path.relative_to(source.location))
    store = ZipStore(tmp_path / "d.zip", mode="r")
    dataset = ZarrDataset(store)
    assert dataset[record.image_id].load_array().tolist() == [[0, 1, 2], [3, 4, 5]]
    assert dataset[record.image_id].artifacts["a/b"] == 1
    assert list(dataset.tables) == ["t"]
    store.close()


# --- what file managers leave ---------------------------------------------------------------------

LEFT_BY_FILE_MANAGERS = ["desktop.ini", "Thumbs.db", ".DS_Store", "._data"]


@pytest.mark.parametrize("name", LEFT_BY_FILE_MANAGERS)
def test_files_of_file_managers_harm_nothing(disk: ZarrDataset, name: str) -> None:
    record = disk.add_image(np.ones((2, 3)))
    record.save_json("deep/note", 1)
    record.save_array_artifact("map", np.ones(3))
    disk.save_table("deep/t", pd.DataFrame({"v": [1]}))
    for folder, _, _ in list(os.walk(disk.location)):
        Path(folder, name).write_bytes(b"x")
    dataset = ZarrDataset(disk.location)
    assert dataset.check(deep=True) == []
    dataset.validate()
    assert dataset.repair() == []
    assert list(dataset) == [record.image_id]
    assert list(dataset.tables) == ["deep/t"]
    assert list(dataset[record.image_id].artifacts) == ["deep/note", "map", "provenance"]


@pytest.mark.parametrize("name", LEFT_BY_FILE_MANAGERS)
def test_nor_do_they_in_a_store_that_someone_copied_them_into(name: str) -> None:
    keys: dict[str, Any] = {}
    dataset = ZarrDataset(MemoryStore(keys))
    record = dataset.add_image(np.ones((2, 3)))
    record.save_json("deep/note", 1)
    record.save_array_artifact("map", np.ones(3))
    dataset.save_table("deep/t", pd.DataFrame({"v": [1]}))
    for folder in {key.rpartition("/")[0] for key in keys}:
        keys[f"{folder}/{name}".lstrip("/")] = Buffer.from_bytes(b"x")
    assert dataset.check(deep=True) == []
    assert list(dataset) == [record.image_id]
    assert list(dataset.tables) == ["deep/t"]
    assert list(record.artifacts) == ["deep/note", "map", "provenance"]


@pytest.mark.parametrize("name", LEFT_BY_FILE_MANAGERS)
def test_a_folder_with_nothing_else_becomes_a_dataset(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert len(ZarrDataset(tmp_path)) == 0


@pytest.mark.parametrize("name", LEFT_BY_FILE_MANAGERS[:2])
def test_a_result_may_be_named_like_such_a_file(dataset: ZarrDataset, name: str) -> None:
    record = dataset.add_image(np.ones((2, 3)))
    record.save_array_artifact(name, np.ones(3))
    record.save_json(f"{name}/note", 1)
    assert list(record.artifacts) == [name, f"{name}/note", "provenance"]
    assert dataset.check(deep=True) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_pipe_in_place_of_a_file_is_damage_that_keeps_nobody_waiting(disk: ZarrDataset) -> None:
    record = disk.add_image(np.ones((2, 3)))
    keys = [record.save_json("a", 1), f"images/{record.image_id}/inventory.txt", "tables/t.parquet"]
    disk.save_table("t", pd.DataFrame({"v": [1]}))
    for key in keys:
        Path(disk.location, key).unlink()
        os.mkfifo(Path(disk.location, key))
    for read in (lambda: record.load_json("a"), lambda: disk.load_table("t")):
        with pytest.raises(CorruptDataError):
            read()
    assert {problem.location for problem in disk.check()} >= {"tables/t.parquet"}


# --- stores that cannot lock ----------------------------------------------------------------------


def test_a_store_that_cannot_lock_is_only_read_and_reads_right(tmp_path: Path) -> None:
    """One of fsspec looks before it creates a key, and says of a folder, too, that it exists."""
    pytest.importorskip("fsspec")
    from zarr.storage import FsspecStore

    made = ZarrDataset(tmp_path / "d.zarr")
    record = made.add_image(np.ones((3, 3)), axes=("t", "x"))
    record.save_json("velocity/params", 1)
    record.save_array_artifact("background", np.ones(3))
    made.save_table("lab/cells", pd.DataFrame({"a": [1]}))
    store = FsspecStore.from_url(
        (tmp_path / "d.zarr").as_uri(), storage_options={"asynchronous": True}
    )
    read = ZarrDataset(store)
    assert read.mode == "r"
    assert read.check(deep=True) == []
    assert read.list_table_names() == ["lab/cells"]
    (there,) = read.values()
    assert list(there.artifacts) == list(record.artifacts)
    report = read.export_legacy_folder(tmp_path / "export")
    assert report.files_written == made.export_legacy_folder(tmp_path / "again").files_written
    with pytest.raises(ReadOnlyError, match=r"two writers could both hold a lock; use mode=\"r\""):
        ZarrDataset(store, "a")
    with pytest.raises(NotADatasetError, match="FsspecStore cannot create a key"):
        ZarrDataset(FsspecStore.from_url("memory://nothing-there"))
