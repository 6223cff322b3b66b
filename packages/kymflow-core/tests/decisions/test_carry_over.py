"""Decisions survive when a file is ingested again because it has changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from kymflow.core.analysis import calibration_of
from kymflow.core.decisions import (
    add_region,
    calibrate,
    carry_over,
    exclude,
    read_decisions,
    set_fields,
    undo,
)
from kymflow.core.metadata import (
    ImageMetadata,
    RoiChange,
    create_roi,
    image_extent,
    load_metadata,
    save_metadata,
)
from kymflow_zarr import ZarrDataset, ZarrImageRecord


def write(folder: Path, lines: int) -> None:
    """A recording; its size changes with its lines."""
    folder.mkdir(exist_ok=True)
    tifffile.imwrite(folder / "run.tif", np.full((lines, 12), lines, np.uint16))


@pytest.fixture
def dataset(tmp_path: Path) -> ZarrDataset:
    write(tmp_path / "in", 40)
    dataset = ZarrDataset(tmp_path / "out.zarr")
    dataset.sources.refresh(tmp_path / "in")
    return dataset


def ingest_again(dataset: ZarrDataset, folder: Path, lines: int) -> ZarrImageRecord:
    write(folder, lines)
    (image_id,) = dataset.sources.refresh(folder, mode="reingest_if_changed")
    return dataset.record(image_id)


def test_decisions_follow_a_file_that_has_changed(dataset: ZarrDataset, tmp_path: Path) -> None:
    (old,) = dataset.values()
    exclude(old, "moved", "Ada")
    calibrate(old, seconds_per_line=1e-3, um_per_pixel=0.5)
    set_fields(old, {"genotype": "wt"})
    roi = add_region(old, pixels=(2, 6))
    new = ingest_again(dataset, tmp_path / "in", 50)
    assert read_decisions(new).exclusion is None

    (carried,) = carry_over(dataset)

    assert (carried.image_id, carried.superseded_id) == (new.image_id, old.image_id)
    assert (carried.left_out, carried.error) == ((), None)
    assert read_decisions(new) == read_decisions(old)
    metadata = load_metadata(new)
    assert metadata.rois == (roi,)
    assert calibration_of(new, metadata).seconds_per_line == 1e-3
    assert metadata.header.shape == (50, 12)
    assert metadata.experiment.genotype == "wt"
    assert carry_over(dataset) == ()


def test_decisions_follow_through_several_changes(dataset: ZarrDataset, tmp_path: Path) -> None:
    (old,) = dataset.values()
    exclude(old, "moved")
    ingest_again(dataset, tmp_path / "in", 50)
    newest = ingest_again(dataset, tmp_path / "in", 60)
    assert len(carry_over(dataset)) == 2
    assert read_decisions(newest).exclusion == read_decisions(old).exclusion


def test_regions_that_do_not_fit_the_changed_file_are_left_out(
    dataset: ZarrDataset, tmp_path: Path
) -> None:
    (old,) = dataset.values()
    add_region(old, pixels=(2, 6))
    short = add_region(old, pixels=(2, 6), lines=(0, 10))
    new = ingest_again(dataset, tmp_path / "in", 20)
    (carried,) = carry_over(dataset)
    assert carried.left_out == (1,)
    assert load_metadata(new).rois == (short,)
    assert add_region(new, pixels=(0, 4)).id == 3


def test_regions_that_were_made_without_an_act_follow_too(
    dataset: ZarrDataset, tmp_path: Path
) -> None:
    (old,) = dataset.values()
    rois = create_roi((), image_extent(old), RoiChange(dim1_stop=4))
    save_metadata(old, ImageMetadata(rois=rois))
    new = ingest_again(dataset, tmp_path / "in", 60)
    assert len(carry_over(dataset)) == 1
    assert load_metadata(new).rois[0].dim1_stop == 4
    undo(new)
    assert load_metadata(new).rois == ()


def test_what_was_decided_on_the_new_image_stays(dataset: ZarrDataset, tmp_path: Path) -> None:
    (old,) = dataset.values()
    exclude(old, "moved")
    new = ingest_again(dataset, tmp_path / "in", 50)
    set_fields(new, {"genotype": "wt"})
    assert carry_over(dataset) == ()
    assert read_decisions(new).exclusion is None
