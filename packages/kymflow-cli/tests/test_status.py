"""What `status` says there is to do, and that `update` does it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kymflow.cli.concerns import ImageConcern
from kymflow.cli.opening import find_image
from kymflow.cli.verbs.analyze import analyze
from kymflow.cli.verbs.index import index
from kymflow.cli.verbs.ingest import ingest
from kymflow.cli.verbs.status import AnalysisStatus, TableStatus, status
from kymflow.cli.verbs.update import update
from kymflow.core.decisions import exclude
from kymflow.core.metadata import load_metadata, save_metadata
from kymflow_zarr import ZarrDataset

Kymflow = Callable[..., tuple[int, str, str]]
WriteTiff = Callable[..., Path]


@pytest.fixture
def current(dataset: str) -> str:
    """A dataset with nothing to do."""
    assert analyze(dataset, "velocity", workers=1).ok
    assert index(dataset, workers=1).ok
    return dataset


def velocity(dataset: str) -> AnalysisStatus:
    (entry,) = [item for item in status(dataset).items if isinstance(item, AnalysisStatus)]
    return entry


def concerns(dataset: str) -> list[tuple[str, str, str]]:
    return [
        (Path(item.source or "").name, item.concern, item.why)
        for item in status(dataset).items
        if isinstance(item, ImageConcern)
    ]


def written(folder: Path) -> dict[Path, int]:
    """When each file was written; taking a lock may touch its file, and is no change."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {path: path.stat().st_mtime_ns for path in files}


def recalibrate(dataset: str, name: str) -> None:
    record = ZarrDataset(dataset).record(find_image(ZarrDataset(dataset), name))
    metadata = load_metadata(record)
    twice = {axis: 2 * step for axis, step in metadata.header.scale.items()}
    header = dataclasses.replace(metadata.header, scale=twice)
    save_metadata(record, dataclasses.replace(metadata, header=header))


def test_nothing_to_do_is_exit_code_0_and_something_1(
    current: str, folder: Path, write_tiff: WriteTiff, kymflow: Kymflow
) -> None:
    code, out, err = kymflow("status", current)
    assert code == 0
    assert out.startswith(f"{current}: 3 images\n")
    assert "to do" not in err
    write_tiff(folder / "new.tif", seed=5)
    code, out, err = kymflow("status", current)
    assert code == 1
    assert out.startswith(f"{current}: 3 images, 1 new\n")
    assert f"to do: kymflow refresh {current}\n" in err


def test_results_are_outdated_for_a_reason(current: str, folder: Path, kymflow: Kymflow) -> None:
    recalibrate(current, "a")
    entry = velocity(current)
    assert (entry.current, entry.outdated, entry.missing, entry.failed) == (2, 1, 0, 0)
    assert (entry.folder, entry.images) == (str(folder), 3)
    assert entry.causes == {"calibration": 1}
    code, out, err = kymflow("status", current)
    assert code == 1
    assert "calibration of 1" in out
    assert f"to do: kymflow analyze {current} velocity --missing\n" in err
    assert f"to do: kymflow index {current}\n" in err
    assert f"all of it in one go: kymflow update {current}\n" in err


def test_tables_are_outdated_image_by_image(current: str) -> None:
    recalibrate(current, "a")
    assert analyze(current, "velocity", missing=True, workers=1).analyzed == 1
    outdated = {
        item.name: item.outdated for item in status(current).items if isinstance(item, TableStatus)
    }
    assert outdated["kym_velocity"] == outdated["kym_images"] == 1
    assert index(current, workers=1).ok
    assert status(current).ok


def test_an_analysis_that_never_ran_is_named_and_nothing_to_do(
    dataset: str, kymflow: Kymflow
) -> None:
    index(dataset, workers=1)
    result = status(dataset)
    assert result.ok
    assert "velocity" in result.never_run
    assert not [item for item in result.items if isinstance(item, AnalysisStatus)]
    assert "not run here yet: " in kymflow("status", dataset)[2]


def test_tables_of_what_is_not_installed_are_named(dataset: str, kymflow: Kymflow) -> None:
    opened = ZarrDataset(dataset)
    opened.tables.save("kym_gone", opened.load_table("kym_image_summary"))
    assert status(dataset).kept_as_is == ("kym_gone",)
    assert "not installed: kym_gone\n" in kymflow("status", dataset)[2]


def test_excluded_images_are_reported_and_need_no_results(current: str) -> None:
    opened = ZarrDataset(current)
    exclude(opened.record(find_image(opened, "b")), reason="out of focus")
    recalibrate(current, "b")
    entry = velocity(current)
    assert (entry.images, entry.current) == (2, 2)
    assert ("b.tif", "excluded", "out of focus") in concerns(current)


def test_copies_and_images_without_calibration_are_reported(
    current: str, folder: Path, write_tiff: WriteTiff
) -> None:
    import numpy as np
    import tifffile

    copy = folder / "copy.tif"
    copy.write_bytes((folder / "a.tif").read_bytes())
    tifffile.imwrite(folder / "bare.tif", np.arange(960, dtype=np.uint16).reshape(60, 16))
    assert ingest(folder, current).ok
    found = concerns(current)
    assert ("bare.tif", "uncalibrated", "no line period and no pixel size") in found
    duplicates = [entry for entry in found if entry[1] == "duplicate"]
    assert len(duplicates) == 1
    assert duplicates[0][0] in {"a.tif", "copy.tif"}


