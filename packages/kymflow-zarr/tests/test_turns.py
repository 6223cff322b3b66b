"""Writers that ingest files at the same time take turns, and ingest each file once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import numpy as np
import pandas as pd
import pytest
import tifffile

from kymflow_zarr import IngestOutcome, ZarrDataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number in range(4):
        tifffile.imwrite(folder / f"{number}.tif", np.full((20, 8), number, np.uint16))
    return folder


@pytest.fixture
def impatient(tmp_path: Path) -> ZarrDataset:
    """A dataset whose calls fail at once if a lock is held; each image is its own batch."""
    return ZarrDataset(tmp_path / "d.zarr", durability="record", lock_timeout_s=0.0)


def names(outcomes: Iterator[IngestOutcome] | list[IngestOutcome]) -> list[str]:
    return [item.path.name for item in outcomes if item.status == "ingested"]


def assert_each_once(dataset: ZarrDataset) -> None:
    paths = dataset.load_sources_index()["source_primary_path"]
    assert [Path(path).name for path in sorted(paths)] == [f"{number}.tif" for number in range(4)]
    assert len(dataset) == 4
    assert dataset.check(deep=True) == []
    assert dataset.sources.plan(Path(paths[0]).parent).new == ()


def test_a_refresh_that_is_held_keeps_no_lock(impatient: ZarrDataset, folder: Path) -> None:
    held = impatient.iter_refresh(folder)
    first = next(held)
    impatient.save_table("t", pd.DataFrame({"image_id": [first.image_id]}))
    impatient.ingest_image(folder / "1.tif")
    impatient.delete_image(first.image_id)
    assert impatient.repair() == []
    assert impatient.refresh_from_folder(folder, "2.tif") != []
    assert names(held) == ["3.tif"], "what others have ingested since is left alone"
    assert impatient.refresh_from_folder(folder) != [], "a deleted image's file is new again"
    assert_each_once(impatient)


def test_a_refresh_that_is_dropped_keeps_what_it_has_reported(
    impatient: ZarrDataset, folder: Path
) -> None:
    dropped = impatient.iter_refresh(folder)
    done = [next(dropped), next(dropped)]
    del dropped
    assert len(impatient.refresh_from_folder(folder)) == 2
    assert {item.image_id for item in done} < set(impatient)
    assert_each_once(impatient)


@pytest.mark.parametrize("steps", ["aabbabba", "abbbbbaaaa", "bbbbbaaaaa", "ababababab"])
def test_two_refreshes_that_take_turns_ingest_each_file_once(
    impatient: ZarrDataset, folder: Path, steps: str
) -> None:
    runs = {"a": impatient.iter_refresh(folder), "b": impatient.iter_refresh(folder)}
    done = [next(runs[step], None) for step in "ab" + steps]
    for run in runs.values():
        done += run
    assert sorted(names([item for item in done if item])) == [f"{n}.tif" for n in range(4)]
    assert_each_once(impatient)


def test_a_plan_that_others_have_carried_out_meanwhile_ingests_nothing(
    impatient: ZarrDataset, folder: Path
) -> None:
    (folder / "note.tif").write_bytes(b"no TIFF")
    held = impatient.iter_refresh(folder)
    impatient.ingest_image(folder / "0.tif")
    reported = [next(held)]
    for item in ZarrDataset(impatient.location).iter_refresh(folder):
        assert item.path.name != reported[0].path.name or item.status != "ingested"
    assert names([*reported, *held]) == names(reported)
    (folder / "note.tif").unlink()
    impatient.refresh_from_folder(folder)
    assert_each_once(impatient)


def test_a_file_that_changes_while_another_writer_ingests_it_is_reported(
    impatient: ZarrDataset, folder: Path
) -> None:
    held = impatient.iter_refresh(folder)
    next(held)
    tifffile.imwrite(folder / "3.tif", np.full((21, 8), 9, np.uint16))
    image = impatient.ingest_image(folder / "3.tif")
    last = [*held][-1]
    assert (last.path.name, last.status, last.image_id) == ("3.tif", "changed", image.image_id)


def test_an_export_that_is_held_keeps_no_lock(
    impatient: ZarrDataset, folder: Path, tmp_path: Path
) -> None:
    source = ZarrDataset(tmp_path / "source.zarr")
    source.refresh_from_folder(folder)
    source.save_table("t", pd.DataFrame({"image_id": source.list_image_ids(), "v": range(4)}))
    source.export_legacy_folder(tmp_path / "plain")
    held = impatient.iter_refresh(tmp_path / "plain")
    next(held)
    assert len(impatient.refresh_from_folder(tmp_path / "plain")) == 3
    assert list(held) == []
    assert len(impatient.load_table("t")) == 4
    assert_each_once(impatient)


def test_single_calls_leave_the_index_alone(impatient: ZarrDataset, folder: Path) -> None:
    impatient.refresh_from_folder(folder, "[01].tif")
    index = Path(impatient.location, "tables", "sources.parquet")
    before = index.read_bytes()
    added = [impatient.ingest_image(folder / f"{number}.tif") for number in (2, 3)]
    impatient.delete_image(added[0].image_id)
    assert index.read_bytes() == before
    assert impatient.find("3.tif").image_id == added[1].image_id
    assert impatient.check(deep=True) == []
    assert [file.primary.name for file in impatient.sources.plan(folder).new] == ["2.tif"]
    impatient.refresh_from_folder(folder)
    assert index.read_bytes() != before
    assert_each_once(impatient)


def test_what_single_calls_noted_may_be_lost_or_damaged(
    impatient: ZarrDataset, folder: Path
) -> None:
    for number in range(4):
        impatient.ingest_image(folder / f"{number}.tif")
    notes = Path(impatient.location, "index", "recent_sources.txt")
    whole = notes.read_bytes()
    forged = b"+ [nonsense"
    no_json = forged + f" {google_crc32c.value(forged):08x}\n".encode("ascii")
    for damaged in (
        *(b"", whole[:-20], whole.replace(b"2.tif", b"7.tif"), b"\xff\n[" + whole),
        no_json + whole,
    ):
        notes.write_bytes(damaged)
        assert impatient.sources.plan(folder).new == ()
        assert len(impatient.load_sources_index()) == 4
    notes.unlink()
    assert impatient.refresh_from_folder(folder) == []
    assert {item.action for item in impatient.repair()} == {"updated it from the records"}
    assert_each_once(impatient)
