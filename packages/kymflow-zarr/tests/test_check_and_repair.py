"""Damage is found by key, repaired where possible, and never read silently."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kymflow_zarr import (
    CorruptDataError,
    ImageNotFoundError,
    KymflowZarrError,
    SchemaValidationError,
    ZarrDataset,
    ZarrImageRecord,
)


@pytest.fixture
def full(disk: ZarrDataset, folder: Path) -> ZarrDataset:
    """A dataset with something of everything."""
    for image_id in disk.refresh_from_folder(folder):
        record = disk.record(image_id)
        record.save_json("velocity/params", {"window": 16})
        record.save_df_parquet("velocity/trace", pd.DataFrame({"v": [1.0, 2.0]}))
        record.save_array_artifact("scores", np.arange(6.0))
        disk.replace_rows_for_image_id(
            "kym_x", image_id, pd.DataFrame({"image_id": [image_id], "v": [1]})
        )
    disk.update_manifest()
    assert disk.check(deep=True) == []
    return disk


def refuse(path: Path) -> None:
    """A link to itself is refused to everyone, as a file without permission is to most."""
    path.unlink()
    path.symlink_to(path.name)


def test_a_damaged_image_is_not_the_end_of_the_others(full: ZarrDataset) -> None:
    first, *others = full.list_image_ids()
    Path(full.location, "images", first, "zarr.json").write_text("{", encoding="utf-8")
    records = full.iter_records()
    assert [next(records).image_id for _ in others] == others
    with pytest.raises(CorruptDataError, match=first):
        next(records)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.parametrize("name", ["zarr.json", "data/zarr.json"])
def test_a_file_that_the_system_does_not_give_is_named_and_ends_no_check(
    full: ZarrDataset, name: str
) -> None:
    first, *others = full.list_image_ids()
    refuse(Path(full.location, "images", first, name))
    damaged = Path(full.location, "images", others[0], "analysis", "provenance.json")
    damaged.write_text("{", encoding="utf-8")
    for deep in (False, True):
        found = {problem.location: problem.kind for problem in full.check(deep=deep)}
        assert found[f"images/{first}/{name}"] == "link"
        assert found[f"images/{others[0]}/analysis/provenance.json"] == "unreadable"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_an_image_that_the_system_does_not_give_is_one_damaged_entry_of_the_manifest(
    full: ZarrDataset,
) -> None:
    first, *others = full.list_image_ids()
    refuse(Path(full.location, "images", first, "analysis", "metadata.json"))
    for manifest in (full.load_manifest(), full.rebuild_manifest()):
        assert list(manifest.entries) == others
        assert "metadata.json" in str(manifest.damaged[first])


def kinds(dataset: ZarrDataset, *, deep: bool = False) -> set[str]:
    return {problem.kind for problem in dataset.check(deep=deep)}


def everything(dataset: ZarrDataset) -> list[object]:
    """All that can be read, in plain values; raises if anything is damaged."""
    seen: list[object] = []
    for record in dataset.iter_records():
        seen += [record.shape, record.get_axes(), record.load_array().tolist()]
        seen += [np.asarray(record.open_array()[...]).tolist()]
        seen += [record.load_json("velocity/params"), record.load_json("provenance")]
        seen += [record.load_df_parquet("velocity/trace").to_dict("list")]
        seen += [record.load_array_artifact("scores").tolist(), record.load_metadata_payload()]
    return [*seen, dataset.load_table("kym_x").to_dict("list")]


def test_any_flipped_byte_is_harmless_or_detected_and_check_finds_it(full: ZarrDataset) -> None:
    expected = everything(full)
    place = Path(full.location)
    rng = np.random.default_rng(0)
    files = [path for path in sorted(place.rglob("*")) if path.is_file()]
    checked = 0
    for path in files:
        # Text that people may edit: damage that leaves valid JSON cannot be seen there.
        editable = path.suffix == ".json" and path.parent.name in {"analysis", "velocity"}
        if "index" in path.relative_to(place).parts or editable:
            continue
        good = path.read_bytes()
        for at in rng.choice(len(good), min(3, len(good)), replace=False):
            damaged = bytearray(good)
            damaged[at] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            try:
                seen = everything(ZarrDataset(place, "r"))
            except KymflowZarrError:
                pass
            else:
                assert seen == expected, (path, at)
            try:
                found = ZarrDataset(place, "r").check(deep=True)
            except KymflowZarrError:
                found = None  # the root document: nothing opens at all
            assert found != [], (path, at)
            checked += 1
        path.write_bytes(good)
    assert checked > 50
    assert full.check(deep=True) == []


def test_a_missing_chunk_is_an_error_and_not_zeros(full: ZarrDataset) -> None:
    record = full.record(full.list_image_ids()[0])
    chunk = Path(full.location) / "images" / record.image_id / "data" / "c.0.0"
    chunk.unlink()
    with pytest.raises(CorruptDataError, match="chunk is missing"):
        record.load_array()
    with pytest.raises(CorruptDataError, match="chunk is missing"):
        record.open_array()[...]
    assert kinds(full) == {"missing"}


def test_a_chunk_of_another_image_is_not_taken_for_ones_own(full: ZarrDataset) -> None:
    first, second, _ = full.list_image_ids()
    images = Path(full.location) / "images"
    shutil.copy(images / first / "data" / "c.0.0", images / second / "data")
    record = full.record(second)
    with pytest.raises(CorruptDataError):
        record.load_array()
    with pytest.raises(CorruptDataError):
        record.open_array()[...]
    assert kinds(full) == set()
    assert kinds(full, deep=True) == {"unreadable"}


@pytest.mark.parametrize("name", ["zarr.json", "data/zarr.json", "analysis/provenance.json"])
def test_a_document_of_another_image_is_not_taken_for_ones_own(
    full: ZarrDataset, name: str
) -> None:
    first, second, _ = full.list_image_ids()
    images = Path(full.location) / "images"
    shutil.copy(images / first / name, images / second / name)
    assert kinds(full) & {"unreadable", "mismatch"}
    if name != "analysis/provenance.json":
        with pytest.raises(CorruptDataError):
            full.record(second).load_array()


@pytest.mark.parametrize("name", ["zarr.json", "data/zarr.json", "analysis/provenance.json"])
def test_a_deleted_document_is_found(full: ZarrDataset, name: str) -> None:
    image_id = full.list_image_ids()[0]
    (Path(full.location) / "images" / image_id / name).unlink()
    assert "missing" in kinds(full)
    with pytest.raises(SchemaValidationError, match=image_id):
        full.validate_image(image_id)
    with pytest.raises(SchemaValidationError, match=image_id):
        full.validate()
    others = full.list_image_ids()
    assert len(others) >= 2
    full.record(others[-1]).load_array()


def test_one_damaged_record_does_not_hide_the_others(full: ZarrDataset, folder: Path) -> None:
    bad, *others = full.list_image_ids()
    place = Path(full.location)
    shutil.rmtree(place / "index")
    (place / "tables" / "sources.parquet").unlink()
    (place / "images" / bad / "zarr.json").write_text("{}", encoding="utf-8")
    manifest = full.load_manifest()
    assert list(manifest.entries) == others
    assert list(manifest.damaged) == [bad]
    assert full.refresh_from_folder(folder) == [], "its file is known all the same"
    records = full.iter_records("created_utc")
    assert [next(records).image_id, next(records).image_id] == sorted(
        others, key=lambda one: full.record(one).created_utc
    )
    with pytest.raises(CorruptDataError, match=bad):
        next(records)


def test_validating_what_is_right_says_nothing(full: ZarrDataset) -> None:
    full.validate()
    full.validate_image(full.list_image_ids()[0])
    with pytest.raises(ImageNotFoundError):
        full.validate_image("nobody")


def test_an_image_that_is_gone_before_it_was_brought_into_the_index(
    full: ZarrDataset, folder: Path
) -> None:
    """Its line among the recent ones must not be reported for ever."""
    late = full.sources.ingest_file(folder / "a.tif")
    shutil.rmtree(Path(full.location) / "images" / late)
    assert kinds(full) == {"source_without_record"}
    full.repair()
    assert kinds(full) == set()


def test_rows_of_images_that_are_gone(full: ZarrDataset) -> None:
    gone = full.list_image_ids()[0]
    shutil.rmtree(Path(full.location) / "images" / gone)
    assert kinds(full) == {"orphan_rows", "source_without_record"}
    assert all(problem.repairable for problem in full.check())
    actions = {repair.location for repair in full.repair()}
    assert actions == {"tables/sources.parquet", "tables/kym_x.parquet"}
    assert full.check(deep=True) == []
    assert gone not in full.load_table("kym_x")["image_id"].tolist()
    assert full.repair() == []


def test_a_repair_keeps_rows_of_no_image_and_goes_past_a_damaged_table(full: ZarrDataset) -> None:
    first = full.list_image_ids()[0]
    full.save_table("all", pd.DataFrame({"image_id": [first, None, "gone"], "v": [1, 2, 3]}))
    full.save_table("bad", pd.DataFrame({"image_id": ["gone"]}))
    bad = Path(full.location, "tables", "bad.parquet")
    bad.write_bytes(bad.read_bytes()[:-9])
    (Path(full.location) / "index" / "manifest.parquet").write_bytes(b"PAR1")
    actions = {repair.location for repair in full.repair()}
    assert actions == {"tables/all.parquet", "index/manifest.parquet"}
    assert full.load_table("all")["v"].tolist() == [1, 2]
    assert [(problem.location, problem.kind) for problem in full.check()] == [
        ("tables/bad.parquet", "unreadable")
    ]


@pytest.mark.parametrize("damaged", ["zarr.json", "analysis/provenance.json"])
def test_a_repair_does_not_let_the_file_of_a_damaged_image_in_again(
    full: ZarrDataset, folder: Path, damaged: str
) -> None:
    image_id = full.load_sources_index()["image_id"][0]
    document = Path(full.location, "images", image_id, damaged)
    kept = document.read_bytes()
    if damaged == "zarr.json":
        document.unlink()
    else:
        document.write_text("{", encoding="utf-8")
    rows = full.load_table("kym_x")
    assert kinds(full) == {"missing" if damaged == "zarr.json" else "unreadable"}
    assert full.repair() == []
    assert full.refresh_from_folder(folder) == []
    Path(full.location, "tables", "sources.parquet").unlink()
    if damaged == "zarr.json":
        full.repair()
        assert full.refresh_from_folder(folder) == [], "its provenance names the file"

    document.write_bytes(kept)
    full.repair()
    assert full.check(deep=True) == []
    assert full.refresh_from_folder(folder) == []
    pd.testing.assert_frame_equal(full.load_table("kym_x"), rows)


def test_a_number_that_no_column_can_hold_is_none(full: ZarrDataset) -> None:
    image_id = full.list_image_ids()[0]
    record = full.record(image_id)
    payload = record.load_metadata_payload()
    record.save_metadata_payload({**payload, "header": {"acquired_local_epoch_ns": 2**63}})
    assert full.update_manifest().entries[image_id].acquired_local_epoch_ns is None
    provenance = Path(full.location, "images", image_id, "analysis", "provenance.json")
    said = json.loads(provenance.read_text(encoding="utf-8"))
    said["source"]["mtime_ns"] = 2**63
    provenance.write_text(json.dumps(said), encoding="utf-8")
    Path(full.location, "tables", "sources.parquet").unlink()
    full.rebuild_manifest()
    full.repair()
    assert full.check() == []
    assert image_id not in full.load_sources_index()["image_id"].tolist()


def test_a_repair_keeps_where_files_have_moved_to(full: ZarrDataset, folder: Path) -> None:
    moved = folder.rename(folder.with_name("moved"))
    sources = full.load_sources_index()
    sources["source_primary_path"] = sources["source_primary_path"].str.replace(
        str(folder.resolve()), str(moved.resolve()), regex=False
    )
    full.save_sources_index(sources)
    gone = sources["image_id"][0]
    shutil.rmtree(Path(full.location, "images", gone))
    full.repair()
    assert len(full.refresh_from_folder(moved)) == 1
    assert full.check() == []


def test_a_missing_index_and_a_damaged_manifest(full: ZarrDataset) -> None:
    place = Path(full.location)
    (place / "tables" / "sources.parquet").unlink()
    (place / "index" / "manifest.parquet").write_bytes(b"PAR1")
    assert kinds(full) == {"record_without_source", "stale_cache"}
    full.repair()
    assert full.check(deep=True) == []
    assert full.load_manifest().reread == 0


KILLED = """
import os, sys, numpy as np
from kymflow_zarr import ZarrDataset
class Pixels:
    shape, dtype = (2, 3), np.dtype("u1")
    def __getitem__(self, region):
        if region.start == 1:
            os.kill(os.getpid(), 9)
        return np.zeros((1, 3), np.uint8)
