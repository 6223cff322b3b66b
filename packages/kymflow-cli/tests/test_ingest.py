"""Taking folders in, and what is said about it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from kymflow.cli.errors import FolderNotFoundError, UnknownNameError
from kymflow.cli.ingest_plan import PlanResult
from kymflow.cli.options import IngestFlags
from kymflow.cli.verbs.ingest import IngestResult, ingest
from kymflow.cli.verbs.refresh import refresh
from kymflow_zarr import NotADatasetError, ZarrDataset

Kymflow = Callable[..., tuple[int, str, str]]
KymflowJson = Callable[..., tuple[int, list[dict[str, Any]]]]


def test_a_folder_becomes_a_dataset_once(folder: Path, tmp_path: Path) -> None:
    place = str(tmp_path / "k.zarr")

    first = ingest(folder, place)
    second = ingest(folder, place)

    assert isinstance(first, IngestResult)
    assert isinstance(second, IngestResult)
    assert (first.taken_in, first.unchanged, first.failed) == (3, 0, 0)
    assert (second.taken_in, second.unchanged, second.failed) == (0, 3, 0)
    assert {item.image_id for item in first.items} == set(ZarrDataset(place).list_image_ids())
    assert [Path(item.path).name for item in first.items] == ["a.tif", "b.tif", "c.tiff"]


def test_what_was_ingested_is_listed_without_opening_it(folder: Path, tmp_path: Path) -> None:
    dataset = tmp_path / "mice.zarr"
    ingest(folder, str(dataset))
    manifest = ZarrDataset(dataset, "r").load_manifest()
    assert (len(manifest.entries), manifest.reread) == (len(ZarrDataset(dataset, "r")), 0)


def test_bad_files_stop_only_themselves(folder: Path, tmp_path: Path, kymflow: Kymflow) -> None:
    (folder / "text.tif").write_text("no picture", encoding="utf-8")
    (folder / "empty.tif").touch()
    lost = (folder / "a.tif").read_bytes().replace(b"images=1\n", b"slices=9\n")
    (folder / "lost.tif").write_bytes(lost)  # tifffile logs an error
    place = str(tmp_path / "k.zarr")

    code, out, err = kymflow("ingest", folder, place)

    assert code == 1
    assert out == f"3 new images in {place}, 1 waiting, 2 failed\n"  # a copy begins empty
    assert err.startswith("2 files could not be ingested:\n")
    assert "not a TIFF" in err
    assert "Traceback" not in err
    assert len(ZarrDataset(place, mode="r").list_image_ids()) == 3
    code, out, _ = kymflow("ingest", folder, place)
    assert (code, out) == (1, f"0 new images in {place}, 3 unchanged, 3 failed\n")


def test_changed_files_are_ingested_only_when_asked(
    folder: Path, dataset: str, write_tiff: Callable[..., Path], kymflow: Kymflow
) -> None:
    write_tiff(folder / "a.tif", lines=90, seed=9)

    code, out, err = kymflow("ingest", folder, dataset)
    assert (code, out) == (0, f"0 new images in {dataset}, 2 unchanged, 1 changed\n")
    assert "--changed" in err

    code, out, _ = kymflow("ingest", folder, dataset, "--changed")
    assert (code, out) == (0, f"1 new image in {dataset}, 2 unchanged\n")
    assert len(ZarrDataset(dataset).list_image_ids()) == 4


def test_patterns_and_subfolders(
    folder: Path, tmp_path: Path, write_tiff: Callable[..., Path]
) -> None:
    below = folder / "day2"
    below.mkdir()
    write_tiff(below / "d.tif", seed=4)

    flat = ingest(folder, str(tmp_path / "flat.zarr"))
    one = ingest(folder, str(tmp_path / "one.zarr"), options=IngestFlags(pattern=("b*.tif",)))
    deep = ingest(folder, str(tmp_path / "deep.zarr"), options=IngestFlags(recursive=True))

    assert [len(result.items) for result in (flat, one, deep)] == [3, 1, 4]


def test_a_dry_run_shows_what_the_run_then_does(
    folder: Path, tmp_path: Path, write_tiff: Callable[..., Path]
) -> None:
    place = tmp_path / "k.zarr"

    plan = ingest(folder, str(place), options=IngestFlags(dry_run=True))
    assert isinstance(plan, PlanResult)
    assert not place.exists()
    done = ingest(folder, str(place))
    assert isinstance(done, IngestResult)
    assert [item.path for item in plan.items] == [item.path for item in done.items]
    assert plan.to_take_in == done.taken_in == 3

    write_tiff(folder / "a.tif", lines=90, seed=9)
    write_tiff(folder / "new.tif", seed=5)
    (folder / "b.tif").unlink()
    plan = refresh(str(place), options=IngestFlags(dry_run=True))
    assert isinstance(plan, PlanResult)
    assert [(item.state, item.action, Path(item.path).name) for item in plan.items] == [
        ("new", "take in", "new.tif"),
        ("changed", "leave", "a.tif"),
        ("gone", "leave", "b.tif"),
    ]
    plan = refresh(str(place), options=IngestFlags(dry_run=True, changed=True))
    assert isinstance(plan, PlanResult)
    assert plan.to_take_in == 2
    assert len(ZarrDataset(place).list_image_ids()) == 3


@pytest.mark.parametrize("dry_run", [False, True], ids=["run", "dry-run"])
def test_a_folder_that_is_not_there_makes_no_dataset(tmp_path: Path, *, dry_run: bool) -> None:
    with pytest.raises(FolderNotFoundError, match="there is no folder"):
        ingest(tmp_path / "nowhere", str(tmp_path / "k.zarr"), options=IngestFlags(dry_run=dry_run))
    assert not (tmp_path / "k.zarr").exists()


@pytest.mark.parametrize("dry_run", [False, True], ids=["run", "dry-run"])
def test_a_place_that_is_taken_is_refused(folder: Path, tmp_path: Path, *, dry_run: bool) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("mine", encoding="utf-8")
    for place in (file, folder):
        with pytest.raises(NotADatasetError):
            ingest(folder, str(place), options=IngestFlags(dry_run=dry_run))
    assert file.read_text(encoding="utf-8") == "mine"
    assert sorted(path.name for path in folder.iterdir()) == ["a.tif", "b.tif", "c.tiff"]


def test_arguments_in_the_wrong_order_are_recognised(
    folder: Path, dataset: str, tmp_path: Path, kymflow: Kymflow
) -> None:
    code, out, err = kymflow("ingest", dataset, folder)
    assert (code, out) == (2, "")
    assert "is a dataset, not a folder of image files" in err
    assert "name the folder first" in err
    code, _, _ = kymflow("ingest", dataset, tmp_path / "copy.zarr")
    assert code == 2
    assert not (tmp_path / "copy.zarr").exists()


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_a_folder_without_such_files_is_reported(
    tmp_path: Path, kymflow: Kymflow, options: tuple[str, ...]
) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.doc").touch()
    code, _, err = kymflow("ingest", tmp_path / "none", tmp_path / "k.zarr", *options)
    assert code == 0
    assert err == ("no image files here; for others: --pattern\n")


def test_refresh_looks_where_the_images_came_from(
    folder: Path, dataset: str, write_tiff: Callable[..., Path], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write_tiff(other / "x.tif", seed=7)
    assert len(refresh(dataset, other).items) == 1
    write_tiff(folder / "d.tif", seed=8)
    write_tiff(other / "y.tif", seed=9)

    result = refresh(dataset)

    assert [Path(item.path).name for item in result.items] == ["d.tif", "y.tif"]
    assert result.folders == (str(folder), str(other))


def test_refresh_continues_without_a_missing_folder(
    folder: Path, dataset: str, write_tiff: Callable[..., Path], tmp_path: Path, kymflow: Kymflow
) -> None:
    other = tmp_path / "stick"
    other.mkdir()
    write_tiff(other / "x.tif", seed=7)
    assert refresh(dataset, other).ok
    shutil.rmtree(other)
    write_tiff(folder / "d.tif", seed=8)

    code, out, err = kymflow("refresh", dataset, "--dry-run")
    assert code == 0
    assert f"not found now: {other}" in err
    code, out, err = kymflow("refresh", dataset)
    assert (code, out) == (0, f"1 new image in {dataset}, 3 unchanged\n")
    assert f"not found now: {other}" in err
    assert refresh(dataset).missing_folders == (str(other),)
    with pytest.raises(FolderNotFoundError):
        refresh(dataset, folder, other)
    shutil.rmtree(folder)
    with pytest.raises(FolderNotFoundError):
        refresh(dataset)


def test_an_export_is_planned_as_it_is_ingested(
    dataset: str, tmp_path: Path, kymflow: Kymflow
) -> None:
    assert kymflow("export", dataset, tmp_path / "files")[0] == 0
    place = str(tmp_path / "back.zarr")
    for state in ("new", "there"):
        plan = ingest(tmp_path / "files", place, options=IngestFlags(dry_run=True))
        done = ingest(tmp_path / "files", place)
        assert isinstance(plan, PlanResult)
        assert isinstance(done, IngestResult)
        assert plan.to_take_in == done.taken_in == (3 if state == "new" else 0)
        assert plan.unchanged == done.unchanged == (0 if state == "new" else 3)
        assert [item.path for item in plan.items] == [item.path for item in done.items]


def test_refresh_makes_no_dataset_and_needs_a_folder(tmp_path: Path, folder: Path) -> None:
    place = tmp_path / "k.zarr"
    with pytest.raises(NotADatasetError):
        refresh(str(place), folder)
    assert not place.exists()
    ZarrDataset(place)
    with pytest.raises(UnknownNameError, match="which folder"):
        refresh(str(place))


def test_json_has_a_record_per_file_and_a_summary(
    folder: Path,
    tmp_path: Path,
    kymflow_json: Callable[..., tuple[int, list[dict[str, Any]]]],
) -> None:
    (folder / "text.tif").write_text("no picture", encoding="utf-8")
    place = str(tmp_path / "k.zarr")

    code, records = kymflow_json("ingest", folder, place)

    assert code == 1
    files, summary = records[:-1], records[-1]
    assert [record["status"] for record in files] == ["ok", "ok", "ok", "failed"]
    assert all(record["type"] == "file" for record in files)
    assert files[3]["image_id"] is None
    assert "not a TIFF" in files[3]["reason"]
    assert summary == {
        "type": "summary",
        "verb": "ingest",
        "ok": False,
        "exit_code": 1,
        "dataset": place,
        "folders": [str(folder)],
        "missing_folders": [],
        "patterns": ["*"],
        "taken_in": 3,
        "extended": 0,
        "renewed": 0,
        "waiting": 0,
        "failed": 1,
        "unchanged": 0,
        "changed": 0,
        "issues": 0,
        "without_line_period": 0,
        "without_pixel_size": 0,
        "gone": 0,
        "in_subfolders": 0,
        "by_rule": 0,
    }


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file names")
def test_hostile_names_are_shown_as_text(folder: Path, tmp_path: Path, kymflow: Kymflow) -> None:
    (folder / "\x1b[31mred\n\u202eevil.tif").write_text("x", encoding="utf-8")
    (folder / "[bold red]markup.tif").write_text("x", encoding="utf-8")

    _, out, err = kymflow("ingest", folder, tmp_path / "k.zarr")
    _, json_out, _ = kymflow("ingest", folder, tmp_path / "k.zarr", "--json")

    for text in (out, err, json_out):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert r"\x1b[31mred\n\u202eevil.tif" in err
    assert "[bold red]markup.tif" in err
    assert len(json_out.splitlines()) == 3


def test_doubts_of_each_kind_and_unknown_steps_have_a_line(
    tmp_path: Path, kymflow: Kymflow, kymflow_json: KymflowJson
) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    pixels = np.arange(60, dtype=np.uint16).reshape(12, 5)
    for number, unit in enumerate(["mm", "nm", "furlong"]):
        tifffile.imwrite(
            folder / f"{number}.tif", pixels + number, imagej=True, metadata={"unit": unit},
            resolution=(3.0, 3.0),
        )  # fmt: skip
    dataset = str(tmp_path / "d.zarr")
    code, _, err = kymflow("ingest", str(folder), dataset)
    doubts = [line for line in err.splitlines() if "about calibration: " in line]
    assert code == 0
    assert len(doubts) == 2, doubts
    assert doubts[0].startswith("4 doubts about calibration: 0.tif: the pixel size along 'x'")
    assert "2.tif: ImageJ's pixel size along 'x'" in doubts[1]
    assert "3 images without line period: give it with kymflow calibrate" in err
    assert "1 image without pixel size: give it with kymflow calibrate" in err
    _, records = kymflow_json("ingest", str(folder), str(tmp_path / "again.zarr"))
    assert (records[-1]["without_line_period"], records[-1]["without_pixel_size"]) == (3, 1)
