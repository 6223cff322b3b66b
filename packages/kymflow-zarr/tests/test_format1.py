"""Datasets of format 1, as prototypes wrote them: read, extended, upgraded."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

from kymflow_zarr import (
    CorruptDataError,
    ImageNotFoundError,
    UnsupportedFormatError,
    ZarrDataset,
)

IDS = ("0a7f3c1e-1111-4222-8333-444455556666", "9b1d2e3f-1111-4222-8333-444455556666")


def pixels(number: int) -> np.ndarray:
    return np.arange(700 * 19, dtype=np.uint16).reshape(700, 19) + number


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Writes a dataset the way that the prototypes did."""
    place = tmp_path / "old.zarr"
    root = zarr.create_group(place, zarr_format=2)
    root.attrs.update({"format": "kymflow_zarr_v1", "schema_version": 1})
    for number, image_id in enumerate(IDS):
        group = root.create_group(f"images/{image_id}")
        group.attrs.update(
            {"axes": ["t", "x"], "created_utc": f"2025-01-0{number + 1}T00:00:00+00:00"}
        )
        array = group.create_array("data", shape=(700, 19), chunks=(512, 19), dtype="u2")
        array[...] = pixels(number)
        scores = group.create_array("analysis_arrays/scores", shape=(3,), chunks=(3,), dtype="f8")
        scores[...] = np.array([1.0, 2.0, 3.0])
        analysis = place / "images" / image_id / "analysis"
        analysis.mkdir()
        payload = {"version": "1.0", "rois": [], "header": {"shape": [700, 19]}}
        (analysis / "metadata.json.gz").write_bytes(gzip.compress(json.dumps(payload).encode()))
        pd.DataFrame({"v": [number]}).to_parquet(analysis / "trace.parquet")
    tables = place / "tables"
    tables.mkdir()
    pd.DataFrame({"image_id": list(IDS), "v": [1, 2]}).to_parquet(tables / "kym_x.parquet")
    pd.DataFrame(
        {
            "source_primary_path": ["/somewhere/a.tif", "/somewhere/b.tif"],
            "image_id": list(IDS),
            "source_mtime_ns": [1, 2],
            "source_size_bytes": [10, 20],
            "ingested_epoch_ns": [5, 6],
        }
    ).to_parquet(tables / "sources.parquet")
    (place / "index").mkdir()
    (place / "index" / "manifest.json.gz").write_bytes(gzip.compress(b"{}"))
    return place


def assert_same_contents(dataset: ZarrDataset) -> None:
    assert dataset.list_image_ids() == sorted(IDS)
    for number, image_id in enumerate(IDS):
        record = dataset.record(image_id)
        assert (record.shape, record.get_axes()) == ((700, 19), ("t", "x"))
        assert record.dtype == np.dtype(np.uint16)
        np.testing.assert_array_equal(record.load_array(), pixels(number))
        np.testing.assert_array_equal(np.asarray(record.open_array()[600:]), pixels(number)[600:])
        np.testing.assert_array_equal(record.load_array_artifact("scores"), [1.0, 2.0, 3.0])
        assert record.list_array_artifacts() == ["scores"]
        assert record.load_metadata_payload()["rois"] == []
        assert record.load_df_parquet("trace")["v"].tolist() == [number]
    assert dataset.load_table("kym_x")["v"].tolist() == [1, 2]
    assert dataset.load_sources_index()["source_mtime_ns"].tolist() == [1, 2]
    assert [record.image_id for record in dataset.iter_records("created_utc")] == list(IDS)


def test_it_opens_as_it_is(old: Path, snapshot: object) -> None:
    before = snapshot(old)  # type: ignore[operator]  # a fixture that is a function
    dataset = ZarrDataset(old, "r")
    assert dataset.schema.version == 1
    assert_same_contents(dataset)
    assert snapshot(old) == before  # type: ignore[operator]


def test_it_takes_artifacts_and_tables_but_no_images(old: Path, folder: Path) -> None:
    dataset = ZarrDataset(old)
    record = dataset.record(IDS[0])
    record.save_json("velocity/params", {"w": 16})
    record.save_df_parquet("velocity/trace", pd.DataFrame({"v": [1.0]}))
    dataset.replace_rows_for_image_id(
        "kym_x", IDS[0], pd.DataFrame({"image_id": [IDS[0]], "v": [7]})
    )
    assert record.load_json("velocity/params") == {"w": 16}
    assert dataset.load_table("kym_x")["v"].tolist() == [7, 2]
    for refuse in (
        lambda: dataset.add_image(np.ones((2, 2)), axes=("t", "x")),
        lambda: dataset.refresh_from_folder(folder),
    ):
        with pytest.raises(UnsupportedFormatError, match=r"call upgrade\(\) first"):
            refuse()
    assert not list(old.glob("images/*/inventory.txt"))


def test_a_record_that_was_opened_before_an_upgrade_may_be_written_to_after_it(old: Path) -> None:
    record = ZarrDataset(old).record(IDS[0])
    ZarrDataset(old).upgrade()
    record.save_json("velocity/params", {"w": 16})
    assert ZarrDataset(old).check() == []


