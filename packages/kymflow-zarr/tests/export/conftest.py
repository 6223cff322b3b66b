"""Datasets with one of everything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from kymflow_zarr import ZarrDataset, ZarrImageRecord

IMAGES = {
    "kymograph": ((50, 20), ("t", "x"), "uint16"),
    "stack": ((3, 4, 5), ("z", "y", "x"), "float64"),
    "movie": ((2, 3, 4, 5, 6), ("t", "z", "c", "y", "x"), "uint8"),
    "colour": ((3, 4, 5, 3), ("z", "y", "x", "c"), "uint8"),
    "two channels, last": ((5, 4, 2), ("y", "x", "c"), "float32"),
    "two-channel kymograph": ((2, 30, 4), ("c", "t", "x"), "int16"),
    "odd axes": ((2, 3, 4, 5), ("a", "b", "y", "x"), "float16"),
    "six axes": ((2, 3, 2, 2, 4, 5), ("a", "b", "c2", "d", "e", "f"), "uint32"),
    "mask": ((4, 5), ("y", "x"), "bool"),
    "line": ((7,), ("x",), "int64"),
    "one plane of a stack": ((1, 4, 5), ("z", "y", "x"), "uint64"),
    "one pixel": ((1, 1), ("y", "x"), "int8"),
}


def make_pixels(shape: tuple[int, ...], dtype: str) -> NDArray[np.generic]:
    """Reproducible pixels that use the whole range of their type."""
    items = np.dtype(dtype).itemsize * int(np.prod(shape))
    raw = np.random.default_rng(7).integers(0, 256, items, dtype=np.uint8)
    if dtype == "bool":
        return (raw % 2).astype(bool).reshape(shape)
    if np.dtype(dtype).kind == "f":
        return np.random.default_rng(7).normal(size=shape).astype(dtype)
    return raw.view(dtype).reshape(shape)


def payload(shape: tuple[int, ...], axes: tuple[str, ...]) -> dict[str, object]:
    """A metadata payload with a calibration for each axis."""
    return {
        "version": "2.0",
        "header": {
            "shape": list(shape),
            "axes": list(axes),
            "scale": {axis: 0.00117 if axis == "t" else 0.284 for axis in axes},
            "unit": {axis: "s" if axis == "t" else "um" for axis in axes},
            "acquired_local_epoch_ns": 1_667_392_215_461_000_000,
        },
        "experiment_metadata": {"note": "µ-vessel"},
        "rois": [{"id": 1, "name": "lumen", "dim0_start": 0, "dim0_stop": 10}],
    }


def fill(record: ZarrImageRecord) -> None:
    """Give an image one artifact of each kind."""
    record.save_metadata_payload(payload(record.shape, record.get_axes()))
    record.save_json("velocity/params", {"window": 16, "ratio": 0.1, "names": ["a", None, True]})
    record.save_df_parquet(
        "velocity/trace",
        pd.DataFrame(
            {
                "time": [0.0, 0.1, np.nan],
                "label": ["=cmd()", "", None],
                "kind": pd.Categorical(["b", "a", None], categories=["z", "b", "a"]),
                "count": pd.array([1, None, 2**60], dtype="Int64"),
            }
        ),
    )
    record.save_df_csv_gz("old", pd.DataFrame({"v": [-1.5, 2.0], "w": ["@x", "'y"]}))
    record.save_df_csv_gz("velocity/trace", pd.DataFrame({"v": [1, 2]}))
    record.save_array_artifact("scores", np.arange(12.0).reshape(3, 4), axes=("row", "column"))
    record.save_array_artifact("mask", np.array([True, False, True]))


@pytest.fixture
def shapes(dataset: ZarrDataset) -> ZarrDataset:
    """A dataset, on disk and in memory, with images of every shape, and their calibrations."""
    for shape, axes, dtype in IMAGES.values():
        record = dataset.add_image(make_pixels(shape, dtype), axes=axes)
        record.save_metadata_payload(payload(shape, axes))
    return dataset


@pytest.fixture
def full(dataset: ZarrDataset) -> ZarrDataset:
    """A dataset, on disk and in memory, of three images with one artifact of each kind."""
    for name in ("kymograph", "movie", "mask"):
        shape, axes, dtype = IMAGES[name]
        fill(dataset.add_image(make_pixels(shape, dtype), axes=axes))
    ids = dataset.list_image_ids()
    dataset.save_table("kym_length", pd.DataFrame({"image_id": ids, "length": range(len(ids))}))
    dataset.save_table("notes", pd.DataFrame({"day": [pd.Timestamp("2025-07-22"), pd.NaT]}))
    return dataset


@pytest.fixture
def pair(disk: ZarrDataset, kymograph: Callable[..., NDArray[np.uint16]]) -> ZarrDataset:
    """A small dataset on disk: two images and a table."""
    for seed in range(2):
        record = disk.add_image(kymograph(seed), axes=("t", "x"))
        record.save_json("params", {"seed": seed})
    disk.save_table("kym_n", pd.DataFrame({"image_id": disk.list_image_ids(), "n": [1, 2]}))
    return disk


def assert_equal_datasets(one: ZarrDataset, other: ZarrDataset) -> None:
    """Equal pixels, JSON, tables and arrays, under equal names."""
    assert one.list_image_ids() == other.list_image_ids()
    for image_id in one.list_image_ids():
        assert_equal_records(one.record(image_id), other.record(image_id))
    assert set(one.list_table_names()) - {"sources"} == set(other.list_table_names()) - {"sources"}
    for name in one.list_table_names():
        assert one.load_arrow_table(name).equals(other.load_arrow_table(name))
        pd.testing.assert_frame_equal(one.load_table(name), other.load_table(name))
    pd.testing.assert_frame_equal(one.load_sources_index(), other.load_sources_index())


def assert_equal_records(one: ZarrImageRecord, other: ZarrImageRecord) -> None:
    """Equal pixels and artifacts."""
    assert one.get_axes() == other.get_axes()
    assert one.pixels_digest == other.pixels_digest
    assert one.dtype == other.dtype
    np.testing.assert_array_equal(one.load_array(), other.load_array())
    assert one.list_analysis_keys() == other.list_analysis_keys()
    for key in one.list_analysis_keys():
        name = key.split("/", 3)[-1]
        if name.endswith(".json"):
            stem = name.removesuffix(".json")
            assert one.load_json(stem) == other.load_json(stem)
        elif name.endswith(".parquet"):
            stem = name.removesuffix(".parquet")
            pd.testing.assert_frame_equal(one.load_df_parquet(stem), other.load_df_parquet(stem))
        else:
            stem = name.removesuffix(".csv.gz")
            pd.testing.assert_frame_equal(one.load_df_csv_gz(stem), other.load_df_csv_gz(stem))
    assert one.list_array_artifacts() == other.list_array_artifacts()
    for name in one.list_array_artifacts():
        found, wanted = one.load_array_artifact(name), other.load_array_artifact(name)
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


@pytest.fixture
def check_equal() -> Callable[[ZarrDataset, ZarrDataset], None]:
    """`assert_equal_datasets`."""
    return assert_equal_datasets


@pytest.fixture
def files(snapshot: Callable[[Path], dict[str, bytes]]) -> Callable[[Path], dict[str, bytes]]:
    """Reads every file of an export, but not its lock."""

    def read(top: Path) -> dict[str, bytes]:
        return {
            path: data
            for path, data in snapshot(top).items()
            if not path.startswith(".kymflow_export")
        }

    return read
