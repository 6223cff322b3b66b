"""The view for people: one row per image, no pixel read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from kymflow.core import BaseIndexer, KymDataset
from kymflow.core.testing import sample_dataset
from kymflow_zarr import ZarrDataset


def test_what_is_known_of_each_image(
    tmp_path: Path, make_indexer: Callable[..., BaseIndexer]
) -> None:
    dataset = sample_dataset(tmp_path / "sample.zarr")
    tifffile.imwrite(tmp_path / "vessel_07.tif", np.zeros((20, 6), np.uint16))
    ingested = dataset.ingest_image(tmp_path / "vessel_07.tif").image_id
    kym = KymDataset(dataset)
    kym.update_index(
        make_indexer(lambda rec: pd.DataFrame({"v": range(2 if rec.image_id == ingested else 0)}))
    )

    view = kym.view().set_index("image_id")

    assert list(view.index) == dataset.list_image_ids()
    assert list(view.columns) == [
        *("source", "acquired", "shape", "dtype", "axes", "rois", "note"),
        "kym_probe",
    ]
    row = view.loc[ingested]
    assert row["source"] == "vessel_07.tif"
    assert (row["shape"], row["dtype"], row["kym_probe"]) == ("20x6", "uint16", 2)
    (known,) = view[view["note"] == "a sample"].to_dict("records")
    assert known["acquired"] == pd.Timestamp("2022-11-02 12:30:15.461")
    assert (known["rois"], known["axes"], known["kym_probe"]) == (2, "t,x", 0)
    assert view["acquired"].notna().sum() == 1
    assert set(view["axes"]) >= {"t,x", "c,t,x"}


def test_pixels_are_not_read(tmp_path: Path) -> None:
    dataset = sample_dataset(tmp_path / "sample.zarr")
    for chunk in (tmp_path / "sample.zarr" / "images").glob("*/data/c.*"):
        if chunk.is_file():
            chunk.write_bytes(b"not pixels")

    assert len(KymDataset(dataset.as_read_only()).view()) == 4


def test_damaged_metadata_are_missing_and_named(
    dataset: ZarrDataset, caplog: pytest.LogCaptureFixture
) -> None:
    bad = dataset.list_image_ids()[1]
    dataset.record(bad).save_metadata_payload({"rois": "none"})

    view = KymDataset(dataset).view().set_index("image_id")

    assert view["rois"].isna().tolist() == [False, True, False]
    assert bad in caplog.text


def test_an_empty_dataset(empty: ZarrDataset) -> None:
    assert KymDataset(empty).view().empty
