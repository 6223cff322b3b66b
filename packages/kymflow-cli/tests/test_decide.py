"""The verbs by which people decide on images: what they change, and that it can be undone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from kymflow.core.analysis import calibration_of
from kymflow.core.decisions import read_decisions
from kymflow.core.metadata import load_metadata
from kymflow_zarr import ZarrDataset, ZarrImageRecord

Kymflow = Callable[..., tuple[int, str, str]]
KymflowJson = Callable[..., tuple[int, list[dict[str, Any]]]]


def record(dataset: str, name: str) -> ZarrImageRecord:
    return ZarrDataset(dataset, mode="r").find(name)


def test_an_image_is_excluded_and_taken_back_in(dataset: str, kymflow: Kymflow) -> None:
    code, out, err = kymflow("exclude", dataset, "a", "--reason", "moved")
    assert (code, out) == (0, "exclude: 1 image\n")
    assert f"kymflow undo {dataset}" in err
    exclusion = read_decisions(record(dataset, "a.tif")).exclusion
    assert exclusion is not None
    assert exclusion.reason == "moved"
    assert kymflow("exclude", dataset, "a", "--reason", "moved")[1] == (
        "exclude: 0 images, 1 unchanged\n"
    )
    assert kymflow("include", dataset, "a")[0] == 0
    assert read_decisions(record(dataset, "a.tif")).exclusion is None


def test_excluded_images_are_in_no_table_but_that_of_images(dataset: str, kymflow: Kymflow) -> None:
    kymflow("exclude", dataset, "a", "--reason", "moved")
    assert kymflow("index", dataset, "image_summary", "images")[0] == 0
    tables = ZarrDataset(dataset, mode="r")
    assert len(tables.load_table("kym_image_summary")) == 2
    assert tables.load_table("kym_images")["excluded"].sum() == 1


def test_images_are_chosen_by_a_condition(dataset: str, kymflow_json: KymflowJson) -> None:
    pytest.importorskip("duckdb")
    code, records = kymflow_json(
        "calibrate", dataset, "--seconds-per-line", "0.002", "--where", "file LIKE '%.tif'"
    )
    assert code == 0
    assert sorted(Path(each["source"]).name for each in records[:-1]) == ["a.tif", "b.tif"]
    assert records[-1]["decided"] == 2
    assert record(dataset, "c.tiff").get_coordinates()["t"][1] != 0.002
    assert record(dataset, "b.tif").get_coordinates()["t"][1] == 0.002


def test_steps_are_given_in_the_units_that_people_use(dataset: str, kymflow: Kymflow) -> None:
    assert kymflow("calibrate", dataset, "a", "--line-ms", "1.134", "--um", "0.331")[0] == 0
    coordinates = record(dataset, "a.tif").get_coordinates()
    assert (coordinates["t"][1], coordinates["x"][1]) == (0.001134, 0.331)
    code, _, said = kymflow(
        "calibrate", dataset, "a", "--line-ms", "1", "--seconds-per-line", "0.001"
    )
    assert (code, "given twice" in said) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no images chosen"),
        (("--where", "file = 'z'"), "no image matches"),
        (("--where", "nothing = 1"), "nothing"),
        (("--where", "true); SELECT ('x'"), "not one condition"),
        (("z.tif",), "there is no image 'z.tif'"),
    ],
)
def test_a_choice_of_no_image_is_refused(
    dataset: str, kymflow: Kymflow, arguments: tuple[str, ...], message: str
) -> None:
    if "--where" in arguments:
        pytest.importorskip("duckdb")
    code, _, err = kymflow("include", dataset, *arguments)
    assert code == 2
    assert message in err


def test_an_image_that_fails_stops_only_itself(
    dataset: str, folder: Path, write_tiff: Callable[..., Path], kymflow: Kymflow
) -> None:
    pytest.importorskip("duckdb")
    write_tiff(folder / "narrow.tif", pixels=8)
    kymflow("ingest", str(folder), dataset)
    code, out, err = kymflow("roi", dataset, "--pixels", "4", "12", "--where", "true")
    assert code == 1
    assert "roi: 3 images, 1 failed" in out
    assert "narrow.tif" in err


def test_regions_are_added_changed_and_removed(dataset: str, kymflow: Kymflow) -> None:
    _, out, _ = kymflow("roi", dataset, "a", "--pixels", "2", "6", "--name", "vein")
    assert out == "roi: 1 image\nROI 1\n"
    kymflow("roi", dataset, "a", "--change", "1", "--pixels", "3", "9")
    (roi,) = load_metadata(record(dataset, "a.tif")).rois
    assert (roi.name, roi.dim1_start, roi.dim1_stop) == ("vein", 3, 9)
    kymflow("roi", dataset, "a", "--remove", "1")
    assert load_metadata(record(dataset, "a.tif")).rois == ()
    _, out, _ = kymflow("roi", dataset, "a", "--um", "0", "2")
    assert out.endswith("ROI 2\n")
    assert kymflow("roi", dataset, "a")[0] == 2


def test_a_stall_is_marked_moved_and_removed(dataset: str, kymflow: Kymflow) -> None:
    code, out, _ = kymflow("mark", dataset, "a", "0.01", "0.02")
    assert code == 0
    (mark,) = read_decisions(record(dataset, "a.tif")).marks
    assert out.endswith(f"mark {mark.id}\n")
    kymflow("mark", dataset, "a", "0.02", "0.03", "--move", mark.id)
    (moved,) = read_decisions(record(dataset, "a.tif")).marks
    assert (moved.start_s, moved.stop_s) == pytest.approx((0.02, 0.03))
    kymflow("mark", dataset, "a", "--remove", mark.id)
    assert read_decisions(record(dataset, "a.tif")).marks == ()
    code, _, err = kymflow("mark", dataset, "a")
    assert code == 2
    assert "give its seconds" in err
    assert kymflow("mark", dataset, "a", "1", "2", "--channel", "2")[0] == 1


@pytest.mark.parametrize("verb", ["index", "update"])
def test_a_mark_is_in_its_table_before_anything_was_analyzed(
    dataset: str, kymflow: Kymflow, verb: str
) -> None:
    assert kymflow("update", dataset)[0] == 0
    kymflow("mark", dataset, "a", "0.01", "0.02")
    assert kymflow("status", dataset)[0] == 1
    assert kymflow(verb, dataset)[0] == 0
    marked = ZarrDataset(dataset, mode="r").load_table("kym_velocity_intervals")
    assert marked["origin"].tolist() == ["by hand"]
    assert kymflow("status", dataset)[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("roi", "--pixels", "2", "9", "--channel", "0"),
        ("roi", "--pixels", "2", "9", "--z", "-1"),
        ("mark", "0.01", "0.02", "--channel", "0"),
        ("figure", "-o", "f.svg", "--channel", "0"),
    ],
)
def test_a_channel_or_slice_that_does_not_exist_is_not_taken_for_the_first(
    made_dataset: str, kymflow: Kymflow, arguments: tuple[str, ...]
) -> None:
    verb, *options = arguments
    before = record(made_dataset, "a").load_metadata_payload()
    assert kymflow(verb, made_dataset, "a", *options)[0] != 0
    assert record(made_dataset, "a").load_metadata_payload() == before


def test_verdicts_and_notes(dataset: str, kymflow: Kymflow) -> None:
    kymflow("accept", dataset, "a", "b")
    kymflow("reject", dataset, "b", "--reason", "out of focus")
    kymflow("note", dataset, "b", "--text", "sneezed")
    said = read_decisions(record(dataset, "b.tif"))
    assert said.verdict is not None
    assert (said.verdict.verdict, said.verdict.reason) == ("rejected", "out of focus")
    assert [note.text for note in said.notes] == ["sneezed"]


def test_fields_are_set(dataset: str, kymflow: Kymflow) -> None:
    kymflow("metadata", dataset, "a", "--set", "genotype=wt", "--set", "cage=007", "--set", "n=3")
    experiment = load_metadata(record(dataset, "a.tif")).experiment
    assert (experiment.genotype, dict(experiment.extra)) == ("wt", {"cage": "007", "n": 3})
    kymflow("metadata", dataset, "a", "--set", "genotype=")
    assert load_metadata(record(dataset, "a.tif")).experiment.genotype == ""
    assert kymflow("metadata", dataset, "a", "--set", "genotype")[0] == 2
    assert kymflow("metadata", dataset, "a")[0] == 2
    assert kymflow("metadata", dataset, "a", "--set", "n=3", "--folders", "{n}")[0] == 2
    code, _, err = kymflow("metadata", dataset, "--folders", "animal/day")
    assert (code, "give each field once and by name" in err) == (2, True)


def test_fields_come_from_a_file_and_from_folders(
    dataset: str, tmp_path: Path, kymflow: Kymflow, kymflow_json: KymflowJson
) -> None:
    csv = tmp_path / "files.csv"
    csv.write_text("file,genotype,depth\na,wt,100\nb,ko,deep\nz,wt,1\n", encoding="utf-8")
    code, out, err = kymflow("metadata", dataset, "--import", str(csv))
    assert code == 1
    assert out == "metadata: 1 image changed, 1 not matched, 1 failed\n"
    assert "line 4 matches no image: 'z'" in err
    assert "is 'deep', not a number" in err
    code, records = kymflow_json("metadata", dataset, "--folders", "{session}")
    assert (code, records[-1]["changed"]) == (0, 3)
    assert load_metadata(record(dataset, "a.tif")).experiment.extra == {"session": "images"}


def test_images_to_come_get_what_was_decided_for_them(
    dataset: str, folder: Path, tmp_path: Path, write_tiff: Callable[..., Path], kymflow: Kymflow
) -> None:
    pytest.importorskip("duckdb")
    csv = tmp_path / "sessions.csv"
    csv.write_text("session,genotype\nimages,wt\n", encoding="utf-8")
    code, out, _ = kymflow(
        *("metadata", dataset, "--folders", "{session}"),
        *("--import", str(csv), "--on", "session"),
    )
    assert (code, out) == (0, "metadata: 3 images changed\n"), "a line is about what a folder says"
    period = ("--seconds-per-line", "0.25", "--where", "genotype = 'wt'")
    assert kymflow("calibrate", dataset, *period)[1] == "calibrate: 3 images\n"
    tifffile.imwrite(folder / "bare.tif", np.ones((20, 8), np.uint16))
    write_tiff(folder / "calibrated.tif", seed=9)
    _, out, err = kymflow("ingest", str(folder), dataset)
    assert "fields and calibration set as decided for new images: 2 images" in err
    bare, calibrated = (load_metadata(record(dataset, f"{n}.tif")) for n in ("bare", "calibrated"))
    assert {bare.experiment.genotype, calibrated.experiment.genotype} == {"wt"}
    assert calibration_of(record(dataset, "bare.tif"), bare).seconds_per_line == 0.25
    known = calibration_of(record(dataset, "calibrated.tif"), calibrated).seconds_per_line
    assert known not in {None, 0.25}, "the file says it"

    csv.unlink()
    write_tiff(folder / "later.tif", seed=10)
    _, _, err = kymflow("update", dataset, "--no-report")
    assert "not applied to new images: csv" in err
    assert load_metadata(record(dataset, "later.tif")).experiment.extra == {"session": "images"}
    for undone in ("1 decision (set fields)", "5 decisions (calibrate, set fields)"):
        assert kymflow("undo", dataset)[1] == f"undone: {undone}\n"


def test_one_undo_takes_back_what_one_command_did(dataset: str, kymflow: Kymflow) -> None:
    pytest.importorskip("duckdb")
    kymflow("note", dataset, "a", "--text", "sneezed")
    kymflow("exclude", dataset, "--reason", "moved", "--where", "true")
    code, out, _ = kymflow("undo", dataset)
    assert (code, out) == (0, "undone: 3 decisions (exclude)\n")
    assert kymflow("undo", dataset, "b")[0] == 1
    code, out, _ = kymflow("undo", dataset, "a")
    assert (code, out) == (0, "undone: 1 decision (note)\n")
    code, _, err = kymflow("undo", dataset)
    assert code == 1
    assert "no decision is left to undo" in err


def test_the_log_has_runs_and_decisions(
    dataset: str, kymflow: Kymflow, kymflow_json: KymflowJson
) -> None:
    kymflow("exclude", dataset, "a", "b", "--reason", "moved")
    kymflow("undo", dataset)
    code, records = kymflow_json("log", dataset)
    assert code == 0
    assert [(r["kind"], r["what"], r["images"], r["undone"]) for r in records[:-1]] == [
        ("run", "index image_summary", 3, False),
        ("decision", "exclude", 2, True),
        ("decision", "undo", 2, False),
    ]
    assert json.loads(json.dumps(records[1]["details"])) == {"reason": "moved"}
    _, out, _ = kymflow("log", dataset, "--rows", "1")
    assert len(out.splitlines()) == 2, "a header and the latest"
    assert "kind: exclude" in out


def test_the_log_does_not_give_all_images_the_values_of_the_first(
    dataset: str, tmp_path: Path, kymflow: Kymflow, kymflow_json: KymflowJson
) -> None:
    csv = tmp_path / "files.csv"
    csv.write_text("file,genotype,sex\na,wt,f\nb,ko,f\n", encoding="utf-8")
    assert kymflow("metadata", dataset, "--import", str(csv))[0] == 0
    _, records = kymflow_json("log", dataset, "--rows", "1")
    assert (records[0]["images"], records[0]["details"]) == (
        2,
        {"genotype": "(varies)", "sex": "f"},
    )
    code, _, err = kymflow("metadata", dataset, "--import", str(tmp_path / "none.csv"))
    assert (code, "check the path" in err) == (2, True)


def test_decisions_follow_a_file_that_is_ingested_again(
    dataset: str, folder: Path, write_tiff: Callable[..., Path], kymflow: Kymflow
) -> None:
    kymflow("exclude", dataset, "a", "--reason", "moved")
    kymflow("roi", dataset, "a", "--pixels", "2", "14")
    write_tiff(folder / "a.tif", lines=90, pixels=12)
    code, _, err = kymflow("ingest", str(folder), dataset, "--changed")
    assert code == 0
    assert "a.tif: ROI 1 does not fit the changed file" in err
    opened = ZarrDataset(dataset, mode="r")
    (new,) = (each for each in opened.values() if each.shape == (90, 12))
    exclusion = read_decisions(new).exclusion
    assert exclusion is not None
    assert exclusion.reason == "moved"


def test_malformed_metadata_are_reported_at_ingest(
    tmp_path: Path, write_tiff: Callable[..., Path], kymflow: Kymflow
) -> None:
    (tmp_path / "in").mkdir()
    path = write_tiff(tmp_path / "in" / "a.tif")
    payload = {"experiment_metadata": {"depth": "deep"}}
    path.with_suffix(".metadata.json").write_text(json.dumps(payload), encoding="utf-8")
    code, _, err = kymflow("ingest", str(tmp_path / "in"), str(tmp_path / "k.zarr"))
    assert code == 0
    assert "a.tif: metadata field 'experiment_metadata.depth' is 'deep', not a number" in err
