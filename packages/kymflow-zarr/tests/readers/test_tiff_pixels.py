"""Pixels, shape, dtype and axes of whole, sound files."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from kymflow_zarr._readers.axes import name_axes
from kymflow_zarr._readers.image_file import open_image
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.tiff_reader import TiffReader
from kymflow_zarr.errors import UnreadableImageError

Write = Callable[..., Path]


def read_in_blocks(path: Path, rows: int) -> npt.NDArray[Any]:
    with open_image(path, TiffReader()) as image:
        blocks = list(image.iter_blocks(rows))
        for block in blocks:
            assert block.flags.c_contiguous
            assert block.dtype == image.dtype
            assert 1 <= len(block) <= rows
        joined: npt.NDArray[Any] = np.concatenate(blocks)
        assert joined.shape == image.shape
        return joined


@pytest.mark.parametrize(
    "dtype",
    ["bool", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"],
)
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_every_accepted_dtype_comes_back_exactly(write: Write, dtype: str, byteorder: str) -> None:
    rng = np.random.default_rng(1)
    raw = rng.integers(0, 2 if dtype == "bool" else 256, (33, 16 * 8), dtype=np.uint8)
    wanted = raw.astype(bool) if dtype == "bool" else raw.view(dtype)
    wanted = np.nan_to_num(wanted) if wanted.dtype.kind == "f" else wanted
    path = write(wanted, byteorder=byteorder)
    with open_image(path, TiffReader()) as image:
        assert image.dtype == wanted.dtype
        assert image.dtype.isnative
        np.testing.assert_array_equal(image.read(), wanted)
    np.testing.assert_array_equal(read_in_blocks(path, 10), wanted)


@pytest.mark.parametrize("dtype", ["c8", "c16"])
def test_complex_pixels_are_refused(write: Write, dtype: str) -> None:
    with pytest.raises(UnreadableImageError, match="not supported; export it"):
        read_in_blocks(write(np.zeros((4, 5), dtype)), 4)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rowsperstrip": 7},
        {"compression": "zlib"},
        {"compression": "zlib", "rowsperstrip": 4},
        {"compression": "lzma", "rowsperstrip": 4},
        {"compression": "zlib", "predictor": 2, "rowsperstrip": 9},
        {"tile": (16, 32)},
        {"tile": (32, 16), "compression": "zlib"},
        {"bigtiff": True},
        {"bigtiff": True, "byteorder": ">", "compression": "zlib"},
        {"imagej": True},
        {"ome": True},
        {"metadata": None},
        {"contiguous": False, "metadata": None},
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", [(50, 37), (5, 50, 37)])
def test_every_way_of_storing_gives_the_same_pixels(
    write: Write, options: dict[str, Any], shape: tuple[int, ...]
) -> None:
    wanted = np.random.default_rng(2).integers(0, 4096, shape, dtype=np.uint16)
    path = write(wanted, photometric="minisblack", **options)
    with open_image(path, TiffReader()) as image:
        assert image.shape == shape
        np.testing.assert_array_equal(image.read(), wanted)
    for rows in (1, 3, 1000):
        np.testing.assert_array_equal(read_in_blocks(path, rows), wanted)


@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_colour_pixels_are_a_channel_axis(
    write: Write, planarconfig: str, tile: tuple[int, int] | None
) -> None:
    shape = (40, 33, 3) if planarconfig == "contig" else (3, 40, 33)
    wanted = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    path = write(wanted, photometric="rgb", planarconfig=planarconfig, tile=tile)
    with open_image(path, TiffReader()) as image:
        assert image.facts[-1].axes == (
            ("y", "x", "c") if planarconfig == "contig" else ("c", "y", "x")
        )
        np.testing.assert_array_equal(image.read(), wanted)
    np.testing.assert_array_equal(read_in_blocks(path, 7), wanted)


def test_three_dimensional_tiles(write: Write) -> None:
    wanted = np.random.default_rng(4).integers(0, 256, (20, 16, 48), dtype=np.uint8)
    path = write(
        wanted, volumetric=True, tile=(16, 16, 16), metadata=None, photometric="minisblack"
    )
    np.testing.assert_array_equal(read_in_blocks(path, 3), wanted)


@given(
    shape=st.lists(st.integers(1, 9), min_size=2, max_size=4).map(tuple),
    rows=st.integers(1, 12),
    dtype=st.sampled_from(["u1", ">u2", "<f4"]),
    compressed=st.booleans(),
)
def test_any_shape_in_any_block_size(
    tmp_path_factory: pytest.TempPathFactory,
    shape: tuple[int, ...],
    rows: int,
    dtype: str,
    compressed: bool,
) -> None:
    wanted = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    path = tmp_path_factory.mktemp("shape") / "image.tif"
    tifffile.imwrite(
        path,
        wanted,
        photometric="minisblack",
        compression="zlib" if compressed else None,
        rowsperstrip=2,
    )
    found = read_in_blocks(path, rows)  # without the axis of rows where there is one row a page
    np.testing.assert_array_equal(np.squeeze(found), np.squeeze(wanted))


@pytest.mark.parametrize(
    ("options", "shape", "axes"),
    [
        ({"metadata": {"axes": "TX"}}, (9, 8), ("t", "x")),
        ({"metadata": {"axes": "TYX"}, "imagej": True}, (3, 9, 8), ("t", "y", "x")),
        ({"metadata": {"axes": "ZYX"}, "ome": True}, (3, 9, 8), ("z", "y", "x")),
        ({"metadata": {"axes": "CYX"}, "ome": True}, (3, 9, 8), ("c", "y", "x")),
        ({"metadata": {"axes": "TZCYX"}, "imagej": True}, (2, 3, 2, 9, 8), tuple("tzcyx")),
        ({"metadata": {"axes": "TZCYX"}, "ome": True}, (2, 3, 2, 9, 8), tuple("tzcyx")),
        ({"metadata": None}, (9, 8), ("y", "x")),
        ({"metadata": None}, (5, 9, 8), ("z", "y", "x")),
        ({}, (9, 8), ("y", "x")),
        ({}, (5, 9, 8), ("z", "y", "x")),
        ({}, (4, 5, 9, 8), ("z", "y", "x", "c")),
        ({}, (2, 4, 5, 9, 8), ("t", "z", "y", "x", "c")),
        ({}, (2, 2, 4, 5, 9, 8), ("d0", "d1", "d2", "d3", "d4", "d5")),
    ],
)
def test_axes_are_the_files_own_else_follow_from_the_dimensions(
    write: Write, options: dict[str, Any], shape: tuple[int, ...], axes: tuple[str, ...]
) -> None:
    wanted = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    with open_image(write(wanted, photometric="minisblack", **options), TiffReader()) as image:
        assert image.facts[-1].axes == axes
        np.testing.assert_array_equal(image.read(), wanted)


@given(st.text(alphabet="XYZTCSIQAPRHELVMJK", min_size=1, max_size=8))
def test_axis_names_are_unique_and_plain(letters: str) -> None:
    names, _ = name_axes(letters)
    assert len(names) == len(letters)
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)


def test_axes_that_only_partly_have_names() -> None:
    assert name_axes("CIYX") == (("c", "t", "y", "x"), False)
    assert name_axes("TQZYX") == (("t", "c", "z", "y", "x"), False)
    assert name_axes("TZCYXS") == (("t", "z", "c", "y", "x", "s"), True)


def test_an_imagej_hyperstack_with_one_directory(tmp_path: Path) -> None:
    wanted = np.arange(6 * 9 * 8, dtype=np.uint16).reshape(6, 9, 8)
    path = tmp_path / "virtual.tif"
    tifffile.imwrite(path, wanted, imagej=True, metadata={"axes": "TYX"})
    with tifffile.TiffFile(path) as tif:
        first = tif.pages.first
        next_ifd = first.offset + 2 + 12 * len(first.tags)
    data = bytearray(path.read_bytes())
    data[next_ifd : next_ifd + 4] = bytes(4)  # ImageJ writes no further directories beyond 4 GB
    path.write_bytes(data)
    with open_image(path, TiffReader()) as image:
        assert image.facts[-1].axes == ("t", "y", "x")
        np.testing.assert_array_equal(image.read(), wanted)


def test_a_second_series_is_counted_not_mixed_in(tmp_path: Path) -> None:
    path = tmp_path / "two.tif"
    first = np.arange(72, dtype=np.uint16).reshape(9, 8)
    with tifffile.TiffWriter(path) as writer:
        writer.write(first, metadata=None)
        writer.write(np.zeros((4, 4), np.uint8), metadata=None)
    with open_image(path, TiffReader()) as image:
        assert "holds 2 series" in image.facts[-1].warnings[0]
        np.testing.assert_array_equal(image.read(), first)


def test_blocks_can_be_read_again_and_side_by_side(write: Write, ramp: npt.NDArray[Any]) -> None:
    with open_image(write(ramp, compression="zlib", rowsperstrip=8), TiffReader()) as image:
        pairs = zip(image.iter_blocks(9), image.iter_blocks(9), strict=True)
        for one, other in pairs:
            np.testing.assert_array_equal(one, other)
            assert not np.shares_memory(one, other)


def test_the_file_is_closed(write: Write, ramp: npt.NDArray[Any]) -> None:
    with open_image(write(ramp), TiffReader()) as image:
        pass
    with pytest.raises(UnreadableImageError):
        image.read()


def test_many_files_in_many_threads(tmp_path: Path) -> None:
    arrays = {}
    for number in range(24):
        arrays[number] = np.full((20, 30), number, np.uint16)
        tifffile.imwrite(tmp_path / f"{number}.tif", arrays[number], compression="zlib")
    barrier = threading.Barrier(8)

    def read(number: int) -> npt.NDArray[Any]:
        if number < 8:
            barrier.wait(timeout=300)
        with open_image(tmp_path / f"{number}.tif", TiffReader(), limits=ReadLimits()) as image:
            return image.read()

    with ThreadPoolExecutor(8) as pool:
        for number, array in enumerate(pool.map(read, range(24))):
            np.testing.assert_array_equal(array, arrays[number])
