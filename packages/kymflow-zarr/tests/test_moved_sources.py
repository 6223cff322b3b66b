"""Folders of recordings that move, copies of recordings, and exports among them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from kymflow_zarr import IngestOptions, SourceFolderError, ZarrDataset


def paths_of(dataset: ZarrDataset) -> dict[str, str]:
    """Image id → the path of its file."""
    index = dataset.load_sources_index()
    return dict(zip(index["image_id"], index["source_primary_path"], strict=True))


def test_a_folder_that_moved_doubles_nothing(
    dataset: ZarrDataset, folder: Path, tmp_path: Path
) -> None:
    (folder / "a.json").write_text(json.dumps({"note": 1}), encoding="utf-8")
    ids = dataset.refresh_from_folder(folder)
    archive = folder.rename(tmp_path / "archive")
    outcomes = list(dataset.iter_refresh(archive))
    assert [item.status for item in outcomes] == ["renewed"] * 3
    assert sorted(item.image_id for item in outcomes) == sorted(ids)
    assert dataset.list_image_ids() == sorted(ids)
    assert {Path(path).parent for path in paths_of(dataset).values()} == {archive.resolve()}
    assert list(dataset.iter_refresh(archive)) == []


def test_files_of_equal_pixels_are_distinguished_by_their_names(
    dataset: ZarrDataset, tmp_path: Path
) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(folder / name, np.zeros((4, 4), np.uint8))
    dataset.refresh_from_folder(folder)
    names = {image_id: Path(path).name for image_id, path in paths_of(dataset).items()}
    dataset.refresh_from_folder(folder.rename(tmp_path / "archive"))
    assert {image_id: Path(path).name for image_id, path in paths_of(dataset).items()} == names


def test_equal_bytes_of_another_shape_are_another_recording(
    dataset: ZarrDataset, tmp_path: Path
) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", np.zeros((4, 6), np.uint8))
    dataset.refresh_from_folder(folder)
    (folder / "a.tif").unlink()
    tifffile.imwrite(folder / "b.tif", np.zeros((6, 4), np.uint8))
    assert len(dataset.refresh_from_folder(folder)) == 1


def test_who_wants_new_copies_gets_them(dataset: ZarrDataset, folder: Path, tmp_path: Path) -> None:
    dataset.refresh_from_folder(folder)
    archive = folder.rename(tmp_path / "archive")
    options = IngestOptions(new_copies=True)
    assert len(dataset.refresh_from_folder(archive, options=options)) == 3
    assert len(dataset) == 6


def test_copies_that_both_exist_are_duplicates_of_each_other(
    dataset: ZarrDataset, folder: Path
) -> None:
    first = dataset.refresh_from_folder(folder, "a.tif")
    shutil.copy(folder / "a.tif", folder / "again.tif")
    second = dataset.refresh_from_folder(folder, "again.tif")
    dataset.refresh_from_folder(folder)
    assert [sorted(group) for group in dataset.sources.duplicates()] == [sorted(first + second)]


def test_copies_are_known_without_the_index(disk: ZarrDataset, folder: Path) -> None:
    shutil.copy(folder / "a.tif", folder / "again.tif")
    disk.refresh_from_folder(folder)
    before = disk.sources.duplicates()
    assert len(before) == 1
    shutil.rmtree(Path(disk.location, "index"))
    assert ZarrDataset(disk.location).sources.duplicates() == before


def test_sources_can_be_relocated(disk: ZarrDataset, folder: Path, tmp_path: Path) -> None:
    disk.refresh_from_folder(folder)
    archive = folder.rename(tmp_path / "archive")
    assert disk.sources.relocate(folder, archive) == 3
    assert {Path(path).parent for path in paths_of(disk).values()} == {archive.resolve()}
    assert list(disk.iter_refresh(archive)) == []
    assert disk.sources.relocate(folder, archive) == 0
    with pytest.raises(FileNotFoundError, match=r"there is no .*nowhere'; check the path"):
        disk.sources.relocate(archive, tmp_path / "nowhere")
    for wrong in (tmp_path, archive / "a.tif"):
        with pytest.raises(FileNotFoundError, match=r"none of the files .*; check the path"):
            disk.sources.relocate(archive, wrong)
    assert {Path(path).parent for path in paths_of(disk).values()} == {archive.resolve()}


@pytest.mark.parametrize("how", ["relocate", "refresh"])
@pytest.mark.parametrize("damaged", [True, False])
def test_where_files_are_now_is_known_without_the_index(
    disk: ZarrDataset, folder: Path, tmp_path: Path, how: str, damaged: bool
) -> None:
    """Though the files are still where they were before, too."""
    tifffile.imwrite(folder / "two_c1.tif", np.zeros((4, 4), np.uint8))
    tifffile.imwrite(folder / "two_c2.tif", np.ones((4, 4), np.uint8))
    disk.refresh_from_folder(folder)
    archive = folder.rename(tmp_path / "archive")
    if how == "relocate":
        assert disk.sources.relocate(folder, archive) == 4
    else:
        assert {item.status for item in disk.iter_refresh(archive)} == {"renewed"}
    shutil.copytree(archive, folder)
    index = Path(disk.location, "tables", "sources.parquet")
    index.write_bytes(index.read_bytes()[:-9] + b"?" * 9)
    if not damaged:
        index.unlink()
    again = ZarrDataset(disk.location)
    assert list(again.iter_refresh(archive)) == []
    assert {Path(path).parent for path in paths_of(again).values()} == {archive.resolve()}
    provenances: list[Any] = [record.load_json("provenance") for record in again.values()]
    paths = [Path(path) for said in provenances for path in said["source"]["files"]]
    assert (len(paths), {path.parent for path in paths}) == (5, {archive.resolve()})
    again.repair()
    assert again.check(deep=True) == []


def test_an_image_that_the_index_has_twice_is_found_and_repaired(
    disk: ZarrDataset, folder: Path
) -> None:
    disk.refresh_from_folder(folder)
    index = disk.load_sources_index()
    disk.save_sources_index(pd.concat([index, index[:1]], ignore_index=True))
    assert len(disk.load_sources_index()) == 3
    (problem,) = disk.check()
    assert "2 rows for image" in problem.message
    disk.repair()
    assert disk.check(deep=True) == []
    pd.testing.assert_frame_equal(disk.load_sources_index(), index)


def test_rows_that_are_older_than_a_delete_do_not_bring_the_image_back(
    disk: ZarrDataset, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone, *_ = disk.refresh_from_folder(folder)
    rows = disk.load_sources_index()
    disk.delete_image(gone)
    (again,) = disk.refresh_from_folder(folder)
    disk.save_sources_index(rows)
    assert f"rows of images that do not exist are left out: [{gone!r}]" in caplog.text
    assert {problem.kind for problem in disk.check()} <= {"record_without_source"}
    assert again in set(disk.load_sources_index()["image_id"])


def test_one_file_can_be_relocated(disk: ZarrDataset, folder: Path, tmp_path: Path) -> None:
    disk.refresh_from_folder(folder)
    moved = (folder / "a.tif").rename(tmp_path / "other.tif")
    assert disk.sources.relocate(folder / "a.tif", moved) == 1
    assert str(moved.resolve()) in paths_of(disk).values()


def test_a_file_cannot_be_relocated_to_a_folder(disk: ZarrDataset, folder: Path) -> None:
    disk.refresh_from_folder(folder)
    before = paths_of(disk)
    for old, new in ((folder / "a.tif", folder), (folder, folder / "a.tif")):
        with pytest.raises(FileNotFoundError, match="none of the files that came from"):
            disk.sources.relocate(old, new)
    assert paths_of(disk) == before


def test_sources_of_another_system_can_be_relocated(disk: ZarrDataset, folder: Path) -> None:
    disk.refresh_from_folder(folder)
    index = disk.load_sources_index()
    names = [Path(path).name for path in index["source_primary_path"]]
    index["source_primary_path"] = [rf"D:\lab\mouse7\{name}" for name in names]
    disk.save_sources_index(index)
    assert disk.sources.relocate(r"d:\lab\mouse7", folder) == 3
    assert sorted(paths_of(disk).values()) == sorted(str(folder.resolve() / name) for name in names)


def test_an_export_takes_along_where_files_are_now(
    disk: ZarrDataset, folder: Path, tmp_path: Path
) -> None:
    disk.refresh_from_folder(folder)
    archive = folder.rename(tmp_path / "archive")
    disk.sources.relocate(folder, archive)
    disk.export_legacy_folder(tmp_path / "plain")
    twin = ZarrDataset(tmp_path / "twin.zarr")
    twin.refresh_from_folder(tmp_path / "plain")
    assert paths_of(twin) == paths_of(disk)
    assert twin.plan_refresh(archive).new == ()


@pytest.mark.parametrize("place", ["recordings", "recordings/export", "."])
def test_an_export_among_recordings_is_refused(
    disk: ZarrDataset, folder: Path, tmp_path: Path, place: str
) -> None:
    disk.refresh_from_folder(folder)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SourceFolderError, match="choose a folder neither in it nor above it") as no:
        disk.export_legacy_folder(tmp_path / place)
    assert no.value.sources == folder.resolve()
    assert sorted(tmp_path.rglob("*")) == before
    assert disk.export_legacy_folder(tmp_path / "recordings 2").image_ids


def test_an_export_into_the_dataset_itself_is_refused(tmp_path: Path) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr")
    dataset.add_image(np.zeros((4, 3), np.uint16))
    for place in (tmp_path / "d.zarr", tmp_path / "d.zarr" / "export" / "deep"):
        with pytest.raises(ValueError, match="in the dataset itself; choose another place"):
            dataset.export_legacy_folder(place)
    assert dataset.check() == []


@pytest.mark.parametrize("place", ["file", "file/export"])
def test_an_export_in_the_place_of_a_file_is_refused(
    dataset: ZarrDataset, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="is not a folder; choose another place"):
        dataset.export_legacy_folder(tmp_path / place)


def test_an_export_beside_recordings_makes_no_copies_of_them(
    dataset: ZarrDataset, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = folder.parent / "plain"
    dataset.refresh_from_folder(folder)
    dataset.export_legacy_folder(place)
    assert dataset.refresh_from_folder(folder.parent, "**/*.tif") == []
    assert f"the export {str(place.resolve())!r} is skipped" in caplog.text
    assert dataset.sources.duplicates() == []


def test_the_home_folder_can_be_named_by_a_tilde(
    disk: ZarrDataset, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert len(disk.refresh_from_folder("~/recordings")) == 3
    assert disk.ingest_image("~/recordings/a.tif").shape == (60, 16)
    folder.rename(tmp_path / "archive")
    assert disk.sources.relocate("~/recordings", "~/archive") == 4
    assert len(ZarrDataset("~/dataset.zarr", "r")) == 4


def test_a_home_folder_that_there_is_not_is_named(dataset: ZarrDataset, tmp_path: Path) -> None:
    place = "~no-such-user/x"
    for call in (
        lambda: ZarrDataset(place),
        lambda: dataset.refresh_from_folder(place),
        lambda: dataset.plan_refresh(place),
        lambda: dataset.ingest_image(place),
        lambda: dataset.sources.relocate(place, tmp_path),
        lambda: dataset.export_legacy_folder(place),
    ):
        with pytest.raises(FileNotFoundError, match="there is no home folder for '~no-such-user/x"):
            call()


# --- images whose source is not known -------------------------------------------------------------


def without_an_index(dataset: ZarrDataset) -> ZarrDataset:
    """The dataset, with nothing but its records to say where images came from."""
    for lost in ("tables/sources.parquet", "index/recent_sources.txt"):
        Path(dataset.location, lost).unlink(missing_ok=True)
    return ZarrDataset(dataset.location)


@pytest.mark.parametrize(
    "said",
    [
        *({"primary_path": 3}, {"primary_path": None}, {"mtime_ns": "x"}, {"mtime_ns": None}),
        *({"size_bytes": 2**63}, {"mtime_ns": -(2**63) - 1}, {"size_bytes": 1.5}),
        {"ingested_epoch_ns": None},
    ],
)
def test_a_source_of_other_types_is_none(
    disk: ZarrDataset, folder: Path, said: dict[str, object]
) -> None:
    image_id, *others = disk.refresh_from_folder(folder)
    path = Path(disk.location, "images", image_id, "analysis", "provenance.json")
    provenance = json.loads(path.read_text(encoding="utf-8"))
    provenance["source"] |= said
    path.write_text(json.dumps(provenance), encoding="utf-8")
    dataset = without_an_index(disk)
    assert set(dataset.load_sources_index()["image_id"]) == set(others)
    assert len(dataset.sources.plan(folder).new) == 1


def test_an_image_of_which_nothing_can_be_read_stops_no_refresh(
    disk: ZarrDataset, folder: Path
) -> None:
    image_id, *others = disk.refresh_from_folder(folder)
    image = Path(disk.location, "images", image_id)
    (image / "zarr.json").unlink()
    (image / "analysis" / "provenance.json").write_bytes(b"{")
    dataset = without_an_index(disk)
    assert len(dataset.sources.plan(folder).new) == 1
    assert set(dataset) == set(others)


def test_a_damaged_provenance_keeps_nothing_of_other_images_back(
    disk: ZarrDataset, folder: Path
) -> None:
    shutil.copy(folder / "a.tif", folder / "again.tif")
    disk.refresh_from_folder(folder)
    (copies,) = disk.sources.duplicates()
    image_id = next(iter(set(disk) - set(copies)))
    Path(disk.location, "images", image_id, "analysis", "provenance.json").write_bytes(b"{")
    shutil.rmtree(Path(disk.location, "index"))
    dataset = ZarrDataset(disk.location)
    assert dataset.sources.duplicates() == [copies]
    assert dataset.sources.issues() == {}
    assert dataset.refresh_from_folder(folder) == []


def test_an_image_that_someone_removed_has_no_source(disk: ZarrDataset, folder: Path) -> None:
    image_id, *others = disk.refresh_from_folder(folder)
    shutil.rmtree(Path(disk.location, "images", image_id))
    dataset = ZarrDataset(disk.location)
    assert set(dataset.load_sources_index()["image_id"]) == set(others)
    assert len(dataset.sources.plan(folder).new) == 1
