"""Looking at datasets: ls, info, table, status, and the names that images go by."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from kymflow.cli.errors import UnknownNameError
from kymflow.cli.opening import find_image
from kymflow.cli.verbs.analyze import analyze
from kymflow.cli.verbs.check import check
from kymflow.cli.verbs.index import index
from kymflow.cli.verbs.info import DatasetInfo, ImageInfo, info
from kymflow.cli.verbs.ingest import ingest
from kymflow.cli.verbs.ls import ListedImage, ls
from kymflow.cli.verbs.repair import repair
from kymflow.cli.verbs.status import status
from kymflow.cli.verbs.table import TableListResult, TableResult, table
from kymflow.cli.verbs.upgrade import upgrade
from kymflow_zarr import NotADatasetError, ZarrDataset
from kymflow_zarr.readers import (
    ArrayImage,
    FolderListing,
    ReadLimits,
    register_reader,
    unregister,
)

Kymflow = Callable[..., tuple[int, str, str]]
KymflowJson = Callable[..., tuple[int, list[dict[str, Any]]]]


@pytest.mark.parametrize("verb", [ls, info, table, status, index, check, repair, upgrade])
@pytest.mark.parametrize("kind", ["missing", "folder", "file"])
def test_no_verb_but_ingest_makes_a_dataset(
    tmp_path: Path, verb: Callable[[str], object], kind: str
) -> None:
    place = tmp_path / "k.zarr"
    if kind == "folder":
        place.mkdir()
    if kind == "file":
        place.touch()
    with pytest.raises(NotADatasetError):
        verb(str(place))
    assert place.exists() == (kind != "missing")
    assert kind != "folder" or not any(place.iterdir())


def listed(
    dataset: str, sort: Literal["file", "id", "created", "acquired"] = "file"
) -> dict[str, ListedImage]:
    """The images by file name, in order."""
    items = [item for item in ls(dataset, sort=sort).items if isinstance(item, ListedImage)]
    return {Path(item.source or "").name: item for item in items}


def test_ls_lists_images_in_the_order_asked_for(dataset: str) -> None:
    assert list(listed(dataset)) == ["a.tif", "b.tif", "c.tiff"]
    by_id = [item.image_id for item in ls(dataset, sort="id").items]
    assert by_id == sorted(by_id)
    created = [item.created_utc or "" for item in listed(dataset, "created").values()]
    assert created == sorted(created)
    item = listed(dataset)["a.tif"]
    assert (item.shape, item.axes, item.dtype) == ((60, 16), ("t", "x"), "uint16")


class SceneByLine:
    """Reads text files, whose lines are the names of images."""

    name = "scene_by_line"
    suffixes = (".scenes",)

    def claims(self, listing: FolderListing) -> list[str]:
        return listing.with_suffix(self.suffixes)

    def scenes(self, path: Path, *, limits: ReadLimits) -> list[str]:  # noqa: ARG002
        return path.read_text(encoding="utf-8").splitlines()

    def open_scene(self, path: Path, scene: str, *, limits: ReadLimits) -> ArrayImage:
        at = self.scenes(path, limits=limits).index(scene)
        return ArrayImage(np.full((8, 4), at, np.uint16))

    def open(self, path: Path, *, limits: ReadLimits) -> ArrayImage:
        return self.open_scene(path, self.scenes(path, limits=limits)[0], limits=limits)


def test_ls_tells_images_of_one_file_apart(dataset: str, folder: Path, kymflow: Kymflow) -> None:
    names = [f"run {number}" for number in range(1, 13)]
    (folder / "runs.scenes").write_text("\n".join(names), encoding="utf-8")
    register_reader(SceneByLine())
    try:
        assert ingest(folder, dataset).ok
    finally:
        unregister(SceneByLine.name)
    _, out, _ = kymflow("ls", dataset, "--format", "csv")
    rows = csv.DictReader(io.StringIO(out))
    assert [(Path(row["source"]).name, row["scene"]) for row in rows][2:] == [
        ("c.tiff", ""),
        *(("runs.scenes", name) for name in names),
    ]
    assert kymflow("ls", dataset)[1].startswith("file\timage in the file\t")


def test_ls_puts_images_without_a_time_last_and_shows_local_time(dataset: str) -> None:
    opened = ZarrDataset(dataset)
    middle = find_image(opened, "b.tif")
    payload = opened.record(middle).load_metadata_payload()
    moment = datetime(2024, 2, 29, 23, 59, 59, 250_000, UTC)
    payload["header"] = {"acquired_local_epoch_ns": int(moment.timestamp() * 1000) * 10**6}
    opened.record(middle).save_metadata_payload(payload)

    items = list(listed(dataset, "acquired").values())

    assert items[0].image_id == middle
    assert items[0].acquired_local == "2024-02-29T23:59:59.250000"
    assert [item.acquired_local for item in items[1:]] == [None, None]


def test_an_image_that_cannot_be_read_hides_no_other(dataset: str, kymflow: Kymflow) -> None:
    damaged = listed(dataset)["b.tif"].image_id
    (Path(dataset) / "images" / damaged / "zarr.json").write_text("{}", encoding="utf-8")

    code, out, err = kymflow("ls", dataset)

    assert code == 1
    assert err.startswith("1 image cannot be read:\n")
    assert damaged in err
    assert "a.tif" in out
    assert "c.tiff" in out
    for arguments in (("info", dataset), ("info", dataset, "a.tif")):
        assert kymflow(*arguments)[0] == 0
    assert kymflow("status", dataset)[1].startswith(f"{dataset}: 2 images\n")
    code, _, err = kymflow("info", dataset, damaged)
    assert code == 1
    assert "is damaged" in err
    assert "kymflow check" in err
    Path(dataset, "zarr.json").write_bytes(b"{")
    for arguments in (("ls", dataset), ("check", dataset)):
        assert "put a new dataset's zarr.json in its place" in kymflow(*arguments)[2]


def test_images_go_by_id_prefix_and_file(dataset: str, folder: Path) -> None:
    opened = ZarrDataset(dataset, mode="r")
    wanted = listed(dataset)["b.tif"].image_id
    for name in (wanted, wanted[:8], wanted[:8].upper(), "b.tif", "b", "images/b"):
        assert find_image(opened, name) == wanted
    for name in (wanted[:3], f"images{os.sep}b.tif", str(folder / "b.tif")):
        assert find_image(opened, name) == wanted
    for name in ("nope", "", "tif", "ages/b.tif", "elsewhere/b.tif"):
        with pytest.raises(UnknownNameError, match="there is no image"):
            find_image(opened, name)


def test_names_that_mean_several_images_are_refused(dataset: str, folder: Path) -> None:
    opened = ZarrDataset(dataset)
    again = opened.ingest_image(folder / "a.tif").image_id
    with pytest.raises(UnknownNameError, match="matches 2 images") as caught:
        find_image(opened, "a.tif")
    assert again in str(caught.value)
    assert find_image(opened, again) == again


def test_info_of_a_dataset(dataset: str, folder: Path, kymflow: Kymflow) -> None:
    result = info(dataset)
    assert isinstance(result, DatasetInfo)
    assert (result.images, result.format_version) == (3, 2)
    assert result.folders == (str(folder),)
    assert {item.name: item.rows for item in result.items} == {
        "kym_image_summary": 3,
        "run_log": 1,
        "source_folders": 1,
        "sources": 3,
    }
    _, out, _ = kymflow("info", dataset)
    assert str(folder) in out
    assert "kym_image_summary" in out


def test_info_shows_the_file_beside_a_field_of_that_name(dataset: str, kymflow: Kymflow) -> None:
    assert kymflow("metadata", dataset, "a.tif", "--set", "file=drawer 3")[0] == 0
    _, out, _ = kymflow("info", dataset, "a.tif")
    file, field = (line for line in out.splitlines() if line.startswith("file"))
    assert file.endswith("a.tif")
    assert field.split(maxsplit=2) == ["file", "(metadata)", "drawer 3"]


def test_info_of_an_image(dataset: str, kymflow: Kymflow) -> None:
    opened = ZarrDataset(dataset)
    image_id = find_image(opened, "a.tif")
    record = opened.record(image_id)
    record.save_json("lab/note", {"by": "me"})
    record.save_df_parquet("trace", pd.DataFrame({"t": [1.0]}))
    record.save_df_csv_gz("trace", pd.DataFrame({"t": [1.0]}))
    record.save_array_artifact("mask", record.load_array() > 0)

    result = info(dataset, "a.tif")

    assert isinstance(result, ImageInfo)
    assert result.image.image_id == image_id
    assert result.header["scale"] == {"t": 0.001, "x": 0.25}
    kinds = {(item.name, item.kind) for item in result.items}
    assert {
        ("lab/note", "json"),
        ("trace", "table"),
        ("trace", "csv"),
        ("mask", "array"),
    } <= kinds
    _, out, _ = kymflow("info", dataset, "a.tif")
    assert "0.001 s along t, 0.25 um along x" in out
    assert "t 60, x 16 (uint16)" in out


def test_info_shows_rois_and_notes(dataset: str, kymflow: Kymflow) -> None:
    record = ZarrDataset(dataset).record(find_image(ZarrDataset(dataset), "a"))
    payload = record.load_metadata_payload()
    payload["experiment_metadata"] = {"species": "mouse", "note": "\x1b[2Jgone", "sex": ""}
    payload["rois"] = [{"id": 1, "name": "vessel", "dim0_start": 0, "dim0_stop": 60}]
    record.save_metadata_payload(payload)

    _, out, _ = kymflow("info", dataset, "a")

    assert "species   mouse" in out
    assert r"\x1b[2Jgone" in out
    assert "regions of interest" in out
    assert "vessel" in out
    assert "\nsex" not in out


def test_table_lists_shows_and_filters(dataset: str) -> None:
    listed = table(dataset)
    assert isinstance(listed, TableListResult)
    assert [item.name for item in listed.items] == [
        "kym_image_summary",
        "run_log",
        "source_folders",
        "sources",
    ]

    whole = table(dataset, "kym_image_summary")
    assert isinstance(whole, TableResult)
    assert {"image_id", "analysis_version", "params_hash"} <= set(whole.columns)
    assert whole.rows == len(whole.items) == 3

    some = table(dataset, "kym_image_summary", columns=("mean, std", "shape"), rows=2)
    assert isinstance(some, TableResult)
    assert some.columns == ("mean", "std", "shape")
    assert (some.rows, len(some.items)) == (3, 2)
    assert some.items[0].row["shape"] == "60x16"

    one = table(dataset, "sources", image="b.tif")
    assert isinstance(one, TableResult)
    assert [Path(str(item.row["source_primary_path"])).name for item in one.items] == ["b.tif"]


def test_wrong_names_get_a_suggestion(dataset: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        table(dataset, "kym_image_sumary")
    assert caught.value.hint == "did you mean 'kym_image_summary'?"
    with pytest.raises(UnknownNameError) as caught:
        table(dataset, "sources", columns=("image",))
    assert caught.value.hint == "did you mean 'image_id'?"
    with pytest.raises(UnknownNameError, match="has not been made yet") as caught:
        table(dataset, "velocity")
    assert caught.value.hint == f"run its analysis: kymflow analyze {dataset} velocity"
    with pytest.raises(UnknownNameError, match="has not been made yet") as caught:
        table(dataset, "roi")
    assert caught.value.hint == f"make it: kymflow update {dataset}"
    with pytest.raises(UnknownNameError, match="there is no table 'xyz'"):
        table(dataset, "xyz")
    with pytest.raises(UnknownNameError) as caught:
        info(dataset, "a.tiff")
    assert caught.value.hint == "did you mean 'a.tif'?"
    with pytest.raises(UnknownNameError) as caught:
        info(dataset, "something else")
    assert caught.value.hint.endswith(f"kymflow ls {ZarrDataset(dataset).location}")
    with pytest.raises(UnknownNameError) as caught:
        index(dataset, "image_sumary")
    assert caught.value.hint == "did you mean 'image_summary'?"
    with pytest.raises(UnknownNameError) as caught:
        analyze(dataset, "velocty")
    assert caught.value.hint == "did you mean 'velocity'?"


def test_files_of_one_name_are_distinguished_by_their_folders(
    tmp_path: Path, write_tiff: Callable[..., Path], kymflow: Kymflow
) -> None:
    for seed, folder in enumerate(("m10/day1", "m2/day1", "m2/day2")):
        (tmp_path / "in" / folder).mkdir(parents=True)
        write_tiff(tmp_path / "in" / folder / "run1.tif", seed=seed)
    shutil.copy(tmp_path / "in/m2/day2/run1.tif", tmp_path / "in/m2/day2/run1 copy.tif")
    kymflow("ingest", str(tmp_path / "in"), str(tmp_path / "k.zarr"), "--recursive")
    names = ["m2/day1/run1.tif", "m2/day2/run1.tif", "run1 copy.tif", "m10/day1/run1.tif"]
    _, *rows = kymflow("ls", str(tmp_path / "k.zarr"))[1].splitlines()
    assert [row.split("\t")[0] for row in rows] == names
    said = kymflow("status", str(tmp_path / "k.zarr"))[1]
    assert "run1 copy.tif\tduplicate\tthe same pixels as m2/day2/run1.tif" in said


def test_a_table_names_its_images_and_is_raw_when_asked(dataset: str, kymflow: Kymflow) -> None:
    kymflow("exclude", dataset, "b", "--reason", "moved")
    kymflow("metadata", dataset, "c", "--set", "condition=stroke")
    header, *rows = kymflow("table", dataset, "image_summary")[1].splitlines()
    assert header.startswith("file\tfolder\tacquired\tcondition\t")
    assert header.endswith("\timage_id\tanalysis_version\tparams_hash")
    assert [row.split("\t")[0] for row in rows] == ["a.tif", "c.tiff"]
    picked = ("--columns", "file,mean", "--rows", "1")
    assert kymflow("table", dataset, "kym_image_summary", *picked)[1].startswith(
        "file\tmean\na.tif"
    )
    ZarrDataset(dataset).save_table(
        "kym_colours", pd.DataFrame({"image_id": ["x"], "colour": "red"})
    )
    assert kymflow("table", dataset, "kym_colours", "--raw")[1] == "image_id\tcolour\nx\tred\n"
    raw = kymflow("table", dataset, "kym_image_summary", "--raw", "--csv")[1].splitlines()
    stored = ZarrDataset(dataset, mode="r").load_arrow_table("kym_image_summary")
    assert raw[0].split(",") == stored.column_names
    assert [row.split(",")[0] for row in raw[1:]] == stored["image_id"].to_pylist()


def test_a_table_without_rows_of_an_image_says_that_it_is_excluded(
    dataset: str, kymflow: Kymflow
) -> None:
    kymflow("exclude", dataset, "a", "--reason", "moved")
    kymflow("index", dataset)
    _, out, err = kymflow("table", dataset, "image_summary", "--image", "a")
    assert len(out.splitlines()) == 1
    assert "this image is excluded: moved" in err
    assert "excluded" not in kymflow("table", dataset, "image_summary", "--image", "b")[2]


def test_a_table_that_is_not_up_to_date_says_so(
    made_dataset: str, tmp_path: Path, kymflow: Kymflow
) -> None:
    place = str(shutil.copytree(made_dataset, tmp_path / "k.zarr"))
    asked = {
        "table": ("table", place, "velocity"),
        "figure": ("figure", place, "--group-by", "file", "-o", str(tmp_path / "f.svg")),
    }
    assert index(place, workers=1).ok
    assert not any("up to date" in kymflow(*words)[2] for words in asked.values())
    kymflow("roi", place, "a", "--pixels", "2", "12")
    for words in asked.values():
        assert f"may not be up to date for 1 image: kymflow update {place}\n" in kymflow(*words)[2]
    assert kymflow("table", place, "velocity", "--json")[2] == ""


def test_csv_is_whole_exact_and_safe_for_spreadsheets(dataset: str, kymflow: Kymflow) -> None:
    image_id = ls(dataset).items[0].image_id
    texts: list[str | None]
    texts = ["=cmd()", "+1", "-x", "@x", "\uff1dcmd()", "\n=cmd()", "fine, really", 'say "hi"']
    texts += ["two\nlines", "\x1b[31m", None]
    frame = pd.DataFrame(
        {"image_id": image_id, "text": texts, "=value": [0.1 + 0.2, -1.0, *[2.0] * 9]}
    )
    ZarrDataset(dataset).save_table("notes", frame)

    _, out, _ = kymflow("table", dataset, "notes", "--csv")

    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert [row["text"] for row in rows] == [
        "'=cmd()",
        "+1",
        "'-x",
        "'@x",
        "'\uff1dcmd()",
        "'\n=cmd()",
        "fine, really",
        'say "hi"',
        "two\nlines",
        r"\x1b[31m",
        "",
    ]
    assert [float(row["'=value"]) for row in rows[:2]] == [0.1 + 0.2, -1.0]


@pytest.mark.parametrize("verb", ["ls K", "table K kym_image_summary"])
def test_verbs_answer_in_every_format(dataset: str, kymflow: Kymflow, verb: str) -> None:
    words = verb.replace("K", dataset).split()
    image_ids = {item.image_id for item in ls(dataset).items}
    for name, delimiter in (("csv", ","), ("tsv", "\t")):
        code, out, _ = kymflow(*words, "--format", name)
        assert code == 0
        rows = list(csv.DictReader(io.StringIO(out, newline=""), delimiter=delimiter))
        assert {row["image_id"] for row in rows} == image_ids
    assert kymflow(*words, "--format", "json")[1] == kymflow(*words, "--json")[1]
    assert kymflow(*words, "--csv")[1] == kymflow(*words, "--format", "csv")[1]
    code, _, err = kymflow(*words, "--format", "xml")
    assert code == 2
    assert "xml" in err


def test_a_pipe_gets_tabs_and_several_kinds_of_items_their_type(
    dataset: str, folder: Path, kymflow: Kymflow
) -> None:
    words = ("table", dataset, "kym_image_summary")
    assert kymflow(*words)[1] == kymflow(*words, "--format", "tsv")[1]
    (folder / "new.tif").write_bytes((folder / "a.tif").read_bytes())
    assert kymflow("status", dataset, "--format", "csv")[1].startswith("type,path,state,")


@pytest.mark.parametrize("verb", ["ls K", "table K kym_image_summary"])
def test_parquet_keeps_types(dataset: str, environment: dict[str, str], verb: str) -> None:
    import pyarrow.parquet as pq

    words = [sys.executable, "-m", "kymflow.cli", *verb.replace("K", dataset).split()]
    done = subprocess.run(
        [*words, "--format", "parquet"], env=environment, capture_output=True, check=True
    )
    table = pq.read_table(io.BytesIO(done.stdout))
    assert table.num_rows == 3
    if "table" in verb:
        assert table.schema.field("saturated_fraction").type == "double"


def test_rows_as_json_keep_their_values(dataset: str, kymflow_json: KymflowJson) -> None:
    image_id = ls(dataset).items[0].image_id
    frame = pd.DataFrame(
        {
            "image_id": [image_id, image_id],
            "value": [float("nan"), float("inf")],
            "when": [pd.Timestamp("2024-01-02T03:04:05"), pd.NaT],
            "raw": [b"\x00\xff", None],
            "list": [[1, 2], []],
            "text": ["\x1b[31m\u009b5m", "half \u2028 line"],
        }
    )
    ZarrDataset(dataset).save_table("mixed", frame)

    code, records = kymflow_json("table", dataset, "mixed")

    assert code == 0
    assert records[0]["row"] == {
        "image_id": image_id,
        "value": None,
        "when": "2024-01-02T03:04:05",
        "raw": "AP8=",
        "list": [1, 2],
        "text": "\x1b[31m\u009b5m",
    }
    assert records[1]["row"]["text"] == "half \u2028 line"
    assert records[-1]["columns"] == list(frame.columns)


def test_text_on_a_pipe_is_never_cut(dataset: str, kymflow: Kymflow) -> None:
    _, out, _ = kymflow("table", dataset, "kym_image_summary")
    for image_id in ZarrDataset(dataset).list_image_ids():
        assert image_id in out
    assert "saturated_fraction" in out.splitlines()[0]
    assert "…" not in out
