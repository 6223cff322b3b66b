"""The TIFFs of an export say what the image is, to our reader and to others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from kymflow_zarr import ZarrDataset
from kymflow_zarr._export.pixels import c_order_regions
from kymflow_zarr._export.tiff_encoder import TiffTags, tiff_geometry, write_tiff
from kymflow_zarr._readers.header import merge_facts
from kymflow_zarr._readers.image_file import open_image
from kymflow_zarr._readers.tiff import open_tiff
from kymflow_zarr._readers.tiff_reader import TiffReader

# Beyond these, axes are flattened or dropped by what a TIFF can say; the listing has them all.
EXACT = [
    ((50, 20), ("t", "x"), "uint16"),
    ((50, 20), ("t", "x"), "float64"),
    ((2, 30, 4), ("c", "t", "x"), "int16"),
    ((4, 5), ("y", "x"), "uint32"),
    ((3, 4, 5), ("z", "y", "x"), "float32"),
    ((3, 4, 5), ("t", "y", "x"), "int64"),
    ((3, 2, 4, 5), ("c", "z", "y", "x"), "uint16"),
    ((2, 3, 4, 5, 6), ("t", "z", "c", "y", "x"), "uint8"),
    ((3, 4, 5, 3), ("z", "y", "x", "c"), "uint8"),
    ((5, 4, 2), ("y", "x", "c"), "float16"),
    ((2, 3, 4, 5), ("a", "b", "y", "x"), "int8"),
]


def header_payload(shape: tuple[int, ...], axes: tuple[str, ...]) -> dict[str, object]:
    steps = {"t": (0.001134, "s"), "x": (0.331, "um"), "y": (0.45, "um"), "z": (1.5, "um")}
    return {
        "shape": list(shape),
        "axes": list(axes),
        "scale": {axis: steps[axis][0] for axis in axes if axis in steps},
        "unit": {axis: steps[axis][1] for axis in axes if axis in steps},
        "acquired_local_epoch_ns": 1_753_186_394_620_000_000,
        "channels": [{"name": "GFP"}, {"name": "RFP"}],
    }


@pytest.mark.parametrize(
    ("shape", "axes", "dtype"), EXACT, ids=[f"{''.join(axes)}-{kind}" for _, axes, kind in EXACT]
)
def test_pixels_axes_and_calibration_are_in_the_tiff(
    dataset: ZarrDataset, tmp_path: Path, shape: tuple[int, ...], axes: tuple[str, ...], dtype: str
) -> None:
    pixels = np.random.default_rng(1).integers(0, 100, shape).astype(dtype)
    record = dataset.add_image(pixels, axes=axes)
    said = header_payload(shape, axes)
    record.save_metadata_payload({"header": said})
    dataset.export_legacy_folder(tmp_path)
    path = tmp_path / "images" / record.image_id / "image.tif"
    with open_image(path, TiffReader()) as tiff:
        header = merge_facts(tiff.shape, tiff.dtype, tiff.facts)
        np.testing.assert_array_equal(tiff.read(), pixels)
        assert tiff.dtype == dtype
    assert header.axes == axes
    known = {axis: step for axis, step in header.scale.items() if step is not None}
    assert known == said["scale"]
    assert {axis: header.unit[axis] for axis in known} == said["unit"]
    assert header.warnings == ()
    np.testing.assert_array_equal(np.squeeze(tifffile.imread(path)), np.squeeze(pixels))


def test_ome_tells_the_date_and_the_channels(dataset: ZarrDataset, tmp_path: Path) -> None:
    shape, axes = (2, 4, 5), ("c", "y", "x")
    record = dataset.add_image(np.zeros(shape, np.uint8), axes=axes)
    record.save_metadata_payload({"header": header_payload(shape, axes)})
    dataset.export_legacy_folder(tmp_path)
    with open_image(tmp_path / "images" / record.image_id / "image.tif", TiffReader()) as tiff:
        header = merge_facts(tiff.shape, tiff.dtype, tiff.facts)
    assert header.acquired_local_epoch_ns == 1_753_186_394_620_000_000
    assert [channel.name for channel in header.channels] == ["GFP", "RFP"]


def test_a_calibration_that_is_not_known_is_not_made_up(
    dataset: ZarrDataset, tmp_path: Path
) -> None:
    records = [
        dataset.add_image(np.zeros((4, 5), np.uint8), axes=axes)
        for axes in (("t", "x"), ("y", "x"))
    ]
    dataset.export_legacy_folder(tmp_path)
    for record in records:
        with open_image(tmp_path / "images" / record.image_id / "image.tif", TiffReader()) as tiff:
            header = merge_facts(tiff.shape, tiff.dtype, tiff.facts)
        assert set(header.scale.values()) == {None}
        assert header.axes == record.get_axes()


def test_odd_names_of_channels_and_axes_do_no_harm(dataset: ZarrDataset, tmp_path: Path) -> None:
    record = dataset.add_image(np.zeros((2, 4, 5), np.uint8), axes=("c", "y", "x"))
    channels = [{"name": 'a<b>&"µ'}, {"name": "bell\a"}]
    record.save_metadata_payload({"header": {"scale": {}, "unit": {}, "channels": channels}})
    odd = dataset.add_image(np.zeros((4, 5), np.uint8), axes=("Zeit, s\n", "µm"))
    dataset.export_legacy_folder(tmp_path)
    with open_image(tmp_path / "images" / record.image_id / "image.tif", TiffReader()) as tiff:
        assert [
            channel.name for channel in merge_facts(tiff.shape, tiff.dtype, tiff.facts).channels
        ] == ['a<b>&"µ', None]
    with open_image(tmp_path / "images" / odd.image_id / "image.tif", TiffReader()) as tiff:
        assert merge_facts(tiff.shape, tiff.dtype, tiff.facts).axes == ("y", "x")
    other = ZarrDataset(tmp_path / "other.zarr")
    other.ingest_legacy_folder(tmp_path)
    assert other.record(odd.image_id).get_axes() == ("Zeit, s\n", "µm")


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("shape", [(7, 5), (3, 7, 5), (2, 3, 7, 5)])
def test_a_bigtiff_holds_the_same(tmp_path: Path, big: bool, shape: tuple[int, ...]) -> None:
    pixels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    axes = ("a", "b", "y", "x")[-len(shape) :]
    tags = TiffTags(description=b"plain", pixels_per_unit=None)
    path = tmp_path / "image.tif"
    with path.open("wb") as stream:
        write_tiff(stream, [pixels], tiff_geometry(shape, axes, pixels.dtype), tags, big=big)
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_bigtiff is big
        assert tiff.pages.first.tags["Software"].value == "kymflow-zarr"
        np.testing.assert_array_equal(
            np.stack([page.asarray() for page in tiff.pages]).reshape(shape), pixels
        )
    with open_tiff(path) as opened:
        np.testing.assert_array_equal(opened.read().reshape(shape), pixels)


class Discard:
    """Counts bytes."""

    def __init__(self) -> None:
        self.count = 0

    def write(self, data: bytes | memoryview, /) -> int:
        self.count += len(data)
        return len(data)


@pytest.mark.parametrize(("rows", "big"), [(1000, False), (4300, True)])
def test_bigtiff_where_four_bytes_do_not_reach(rows: int, big: bool) -> None:
    """4.3 GB of pixels, none of which is ever in memory but one block."""
    block = np.zeros((100, 1_000_000), np.uint8)
    sink = Discard()
    heads: list[bytes] = []

    class Head(Discard):
        def write(self, data: bytes | memoryview, /) -> int:
            if not heads:
                heads.append(bytes(data))
            return sink.write(data)

    geometry = tiff_geometry((rows, 1_000_000), ("t", "x"), block.dtype)
    tags = TiffTags(description=b"", pixels_per_unit=None)
    write_tiff(Head(), (block for _ in range(rows // 100)), geometry, tags)
    assert heads[0][2] == (43 if big else 42)
    assert sink.count > rows * 1_000_000


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [((7,), (3,)), ((7, 5), (2, 5)), ((3, 4, 5), (1, 2, 5)), ((2, 2, 3, 4), (2, 1, 2, 4))],
)
@pytest.mark.parametrize("block_bytes", [1, 8, 40, 10_000])
def test_regions_cover_an_array_once_in_order(
    shape: tuple[int, ...], chunks: tuple[int, ...], block_bytes: int
) -> None:
    array = np.arange(np.prod(shape)).reshape(shape)
    regions = list(c_order_regions(shape, chunks, 1, block_bytes=block_bytes))
    parts = [array[region].reshape(-1) for region in regions]
    np.testing.assert_array_equal(np.concatenate(parts), array.reshape(-1))
    row = shape[-1]
    assert max(part.size for part in parts) <= max(block_bytes, min(row, block_bytes))


def test_chunks_that_cut_lines_do_not_matter(
    disk: ZarrDataset, tmp_path: Path, kymograph: Callable[..., NDArray[np.uint16]]
) -> None:
    pixels = kymograph(3, (1000, 40))
    record = disk.add_image(pixels, axes=("t", "x"), chunks=(64, 7))
    disk.export_legacy_folder(tmp_path / "export")
    path = tmp_path / "export/images" / record.image_id / "image.tif"
    np.testing.assert_array_equal(tifffile.imread(path), pixels)
