"""The TIFFs of an export say what the image is, to our reader and to others."""

from __future__ import annotations

import io
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile

from kymflow_zarr import ZarrDataset
from kymflow_zarr._export import tiff as tiff_module
from kymflow_zarr._export.tiff import TiffFacts, write_tiff
from kymflow_zarr._readers.header import Header, merge_facts
from kymflow_zarr._readers.image_file import open_image
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


def header_of(path: Path) -> Header:
    with open_image(path, TiffReader()) as image:
        return merge_facts(image.shape, image.dtype, image.facts)


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
    header = header_of(path)
    with open_image(path, TiffReader()) as tiff:
        np.testing.assert_array_equal(tiff.read(), pixels)
        assert tiff.dtype == dtype
    assert header.axes == axes
    known = {axis: step for axis, step in header.scale.items() if step is not None}
    assert known == said["scale"]
    assert {axis: header.unit[axis] for axis in known} == said["unit"]
    assert header.warnings == ()
    np.testing.assert_array_equal(np.squeeze(tifffile.imread(path)), np.squeeze(pixels))


def test_ome_gives_the_date_and_the_channels(dataset: ZarrDataset, tmp_path: Path) -> None:
    shape, axes = (2, 4, 5), ("c", "y", "x")
    record = dataset.add_image(np.zeros(shape, np.uint8), axes=axes)
    record.save_metadata_payload({"header": header_payload(shape, axes)})
    dataset.export_legacy_folder(tmp_path)
    header = header_of(tmp_path / "images" / record.image_id / "image.tif")
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
        header = header_of(tmp_path / "images" / record.image_id / "image.tif")
        assert set(header.scale.values()) == {None}
        assert header.axes == record.get_axes()


def test_odd_names_of_channels_and_axes_do_no_harm(dataset: ZarrDataset, tmp_path: Path) -> None:
    record = dataset.add_image(np.zeros((3, 4, 5), np.uint8), axes=("c", "y", "x"))
    channels = [{"name": "a<b>&'µ"}, {"name": "bell\a"}, {"name": 'say "x"'}]
    header = {"channels": channels, "acquired_local_epoch_ns": 10**30}  # beyond what a TIFF says
    record.save_metadata_payload({"header": {"scale": {}, "unit": {}, **header}})
    odd = dataset.add_image(np.zeros((4, 5), np.uint8), axes=("Zeit, s\n", "µm"))
    dataset.export_legacy_folder(tmp_path)
    written = header_of(tmp_path / "images" / record.image_id / "image.tif")
    assert [channel.name for channel in written.channels] == ["a<b>&'µ", None, None]
    assert header_of(tmp_path / "images" / odd.image_id / "image.tif").axes == ("y", "x")
    other = ZarrDataset(tmp_path / "other.zarr")
    other.ingest_legacy_folder(tmp_path)
    assert other.record(odd.image_id).get_axes() == ("Zeit, s\n", "µm")


def facts(shape: tuple[int, ...], axes: tuple[str, ...], dtype: str) -> TiffFacts:
    return TiffFacts(image_id="an image", shape=shape, axes=axes, dtype=np.dtype(dtype), steps={})


