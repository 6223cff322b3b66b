"""Checking, repairing, upgrading and exporting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kymflow.cli.verbs.check import check
from kymflow.cli.verbs.export import ExportResult, export
from kymflow.cli.verbs.ingest import IngestResult, ingest
from kymflow.cli.verbs.repair import DoneRepair, repair
from kymflow.cli.verbs.upgrade import upgrade
from kymflow_zarr import ZarrDataset

Kymflow = Callable[..., tuple[int, str, str]]
KymflowJson = Callable[..., tuple[int, list[dict[str, Any]]]]


def _damage_a_chunk(dataset: str) -> Path:
    image_id = ZarrDataset(dataset).list_image_ids()[0]
    chunks = [
        path
        for path in sorted((Path(dataset) / "images" / image_id / "data").rglob("*"))
        if path.is_file() and path.name != "zarr.json"
    ]
    data = bytearray(chunks[0].read_bytes())
    data[len(data) // 2] ^= 0xFF
    chunks[0].write_bytes(data)
    return chunks[0]


def test_a_sound_dataset_has_no_problems(dataset: str, kymflow: Kymflow) -> None:
    for deep in (False, True):
        result = check(dataset, deep=deep)
        assert (result.ok, result.problems, result.images) == (True, 0, 3)
    code, out, err = kymflow("check", dataset)
    assert (code, out) == (0, f"{dataset}: all is well\n")
    assert "--deep" in err


def test_damage_is_found_and_reported_and_not_repaired_away(
    dataset: str, kymflow: Kymflow, kymflow_json: KymflowJson
) -> None:
    chunk = _damage_a_chunk(dataset)
    code, records = kymflow_json("check", dataset, "--deep")
    assert code == 1
    assert records[-1]["problems"] == 1
    assert records[0]["type"] == "problem"
    assert records[0]["repairable"] is False
    assert str(Path(dataset) / records[0]["location"]) in str(chunk)
    code, out, _ = kymflow("check", dataset, "--deep")
    assert code == 1
    assert out.endswith("1 problem\n")
    assert repair(dataset).items == ()
    assert check(dataset, deep=True).problems == 1


def test_repair_mends_what_is_derived_after_telling_what(dataset: str) -> None:
    (Path(dataset) / "tables" / "sources.parquet").unlink()
    found = check(dataset)
    assert (found.problems, found.repairable) == (3, 3)

    plan = repair(dataset, dry_run=True)
    assert (plan.repairs, plan.problems) == (3, 0)
    assert check(dataset).problems == 3

    done = repair(dataset)
    assert [item.location for item in done.items if isinstance(item, DoneRepair)] == [
        "tables/sources.parquet"
    ]
    assert (done.ok, check(dataset).problems) == (True, 0)


def test_what_someone_removed_is_missed_until_it_shall_be_forgotten(
    dataset: str, kymflow: Kymflow
) -> None:
    opened = ZarrDataset(dataset)
    key = next(opened.iter_records()).save_json("note", {"quality": "good"})
    (Path(dataset) / key).unlink()
    code, out, err = kymflow("check", dataset)
    assert code == 1
    assert "gone" in out
    assert err.splitlines()[-1].endswith(f"kymflow repair {dataset} --forget-gone")
    plan = repair(dataset, dry_run=True)
    assert (plan.repairs, plan.problems) == (0, 1)
    plan = repair(dataset, forget_gone=True, dry_run=True)
    assert (plan.repairs, plan.problems) == (1, 0)
    assert kymflow("repair", dataset)[0] == 1
    code, out, _ = kymflow("repair", dataset, "--forget-gone")
    assert (code, out.splitlines()[-1]) == (0, "repaired 1 thing, 0 problems left")
    assert check(dataset).problems == 0


def test_upgrade_of_a_current_dataset_does_nothing(dataset: str, kymflow: Kymflow) -> None:
    result = upgrade(dataset)
    assert (result.format_before, result.format_version, result.upgraded) == (2, 2, 0)
    assert kymflow("upgrade", dataset) == (0, f"{dataset} has format 2 already\n", "")


def test_a_dataset_of_format_1_is_read_upgraded_and_grows(
    tmp_path: Path, folder: Path, kymflow: Kymflow
) -> None:
    import zarr

    place = str(tmp_path / "old.zarr")
    root = zarr.open_group(place, mode="w", zarr_format=2)
    root.attrs.update({"format": "kymflow_zarr_v1", "schema_version": 1})
    image_id = "11111111-2222-4333-8444-555555555555"
    image = root.create_group(f"images/{image_id}")
    image.attrs.update({"axes": ["t", "x"], "created_utc": "2024-05-06T07:08:09Z"})
    pixels = np.arange(60, dtype="uint16").reshape(12, 5)
    image.create_array("data", data=pixels, chunks=(12, 5))

    code, out, _ = kymflow("ls", place)
    assert code == 0
    assert image_id in out
    code, _, err = kymflow("ingest", folder, place)
    assert code == 1
    assert err.splitlines()[1] == f"hint: run: kymflow upgrade {place}"

    code, out, _ = kymflow("upgrade", place)
    assert (code, out) == (0, f"{place}: 1 image upgraded from format 1 to 2\n")
    assert kymflow("ingest", folder, place)[0] == 0
    opened = ZarrDataset(place, mode="r")
    assert len(opened.list_image_ids()) == 4
    assert (opened.record(image_id).load_array() == pixels).all()


def test_an_export_comes_back_as_the_same_dataset(
    dataset: str, tmp_path: Path, kymflow: Kymflow
) -> None:
    files = tmp_path / "files"
    first, again = export(dataset, files), export(dataset, files)
    assert isinstance(first, ExportResult)
    assert isinstance(again, ExportResult)
    assert (first.ok, first.images, first.tables, first.failed) == (True, 3, 4, 0)
    assert (again.files_written, again.files_unchanged) == (0, first.files_written)

    back = ingest(files, str(tmp_path / "back.zarr"))

    assert isinstance(back, IngestResult)
    assert back.taken_in == 3
    old, new = ZarrDataset(dataset), ZarrDataset(tmp_path / "back.zarr")
    assert old.list_image_ids() == new.list_image_ids()
    for image_id in old.list_image_ids():
        assert old.record(image_id).pixels_digest == new.record(image_id).pixels_digest


def test_parts_of_an_export(dataset: str, tmp_path: Path) -> None:
    one = export(dataset, tmp_path / "one", image=("a.tif",), tables=False)
    assert isinstance(one, ExportResult)
    assert (one.images, one.tables) == (1, 0)
    assert list((tmp_path / "one").rglob("*.tif"))
    light = export(dataset, tmp_path / "light", pixels=False, table_format="parquet")
    assert isinstance(light, ExportResult)
    assert light.images == 3
    assert not list((tmp_path / "light").rglob("*.tif"))
    assert list((tmp_path / "light").rglob("kym_image_summary.parquet"))
    assert not list((tmp_path / "light").rglob("*.csv"))


@pytest.mark.parametrize("place", ["notes.txt", "k.zarr", "k.zarr/files"])
def test_places_that_an_export_cannot_go_to(
    dataset: str, tmp_path: Path, kymflow: Kymflow, place: str
) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    code, out, err = kymflow("export", dataset, tmp_path / place)
    assert (code, out) == (2, "")
    assert err.splitlines()[1].startswith("hint: name a ")
    assert sorted(tmp_path.rglob("*")) == before


def test_an_export_of_damaged_data_reports_what_is_missing(
    dataset: str, tmp_path: Path, kymflow: Kymflow
) -> None:
    _damage_a_chunk(dataset)
    result = export(dataset, tmp_path / "files")
    assert isinstance(result, ExportResult)
    assert not result.ok
    assert result.failed == len(result.items) == 1
    code, out, err = kymflow("export", dataset, tmp_path / "files")
    assert code == 1
    assert err.startswith("1 thing could not be exported:\n")
    assert ZarrDataset(dataset).list_image_ids()[0] in err
    assert "failed" in out
