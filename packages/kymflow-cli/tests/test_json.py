"""What ``--json`` promises: these records, with these fields, from every verb."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kymflow.cli.app import build_app
from kymflow.cli.verbs.analyze import analyze
from kymflow.cli.verbs.index import index
from kymflow.cli.verbs.ingest import ingest
from kymflow.core.decisions import exclude
from kymflow_zarr import ZarrDataset

KymflowJson = Callable[..., tuple[int, list[dict[str, Any]]]]

FILES = {"dataset", "folders", "missing_folders", "patterns"}
COUNTS = {"unchanged", "changed", "waiting", "failed", "gone", "in_subfolders"}
FILE = {"path", "status", "image_id", "reason", "issues"}
PLANNED = {"path", "state", "action", "image_id", "reason"}
INGESTED = {
    *("taken_in", "extended", "renewed", "issues", "by_rule"),
    *("without_line_period", "without_pixel_size"),
}
ISSUE = {"path", "kind", "message"}
IMAGE = {"image_id", "source", "scene", "shape", "axes", "dtype", "created_utc", "acquired_local"}
PLUGIN = {"suffixes", "kind", "name", "origin", "version", "status", "summary", "reason"}
TABLE = {"name", "rows", "columns"}
PROBLEM = {"location", "kind", "message", "repairable"}
INDEXED = {"indexer", "table", "status", "images", "failed", "rows", "left_out", "reason"}
DECIDED: dict[str, set[str]] = {
    "image": {"image_id", "source", "status", "made", "reason"},
    "summary": {"dataset", "decided", "unchanged", "failed"},
}

PROMISED: dict[str, dict[str, set[str]]] = {
    "ingest more k.zarr": {
        "file": FILE,
        "summary": FILES | COUNTS | INGESTED,
    },
    "ingest more k.zarr --dry-run": {
        "file": PLANNED,
        "summary": FILES | COUNTS | {"dry_run", "to_take_in", "new"},
    },
    "refresh k.zarr more": {
        "file": FILE,
        "summary": FILES | COUNTS | INGESTED,
    },
    "refresh k.zarr more --dry-run": {
        "file": PLANNED,
        "summary": FILES | COUNTS | {"dry_run", "to_take_in", "new"},
    },
    "relocate k.zarr elsewhere images": {"summary": {"dataset", "old", "new", "relocated"}},
    "analyze k.zarr velocity": {
        "image": {"image_id", "source", "status", "reason", "assumed"},
        "summary": {
            *("dataset", "analysis", "images", "analyzed", "skipped"),
            *("left_out", "assumed", "failed"),
        },
    },
    "index k.zarr": {
        "table": INDEXED,
        "failure": {"image_id", "source", "step", "reason"},
        "summary": {"dataset", "tables", "failed"},
    },
    "index k.zarr --list": {"plugin": PLUGIN, "summary": {"plugins", "broken"}},
    "update k.zarr --no-report": {
        "file": FILE,
        "image": {"image_id", "source", "status", "reason", "assumed"},
        "table": INDEXED,
        "failure": {"image_id", "source", "step", "reason"},
        "summary": {"dataset", "taken_in", "by_rule", "analyzed", "tables", "failed", "report"},
    },
    "status k.zarr more": {
        "file": PLANNED,
        "analysis": {
            *("name", "label", "folder", "images"),
            *("current", "outdated", "missing", "failed", "causes"),
        },
        "table": {"name", "rows", "images", "outdated"},
        "image": {"image_id", "source", "concern", "why"},
        "issue": ISSUE,
        "summary": FILES | COUNTS | {"issues", "images", "to_do", "never_run", "kept_as_is", "new"},
    },
    "ls k.zarr": {
        "image": IMAGE,
        "failure": {"image_id", "reason"},
        "summary": {"dataset", "images", "damaged"},
    },
    "info k.zarr": {
        "table": TABLE,
        "summary": {"dataset", "format_version", "created_utc", "software", "images", "folders"},
    },
    "info k.zarr a": {
        "artifact": {"name", "kind", "key"},
        "summary": {
            *("dataset", "image", "pixels_digest"),
            *("header", "experiment_metadata", "rois"),
        },
    },
    "table k.zarr": {"table": TABLE, "summary": {"dataset", "tables"}},
    "table k.zarr kym_image_summary": {
        "row": {"row"},
        "summary": {"dataset", "table", "rows", "columns"},
    },
    "query k.zarr FROM+kym_image_summary": {
        "row": {"row"},
        "summary": {"dataset", "table", "rows", "columns"},
    },
    "report k.zarr": {
        "image": {"image_id", "source", "status", "regions", "reason"},
        "summary": {
            *("dataset", "report", "images", "shown", "left_out"),
            *("without_results", "damaged", "size_bytes"),
        },
    },
    "figure k.zarr a -o f.svg": {"summary": {"dataset", "figure", "size_bytes", "compared"}},
    "metadata k.zarr a --set genotype=wt": DECIDED,
    "metadata k.zarr --folders {session}": {
        "summary": {
            *("dataset", "matched", "changed", "unchanged", "failed"),
            *("unmatched_images", "unmatched_lines"),
        },
    },
    "calibrate k.zarr a --um-per-pixel 0.4": DECIDED,
    "roi k.zarr a --pixels 2 6": DECIDED,
    "mark k.zarr a 0.01 0.02": DECIDED,
    "note k.zarr a --text sneezed": DECIDED,
    "accept k.zarr a": DECIDED,
    "reject k.zarr a --reason dark": DECIDED,
    "exclude k.zarr a --reason dark": DECIDED,
    "include k.zarr a": DECIDED,
    "log k.zarr": {
        "entry": {"kind", "at", "author", "what", "images", "undone", "details"},
        "summary": {"dataset", "entries"},
    },
    "check k.zarr": {
        "problem": PROBLEM,
        "summary": {"dataset", "deep", "images", "problems", "repairable"},
    },
    "repair k.zarr": {
        "repair": {"location", "action"},
        "problem": PROBLEM,
        "summary": {"dataset", "dry_run", "repairs", "problems"},
    },
    "export k.zarr files": {
        "failure": {"name", "reason"},
        "summary": {
            *("dataset", "folder", "images", "tables", "files_written", "files_unchanged"),
            *("files_removed", "files_kept", "failed"),
        },
    },
    "export k.zarr --xlsx k.xlsx": {
        "sheet": {"name", "rows"},
        "summary": {"dataset", "workbook", "sheets"},
    },
    "export k.zarr --combined k.csv": {"summary": {"dataset", "table", "rows", "columns"}},
    "upgrade old.zarr": {
        "image": {"image_id"},
        "summary": {"dataset", "format_before", "format_version", "upgraded"},
    },
    "plugins": {"plugin": PLUGIN, "summary": {"plugins", "broken"}},
    "demo": {
        "row": {"row"},
        "summary": {
            *("folder", "dataset", "images_folder", "taken_in", "images", "table", "columns"),
        },
    },
    "completion bash": {"summary": {"shell", "script"}},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, write_tiff: Callable[..., Path]) -> Path:
    """A dataset with something of everything to tell; beside it more files, and an old dataset."""
    import zarr

    place = tmp_path_factory.mktemp("made")
    images, more, pictures = (place / name for name in ("images", "more", "pictures"))
    for folder in (images, more, pictures):
        folder.mkdir()
    for seed, name in enumerate(("a.tif", "b.tif", "c.tiff")):
        write_tiff(images / name, seed=seed)
    dataset = str(place / "k.zarr")
    assert ingest(images, dataset).ok
    assert index(dataset, "image_summary").ok
    write_tiff(more / "new.tif", seed=8)
    write_tiff(images / "later.tif", seed=9)
    (more / "text.tif").write_text("no picture", encoding="utf-8")
    *_, last = ZarrDataset(dataset).list_image_ids()
    assert analyze(dataset, "velocity", image=("a.tif",)).ok
    exclude(ZarrDataset(dataset).find("b.tif"), reason="out of focus")
    (pictures / "left.result.json").write_text("{", encoding="utf-8")
    ZarrDataset(dataset).ingest_image(write_tiff(pictures / "left.tif", seed=9))
    copy = shutil.copy(images / "a.tif", pictures / "twin.tif")
    twin = ZarrDataset(dataset).ingest_image(copy).image_id
    (Path(dataset) / "images" / twin / "zarr.json").write_text("{}", encoding="utf-8")
    (Path(dataset) / "tables" / "sources.parquet").unlink()
    root = zarr.open_group(str(place / "old.zarr"), mode="w", zarr_format=2)
    root.attrs.update({"format": "kymflow_zarr_v1", "schema_version": 1})
    image = root.create_group(f"images/{last}")
    image.attrs.update({"axes": ["t", "x"], "created_utc": "2024-05-06T07:08:09Z"})
    image.create_array("data", shape=(4, 5), dtype="uint16", chunks=(4, 5))
    return place


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The folder of all that, to stand in; afterwards it is as it was."""
    shutil.copytree(made, tmp_path / "made")
    monkeypatch.chdir(made)
    yield
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(made)
    shutil.copytree(tmp_path / "made", made)


def test_no_verb_is_left_out() -> None:
    verbs = {name for name in build_app() if not name.startswith("-")}
    promised = {command.split(maxsplit=1)[0] for command in PROMISED}
    # `view` answers once a person has stopped it; `undo` has its own test.
    assert verbs - promised == {"undo", "view"}


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("command", PROMISED)
def test_records_are_of_these_kinds_and_have_just_these_fields(
    kymflow_json: KymflowJson, command: str
) -> None:
    if "query" in command:
        pytest.importorskip("duckdb")
    if "xlsx" in command:
        pytest.importorskip("xlsxwriter")
    code, records = kymflow_json(*(word.replace("+", " ") for word in command.split()))
    *items, summary = records
    promised = PROMISED[command]
    assert summary["verb"] == command.split(maxsplit=1)[0]
    assert (summary["type"], summary["exit_code"]) == ("summary", code)
    assert summary["ok"] is (code == 0)
    assert set(summary) == {"type", "verb", "ok", "exit_code"} | promised["summary"]
    assert {record["type"] for record in records} == set(promised)
    for item in items:
        assert set(item) == {"type"} | promised[item["type"]]