STACKS = [
    ((7, 5), ("y", "x"), "uint16"),
    ((3, 7, 5), ("z", "y", "x"), "uint16"),
    ((2, 3, 7, 5), ("a", "b", "y", "x"), "float16"),
    ((3, 7, 5, 2), ("t", "y", "x", "c"), "int64"),
    ((2, 1, 2, 1, 1, 1, 7, 5), ("d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7"), "uint8"),
]


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    ("shape", "axes", "dtype"), STACKS, ids=["".join(axes) for _, axes, _ in STACKS]
)
def test_a_bigtiff_holds_the_same(
    tmp_path: Path, big: bool, shape: tuple[int, ...], axes: tuple[str, ...], dtype: str
) -> None:
    pixels = np.arange(np.prod(shape)).astype(dtype).reshape(shape)
    path = tmp_path / "image.tif"
    with path.open("w+b") as stream:
        write_tiff(stream, [pixels], facts(shape, axes, dtype), big=big)
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_bigtiff is big
        assert tiff.pages.first.tags["Software"].value == "kymflow-zarr"
        np.testing.assert_array_equal(
            np.stack([page.asarray() for page in tiff.pages]).reshape(shape), pixels
        )
        # ImageJ reads the first directory and takes all pages to follow without a gap.
        starts = [page.dataoffsets[0] for page in tiff.pages]
        size = sum(tiff.pages.first.databytecounts)
        assert starts == [starts[0] + number * size for number in range(len(starts))]
    with open_image(path, TiffReader()) as opened:
        np.testing.assert_array_equal(opened.read().reshape(shape), pixels)


def test_pages_are_cut_into_strips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of any size become strips of whole rows that end with their page."""
    monkeypatch.setattr(tiff_module, "_STRIP_BYTES", 35)
    pixels = np.arange(3 * 7 * 5, dtype=np.uint16).reshape(3, 7, 5)
    path = tmp_path / "image.tif"
    with path.open("w+b") as stream:
        write_tiff(
            stream,
            np.split(pixels.reshape(-1), [1, 4, 50]),
            facts((3, 7, 5), ("t", "y", "x"), "uint16"),
        )
    with tifffile.TiffFile(path) as tiff:
        assert [page.databytecounts for page in tiff.pages] == [(30, 30, 10)] * 3
    np.testing.assert_array_equal(tifffile.imread(path), pixels)


def test_pixels_that_end_too_early_are_an_error() -> None:
    with pytest.raises(ValueError, match="too early"):
        write_tiff(io.BytesIO(), [np.zeros(6, np.uint8)], facts((2, 4), ("t", "x"), "uint8"))


class SparseFile(io.FileIO):
    """Leaves a hole where a strip of zeros is written."""

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if len(data) < 2**20:
            return super().write(data)
        self.seek(len(data) - 1, os.SEEK_CUR)
        super().write(b"\0")
        return len(data)


@pytest.mark.parametrize(
    ("rows", "big"), [(1000, False), pytest.param(4300, True, marks=pytest.mark.slow)]
)
def test_bigtiff_where_four_bytes_do_not_reach(tmp_path: Path, rows: int, big: bool) -> None:
    """4.3 GB of pixels on one page, none of which is ever in memory but a few strips."""
    block = np.zeros((20, 1_000_000), np.uint8)
    path = tmp_path / "image.tif"
    tracemalloc.start()
    try:
        with SparseFile(path, "w+b") as stream:
            write_tiff(
                stream,
                (block for _ in range(rows // 20)),
                facts((rows, 1_000_000), ("t", "x"), "uint8"),
            )
        assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    finally:
        tracemalloc.stop()
    with open_image(path, TiffReader()) as opened:
        assert opened.shape == (rows, 1_000_000)
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_bigtiff is big


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [
        ((7, 5), (2, 5)),
        ((100, 40), (64, 7)),
        ((3, 40, 5), (1, 20, 5)),
        ((2, 3, 40, 5), (1, 1, 7, 2)),
        ((2, 3, 4), (1, 1, 1)),
        ((2, 2, 3, 40), (2, 1, 2, 40)),
    ],
)
def test_any_chunks_are_exported_and_checked(
    disk: ZarrDataset, tmp_path: Path, shape: tuple[int, ...], chunks: tuple[int, ...]
) -> None:
    pixels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    record = disk.add_image(pixels, axes=("s", "c", "t", "x")[-len(shape) :], chunks=chunks)
    assert disk.check(deep=True) == []
    disk.export_legacy_folder(tmp_path / "export")
    path = tmp_path / "export/images" / record.image_id / "image.tif"
    np.testing.assert_array_equal(tifffile.imread(path).reshape(-1), pixels.reshape(-1))