@pytest.mark.parametrize("name", [".zattrs", "data/.zarray"])
def test_half_an_image_is_none(old: Path, name: str) -> None:
    (old / "images" / IDS[0] / name).unlink()
    dataset = ZarrDataset(old)
    assert list(dataset) == [IDS[1]]
    with pytest.raises(ImageNotFoundError):
        dataset.record(IDS[0])


@pytest.mark.parametrize("axes", [["t"], ["t", "x", "y"], "tx", 3])
def test_axes_that_fit_no_image_are_damage(old: Path, axes: object) -> None:
    path = old / "images" / IDS[0] / ".zattrs"
    attributes = json.loads(path.read_text(encoding="utf-8"))
    assert ZarrDataset(old).record(IDS[0]).created_utc == attributes["created_utc"]
    path.write_text(json.dumps({**attributes, "axes": axes}), encoding="utf-8")
    with pytest.raises(CorruptDataError, match="axes"):
        ZarrDataset(old).record(IDS[0]).load_array()


def test_a_time_that_is_no_text_is_unknown(old: Path) -> None:
    path = old / "images" / IDS[0] / ".zattrs"
    path.write_text(json.dumps({"axes": ["t", "x"], "created_utc": 3}), encoding="utf-8")
    assert ZarrDataset(old).record(IDS[0]).created_utc == ""


def test_a_repair_leaves_the_sources_that_only_the_index_knows(old: Path) -> None:
    dataset = ZarrDataset(old)
    assert dataset.check(deep=True) == []
    assert dataset.repair() == []
    assert dataset.load_sources_index()["source_mtime_ns"].tolist() == [1, 2]


def test_upgrading_passes_over_an_array_that_can_have_no_name(old: Path) -> None:
    arrays = old / "images" / IDS[0] / "analysis_arrays"
    shutil.copytree(arrays / "scores", arrays / "scores (copy)")
    dataset = ZarrDataset(old)
    assert dataset.upgrade() == sorted(IDS)
    assert_same_contents(dataset)
    assert {problem.kind for problem in dataset.check(deep=True)} == {"unknown"}
    assert (arrays / "scores (copy)" / ".zarray").is_file()


def test_upgrading_keeps_everything(old: Path, folder: Path) -> None:
    dataset = ZarrDataset(old)
    assert dataset.upgrade() == sorted(IDS)
    assert dataset.schema.version == 2
    reopened = ZarrDataset(old)
    assert_same_contents(reopened)
    assert reopened.check(deep=True) == []
    assert [path.name for path in old.rglob(".z*")] == []
    assert reopened.record(IDS[0]).pixels_digest.startswith("sha256:")
    provenance = reopened.record(IDS[1]).load_json("provenance")
    assert isinstance(provenance, dict)
    assert isinstance(provenance["source"], dict)
    assert provenance["source"]["primary_path"] == "/somewhere/b.tif"
    assert reopened.upgrade() == []
    assert len(reopened.refresh_from_folder(folder)) == 3


CUT_OFF = """
import os, sys
from kymflow_zarr import ZarrDataset
from kymflow_zarr._storage.local import LocalBlobs
steps = int(sys.argv[2])
def counted(method):
    def call(self, *args):
        global steps
        steps -= 1
        if steps < 0:
            os._exit(9)
        return method(self, *args)
    return call
for name in ("put", "delete", "delete_folder"):
    setattr(LocalBlobs, name, counted(getattr(LocalBlobs, name)))
ZarrDataset(sys.argv[1]).upgrade()
print(steps)
"""


def upgrade_for(place: Path, steps: int) -> int:
    """Upgrade in another process that dies after some steps; returns how many it took."""
    command = [sys.executable, "-c", CUT_OFF, str(place), str(steps)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return steps - int(done.stdout) if done.returncode == 0 else steps


@pytest.mark.slow
def test_an_upgrade_that_was_cut_off_at_any_step_can_be_continued(
    old: Path, tmp_path: Path
) -> None:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(old, tmp_path / name))

    total = upgrade_for(copy("whole.zarr"), 1000)
    assert total > 20
    for steps in range(0, total, -(-total // 4)):
        place = copy(f"cut{steps}.zarr")
        assert upgrade_for(place, steps) == steps
        assert_same_contents(ZarrDataset(place, "r"))
        ZarrDataset(place).upgrade()
        finished = ZarrDataset(place, "r")
        assert_same_contents(finished)
        assert {problem.kind for problem in finished.check(deep=True)} <= {"leftover"}
        assert list(place.rglob(".z*")) == []


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "|O"},
        {"filters": [{"id": "pickle"}]},
        {"compressor": {"id": "pickle"}},
        {"shape": [2**40, 2**40], "chunks": [2**40, 2**40]},
        {"chunks": [0, 19]},
        {"shape": []},
    ],
)
def test_a_hostile_array_document_is_refused(old: Path, change: dict[str, object]) -> None:
    path = old / "images" / IDS[0] / "data" / ".zarray"
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**document, **change}), encoding="utf-8")
    with pytest.raises(CorruptDataError, match=r"\.zarray"):
        ZarrDataset(old, "r").record(IDS[0])
    ZarrDataset(old, "r").record(IDS[1]).load_array()
