"""A dataset with images of several kinds, to try things on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kymflow.core.metadata import (
    ExperimentMetadata,
    Header,
    ImageMetadata,
    RoiChange,
    create_roi,
    image_extent,
    save_metadata,
)
from kymflow_zarr import ZarrDataset


def sample_dataset(location: str | Path) -> ZarrDataset:
    """A small dataset with images of several kinds.

    A calibrated kymograph with two ROIs; one of which nothing is known; one with two channels;
    one of floats.

    Args:
        location: A folder that does not exist yet.
    """
    dataset = ZarrDataset(location, durability="none")
    rng = np.random.default_rng(0)
    lines, pixels = 64, 16
    noise = rng.integers(0, 4096, size=(2, lines, pixels)).astype(np.uint16)
    known = dataset.add_image(noise[0], axes=("t", "x"))
    extent = image_extent(known)
    rois = create_roi((), extent, RoiChange(name="whole"))
    rois = create_roi(rois, extent, RoiChange(name="left", dim1_stop=pixels // 2))
    header = Header(
        shape=known.shape,
        dtype="uint16",
        axes=("t", "x"),
        scale={"t": 0.001, "x": 0.5},
        unit={"t": "s", "x": "um"},
        acquired_local_epoch_ns=1_667_392_215_461_000_000,
        bits_per_pixel=12,
    )
    experiment = ExperimentMetadata(species="mouse", note="a sample")
    save_metadata(known, ImageMetadata(header=header, experiment=experiment, rois=rois))
    dataset.add_image(noise[1], axes=("t", "x"))
    dataset.add_image(noise, axes=("c", "t", "x"))
    dataset.add_image(rng.random((lines, pixels)), axes=("t", "x"))
    return dataset
