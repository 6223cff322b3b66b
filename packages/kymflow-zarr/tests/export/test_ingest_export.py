"""Taking an export in: ids, clashes, tables that are there already, and files that were altered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from zarr.storage import MemoryStore

from kymflow_zarr import IngestError, UnreadableImageError, UnsupportedFormatError, ZarrDataset
from kymflow_zarr._storage.seal import BLANK_SEAL, sealed_bytes

CheckEqual = Callable[[ZarrDataset, ZarrDataset], None]


@pytest.fixture
def export(pair: ZarrDataset, tmp_path: Path) -> Path:
    """The small dataset as plain files."""
    pair.export_legacy_folder(tmp_path / "export")
    return tmp_path / "export"


@pytest.fixture
def other() -> ZarrDataset:
    """A dataset to take it in."""
    return ZarrDataset(MemoryStore())


def test_a_second_time_there_is_nothing_new(
    pair: ZarrDataset, export: Path, other: ZarrDataset, check_equal: CheckEqual
) -> None:
    assert len(other.ingest_legacy_folder(export)) == 2
    other.record(other.list_image_ids()[0]).save_json("more", 1)
    assert other.ingest_legacy_folder(export) == []
    assert other.record(other.list_image_ids()[0]).load_json("more") == 1
    assert pair.ingest_legacy_folder(export) == []


def test_the_plan_says_what_the_run_does(
    pair: ZarrDataset, export: Path, other: ZarrDataset
) -> None:
    first, second = pair.list_image_ids()
    folders = [(export / "images" / image_id) for image_id in (first, second)]
    before = other.plan_refresh(export)
    assert [file.primary for file in before.new] == folders
    written = [path for path in folders[0].rglob("*") if path.name not in {"_files.json"}]
    assert before.new[0].size_bytes == sum(
        path.stat().st_size for path in written if path.is_file()
    )

    (folders[1] / "_files.json").write_text("{}", encoding="utf-8")
    half = other.plan_refresh(export)
    assert [file.primary for file in half.new] == folders[:1]
    assert list(half.refused) == folders[1:]
    outcomes = list(other.iter_refresh(export))
    assert [outcome.path for outcome in outcomes if outcome.error is None] == folders[:1]
    assert [outcome.path for outcome in outcomes if outcome.error is not None] == folders[1:]

    after = other.plan_refresh(export)
    assert (after.new, [file.primary for file in after.unchanged]) == ((), folders[:1])
    assert not other.plan_refresh(export).changed
    assert not pair.plan_refresh(export).new


def test_the_plan_refuses_another_image_under_the_same_id_and_a_cut_off_export(
    pair: ZarrDataset, export: Path, other: ZarrDataset
) -> None:
    other.ingest_legacy_folder(export)
    image_id = pair.list_image_ids()[0]
    listing = export / "images" / image_id / "_files.json"
    manifest = export / "kymflow_export.json"
    said = json.loads(listing.read_text(encoding="utf-8"))
    said["pixels_digest"] = "0" * 64
    listing.write_text(json.dumps(said), encoding="utf-8")
    whole = json.loads(manifest.read_text(encoding="utf-8"))
    whole["images"][image_id] = hashlib.sha256(listing.read_bytes()).hexdigest()
    manifest.write_bytes(sealed_bytes({**whole, "seal": BLANK_SEAL}))

    plan = other.plan_refresh(export)
    assert (plan.new, len(plan.unchanged)) == ((), 1)
    (error,) = plan.refused.values()
    assert "other pixels under the image id" in str(error)

    manifest.write_bytes(sealed_bytes({**whole, "complete": False, "seal": BLANK_SEAL}))
    with pytest.raises(UnreadableImageError, match="interrupted"):
        other.plan_refresh(export)


def test_it_joins_what_is_there(pair: ZarrDataset, export: Path, other: ZarrDataset) -> None:
    own = other.add_image(np.zeros((3, 3), np.uint8), axes=("t", "x")).image_id
    other.save_table("kym_n", pd.DataFrame({"image_id": [own], "n": [7]}))
    other.ingest_legacy_folder(export)
    expected = {own: 7, **dict(zip(pair.list_image_ids(), [1, 2], strict=True))}
    table = other.load_table("kym_n")
    assert dict(zip(table["image_id"], table["n"], strict=True)) == expected
    assert other.check(deep=True) == []


def test_rows_that_the_dataset_has_are_newer(
    pair: ZarrDataset, export: Path, other: ZarrDataset
) -> None:
    other.ingest_legacy_folder(export)
    first = pair.list_image_ids()[0]
    rows = pd.DataFrame({"image_id": [first], "n": [100]})
    other.replace_rows_for_image_id("kym_n", first, rows)
    other.ingest_legacy_folder(export)
    assert other.load_table("kym_n")["n"].tolist() == [100, 2]


def test_tables_follow_images_whose_ingest_was_cut_off(
    pair: ZarrDataset, export: Path, other: ZarrDataset, check_equal: CheckEqual
) -> None:
    outcomes = other.iter_refresh(export)
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert other.list_table_names() == []
    other.ingest_legacy_folder(export)
    check_equal(pair, other)


def test_a_damaged_sources_index_is_made_good(export: Path, tmp_path: Path) -> None:
    twin = ZarrDataset(tmp_path / "twin.zarr")
    taken_in = twin.ingest_legacy_folder(export)
    twin.delete_image(taken_in[0])
    Path(twin.location, "tables", "sources.parquet").write_bytes(b"PAR1")
    assert twin.ingest_legacy_folder(export) == taken_in[:1]
    assert twin.check(deep=True) == []


def test_another_image_under_the_same_id_is_an_error(
    pair: ZarrDataset, export: Path, tmp_path: Path
) -> None:
    first, second = pair.list_image_ids()
    forged = tmp_path / "forged.zarr"
    dataset = ZarrDataset(forged)
    dataset.ingest_legacy_folder(export)
    dataset.delete_image(second)
    # Swap the first image for another one, with all documents as they should be.
    impostor = dataset.add_image(np.ones((2, 2), np.uint8), axes=("t", "x")).image_id
    text = (forged / "images" / impostor / "zarr.json").read_text("utf-8")
    dataset.delete_image(first)
    from kymflow_zarr._storage.json_text import loads
    from kymflow_zarr._storage.seal import BLANK_SEAL, sealed_bytes

    document = loads(text.replace(impostor, first).encode(), key="zarr.json")
    assert isinstance(document, dict)
    document["attributes"]["kymflow_zarr"]["seal"] = BLANK_SEAL  # type: ignore[index,call-overload]
    (forged / "images" / impostor).rename(forged / "images" / first)
    (forged / "images" / first / "zarr.json").write_bytes(sealed_bytes(document))
    with pytest.raises(IngestError, match="other pixels under the image id") as caught:
        dataset.ingest_legacy_folder(export)
    assert caught.value.image_ids == (second,)
    assert dataset.record(first).shape == (2, 2)


@pytest.mark.parametrize("name", ["image.tif", "params.json", "_files.json"])
def test_an_altered_file_costs_its_image(
    pair: ZarrDataset, export: Path, other: ZarrDataset, name: str
) -> None:
    first, second = pair.list_image_ids()
    path = export / "images" / first / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(IngestError, match="not") as caught:
        other.ingest_legacy_folder(export)
    assert caught.value.image_ids == (second,)
    assert other.list_image_ids() == [second]
    assert other.load_table("kym_n")["image_id"].tolist() == [second]
    pair.export_legacy_folder(export)
    assert other.ingest_legacy_folder(export) == [first]
    assert other.load_table("kym_n")["n"].tolist() == [1, 2]


@pytest.mark.parametrize("name", ["image.tif", "params.json", "_files.json"])
def test_a_lost_file_costs_its_image(
    pair: ZarrDataset, export: Path, other: ZarrDataset, name: str
) -> None:
    (export / "images" / pair.list_image_ids()[0] / name).unlink()
    with pytest.raises(IngestError, match="no such file") as caught:
        other.ingest_legacy_folder(export)
    assert len(caught.value.image_ids) == 1


def test_an_altered_table_costs_itself(pair: ZarrDataset, export: Path, other: ZarrDataset) -> None:
    path = export / "tables/kym_n.parquet"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(IngestError, match="not the file that was exported") as caught:
        other.ingest_legacy_folder(export)
    assert len(caught.value.image_ids) == 2
    assert other.list_table_names() == []


def test_a_csv_that_a_person_edited_is_not_read_but_reported(
    pair: ZarrDataset, tmp_path: Path, other: ZarrDataset, check_equal: CheckEqual
) -> None:
    first, second = pair.list_image_ids()
    pair.record(first).save_df_parquet("trace", pd.DataFrame({"v": [1, 2]}))
    pair.record(second).save_df_csv_gz("old", pd.DataFrame({"v": [1, 2]}))
    pair.export_legacy_folder(tmp_path / "export")
    edited = [
        tmp_path / "export/images" / first / "trace.csv",
        tmp_path / "export/images" / second / "old.csv",
        tmp_path / "export/tables/kym_n.csv",
    ]
    for path in edited:
        path.write_text(path.read_text("utf-8").replace("2", "3"), encoding="utf-8")
    with pytest.raises(IngestError, match="changed after the export") as caught:
        other.ingest_legacy_folder(tmp_path / "export")
    assert list(caught.value.failures) == edited
    assert sorted(caught.value.image_ids) == [first, second]
    check_equal(pair, other)
    # Exporting again restores them.
    assert pair.export_legacy_folder(tmp_path / "export").files_written == 4
    assert other.ingest_legacy_folder(tmp_path / "export") == []


def test_a_csv_that_a_person_removed_is_not_missed(
    pair: ZarrDataset, export: Path, other: ZarrDataset, check_equal: CheckEqual
) -> None:
    (export / "tables/kym_n.csv").unlink()
    other.ingest_legacy_folder(export)
    check_equal(pair, other)


def test_tables_that_do_not_fit_are_reported(
    pair: ZarrDataset, tmp_path: Path, other: ZarrDataset
) -> None:
    pair.save_table("notes", pd.DataFrame({"v": [1]}))
    pair.export_legacy_folder(tmp_path / "export")
    other.save_table("kym_n", pd.DataFrame({"image_id": ["x"], "n": ["text"]}))
    other.save_table("notes", pd.DataFrame({"v": [2]}))
    with pytest.raises(IngestError) as caught:
        other.ingest_legacy_folder(tmp_path / "export")
    assert {path.name for path in caught.value.failures} == {"kym_n.parquet", "notes.parquet"}
    assert other.load_table("notes")["v"].tolist() == [2]
    assert len(caught.value.image_ids) == 2


@pytest.mark.parametrize(
    "path", ["../../evil.json", "sub/../params.json", "C:/x.json", "image.tif"], ids=repr
)
def test_a_listing_cannot_name_other_places(
    pair: ZarrDataset, export: Path, other: ZarrDataset, path: str
) -> None:
    """A hostile export whose digests all hold."""
    import hashlib

    from kymflow_zarr._export.manifest import ExportManifest

    first, second = pair.list_image_ids()
    listing = export / "images" / first / "_files.json"
    said = json.loads(listing.read_text("utf-8"))
    entry = said["files"].pop("params.json")
    entry["name"] = path.removesuffix(".json")
    said["files"][path] = entry
    data = json.dumps(said).encode()
    listing.write_bytes(data)
    (export.parent / "evil.json").write_text("{}", encoding="utf-8")
    manifest_path = export / "kymflow_export.json"
    manifest = ExportManifest.from_bytes(manifest_path.read_bytes(), key="m")
    images = dict(manifest.images) | {first: hashlib.sha256(data).hexdigest()}
    manifest_path.write_bytes(
        ExportManifest(
            complete=True,
            dataset=manifest.dataset,
            software=manifest.software,
            include_tiff=True,
            include_tables=True,
            table_format="csv",
            images=images,
            tables=manifest.tables,
            left_out={},
        ).to_bytes()
    )
    with pytest.raises(IngestError, match="does not list") as caught:
        other.ingest_legacy_folder(export)
    assert caught.value.image_ids == (second,)


def test_a_damaged_manifest_is_refused(export: Path, other: ZarrDataset) -> None:
    path = export / "kymflow_export.json"
    text = path.read_text("utf-8")
    path.write_text(text.replace('"csv"', '"CSV"', 1), encoding="utf-8")
    with pytest.raises(UnreadableImageError, match="seal does not hold"):
        other.ingest_legacy_folder(export)


def test_a_newer_export_is_refused(export: Path, other: ZarrDataset) -> None:
    path = export / "kymflow_export.json"
    path.write_text(path.read_text("utf-8").replace('"version": 2', '"version": 3', 1), "utf-8")
    with pytest.raises(UnsupportedFormatError, match="version 3"):
        other.ingest_legacy_folder(export)


def test_an_export_without_pixels_cannot_be_ingested(
    pair: ZarrDataset, tmp_path: Path, other: ZarrDataset
) -> None:
    pair.export_legacy_folder(tmp_path / "export", include_tiff=False)
    with pytest.raises(IngestError, match="holds no pixels"):
        other.ingest_legacy_folder(tmp_path / "export")
    assert other.list_image_ids() == []


def test_a_provenance_of_another_image_is_kept_aside(
    disk: ZarrDataset, tmp_path: Path, other: ZarrDataset
) -> None:
    record = disk.add_image(np.zeros((3, 3), np.uint8), axes=("t", "x"))
    record.save_json("provenance", {"image_id": "someone else"})
    disk.export_legacy_folder(tmp_path / "export")
    other.ingest_legacy_folder(tmp_path / "export")
    taken = other.record(record.image_id)
    assert taken.load_json("provenance_exported") == {"image_id": "someone else"}
    provenance = taken.load_json("provenance")
    assert isinstance(provenance, dict)
    assert provenance["image_id"] == record.image_id
    assert other.check(deep=True) == []
