"""Images that are handed over as arrays, and images that are objects of other code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from kymflow_zarr import (
    MetadataNotFoundError,
    ReadOnlyError,
    SchemaValidationError,
    ZarrDataset,
    ZarrImageRecord,
)


class Parts:
    """An array that counts what is read of it."""

    def __init__(self, array: NDArray[Any], dtype: Any = None) -> None:
        self.array = array
        self.shape = array.shape
        self.dtype = np.dtype(dtype or array.dtype)
        self.largest = 0

    def __getitem__(self, region: slice) -> NDArray[Any]:
        part = self.array[region]
        self.largest = max(self.largest, part.nbytes)
        return part


def header_of(record: ZarrImageRecord) -> dict[str, Any]:
    header = record.load_metadata_payload()["header"]
    assert isinstance(header, dict)
    return header


# --- axes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((4, 3), ("y", "x")),
        ((2, 4, 3), ("z", "y", "x")),
        ((2, 4, 3, 2), ("z", "y", "x", "c")),
        ((2, 2, 4, 3, 2), ("t", "z", "y", "x", "c")),
    ],
)
def test_axes_that_are_left_out_follow_from_the_dimensions(
    dataset: ZarrDataset, shape: tuple[int, ...], axes: tuple[str, ...]
) -> None:
    assert dataset.add_image(np.zeros(shape, np.uint8)).get_axes() == axes


def test_the_header_of_the_metadata_names_axes_where_the_call_does_not(
    dataset: ZarrDataset,
) -> None:
    header = {"axes": ["t", "x"], "scale": {"t": 0.002}, "unit": {"t": "s"}}
    pixels = np.zeros((4, 3), np.uint8)
    record = dataset.add_image(pixels, metadata={"header": header})
    assert record.get_axes() == ("t", "x")
    assert header_of(record)["scale"] == {"t": 0.002, "x": None}
    stated = dataset.add_image(pixels, axes=("y", "x"), metadata={"header": header})
    assert stated.get_axes() == ("y", "x")


# --- what an image may come from ------------------------------------------------------------------


def test_lists_and_scalar_types_of_python(dataset: ZarrDataset) -> None:
    record = dataset.add_image([[1, 2, 3], [4, 5, 6]])
    assert record.dtype == np.int64
    assert record.load_array().tolist() == [[1, 2, 3], [4, 5, 6]]
    assert dataset.add_image([[True, False]]).dtype == bool


def test_a_lazy_array_is_read_part_by_part(dataset: ZarrDataset) -> None:
    pixels = np.arange(4000, dtype=np.uint16).reshape(100, 40)
    lazy = Parts(pixels)
    record = dataset.add_image(lazy, axes=("t", "x"), chunks=(10, 40))
    np.testing.assert_array_equal(record.load_array(), pixels)
    assert lazy.largest == 10 * 40 * 2


def test_arrays_of_zarr_and_of_a_record(dataset: ZarrDataset) -> None:
    pixels = np.arange(60, dtype=np.int16).reshape(20, 3)
    theirs = zarr.create_array(MemoryStore(), data=pixels, chunks=(7, 3))
    record = dataset.add_image(theirs, axes=("t", "x"))
    np.testing.assert_array_equal(record.load_array(), pixels)
    again = dataset.add_image(record.open_array(), axes=("t", "x"))
    assert again.pixels_digest == record.pixels_digest


def test_arrays_of_dask(dataset: ZarrDataset) -> None:
    dask = pytest.importorskip("dask.array")
    pixels = np.arange(60, dtype=np.float32).reshape(20, 3)
    record = dataset.add_image(dask.from_array(pixels, chunks=(6, 2)) * 2, axes=("t", "x"))
    np.testing.assert_array_equal(record.load_array(), pixels * 2)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.ma.masked_array([[1, 2]], [[False, True]]), "would be lost; fill it in"),
        ([[1, 2], [3]], "rows of equal length"),
        (None, "cannot store pixels of type 'object'"),
        ([["a"]], "cannot store pixels of type 'str"),
        (Parts(np.zeros((4, 3)), dtype=np.uint8), "holds 'float64', its dtype says 'uint8'"),
        (3.0, "1 to 8 axes"),
    ],
    ids=["masked", "ragged", "None", "text", "another type", "a number"],
)
def test_what_is_not_an_image_is_refused(dataset: ZarrDataset, array: Any, says: str) -> None:
    with pytest.raises(SchemaValidationError, match=says):
        dataset.add_image(array)
    assert len(dataset) == 0


# --- calibration and metadata ---------------------------------------------------------------------


def test_calibration_is_written_as_an_ingest_writes_it(
    dataset: ZarrDataset, tmp_path: Path
) -> None:
    pixels = np.arange(48, dtype=np.uint16).reshape(12, 4)
    header = {"axes": ["t", "x"], "scale": {"t": 2, "x": 0.4}, "unit": {"t": "ms", "x": "um"}}
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    (tmp_path / "a.json").write_text(json.dumps({"header": header}), encoding="utf-8")
    ingested = dataset.ingest_image(tmp_path / "a.tif")
    added = dataset.add_image(
        pixels, axes=("t", "x"), scale={"t": 2, "x": 0.4}, unit={"t": "ms", "x": "um"}
    )
    ours, theirs = header_of(added), header_of(ingested)
    for name in ("shape", "dtype", "axes", "scale", "unit"):
        assert ours[name] == theirs[name]
    assert ours["unit"] == {"t": "s", "x": "um"}
    assert ours["sources"] == {"axes": "user", "scale.t": "user", "scale.x": "user"}
    payload = added.load_metadata_payload()
    assert set(payload) == {"version", "experiment_metadata", "rois", "header"}
    assert ome_of(dataset, added.image_id) == ome_of(dataset, ingested.image_id)


def ome_of(dataset: ZarrDataset, image_id: str) -> Any:
    blobs = dataset._access.blobs
    document = json.loads(blobs.get(f"images/{image_id}/zarr.json") or b"")
    return document["attributes"]["ome"]


def test_units_that_are_left_out_are_seconds_and_micrometres(dataset: ZarrDataset) -> None:
    record = dataset.add_image(np.zeros((4, 3)), axes=("t", "x"), scale={"t": 0.001, "x": 0.5})
    assert header_of(record)["unit"] == {"t": "s", "x": "um"}


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int16, float])
def test_steps_may_be_numbers_of_numpy(dataset: ZarrDataset, kind: Any) -> None:
    record = dataset.add_image(np.zeros((2, 2)), axes=("t", "x"), scale={"t": kind(2)})
    assert header_of(record)["scale"] == {"t": 2.0, "x": None}


def test_coordinates_are_in_seconds_and_micrometres(dataset: ZarrDataset) -> None:
    pixels = np.zeros((3, 4, 2))
    record = dataset.add_image(pixels, axes=("c", "t", "x"), scale={"t": 2}, unit={"t": "ms"})
    assert {axis: at.tolist() for axis, at in record.get_coordinates().items()} == {
        "t": [0.0, 0.002, 0.004, 0.006]
    }
    assert dataset.add_image(pixels).get_coordinates() == {}


def test_metadata_becomes_the_payload(dataset: ZarrDataset) -> None:
    metadata = {"rois": [{"id": 1}], "experiment_metadata": {"species": "mouse"}, "mine": None}
    record = dataset.add_image(np.zeros((4, 3)), metadata=metadata)
    payload = record.load_metadata_payload()
    assert {name: payload[name] for name in metadata} == metadata
    assert header_of(record)["shape"] == [4, 3]
    assert record.artifacts["metadata"] == payload
    assert dataset.check(deep=True) == []


def test_an_image_that_nothing_is_known_of_has_no_metadata(dataset: ZarrDataset) -> None:
    with pytest.raises(MetadataNotFoundError):
        dataset.add_image(np.zeros((4, 3))).load_metadata_payload()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"scale": {"q": 1.0}}, "do not fit the axes"),
        ({"unit": {"x": "um"}}, "a unit only with a step"),
        ({"scale": {"x": 0}}, "give a positive number"),
        ({"scale": {"x": float("nan")}}, "give a positive number"),
        ({"scale": {"x": 1}, "unit": {"x": "parsec"}}, "a unit of length or time"),
        ({"scale": {"x": 1}, "unit": {"x": None}}, "a unit of length or time"),
        ({"axes": ("t",), "scale": {"t": 1}}, "do not name each dimension"),
    ],
)
def test_calibration_that_fits_nothing_is_refused(
    dataset: ZarrDataset, arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(SchemaValidationError, match=says):
        dataset.add_image(np.zeros((4, 3)), **arguments)
    assert len(dataset) == 0


def test_metadata_that_json_does_not_have_is_refused(dataset: ZarrDataset) -> None:
    with pytest.raises(TypeError, match="JSON cannot carry"):
        dataset.add_image(np.zeros((4, 3)), metadata={"when": np.float32(1)})
    assert len(dataset) == 0


# --- objects of other code ------------------------------------------------------------------------


class OldImage:
    """An image as code for the prototype has it."""

    def __init__(self, metadata: Mapping[str, Any] | Exception | None) -> None:
        self.metadata = metadata

    def getChannelData(self, channel: int) -> NDArray[np.uint8]:  # noqa: N802
        return np.full((5, 4), channel, np.uint8)

    def load_metadata_payload(self) -> Mapping[str, Any] | None:
        if isinstance(self.metadata, Exception):
            raise self.metadata
        return self.metadata


class NewImage:
    """An image with the name of today, and without metadata."""

    def get_channel(self, channel: int = 1) -> list[list[int]]:
        return [[channel, 2], [3, 4]]


def test_an_image_of_other_code_is_ingested(dataset: ZarrDataset) -> None:
    header = {"axes": ["t", "x"], "scale": {"t": 0.001}, "unit": {"t": "s"}}
    record = dataset.ingest_image(OldImage({"header": header, "rois": [{"id": 7}]}))
    assert record.load_array().tolist() == np.full((5, 4), 1).tolist()
    assert record.get_axes() == ("t", "x")
    assert record.load_metadata_payload()["rois"] == [{"id": 7}]
    assert dataset.ingest_image(NewImage()).load_array().tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("metadata", [None, FileNotFoundError("none")])
def test_metadata_may_be_missing(dataset: ZarrDataset, metadata: Any) -> None:
    record = dataset.ingest_image(OldImage(metadata))
    with pytest.raises(MetadataNotFoundError):
        record.load_metadata_payload()


@pytest.mark.parametrize("nothing", [None, 3, np.zeros((2, 2)), object()])
def test_what_cannot_be_ingested_gets_a_message_that_says_what_can(
    dataset: ZarrDataset, nothing: Any
) -> None:
    with pytest.raises(TypeError, match=r"get_channel\(1\) or getChannelData\(1\)"):
        dataset.ingest_image(nothing)


def test_a_read_only_dataset_asks_no_image_for_its_pixels(disk: ZarrDataset) -> None:
    class Unread:
        def get_channel(self, channel: int) -> Any:
            raise AssertionError(f"nobody may read channel {channel}")

    with pytest.raises(ReadOnlyError):
        disk.as_read_only().ingest_image(Unread())


@pytest.mark.parametrize(
    ("axes", "shape", "bounds"),
    [
        (("x",), (5,), (5, 1, 1)),
        (("c",), (5,), (1, 1, 1)),
        (("t", "x"), (4, 5), (5, 4, 1)),
        (("z", "c", "y", "x"), (2, 3, 4, 5), (5, 4, 2)),
    ],
)
def test_the_bounds_of_a_picture(
    dataset: ZarrDataset, axes: tuple[str, ...], shape: tuple[int, ...], bounds: tuple[int, ...]
) -> None:
    found = dataset.add_image(np.zeros(shape), axes=axes).get_image_bounds()
    assert found == dict(zip(("width", "height", "num_slices"), bounds, strict=True))
