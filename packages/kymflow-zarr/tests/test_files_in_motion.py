"""Files that are written while they are looked at, that change, fail, or get company later."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from kymflow_zarr import IngestError, IngestOptions, IngestOutcome, ZarrDataset

REINGEST = "reingest_if_changed"
HEADER = {
    "header": {
        "axes": ["t", "x"],
        "scale": {"t": 0.001134, "x": 0.331},
        "unit": {"t": "s", "x": "um"},
    }
}


def by_name(outcomes: object) -> dict[str, tuple[str, str]]:
    """File name → status and image."""
    assert isinstance(outcomes, list)
    return {item.path.name: (item.status, item.image_id) for item in outcomes}


def refreshed(dataset: ZarrDataset, folder: Path, **options: object) -> list[IngestOutcome]:
    mode = options.pop("mode", "skip")
    return list(dataset.iter_refresh(folder, mode=mode, options=IngestOptions(**options)))  # type: ignore[arg-type]  # literals


def cut(path: Path) -> bytes:
    """Leaves the first half of a file, as a copy that is under way does; returns the whole."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return data


def test_a_file_that_is_still_being_written_waits_for_the_next_run(
    dataset: ZarrDataset, folder: Path
) -> None:
    whole = cut(folder / "b.tif")
    (waiting,) = [item for item in refreshed(dataset, folder) if item.status != "ingested"]
    assert (waiting.path.name, waiting.status, waiting.image_id) == ("b.tif", "waiting", "")
    assert "still being written" in str(waiting.error)
    assert len(dataset) == 2

    (folder / "b.tif").write_bytes(whole)
    assert [item.status for item in refreshed(dataset, folder)] == ["ingested"]
    assert dataset.sources.failures() == ()


def test_a_copy_that_has_only_begun_waits_too(dataset: ZarrDataset, folder: Path) -> None:
    (folder / "b.tif").write_bytes(b"")
    assert {item.status for item in refreshed(dataset, folder)} == {"ingested", "waiting"}
    assert [item.status for item in refreshed(dataset, folder)] == ["failed"]


