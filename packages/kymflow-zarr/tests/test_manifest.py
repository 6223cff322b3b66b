"""The manifest: what each image says of itself, kept and listed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kymflow_zarr import ZarrDataset


@pytest.fixture
def two(dataset: ZarrDataset) -> ZarrDataset:
    """Two images, the first with results of each kind."""
    first, _ = sorted(
        (dataset.add_image(np.zeros((4, 3), np.uint8)) for _ in range(2)),
        key=lambda record: record.image_id,
    )
    first.save_json("fit/params", {})
    first.save_df_parquet("fit/trace", pd.DataFrame({"v": [1]}))
    first.save_array_artifact("map", np.ones(3))
    return dataset


def test_a_manifest_lists_artifacts_if_asked(two: ZarrDataset) -> None:
    for build in (two.load_manifest, two.update_manifest, two.rebuild_manifest):
        assert {entry.analysis_keys for entry in build().entries.values()} == {None}
        entries = build(include_analysis_keys=True).entries
        assert list(entries) == list(two)
        for image_id, entry in entries.items():
            assert list(entry.analysis_keys or ()) == two[image_id].list_analysis_keys()
    assert (
        len(
            two.load_manifest(include_analysis_keys=True).entries[next(iter(two))].analysis_keys
            or ()
        )
        == 3
    )


def test_a_saved_manifest_spares_reading_the_images_again(disk: ZarrDataset) -> None:
    record = disk.add_image(np.zeros((4, 3), np.uint8))
    manifest = disk.load_manifest()
    assert manifest.reread == 1
    disk.save_manifest(manifest)
    again = ZarrDataset(disk.location, "r").load_manifest()
    assert (again.reread, again.entries) == (0, manifest.entries)
    assert list(again.entries) == [record.image_id]


def test_a_saved_manifest_is_never_believed_about_which_images_there_are(
    disk: ZarrDataset,
) -> None:
    gone = disk.add_image(np.zeros((4, 3), np.uint8))
    manifest = disk.load_manifest()
    disk.delete_image(gone.image_id)
    added = disk.add_image(np.zeros((4, 3), np.uint8))
    disk.save_manifest(manifest)
    assert list(disk.load_manifest().entries) == [added.image_id]
    disk.save_manifest(dataclasses.replace(manifest, entries={}))
    assert list(disk.load_manifest().entries) == [added.image_id]
    assert Path(disk.location, "index", "manifest.parquet").is_file()
    assert disk.check(deep=True) == []


def test_what_single_calls_change_is_read_anew(
    disk: ZarrDataset, folder: Path, rewrite: Callable[[Path], None]
) -> None:
    kept, gone, edited = disk.sources.refresh(folder)
    disk.update_manifest()
    disk.delete_image(gone)
    disk[edited].save_metadata_payload({"header": {"acquired_local_epoch_ns": 7}})
    rewrite(folder / "a.tif")
    added = disk.ingest_image(folder / "a.tif").image_id
    manifest = disk.load_manifest()
    assert list(manifest.entries) == sorted([kept, edited, added])
    assert manifest.reread == 2
    assert manifest.entries[edited].acquired_local_epoch_ns == 7
    assert disk.update_manifest().reread == 2
    assert disk.load_manifest().reread == 0


@pytest.mark.parametrize(
    "document", ["zarr.json", "analysis/metadata.json", "analysis/provenance.json"]
)
def test_damage_of_a_listed_image_is_noticed(
    disk: ZarrDataset, folder: Path, document: str
) -> None:
    first, *others = disk.sources.refresh(folder)
    disk.update_manifest()
    path = Path(disk.location, "images", first, document)
    path.write_bytes(path.read_bytes()[:-9])
    manifest = disk.load_manifest()
    assert list(manifest.damaged) == [first]
    assert sorted(manifest.entries) == sorted(others)


def test_a_lost_sources_index_does_not_bring_back_where_files_were(
    disk: ZarrDataset, folder: Path
) -> None:
    disk.sources.refresh(folder)
    disk.update_manifest()
    moved = folder.rename(folder.with_name("moved"))
    assert disk.sources.relocate(folder, moved) == 3
    Path(disk.location, "tables", "sources.parquet").unlink()
    sources = [entry.source for entry in disk.load_manifest().entries.values()]
    assert {Path(it.source_primary_path).parent for it in sources if it} == {moved.resolve()}
    assert disk.sources.refresh(moved) == []
