"""What others make of a dataset: zarr-python, OME-Zarr's models and readers."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.storage import MemoryStore

from kymflow_zarr import ZarrDataset

SHAPES = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)
DTYPES = st.sampled_from(["bool", "uint8", "uint16", "int32", "int64", "float32", "float64"])


@given(shape=SHAPES, dtype=DTYPES, data=st.data())
def test_zarr_reads_what_was_written_and_would_describe_it_alike(
    shape: tuple[int, ...], dtype: str, data: st.DataObject
) -> None:
    chunks = tuple(data.draw(st.integers(1, length)) for length in shape)
    axes = tuple(f"a{number}" for number in range(len(shape)))
    pixels = (np.random.default_rng(0).random(shape) * 3).astype(dtype)
    store = MemoryStore()
    record = ZarrDataset(store).add_image(pixels, axes=axes, chunks=chunks)
    path = f"images/{record.image_id}/data"
    theirs = zarr.open_array(store, path=path, mode="r")
    np.testing.assert_array_equal(np.asarray(theirs[...]), pixels)

    other = MemoryStore()
    reference = zarr.create_array(
        other,
        name="data",
        shape=shape,
        chunks=chunks,
        dtype=dtype,
        dimension_names=axes,
        chunk_key_encoding={"name": "default", "separator": "."},
        compressors=[
            BloscCodec(
                typesize=np.dtype(dtype).itemsize, cname="zstd", clevel=3, shuffle="bitshuffle"
            ),
            Crc32cCodec(),
        ],
    )
    reference[...] = pixels
    ours, expected = _document(store, path), _document(other, "data")
    assert set(ours["attributes"]) == {"kymflow_zarr"}
    for document in (ours, expected):
        del document["attributes"]
        document["codecs"][0].setdefault("configuration", {"endian": "little"})
    assert ours == expected


def test_a_dataset_is_a_zarr_group(disk: ZarrDataset) -> None:
    pixels = np.arange(12, dtype=np.uint16).reshape(4, 3)
    record = disk.add_image(pixels, axes=("t", "x"))
    root = zarr.open_group(disk.location, mode="r")
    assert root.attrs["format"] == "kymflow_zarr"
    group = root[f"images/{record.image_id}"]
    assert isinstance(group, zarr.Group)
    np.testing.assert_array_equal(np.asarray(group["data"][...]), pixels)  # type: ignore[index]  # an array


@pytest.mark.parametrize(
    ("axes", "named"),
    [
        (("t", "x"), ["y", "x"]),
        (("c", "t", "x"), ["c", "y", "x"]),
        (("y", "x"), ["y", "x"]),
        (("z", "y", "x"), ["z", "y", "x"]),
        (("t", "c", "z", "y", "x"), ["t", "c", "z", "y", "x"]),
        (("z", "y", "x", "c"), None),
        (("x",), None),
        (("window", "speed"), None),
        (("x", "y"), None),
    ],
)
def test_images_that_fit_are_valid_ome_zarr(
    disk: ZarrDataset, axes: tuple[str, ...], named: list[str] | None
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pydantic's, about that library
        models = pytest.importorskip("ome_zarr_models.v05.image")
    record = disk.add_image(np.zeros((2,) * len(axes), np.uint16), axes=axes)
    group = zarr.open_group(_place(disk, record.image_id), mode="r")
    if named is None:
        assert "ome" not in group.attrs
        return
    image = models.Image.from_zarr(group)
    (multiscale,) = image.ome_attributes.multiscales
    assert [axis.name for axis in multiscale.axes] == named
    assert record.get_axes() == axes


def test_a_viewers_reader_opens_a_real_kymograph(disk: ZarrDataset, shared: Path) -> None:
    io = pytest.importorskip("ome_zarr.io")
    reader = pytest.importorskip("ome_zarr.reader")
    record = disk.ingest_image(shared / "Capillary2.tif")
    location = io.parse_url(_place(disk, record.image_id))
    (node,) = reader.Reader(location)()
    np.testing.assert_array_equal(np.asarray(node.data[0]), record.load_array())
    ((scale,),) = node.metadata["coordinateTransformations"]
    assert scale["scale"] == pytest.approx([1.146e-3, 0.331])


def _place(dataset: ZarrDataset, image_id: str) -> str:
    return str(Path(dataset.location) / "images" / image_id)


def _document(store: MemoryStore, path: str) -> dict[str, Any]:
    from zarr.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    found = sync(store.get(f"{path}/zarr.json", default_buffer_prototype()))
    assert found is not None
    document: dict[str, Any] = json.loads(found.to_bytes())
    return document
