"""The view for people: one row per image, no pixel read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from kymflow.core import BaseIndexer, KymDataset
from kymflow.core.decisions import exclude, set_fields
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

    assert sorted(view.index) == dataset.list_image_ids()
    assert list(view.columns[:2]) == ["file", "folder"]
    assert list(view.columns[-2:]) == ["copies", "kym_probe"]
    row = view.loc[ingested]
    assert row["file"] == "vessel_07.tif"
    assert row["folder_1"] == tmp_path.name
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

    assert view["rois"].isna().to_dict() == {i: i == bad for i in dataset.list_image_ids()}
    assert bad in caplog.text


def test_names_come_in_the_order_in_which_people_count(
    tmp_path: Path, make_indexer: Callable[..., BaseIndexer]
) -> None:
    for folder, number in (("day10", 1), ("day2", 10), ("day2", 2)):
        (tmp_path / "in" / folder).mkdir(parents=True, exist_ok=True)
        name = tmp_path / "in" / folder / f"run{number}.tif"
        tifffile.imwrite(name, np.zeros((20, 6), np.uint16))
    dataset = ZarrDataset(tmp_path / "out.zarr")
    dataset.sources.refresh(tmp_path / "in", "**/*.tif")
    kym = KymDataset(dataset)
    kym.update_index(make_indexer(lambda _: pd.DataFrame({"value": [1]})))
    names = [("day2", "run2.tif"), ("day2", "run10.tif"), ("day10", "run1.tif")]

    view, joined = kym.view(), kym.joined("probe")

    assert list(zip(view["folder_1"], view["file"], strict=True)) == names
    assert view["copies"].tolist() == [2, 2, 2]
    assert joined["file"].tolist() == [file for _, file in names]
    assert list(joined.columns) == [
        *("file", "folder", "acquired", "value"),
        *("image_id", "analysis_version", "params_hash"),
    ]


@pytest.mark.parametrize("rows", [0, 1, 70, 71, 130, 500])
def test_rows_are_joined_without_reading_all_of_a_table(
    empty: ZarrDataset, make_indexer: Callable[..., BaseIndexer], rows: int
) -> None:
    for number in range(100):
        empty.add_image(np.zeros((4, 4), np.uint16), metadata={"source_path": f"run{number}.tif"})
    kym = KymDataset(empty)
    probe = make_indexer(lambda _: pd.DataFrame({"roi_id": [2, 1], "value": [0.5, None]}))
    kym.update_index(probe)
    whole = kym.joined("probe")
    names = kym.image_names("probe")

    head = names.load_arrow(empty, "kym_probe", rows=rows)
    assert head.to_pandas()["image_id"].tolist() == whole["image_id"].tolist()[:rows]
    assert head.column_names == list(whole.columns)
    some = names.load_arrow(empty, "kym_probe", columns=["value", "file"], rows=rows)
    assert some.column_names == ["value", "file"]
    last = whole["image_id"].iloc[-1]
    assert names.load_arrow(empty, "kym_probe", image_ids=[last])["roi_id"].to_pylist() == [1, 2]


def test_what_was_excluded_is_shown_when_asked(
    dataset: ZarrDataset, make_indexer: Callable[..., BaseIndexer]
) -> None:
    kym = KymDataset(dataset)
    kym.update_index(make_indexer(lambda _: pd.DataFrame({"genotype": ["a column"]})))
    out, field, _ = dataset.values()
    exclude(out, "moved")
    set_fields(field, {"genotype": "wt", "Cage no.": 12})

    assert out.image_id not in set(kym.joined("probe")["image_id"])
    rows = kym.joined("probe", excluded=True).set_index("image_id")
    assert len(rows) == 3
    assert rows.loc[field.image_id, "genotype_of_image"] == "wt"
    assert rows.loc[field.image_id, "cage_no"] == "12"


def test_an_empty_dataset(empty: ZarrDataset) -> None:
    assert KymDataset(empty).view().empty