ZarrDataset(sys.argv[1]).add_image(Pixels(), axes=("t", "x"), chunks=(1, 3))
"""


def test_what_a_killed_writer_left_is_swept_and_a_live_ones_work_is_not(
    full: ZarrDataset,
) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, full.location], check=False)
    assert killed.returncode != 0
    assert len(full.list_image_ids()) == 3
    other = ZarrDataset(full.location)
    other.add_image(np.ones((2, 3)), axes=("t", "x"))  # a live writer with a scratch folder
    assert kinds(full) == {"leftover"}
    (repair,) = full.repair()
    assert repair.location.startswith("index/staging/")
    assert full.check(deep=True) == []
    other.add_image(np.ones((2, 3)), axes=("t", "x"))
    assert len(full.list_image_ids()) == 5


def test_every_problem_is_a_triple_that_can_be_shown(full: ZarrDataset) -> None:
    record: ZarrImageRecord = full.record(full.list_image_ids()[0])
    path = (
        Path(full.location) / "images" / record.image_id / "analysis" / "velocity" / "params.json"
    )
    path.write_text("{", encoding="utf-8")
    (problem,) = full.check()
    assert problem.location.endswith("velocity/params.json")
    assert problem.kind == "unreadable"
    assert problem.message
    assert not problem.repairable


@pytest.mark.parametrize("deep", [False, True])
def test_a_check_reports_its_progress(full: ZarrDataset, *, deep: bool) -> None:
    calls: list[tuple[int, int]] = []
    list(full.iter_problems(deep=deep, progress=lambda done, total: calls.append((done, total))))
    count = len(full.list_image_ids())
    assert calls == [(done, count) for done in range(count + 1)]


def test_what_was_saved_while_its_image_was_deleted_is_found_and_removed(full: ZarrDataset) -> None:
    """Versions before 0.2 could leave such a folder behind."""
    for remove in (full.delete_image, lambda _: full.repair()):
        image_id, *_ = full.list_image_ids()
        folder = Path(full.location, "images", image_id)
        full.delete_image(image_id)
        (folder / "analysis" / "velocity").mkdir(parents=True)
        (folder / "analysis" / "velocity" / "params.json").write_text("{}", encoding="utf-8")
        (problem,) = full.check()
        assert (problem.location, problem.kind) == (f"images/{image_id}", "leftover")
        remove(image_id)
        assert not folder.exists()
        assert full.check(deep=True) == []


@pytest.mark.parametrize("name", ["notes.txt", "mine/notes.txt", "analysis/notes.txt"])
def test_a_folder_that_someone_made_among_the_images_is_never_removed(
    full: ZarrDataset, name: str
) -> None:
    mine = Path(full.location, "images", "mine", name)
    mine.parent.mkdir(parents=True)
    mine.write_text("kept", encoding="utf-8")
    assert kinds(full) == {"missing"}
    assert full.repair() == []
    assert mine.read_text(encoding="utf-8") == "kept"


def test_an_image_that_has_lost_its_commit_document_is_not_a_leftover(full: ZarrDataset) -> None:
    image_id, *_ = full.list_image_ids()
    folder = Path(full.location, "images", image_id)
    (folder / "zarr.json").unlink()
    shutil.rmtree(folder / "data")
    full.repair()
    assert (folder / "analysis" / "velocity" / "params.json").exists()
    full.delete_image(image_id)
    assert full.check(deep=True) == []


def test_a_deleted_image_has_no_rows_in_any_table(full: ZarrDataset) -> None:
    image_id, *others = full.list_image_ids()
    full.save_table("lab/cells", pd.DataFrame({"cell": [1, 2]}))
    full.delete_image(image_id)
    assert set(full.load_table("kym_x")["image_id"]) == set(others)
    assert len(full.load_table("lab/cells")) == 2
    assert full.check(deep=True) == []


UNREADABLE = """
import os, sys
from kymflow_zarr import CorruptDataError, ZarrDataset
folder, first = sys.argv[1:]
def look():
    dataset = ZarrDataset(folder, "r")
    found = [problem.location for problem in dataset.check()]
    damaged = list(dataset.load_manifest().damaged)
    return len(dataset), (found, damaged), len(dataset.load_sources_index())
look()  # imports everything while it may
os.chmod(f"{folder}/images/{first}", 0)
os.seteuid(65534)  # root may read everything
print(*look())
try:
    ZarrDataset(folder, "r").record(first)
except CorruptDataError as error:
    print(error.key)
"""


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="needs root, to become someone else"
)
def test_a_folder_without_permission_is_one_damaged_image(full: ZarrDataset) -> None:
    first, *_ = full.list_image_ids()
    temporary = Path(tempfile.gettempdir())
    # Not in pytest's own folder, which is closed to others whenever some pytest starts.
    with tempfile.TemporaryDirectory() as outside:
        place = shutil.copytree(full.location, Path(outside, "d.zarr"))
        for path in place.parents:
            if path.is_relative_to(temporary):
                path.chmod(path.stat().st_mode | 0o055)
        done = subprocess.run(
            [sys.executable, "-c", UNREADABLE, str(place), first],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stdout.splitlines() == [
        f"3 (['images/{first}/zarr.json'], ['{first}']) 3",
        f"images/{first}/zarr.json",
    ], done.stderr