def test_files_that_changed_or_are_gone(current: str, folder: Path, write_tiff: WriteTiff) -> None:
    write_tiff(folder / "new.tif", seed=5)
    write_tiff(folder / "a.tif", lines=70, seed=6)
    (folder / "b.tif").unlink()
    result = status(current)
    assert (result.new, result.changed, result.unchanged, result.gone) == (1, 1, 1, 1)


def test_a_dataset_whose_folder_is_gone(dataset: str, folder: Path) -> None:
    folder.rename(folder.with_name("moved"))
    result = status(dataset)
    assert result.missing_folders == (str(folder),)
    assert result.folders == ()


def test_how_a_folder_was_ingested_is_remembered(
    tmp_path: Path, write_tiff: WriteTiff, kymflow: Kymflow
) -> None:
    root, place = tmp_path / "lab", str(tmp_path / "lab.zarr")
    for day in ("monday", "tuesday"):
        (root / day).mkdir(parents=True)
    write_tiff(root / "monday" / "a.tif")
    write_tiff(root / "monday" / "a_overview.tif")
    code, out, _ = kymflow("ingest", root, place, "--recursive", "--pattern", "?.tif")
    assert (code, out) == (0, f"1 new image in {place}\n")
    write_tiff(root / "tuesday" / "b.tif", seed=2)
    write_tiff(root / "tuesday" / "b_overview.tif", seed=2)
    result = status(place)
    assert (result.new, result.folders, result.patterns) == (1, (str(root),), ("**/?.tif",))
    assert kymflow("refresh", place)[1] == f"1 new image in {place}, 1 unchanged\n"
    assert kymflow("refresh", place)[1] == f"0 new images in {place}, 2 unchanged\n"


def test_images_that_lie_in_subfolders_are_counted(
    tmp_path: Path, write_tiff: WriteTiff, kymflow: Kymflow
) -> None:
    (tmp_path / "lab" / "day").mkdir(parents=True)
    write_tiff(tmp_path / "lab" / "day" / "a.tif")
    write_tiff(tmp_path / "lab" / "day" / "b.tif", seed=2)
    for extra in ((), ("--dry-run",)):
        _, out, err = kymflow("ingest", tmp_path / "lab", tmp_path / "k.zarr", *extra)
        assert out.startswith(("0 new images in ", "would ingest 0 files into "))
        assert "2 new image files lie in subfolders; to ingest: --recursive" in err
    write_tiff(tmp_path / "lab" / "c.tif", seed=3)
    _, out, err = kymflow("ingest", tmp_path / "lab", tmp_path / "k.zarr")
    assert out.startswith("1 new image in ")
    assert "2 new image files lie in subfolders; to ingest: --recursive" in err
    kymflow("ingest", tmp_path / "lab", tmp_path / "k.zarr", "--recursive")
    assert "subfolders" not in kymflow("ingest", tmp_path / "lab", tmp_path / "k.zarr")[2]


def test_update_does_all_there_is_to_do_and_then_nothing(
    current: str, folder: Path, write_tiff: WriteTiff, kymflow: Kymflow
) -> None:
    write_tiff(folder / "new.tif", seed=5)
    recalibrate(current, "a")
    done = update(current, workers=1)
    assert (done.taken_in, done.analyzed, done.failed) == (1, 2, 0)
    report = Path(current).with_name("k-report.html")
    assert done.report == str(report)
    assert status(current).ok, status(current).to_do
    before = written(Path(current).parent)
    code, out, _ = kymflow("update", current)
    assert (code, out) == (0, f"{current} is up to date\n")
    assert written(Path(current).parent) == before


def test_update_computes_with_the_parameters_that_results_had(
    current: str, folder: Path, write_tiff: WriteTiff
) -> None:
    analyze(current, "velocity", label="short", workers=1, window_lines=8, stall_rule__merge_s=0.5)
    write_tiff(folder / "new.tif", seed=5)
    recalibrate(current, "a")
    assert update(current, workers=1, report=False).analyzed == 4
    rows: Any = ZarrDataset(current).load_table("kym_velocity")
    assert rows.groupby("label")["window_lines"].unique().map(list).to_dict() == {
        "": [16],
        "short": [8],
    }
    record = ZarrDataset(current).record(find_image(ZarrDataset(current), "new"))
    said: Any = record.load_json("velocity/short/params")
    (params,) = said.values()
    assert params["parameters"]["stall_rule"]["merge_s"] == 0.5


def test_an_analysis_comes_after_those_that_it_builds_on(
    current: str, folder: Path, write_tiff: WriteTiff
) -> None:
    assert analyze(current, "pulse", workers=1).ok
    write_tiff(folder / "new.tif", seed=5)
    assert ingest(folder, current).ok
    first, second, *_ = status(current).to_do
    assert " velocity " in first
    assert " pulse " in second
    done = update(current, workers=1, report=False)
    assert (done.analyzed, done.failed) == (2, 0)


def test_update_does_not_repeat_what_fails(
    current: str, folder: Path, write_tiff: WriteTiff, kymflow: Kymflow
) -> None:
    write_tiff(folder / "tiny.tif", lines=4)
    first = update(current, workers=1, report=False)
    assert (first.taken_in, first.failed) == (1, 1)
    assert [entry[:2] for entry in concerns(current)] == [("tiny.tif", "failed")]
    again = update(current, workers=1, report=False)
    assert (again.analyzed, again.failed) == (0, 0)