def test_a_file_that_waits_stops_no_refresh_but_is_logged(
    dataset: ZarrDataset, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cut(folder / "b.tif")
    with caplog.at_level(logging.WARNING):
        assert len(dataset.refresh_from_folder(folder)) == 2
    assert "still being written and waits: b.tif" in caplog.text


def test_a_file_that_is_cut_short_for_good_fails_at_the_second_run(
    dataset: ZarrDataset, folder: Path
) -> None:
    cut(folder / "b.tif")
    refreshed(dataset, folder)
    (failed,) = refreshed(dataset, folder)
    assert failed.status == "failed"
    assert "cut short" in str(failed.error)


@pytest.mark.parametrize("beside", [False, True])
def test_files_can_be_given_time_to_settle(
    dataset: ZarrDataset, folder: Path, beside: bool
) -> None:
    hour_ns = 3600 * 10**9
    for path in folder.iterdir():
        os.utime(path, ns=(0, time.time_ns() - hour_ns))
    (folder / "a.json").write_text("{}", encoding="utf-8")
    os.utime(folder / ("a.json" if beside else "a.tif"))
    os.utime(folder / ("a.tif" if beside else "a.json"), ns=(0, 0))
    patient = IngestOptions(settle_seconds=600)
    assert [
        file.primary.name for file in dataset.plan_refresh(folder, options=patient).waiting
    ] == ["a.tif"]
    assert by_name(refreshed(dataset, folder, settle_seconds=600))["a.tif"] == ("waiting", "")
    assert len(dataset) == 2
    assert [item.status for item in refreshed(dataset, folder)] == ["ingested"]


def test_a_change_is_reported_by_every_refresh_until_it_is_ingested(
    dataset: ZarrDataset,
    folder: Path,
    rewrite: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    dataset.refresh_from_folder(folder)
    rewrite(folder / "b.tif")
    (changed,) = refreshed(dataset, folder)
    assert (changed.path.name, changed.status, changed.error) == ("b.tif", "changed", None)
    assert refreshed(dataset, folder) == [changed]
    old = dataset.record(changed.image_id)
    with caplog.at_level(logging.WARNING):
        assert dataset.refresh_from_folder(folder) == []
    assert "1 file has changed since it was ingested: b.tif" in caplog.text

    (new,) = refreshed(dataset, folder, mode=REINGEST)
    assert (new.status, len(dataset)) == ("ingested", 4)
    assert not np.array_equal(dataset.record(new.image_id).load_array(), old.load_array())
    assert refreshed(dataset, folder) == []


def test_a_file_that_was_only_touched_makes_no_image(
    dataset: ZarrDataset, folder: Path, touch: Callable[[Path], None]
) -> None:
    ids = dataset.refresh_from_folder(folder)
    touch(folder / "b.tif")
    (renewed,) = refreshed(dataset, folder, mode=REINGEST)
    assert (renewed.status, renewed.image_id in ids) == ("renewed", True)
    assert sorted(ids) == dataset.list_image_ids()
    assert refreshed(dataset, folder) == []
    row = dataset.load_sources_index().set_index("image_id").loc[renewed.image_id]
    assert row["source_mtime_ns"] == (folder / "b.tif").stat().st_mtime_ns


@pytest.mark.parametrize("year", [1600, 2300])
def test_a_time_that_no_column_holds_makes_no_image_twice(
    dataset: ZarrDataset, folder: Path, year: int
) -> None:
    seconds = (year - 1970) * 365 * 86_400
    for path in (folder / "b.tif", folder / "b.spots.json"):
        path.touch()
        os.utime(path, (seconds, seconds))
    dataset.refresh_from_folder(folder)
    assert refreshed(dataset, folder) == []
    assert refreshed(dataset, folder, mode=REINGEST) == []


def test_a_header_that_comes_later_calibrates_the_image_that_is_there(
    dataset: ZarrDataset, folder: Path
) -> None:
    dataset.refresh_from_folder(folder, "a.tif")
    (image_id,) = dataset.list_image_ids()
    record = dataset.record(image_id)
    payload = record.load_metadata_payload()
    record.save_metadata_payload({**payload, "rois": [{"id": 1}]})
    record.save_json("result", {"v": 1})
    (folder / "a.json").write_text(json.dumps({**HEADER, "note": "shaky"}), encoding="utf-8")

    assert [image for _, image in dataset.plan_refresh(folder, "a.tif").changed] == [image_id]
    assert by_name(list(dataset.iter_refresh(folder, "a.tif"))) == {"a.tif": ("changed", image_id)}
    done = list(dataset.iter_refresh(folder, "a.tif", mode="reingest_if_changed"))
    assert by_name(done) == {"a.tif": ("extended", image_id)}
    record = dataset.record(image_id)
    assert record.get_axes() == ("t", "x")
    metadata = record.load_metadata_payload()
    assert isinstance(metadata["header"], dict)
    assert metadata["header"]["scale"] == {"t": 0.001134, "x": 0.331}
    assert (metadata["rois"], metadata["note"]) == ([{"id": 1}], "shaky")
    assert record.load_json("result") == {"v": 1}
    assert dataset.load_manifest().entries[image_id].axes == ("t", "x")
    assert list(dataset.iter_refresh(folder, "a.tif")) == []
    assert dataset.check(deep=True) == []


def test_what_a_person_calibrated_stays(dataset: ZarrDataset, folder: Path) -> None:
    (folder / "a.json").write_text(json.dumps({"header": {"axes": ["t", "x"]}}), encoding="utf-8")
    record = dataset.ingest_image(folder / "a.tif")
    payload = record.load_metadata_payload()
    assert isinstance(payload["header"], dict)
    payload["header"]["scale"] = {"t": 0.002, "x": None}
    payload["header"]["unit"] = {"t": "s", "x": None}
    record.save_metadata_payload(payload)
    (folder / "a.json").write_text(json.dumps(HEADER), encoding="utf-8")
    (done,) = dataset.iter_refresh(folder, "a.tif", mode="reingest_if_changed")
    assert done.status == "extended"
    assert [issue.kind for issue in done.issues] == ["doubtful_header"]
    assert "0.002 s in the dataset and 0.001134 s" in done.issues[0].message
    header = dataset.record(record.image_id).load_metadata_payload()["header"]
    assert isinstance(header, dict)
    assert header["scale"] == {"t": 0.002, "x": 0.331}


@pytest.mark.parametrize(("unit", "kept"), [("s", 0.002), ("um", 0.001134)])
def test_lines_that_become_times_keep_a_time(
    dataset: ZarrDataset, folder: Path, unit: str, kept: float
) -> None:
    record = dataset.ingest_image(folder / "a.tif")
    payload = record.load_metadata_payload()
    assert isinstance(payload["header"], dict)
    assert payload["header"]["axes"] == ["y", "x"]
    payload["header"]["scale"] = {"y": 0.002, "x": None}
    payload["header"]["unit"] = {"y": unit, "x": None}
    record.save_metadata_payload(payload)
    (folder / "a.json").write_text(json.dumps(HEADER), encoding="utf-8")
    list(dataset.iter_refresh(folder, "a.tif", mode="reingest_if_changed"))
    record = dataset.record(record.image_id)
    header = record.load_metadata_payload()["header"]
    assert isinstance(header, dict)
    assert (record.get_axes(), header["axes"]) == (("t", "x"), ["t", "x"])
    assert header["scale"] == {"t": kept, "x": 0.331}
    assert header["unit"] == {"t": "s", "x": "um"}
    assert dataset.check(deep=True) == []


@pytest.mark.parametrize(
    "header", [None, 5, {"axes": 5, "scale": 1}, {"axes": ["t"]}, {"axes": ["t", "t"], "unit": []}]
)
def test_metadata_that_someone_has_spoiled_stop_no_extension(
    dataset: ZarrDataset, folder: Path, header: object
) -> None:
    record = dataset.ingest_image(folder / "a.tif")
    record.save_metadata_payload({**record.load_metadata_payload(), "header": header})
    (folder / "a.json").write_text(json.dumps(HEADER), encoding="utf-8")
    (done,) = dataset.iter_refresh(folder, "a.tif", mode="reingest_if_changed")
    assert done.status == "extended"
    assert dataset.record(record.image_id).get_axes() in {("y", "x"), ("t", "x")}
    assert dataset.check(deep=True) == []


def test_an_image_that_is_damaged_stops_no_refresh(disk: ZarrDataset, folder: Path) -> None:
    ids = disk.refresh_from_folder(folder)
    documents = [Path(disk.location) / "images" / one / "zarr.json" for one in ids]
    documents[0].write_bytes(b"{")
    archive = folder.rename(folder.with_name("archive"))
    found = refreshed(disk, archive)
    assert sorted(item.status for item in found) == ["ingested", "renewed", "renewed"]


@pytest.mark.parametrize("writes", range(6))
def test_an_extension_that_was_cut_off_is_made_good_by_the_next_run(
    disk: ZarrDataset, folder: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """The disk is full after some of the files took their places."""
    (image_id,) = disk.refresh_from_folder(folder, "a.tif")
    (folder / "a.json").write_text(json.dumps(HEADER), encoding="utf-8")
    (folder / "a.fit.json").write_text('{"v": 2}', encoding="utf-8")
    left, replace = iter(range(writes)), os.replace

    def full(*arguments: Any, **options: Any) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(*arguments, **options)

    outcomes = disk.iter_refresh(folder, "a.tif", mode="reingest_if_changed")
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            list(outcomes)
    again = ZarrDataset(disk.location)
    list(again.iter_refresh(folder, "a.tif", mode="reingest_if_changed"))
    record = again.record(image_id)
    assert (record.get_axes(), record.load_json("fit")) == (("t", "x"), {"v": 2})
    assert list(again.iter_refresh(folder, "a.tif")) == []
    assert again.check(deep=True) == []


def test_sidecars_that_come_later_are_added_and_results_are_kept(
    dataset: ZarrDataset, folder: Path
) -> None:
    (image_id,) = dataset.refresh_from_folder(folder, "a.tif")
    dataset.record(image_id).save_json("mine", {"v": 1})
    (folder / "a.theirs.json").write_text('{"v": 2}', encoding="utf-8")
    (folder / "a.mine.json").write_text('{"v": 3}', encoding="utf-8")
    (done,) = dataset.iter_refresh(folder, "a.tif", mode="reingest_if_changed")
    assert (done.status, [issue.file for issue in done.issues]) == ("extended", ["a.mine.json"])
    record = dataset.record(image_id)
    assert (record.load_json("theirs"), record.load_json("mine")) == ({"v": 2}, {"v": 1})
    assert dataset.sources.issues() == {image_id: done.issues}
    assert dataset.check(deep=True) == []


@pytest.mark.parametrize(
    "said",
    [
        *(None, "a.json", 3, [3], ["a.json"], [["a.json", 1]], [["a.json", 1, 2, 3]]),
        *([[1, 1, 1]], [["a.json", "1", 1]], [["a.json", 1, 2**63]], [["a.json", True, 1]]),
    ],
)
def test_a_record_that_says_nothing_of_sidecars_is_not_taken_for_changed(
    disk: ZarrDataset, folder: Path, said: Any
) -> None:
    (folder / "a.json").write_text(json.dumps(HEADER), encoding="utf-8")
    disk.refresh_from_folder(folder)
    top = Path(disk.location)
    for path in (top / "images").glob("*/analysis/provenance.json"):
        provenance = json.loads(path.read_text(encoding="utf-8"))
        provenance["source"].pop("beside")
        if said is not None:
            provenance["source"]["beside"] = said
        path.write_text(json.dumps(provenance), encoding="utf-8")
    (top / "index" / "source_details.parquet").unlink()
    plan = ZarrDataset(top, "r").sources.plan(folder)
    assert (plan.new, plan.changed) == ((), ())
    assert len(plan.unchanged) == len(disk)


def test_what_lay_beside_a_file_is_known_without_the_index(disk: ZarrDataset, folder: Path) -> None:
    (folder / "a.json").write_text(json.dumps(HEADER), encoding="utf-8")
    disk.refresh_from_folder(folder)
    for lost in ("source_details.parquet", "recent_sources.txt"):
        Path(disk.location, "index", lost).unlink(missing_ok=True)
    assert ZarrDataset(disk.location).sources.plan(folder).changed == ()
    (folder / "a.json").write_text(json.dumps({**HEADER, "note": 1}), encoding="utf-8")
    ((file, _),) = ZarrDataset(disk.location).sources.plan(folder).changed
    assert file.primary.name == "a.tif"


def foreign_table(path: Path) -> None:
    pd.DataFrame({"a": [1], "zero": ["text"]}).to_parquet(path)


@pytest.mark.parametrize("spoil", [foreign_table, lambda path: path.write_bytes(b"junk")])
def test_what_another_program_puts_into_the_index_is_not_used(
    disk: ZarrDataset, folder: Path, spoil: Callable[[Path], object]
) -> None:
    (folder / "a.json").write_text(json.dumps(HEADER), encoding="utf-8")
    ids = disk.refresh_from_folder(folder)
    disk.update_manifest()
    disk.save_derived("x", {ids[0]: "text"})
    tables = list(Path(disk.location, "index").rglob("*.parquet"))
    assert len(tables) == 3
    for path in tables:
        spoil(path)
    dataset = ZarrDataset(disk.location)
    assert dataset.load_derived("x") == {}
    assert {record.image_id for record in dataset.iter_records("created_utc")} == set(ids)
    assert dataset.load_manifest().reread == len(ids)
    plan = dataset.sources.plan(folder)
    assert (plan.new, plan.changed, len(plan.unchanged)) == ((), (), len(ids))
    dataset.repair()
    assert dataset.check(deep=True) == []


@pytest.mark.skipif(sys.platform == "win32", reason="times there begin later")
def test_a_file_may_be_older_than_1970(disk: ZarrDataset, folder: Path) -> None:
    for path in folder.iterdir():
        os.utime(path, ns=(-(10**18), -(10**18)))
    disk.refresh_from_folder(folder)
    for lost in ("tables/sources.parquet", "index/recent_sources.txt"):
        Path(disk.location, lost).unlink(missing_ok=True)
    plan = ZarrDataset(disk.location).sources.plan(folder)
    assert (plan.new, plan.changed, len(plan.unchanged)) == ((), (), 3)


def test_a_sidecar_that_changed_replaces_its_artifact_unless_someone_changed_that(
    dataset: ZarrDataset, folder: Path
) -> None:
    def write(value: int) -> None:
        (folder / "a.fit.json").write_text(json.dumps({"v": value}), encoding="utf-8")
        (folder / "a.mine.json").write_text(json.dumps({"v": value}), encoding="utf-8")
        (folder / "a.trace.csv").write_text(f"v\n{value}\n", encoding="utf-8")
        np.save(folder / "a.scores.npy", np.full(3, value))

    write(1)
    (image_id,) = dataset.refresh_from_folder(folder, "a.tif")
    record = dataset.record(image_id)
    record.save_json("mine", {"v": 0})
    for value in (22, 333):
        write(value)
        assert [item.status for item in dataset.iter_refresh(folder, "a.tif")] == ["changed"]
        (done,) = dataset.iter_refresh(folder, "a.tif", mode="reingest_if_changed")
        assert (done.status, done.image_id) == ("extended", image_id)
        assert [issue.file for issue in done.issues] == ["a.mine.json"]
        assert record.load_json("fit") == {"v": value}
        assert record.load_df_parquet("trace")["v"].tolist() == [value]
        assert record.load_array_artifact("scores").tolist() == [value] * 3
        assert record.load_json("mine") == {"v": 0}
        assert list(dataset.iter_refresh(folder, "a.tif", mode="reingest_if_changed")) == []
    assert dataset.check(deep=True) == []


def test_a_channel_that_comes_later_makes_an_image_of_both(
    dataset: ZarrDataset, tmp_path: Path
) -> None:
    place = tmp_path / "channels"
    place.mkdir()
    tifffile.imwrite(place / "s_c2.tif", np.full((6, 4), 2, np.uint8))
    (old,) = dataset.refresh_from_folder(place)
    tifffile.imwrite(place / "s_c1.tif", np.full((6, 4), 1, np.uint8))
    assert by_name(refreshed(dataset, place)) == {"s_c1.tif": ("changed", old)}
    (new,) = refreshed(dataset, place, mode=REINGEST)
    assert dataset.record(new.image_id).shape == (2, 6, 4)
    provenance = dataset.record(new.image_id).load_json("provenance")
    assert isinstance(provenance, dict)
    assert isinstance(provenance["source"], dict)
    assert provenance["source"]["supersedes"] == old
    assert refreshed(dataset, place) == []


def test_files_that_failed_are_remembered_and_not_opened_again(
    disk: ZarrDataset, folder: Path
) -> None:
    (folder / "b.tif").write_bytes(b"no TIFF")
    before = (folder / "b.tif").stat()
    for _ in range(2):
        with pytest.raises(IngestError, match="it is not a TIFF") as caught:
            disk.refresh_from_folder(folder)
        assert [path.name for path in caught.value.failures] == ["b.tif"]
    (failure,) = ZarrDataset(disk.location, "r").sources.failures()
    assert (Path(failure.path).name, failure.incomplete) == ("b.tif", False)

    # A file of the same size and time is taken for the same: that it is not opened can be seen.
    sound = (folder / "a.tif").read_bytes()
    (folder / "b.tif").write_bytes(sound)
    os.utime(folder / "b.tif", ns=(before.st_atime_ns, before.st_mtime_ns))
    plan = disk.plan_refresh(folder)
    assert plan.failed == ()
    assert len(plan.new) == 1, "its size is another one"
    assert [item.status for item in refreshed(disk, folder)] == ["ingested"]
    assert disk.sources.failures() == ()


def test_a_file_that_failed_is_tried_again_once_it_or_a_sidecar_is_another(
    disk: ZarrDataset, folder: Path
) -> None:
    (folder / "b.tif").write_bytes(b"no TIFF")
    (folder / "b.json").write_text(json.dumps(HEADER), encoding="utf-8")
    with pytest.raises(IngestError):
        disk.refresh_from_folder(folder)
    assert [Path(it.path).name for it in disk.plan_refresh(folder).failed] == ["b.tif"]
    header, file = (folder / "b.json").stat(), (folder / "b.tif").stat()
    os.utime(folder / "b.json", ns=(0, header.st_mtime_ns - 1_000_000_000))
    assert [it.primary.name for it in disk.plan_refresh(folder).new] == ["b.tif"]
    os.utime(folder / "b.json", ns=(0, header.st_mtime_ns))
    assert disk.plan_refresh(folder).new == ()
    os.utime(folder / "b.tif", ns=(0, file.st_mtime_ns - 1_000_000_000))
    assert [it.primary.name for it in disk.plan_refresh(folder).new] == ["b.tif"]


def test_of_an_image_of_several_files_the_first_one_names_the_failure(
    disk: ZarrDataset, tmp_path: Path
) -> None:
    folder = tmp_path / "channels"
    folder.mkdir()
    for channel in (1, 2):
        (folder / f"scan_c{channel}.tif").write_bytes(b"no TIFF")
    for _ in range(2):
        with pytest.raises(IngestError):
            disk.refresh_from_folder(folder)
    assert [Path(it.path).name for it in disk.plan_refresh(folder).failed] == ["scan_c1.tif"]


@pytest.mark.parametrize("text", [b"junk", b"3", b"[3]", b'[{"path": "b.tif"}]', b"\xff"])
def test_failures_that_cannot_be_read_are_forgotten(
    disk: ZarrDataset, folder: Path, text: bytes
) -> None:
    (folder / "b.tif").write_bytes(b"no TIFF")
    with pytest.raises(IngestError):
        disk.refresh_from_folder(folder)
    Path(disk.location, "index", "failed_sources.json").write_bytes(text)
    assert disk.sources.failures() == ()
    assert [file.primary.name for file in disk.plan_refresh(folder).new] == ["b.tif"]


def test_a_refresh_of_another_folder_forgets_no_failure(
    dataset: ZarrDataset, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for path in (folder / "b.tif", other / "x.tif"):
        path.write_bytes(b"no TIFF")
        with pytest.raises(IngestError):
            dataset.refresh_from_folder(path.parent)
    assert {Path(it.path).name for it in dataset.sources.failures()} == {"b.tif", "x.tif"}


def test_a_failed_file_is_tried_again_when_asked(dataset: ZarrDataset, folder: Path) -> None:
    sound = (folder / "b.tif").read_bytes()
    (folder / "b.tif").write_bytes(bytes(len(sound)))
    before = (folder / "b.tif").stat()
    refreshed(dataset, folder)
    (folder / "b.tif").write_bytes(sound)
    os.utime(folder / "b.tif", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert by_name(refreshed(dataset, folder)) == {"b.tif": ("failed", "")}
    assert [item.status for item in refreshed(dataset, folder, retry_failed=True)] == ["ingested"]


def test_a_failed_file_that_is_gone_is_forgotten(dataset: ZarrDataset, folder: Path) -> None:
    (folder / "b.tif").write_bytes(b"no TIFF")
    refreshed(dataset, folder)
    (folder / "b.tif").unlink()
    assert refreshed(dataset, folder) == []
    assert dataset.sources.failures() == ()


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_a_time_to_settle_is_checked(seconds: float) -> None:
    with pytest.raises(ValueError, match="give a number of seconds"):
        IngestOptions(settle_seconds=seconds)
