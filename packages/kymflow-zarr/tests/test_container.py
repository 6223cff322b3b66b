"""A dataset as a container: records by id, tables and sources by name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tifffile
from numpy.typing import NDArray

from kymflow_zarr import (
    AmbiguousImageError,
    ImageNotFoundError,
    ReadOnlyError,
    RowUpdate,
    TableNotFoundError,
    ZarrDataset,
    ZarrImageRecord,
)

MakeKymograph = Callable[..., NDArray[np.uint16]]


# --- records by id --------------------------------------------------------------------------------


def test_a_dataset_is_a_mapping_of_ids_to_records(
    dataset: ZarrDataset, kymograph: MakeKymograph
) -> None:
    assert len(dataset) == 0
    assert list(dataset) == []
    ids = sorted(dataset.add_image(kymograph(seed)).image_id for seed in range(3))
    assert list(dataset) == list(dataset.keys()) == ids
    assert len(dataset) == 3
    assert [dataset[image_id].image_id for image_id in dataset] == ids
    assert [(key, record.image_id) for key, record in dataset.items()] == [
        *zip(ids, ids, strict=True)
    ]
    assert ids[0] in dataset
    dataset.delete_image(ids[0])
    assert ids[0] not in dataset
    assert dataset.get(ids[0]) is None
    with pytest.raises(KeyError):
        dataset[ids[0]]


@pytest.mark.parametrize("key", ["nobody", "", "../tables", "a/b", "CON", 3, None])
def test_what_is_not_an_id_is_not_in_a_dataset(dataset: ZarrDataset, key: object) -> None:
    assert key not in dataset


def test_a_dataset_equals_only_itself(disk: ZarrDataset) -> None:
    other = ZarrDataset(disk.location)
    assert disk == disk
    assert disk != other
    assert len({disk, other}) == 2


def test_the_end_of_a_block_lets_go_of_what_writing_holds(tmp_path: Path) -> None:
    with ZarrDataset(tmp_path / "d.zarr") as dataset:
        dataset.add_image(np.zeros((3, 4), np.uint8))
        staging = Path(dataset.location, "index", "staging")
        assert len(list(staging.iterdir())) == 1
    assert list(staging.iterdir()) == []
    dataset.add_image(np.zeros((3, 4), np.uint8))  # it opens again by itself
    assert len(dataset) == 2


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files cannot be counted")
def test_no_file_stays_open(tmp_path: Path, folder: Path) -> None:
    opened = []
    for number in range(2):  # the first one loads libraries, which may keep files
        with ZarrDataset(tmp_path / f"{number}.zarr") as dataset:
            first, *_ = dataset.refresh_from_folder(folder)
            dataset[first].save_json("a/b", 1)
            dataset[first].save_array_artifact("map", np.ones(3))
            dataset[first].save_array_artifact("map", np.ones(4))
            dataset.save_table("t", pd.DataFrame({"image_id": [first]}))
            dataset.update_manifest()
            dataset.artifact_stamps([first])
            assert dataset.check(deep=True) == []
            dataset.delete_image(first)
            assert dataset.repair() == []
        opened.append(list(Path("/proc/self/fd").iterdir()))
    assert len(opened[0]) == len(opened[1])


# --- records by what people call them -------------------------------------------------------------


@pytest.fixture
def named(dataset: ZarrDataset, tmp_path: Path, kymograph: MakeKymograph) -> ZarrDataset:
    """Images from ``mouse1/run1.tif``, ``mouse1/run2.tif``, ``mouse2/run1.tif``; one from none."""
    for seed, name in enumerate(("mouse1/run1.tif", "mouse1/run2.tif", "mouse2/run1.tif")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / name, kymograph(seed))
        dataset.ingest_image(tmp_path / name)
    dataset.add_image(kymograph(9))
    return dataset


def path_of(dataset: ZarrDataset, record: ZarrImageRecord) -> str:
    sources = dataset.sources.load()
    paths = dict(zip(sources["image_id"], sources["source_primary_path"], strict=True))
    return str(paths[record.image_id])


@pytest.mark.parametrize("name", ["run2.tif", "run2", "mouse1/run2.tif", "mouse1/run2"])
def test_an_image_is_found_by_the_end_of_its_path(named: ZarrDataset, name: str) -> None:
    found = named.find(name)
    path = path_of(named, found)
    assert path.endswith(f"mouse1{os.sep}run2.tif")
    assert named.find(path).image_id == found.image_id


def test_an_image_is_found_by_its_id_or_the_start_of_it(named: ZarrDataset) -> None:
    for image_id in named:
        assert named.find(image_id).image_id == image_id
        others = [other for other in named if other != image_id]
        length = next(n for n in range(1, 37) if not any(o[:n] == image_id[:n] for o in others))
        assert named.find(image_id[:length]).image_id == image_id


def test_a_name_that_stands_for_several_images_lists_them(named: ZarrDataset) -> None:
    with pytest.raises(AmbiguousImageError, match="give more of the id, or of the path") as caught:
        named.find("run1.tif")
    found = [Path(path_of(named, named[image_id])) for image_id in caught.value.candidates]
    assert {path.name for path in found} == {"run1.tif"}
    assert len(caught.value.candidates) == 2
    assert all(image_id in str(caught.value) for image_id in caught.value.candidates)


@pytest.mark.parametrize(
    "name",
    [
        *("", "un1.tif", "ouse1/run1.tif", "nobody", "run1.tif/", "mouse1"),
        *("mouse0/run2.tif", "mouse3/run2.tif", "mouse1/mouse1/run2.tif"),
    ],
)
def test_a_name_that_stands_for_no_image(named: ZarrDataset, name: str) -> None:
    with pytest.raises(ImageNotFoundError):
        named.find(name)


# --- tables by name -------------------------------------------------------------------------------


def test_tables_are_a_mapping_by_name(dataset: ZarrDataset) -> None:
    tables = dataset.tables
    assert list(tables) == []
    frame = pd.DataFrame({"image_id": ["a", "b"], "v": [1, 2]})
    tables.save("speed", frame)
    tables.save("deep/er", frame)
    assert list(tables) == ["deep/er", "speed"]
    assert len(tables) == 2
    assert "speed" in tables
    assert not any(name in tables for name in ("Speed", "deep", "../x", "", 3))
    pd.testing.assert_frame_equal(tables["speed"], frame)
    assert tables.load("speed", columns=["v"], image_ids=["b"])["v"].tolist() == [2]
    assert tables.row_count("speed") == 2
    assert tables.row_count("none") is None
    schema = tables.schema("speed")
    assert schema is not None
    assert schema.names == ["image_id", "v"]
    assert pa.concat_tables(tables.iter_arrow("speed")) == tables.load_arrow("speed")
    assert tables.delete("speed")
    assert not tables.delete("speed")
    with pytest.raises(TableNotFoundError):
        tables["speed"]


def test_rows_are_replaced_image_by_image_or_many_at_once(dataset: ZarrDataset) -> None:
    tables = dataset.tables
    tables.save("speed", pd.DataFrame({"image_id": ["a", "b"], "v": [1, 2]}))
    tables.replace_rows_for_image_id("speed", "b", pd.DataFrame({"image_id": ["b"], "v": [3]}))
    rows = pa.table({"image_id": ["c"], "v": [4]})
    update = RowUpdate(image_ids=frozenset({"c"}), rows=rows)
    assert tables.replace_rows("speed", [update], schema=rows.schema, keep_others={"b"}) == 2
    assert tables["speed"].to_dict("list") == {"image_id": ["b", "c"], "v": [3, 4]}


def test_the_flat_names_do_the_same(dataset: ZarrDataset, folder: Path) -> None:
    frame = pd.DataFrame({"image_id": ["a"], "v": [1]})
    dataset.save_table("t", frame)
    pd.testing.assert_frame_equal(dataset.load_table("t"), dataset.tables["t"])
    assert dataset.list_table_names() == list(dataset.tables)
    assert dataset.table_schema("t") == dataset.tables.schema("t")
    assert dataset.table_row_count("t") == dataset.tables.row_count("t")
    assert len(dataset.refresh_from_folder(folder)) == 3
    pd.testing.assert_frame_equal(dataset.load_sources_index(), dataset.sources.load())


def test_views_of_a_read_only_dataset_write_nothing(disk: ZarrDataset, folder: Path) -> None:
    frame = pd.DataFrame({"image_id": ["a"], "v": [1]})
    disk.tables.save("t", frame)
    reader = disk.as_read_only()
    for refuse in (
        lambda: reader.tables.save("t", frame),
        lambda: reader.tables.delete("t"),
        lambda: reader.tables.replace_rows_for_image_id("t", "a", frame),
        lambda: reader.sources.save(reader.sources.load()),
        lambda: reader.sources.refresh(folder),
        lambda: reader.sources.ingest_file(folder / "a.tif"),
        lambda: reader.save_manifest(reader.load_manifest()),
    ):
        with pytest.raises(ReadOnlyError):
            refuse()
    assert len(reader.sources.plan(folder).new) == 3


# --- sources --------------------------------------------------------------------------------------


def test_sources_plan_and_refresh(dataset: ZarrDataset, folder: Path) -> None:
    sources = dataset.sources
    assert [file.primary.name for file in sources.plan(folder).new] == ["a.tif", "b.tif", "c.tif"]
    new = sources.refresh(folder)
    assert sorted(new) == list(dataset)
    assert sources.plan(folder).new == ()
    shutil.copy(folder / "a.tif", folder / "d.tif")
    (outcome,) = sources.iter_refresh(folder)
    assert outcome.path.name == "d.tif"
    table = sources.load()
    sources.save(table)
    assert len(sources.load()) == 4


def test_a_home_folder_is_expanded(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    dataset = ZarrDataset("~/lab.zarr")
    assert dataset.location == str(tmp_path / "lab.zarr")
    assert len(dataset.refresh_from_folder(f"~/{folder.name}")) == 3
    dataset.ingest_image(f"~/{folder.name}/a.tif")
    report = dataset.export_legacy_folder("~/plain", include_tables=False)
    assert len(report.image_ids) == 4
    assert (tmp_path / "plain" / "images").is_dir()
