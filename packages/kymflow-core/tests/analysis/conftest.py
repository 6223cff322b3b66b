"""A kymograph with two ROIs, and where the real recordings are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from zarr.storage import MemoryStore

from kymflow.core.metadata import Header, ImageMetadata, Roi, save_metadata
from kymflow_zarr import ZarrDataset, ZarrImageRecord


@pytest.fixture
def dataset() -> ZarrDataset:
    """An empty dataset."""
    return ZarrDataset(MemoryStore())


@pytest.fixture
def two_rois(dataset: ZarrDataset) -> ZarrImageRecord:
    """A calibrated kymograph of 40 lines and 12 pixels with two ROIs, 6 pixels each."""
    pixels = np.random.default_rng(0).integers(1, 99, size=(40, 12)).astype(np.uint16)
    record = dataset.add_image(pixels, axes=("t", "x"))
    halves = (
        Roi(id=number, dim0_start=0, dim0_stop=40, dim1_start=start, dim1_stop=start + 6)
        for number, start in ((1, 0), (2, 6))
    )
    header = Header(scale={"t": 1e-3, "x": 0.4}, unit={"t": "s", "x": "um"})
    save_metadata(record, ImageMetadata(header=header, rois=tuple(halves)))
    return record


@pytest.fixture
def shared() -> Path:
    """The folder of real recordings; tests that need it are skipped where it is not there."""
    named = os.environ.get("KYMFLOW_SHARED")
    places = [Path(named)] if named else [up / "shared" for up in Path(__file__).parents]
    for place in places:
        if (place / "data" / "kymographs").is_dir():
            return place / "data" / "kymographs"
    pytest.skip("the shared recordings are not here")
