"""The table of images: one row each, with what is known and decided."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from zarr.storage import MemoryStore

from kymflow.core import KymDataset
from kymflow.core.decisions import accept, add_note, add_region, calibrate, exclude, set_fields
from kymflow.core.indexers import ImageTable
from kymflow.core.metadata import ExperimentMetadata, ImageMetadata, save_metadata
from kymflow.core.testing import check_indexer, sample_dataset
from kymflow_zarr import JsonValue, ZarrDataset


def test_a_row_says_what_is_known_and_decided(tmp_path: Path) -> None:
    folder = tmp_path / "study" / "m07" / "day2"
    folder.mkdir(parents=True)
    tifffile.imwrite(folder / "run1.tif", np.zeros((20, 6), np.uint16))
    dataset = ZarrDataset(tmp_path / "out.zarr")
    dataset.sources.refresh(folder)
    (record,) = dataset.values()
    calibrate(record, seconds_per_line=1e-3, um_per_pixel=0.5)
    set_fields(record, {"genotype": "wt", "depth": 120, "branch_order": 2, "cage": 12})
    add_region(record, pixels=(0, 4))
    add_note(record, "sneezed")
    add_note(record, "woke up")
    accept(record)
    exclude(record, "moved")

    kym = KymDataset(dataset)
    kym.update_index(ImageTable())
    (row,) = kym["images"].to_dict("records")

    assert (row["file"], row["folder"]) == ("run1.tif", folder.as_posix())
    assert [row[f"folder_{n}"] for n in (1, 2, 3)] == ["day2", "m07", "study"]
    assert (row["seconds_per_line"], row["um_per_pixel"], row["rois"]) == (1e-3, 0.5, 1)
    assert (row["excluded"], row["exclusion_reason"]) == (True, "moved")
    assert (row["verdict"], row["notes"]) == ("accepted", "sneezed; woke up")
    assert (row["genotype"], row["depth"], row["branch_order"]) == ("wt", 120.0, 2)
    assert row["cage"] == "12"
    assert row["pixels_digest"] == record.pixels_digest
    assert pd.isna(row["condition"])


def test_it_is_an_indexer_like_any_other(tmp_path: Path) -> None:
    assert check_indexer(ImageTable(), sample_dataset(tmp_path / "sample.zarr")) == []


def test_free_fields_of_any_name_and_type_have_a_column() -> None:
    dataset = ZarrDataset(MemoryStore())
    extras: tuple[dict[str, JsonValue], ...] = (
        {"Cage": 12, "cage ": "12a", "file": "x", "": 1, "ok": True},
        {"Cage": "A", "list": [1, 2], "nothing": None, "image_id": "no"},
    )
    for extra in extras:
        record = dataset.add_image(np.zeros((4, 3), np.uint8), axes=("t", "x"))
        save_metadata(record, ImageMetadata(experiment=ExperimentMetadata(extra=extra)))
    kym = KymDataset(dataset)
    kym.update_index(ImageTable())
    rows = kym["images"]
    first = rows[rows["ok"] == "true"].iloc[0]
    assert (first["cage"], first["field_cage"], first["field_file"]) == ("12", "12a", "x")
    second = rows[rows["ok"].isna()].iloc[0]
    assert (second["cage"], second["list"], second["field_image_id"]) == ("A", "[1, 2]", "no")
    assert set(rows["image_id"]) == set(dataset)
