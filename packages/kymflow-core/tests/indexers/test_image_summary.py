"""`image_summary` against NumPy, channel by channel."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from kymflow.core import KymDataset
from kymflow.core.indexers import ImageSummary
from kymflow.core.metadata import Header, ImageMetadata, save_metadata
from kymflow_zarr import ZarrDataset


def summary(dataset: ZarrDataset) -> pd.DataFrame:
    kym = KymDataset(dataset)
    kym.update_index(ImageSummary())
    return kym.load_index("image_summary")


def test_one_channel(empty: ZarrDataset) -> None:
    pixels = np.random.default_rng(3).integers(0, 4096, size=(300, 20)).astype(np.uint16)
    empty.add_image(pixels, axes=("t", "x"))

    (row,) = summary(empty).to_dict("records")

    assert (row["channel"], row["shape"]) == (1, "300x20")
    assert row["mean"] == pytest.approx(pixels.mean(), rel=1e-12)
    assert row["std"] == pytest.approx(pixels.std(), rel=1e-12)
    assert (row["min"], row["max"]) == (pixels.min(), pixels.max())
    assert (row["p01"], row["p99"]) == tuple(np.percentile(pixels, [1, 99]))
    assert (row["saturation_level"], row["saturation_source"]) == (65535, "dtype")
    assert row["saturated_fraction"] == 0


def test_channels_lie_along_their_axis_wherever_it_is(empty: ZarrDataset) -> None:
    pixels = np.stack([np.full((4, 3), 10), np.full((4, 3), 20)], axis=1).astype(np.uint8)
    empty.add_image(pixels, axes=("t", "c", "x"))

    table = summary(empty)

    assert list(table["channel"]) == [1, 2]
    assert list(table["mean"]) == [10, 20]
    assert set(table["shape"]) == {"4x3"}


def test_saturation_by_the_detectors_bits(empty: ZarrDataset) -> None:
    pixels = np.array([[0, 1023, 1022, 1023]], np.uint16)
    save_metadata(
        empty.add_image(pixels, axes=("t", "x")), ImageMetadata(header=Header(bits_per_pixel=10))
    )

    (row,) = summary(empty).to_dict("records")

    assert (row["saturation_level"], row["saturation_source"]) == (1023, "header")
    assert row["saturated_fraction"] == 0.5


def test_bits_that_the_pixels_cannot_have_are_not_believed(empty: ZarrDataset) -> None:
    pixels = np.array([[0, 255]], np.uint8)
    save_metadata(
        empty.add_image(pixels, axes=("t", "x")), ImageMetadata(header=Header(bits_per_pixel=12))
    )

    (row,) = summary(empty).to_dict("records")

    assert (row["saturation_level"], row["saturation_source"]) == (255, "dtype")
    assert row["saturated_fraction"] == 0.5


def test_floats_have_no_saturation_and_gaps_do_not_count(empty: ZarrDataset) -> None:
    empty.add_image(np.array([[1.0, np.nan, 3.0, np.inf]]), axes=("t", "x"))

    (row,) = summary(empty).to_dict("records")

    assert (row["mean"], row["min"], row["max"]) == (2, 1, 3)
    assert row["saturation_source"] == "none"
    assert np.isnan(row["saturated_fraction"])
    assert np.isnan(row["saturation_level"])


def test_nothing_but_gaps(empty: ZarrDataset) -> None:
    empty.add_image(np.full((2, 2), np.nan), axes=("t", "x"))

    (row,) = summary(empty).to_dict("records")

    assert np.isnan(row["mean"])


def test_truth_values(empty: ZarrDataset) -> None:
    empty.add_image(np.array([[True, False, True, True]]), axes=("t", "x"))

    (row,) = summary(empty).to_dict("records")

    assert (row["mean"], row["saturated_fraction"]) == (0.75, 0.75)


def test_the_hash_follows_pixels_and_saturation(empty: ZarrDataset) -> None:
    one = empty.add_image(np.zeros((2, 2), np.uint16), axes=("t", "x"))
    same = empty.add_image(np.zeros((2, 2), np.uint16), axes=("t", "x"))
    other = empty.add_image(np.ones((2, 2), np.uint16), axes=("t", "x"))
    indexer = ImageSummary()

    before = indexer.params_hash(one)
    assert before == indexer.params_hash(same)
    assert before != indexer.params_hash(other)
    save_metadata(one, ImageMetadata(header=Header(bits_per_pixel=12)))
    assert indexer.params_hash(one) != before
