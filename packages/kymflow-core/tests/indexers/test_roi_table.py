"""`roi` rows are the ROIs of the metadata payload."""

from __future__ import annotations

from dataclasses import replace

from kymflow.core import KymDataset
from kymflow.core.indexers import RoiTable
from kymflow.core.metadata import (
    ImageMetadata,
    RoiChange,
    create_roi,
    edit_roi,
    image_extent,
    load_metadata,
    save_metadata,
)
from kymflow_zarr import ZarrDataset


def test_one_row_per_roi(dataset: ZarrDataset) -> None:
    rec = dataset.record(dataset.list_image_ids()[0])
    extent = image_extent(rec)
    rois = create_roi((), extent, RoiChange(name="left", dim1_stop=5))
    rois = create_roi(rois, extent, RoiChange(name="late", note="calm", dim0_start=30))
    save_metadata(rec, ImageMetadata(rois=rois))
    kym = KymDataset(dataset)

    kym.update_index(RoiTable())

    table = kym.load_index("roi")
    assert set(table["image_id"]) == {rec.image_id}
    found = table.drop(columns=["image_id", "analysis_version", "params_hash"]).to_dict("records")
    whole = {
        "roi_note": "",
        "revision": 0,
        "channel": 1,
        "z": 0,
        "dim0_start": 0,
        "dim0_stop": 40,
        "dim1_start": 0,
        "dim1_stop": 12,
    }
    assert found == [
        {**whole, "roi_id": 1, "roi_name": "left", "dim1_stop": 5},
        {**whole, "roi_id": 2, "roi_name": "late", "roi_note": "calm", "dim0_start": 30},
    ]
    params = kym.params_for("kym_roi", table["params_hash"][0])
    assert params["rois"] == [roi.to_json() for roi in rois]


def test_an_edit_shows_after_an_update(dataset: ZarrDataset) -> None:
    rec = dataset.record(dataset.list_image_ids()[0])
    extent = image_extent(rec)
    save_metadata(rec, ImageMetadata(rois=create_roi((), extent)))
    kym = KymDataset(dataset)
    kym.update_index(RoiTable())
    metadata = load_metadata(rec)
    edited = edit_roi(metadata.rois, 1, extent, RoiChange(dim1_stop=3))
    save_metadata(rec, replace(metadata, rois=edited))

    assert kym.update_index(RoiTable()).unchanged_params == 0

    (row,) = kym.load_index("roi").to_dict("records")
    assert (row["dim1_stop"], row["revision"]) == (3, 1)


def test_images_without_rois_have_no_rows(dataset: ZarrDataset) -> None:
    KymDataset(dataset).update_index(RoiTable())

    assert dataset.table_row_count("kym_roi") == 0
    assert "dim0_start" in dataset.load_table("kym_roi")
