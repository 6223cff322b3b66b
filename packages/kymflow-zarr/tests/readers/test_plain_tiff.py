"""What any TIFF may say: resolution, date, which end of the scale is black; and sloppy TIFFs."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from zarr.storage import MemoryStore

from kymflow_zarr import ZarrDataset
from kymflow_zarr._readers.clock import local_epoch_ns
from kymflow_zarr._readers.header import Header, merge_facts
from kymflow_zarr._readers.image_file import open_image
from kymflow_zarr._readers.tiff_reader import TiffReader

Ramp = npt.NDArray[np.uint16]
Write = Callable[..., Path]

COLORS = np.stack([np.arange(256) * 257, np.zeros(256), np.arange(256)[::-1]]).astype(np.uint16)


def header_of(path: Path) -> Header:
    with open_image(path, TiffReader()) as image:
        return merge_facts(image.shape, image.dtype, image.facts)


@pytest.mark.parametrize(
    ("per_unit", "unit", "um"),
    [
        (10_000 / 0.331, 3, 0.331),
        (25_400 / 0.331, 2, 0.331),
        (72, 2, None),
        (600, 2, None),
        (720, 2, None),
        (1200 / 2.54, 3, None),
        (283.46, 3, None),
        (10_000, 3, None),
        (1 / 0.331, 1, None),
    ],
)
def test_resolution_tags_where_they_are_those_of_a_microscope(
    write: Write, ramp: Ramp, per_unit: float, unit: int, um: float | None
) -> None:
    path = write(ramp, metadata=None, resolution=(per_unit, per_unit), resolutionunit=unit)
    header = header_of(path)
    assert header.scale == (
        pytest.approx({"y": um, "x": um}, rel=1e-5) if um else {"y": None, "x": None}
    )
    assert ["resolution tags" in warning for warning in header.warnings] == ([True] if um else [])


def test_the_date_of_a_file_serves_where_there_is_no_better(write: Write, ramp: Ramp) -> None:
    header = header_of(write(ramp, metadata=None, datetime="2025:07:22 12:13:14"))
    assert header.acquired_local_epoch_ns == local_epoch_ns(datetime(2025, 7, 22, 12, 13, 14))
    assert header.sources["acquired_local_epoch_ns"] == "tiff"
    assert "when the file was written" in header.warnings[0]


@pytest.mark.parametrize(
    ("date", "warned"), [("0000:00:00 00:00:00", False), ("spring 2025", True)]
)
def test_a_date_that_is_none(write: Write, ramp: Ramp, date: str, warned: bool) -> None:
    path = write(ramp, metadata=None, extratags=[(306, 2, len(date) + 1, date, True)])
    header = header_of(path)
    assert header.acquired_local_epoch_ns is None
    assert bool(header.warnings) is warned


def test_a_better_date_does_not_contradict_that_of_the_file(write: Write, ramp: Ramp) -> None:
    path = write(
        ramp,
        ome=True,
        metadata={"axes": "YX", "AcquisitionDate": "2025-07-22T12:13:14"},
        datetime="2026:01:01 00:00:00",
    )
    header = header_of(path)
    assert header.sources["acquired_local_epoch_ns"] == "ome"
    assert header.warnings == ()


def exported(path: Path, tmp_path: Path) -> Path:
    """Take a file into a dataset, and export it."""
    dataset = ZarrDataset(MemoryStore())
    dataset.refresh_from_folder(path.parent)
    folder = tmp_path.with_name(f"{tmp_path.name}-export")  # not among the recordings
    dataset.export_legacy_folder(folder)
    (tiff,) = folder.rglob("*.tif")
    return tiff


def test_white_zeros_keep_their_meaning_through_export(
    write: Write, ramp: Ramp, tmp_path: Path
) -> None:
    path = write(ramp, metadata=None, photometric="miniswhite")
    assert "lowest value is white" in header_of(path).warnings[0]
    with tifffile.TiffFile(exported(path, tmp_path)) as tif:
        assert tif.pages.first.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        np.testing.assert_array_equal(tif.asarray(), ramp)


def test_colours_keep_their_meaning_through_export(
    write: Write, ramp: Ramp, tmp_path: Path
) -> None:
    pixels = ramp.astype(np.uint8)
    path = write(pixels, metadata=None, photometric="palette", colormap=COLORS)
    with tifffile.TiffFile(exported(path, tmp_path)) as tif:
        assert tif.pages.first.photometric == tifffile.PHOTOMETRIC.PALETTE
        np.testing.assert_array_equal(tif.pages.first.colormap, COLORS)
        np.testing.assert_array_equal(tif.asarray(), pixels)


def test_a_table_of_16_colours(tmp_path: Path, build_tiff: Any, gray_page: Any) -> None:
    """Two pixels of 4 bits a byte."""
    pytest.importorskip("imagecodecs")
    table = COLORS[:, :16]
    more = {
        258: (3, 1, struct.pack("<H", 4)),
        262: (3, 1, struct.pack("<H", 3)),
        320: (3, 48, table.astype("<u2").tobytes()),
    }
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "few.tif"
    page = gray_page(bytes([0x1F, 0x20, 0x3E, 0x45]), width=4, length=2, more=more)
    path.write_bytes(build_tiff([page]))
    with tifffile.TiffFile(exported(path, tmp_path)) as tif:
        colormap = tif.pages.first.colormap
        assert colormap is not None
        np.testing.assert_array_equal(colormap[:, :16], table)
        np.testing.assert_array_equal(tif.asarray(), [[1, 15, 2, 0], [3, 14, 4, 5]])


def test_float16_comes_back_from_an_export(write: Write, ramp: Ramp, tmp_path: Path) -> None:
    pixels = (ramp / 7).astype(np.float16)
    again = tifffile.imread(exported(write(pixels, metadata=None), tmp_path))
    assert again.dtype == np.float16
    np.testing.assert_array_equal(again, pixels)


# --- dimensions of length 1


@pytest.mark.parametrize(
    ("shape", "options", "axes"),
    [
        ((60, 1, 7), {"metadata": None}, ("y", "x")),
        ((60, 1, 7), {"metadata": {"axes": "TYX"}}, ("t", "x")),
        ((1, 60, 1, 7), {"metadata": {"axes": "ZTYX"}}, ("t", "x")),
        ((1, 60, 7), {"metadata": {"axes": "CTX"}}, ("t", "x")),
        ((60, 1, 7), {"imagej": True, "metadata": {"axes": "TYX"}}, ("t", "x")),
        ((60, 1, 7), {"imagej": True, "metadata": {"axes": "ZYX"}}, ("z", "x")),
        ((30, 2, 1, 7), {"ome": True, "metadata": {"axes": "TCYX"}}, ("t", "c", "x")),
    ],
)
def test_a_dimension_of_length_1_beside_lines_goes(
    write: Write, ramp: Ramp, shape: tuple[int, ...], options: Any, axes: tuple[str, ...]
) -> None:
    path = write(ramp.reshape(shape), photometric="minisblack", **options)
    header = header_of(path)
    assert header.axes == axes
    assert header.shape == tuple(length for length in shape if length > 1)
    with open_image(path, TiffReader()) as image:
        np.testing.assert_array_equal(
            np.concatenate([*image.iter_blocks(13)]).ravel(), ramp.ravel()
        )


# --- sloppy, but readable


@pytest.mark.parametrize(
    "more",
    [
        {65000: (99, 1, b"\1\0\0\0")},
        {65000: (0, 1, b"\1\0\0\0")},
        {65001: (2, 2**20, b"\xff\xff\xff\x7f")},
        {279: (4, 1, bytes(4))},
        {278: (4, 1, b"\xff\xff\xff\xff")},
        {258: (3, 3, b"\x10\0\x10\0\x10\0")},
        {282: (5, 1, struct.pack("<II", 72, 0)), 283: (5, 1, bytes(8))},
        {270: (2, 6, b"\xb5m \xe4\0x")},
    ],
    ids=[
        "a type that does not exist",
        "type 0",
        "a private value outside the file",
        "strips of 0 bytes",
        "endless rows per strip",
        "bits of three samples",
        "a resolution of nothing",
        "a text that is not ASCII",
    ],
)
def test_tags_that_are_wrong_but_do_no_harm(
    tmp_path: Path, build_tiff: Any, gray_page: Any, more: dict[int, tuple[int, int, bytes]]
) -> None:
    pixels = np.arange(12, dtype="<u2").reshape(3, 4)
    path = tmp_path / "sloppy.tif"
    path.write_bytes(build_tiff([gray_page(pixels.tobytes(), width=4, length=3, more=more)]))
    with open_image(path, TiffReader()) as image:
        np.testing.assert_array_equal(image.read(), pixels)


def test_a_file_that_asks_to_be_turned_says_so(write: Write, ramp: Ramp) -> None:
    header = header_of(write(ramp, metadata=None, extratags=[(274, 3, 1, 8, True)]))
    assert "orientation 8" in header.warnings[0]
