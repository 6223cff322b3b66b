"""Damaged, lying and hostile files: one clear error each, in bounded memory and time."""

from __future__ import annotations

import logging
import lzma
import os
import random
import socket
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile

from kymflow_zarr._readers.files import stat_regular_file
from kymflow_zarr._readers.header import merge_facts
from kymflow_zarr._readers.image_file import open_image
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.tiff_reader import TiffReader
from kymflow_zarr._storage.json_text import dumps
from kymflow_zarr._storage.open_folder import open_folder
from kymflow_zarr.errors import UnreadableImageError

Write = Callable[..., Path]
Build = Callable[..., bytes]
Page = Callable[..., Any]

MIB = 1024 * 1024


def read(path: Path, **options: Any) -> npt.NDArray[Any]:
    with open_image(path, TiffReader(), **options) as image:
        return np.concatenate(list(image.iter_blocks(5)))


def reason(path: Path, **options: Any) -> str:
    """Read, which must fail with the one error; return its reason."""
    with pytest.raises(UnreadableImageError) as caught:
        read(path, **options)
    assert caught.value.path == path
    assert repr(path.name) in str(caught.value)
    assert ";" in caught.value.reason, "the reason ends with what to do"
    assert len(caught.value.reason) < 700
    return caught.value.reason


def saved(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "image.tif"
    path.write_bytes(data)
    return path


# --- no TIFF at all


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "it is empty"),
        (b"time,velocity\n1,2\n", "not a TIFF"),
        (b"II", "not a TIFF"),
        (b"II\x2a\x00", "cut short"),
        (b"II\x2a\x00\0\0\0\0", "holds no image"),
        (b"II\x2a\x00\x08\0\0\0", "cut short"),
        (b"II\x2a\x00\x04\0\0\0" + bytes(20), "cut short or damaged"),
        (b"II\x2b\x00\x08\x00\0\0", "cut short"),
        (b"II\x2b\x00\x07\x00\0\0" + bytes(20), "holds no image"),
        (b"MM\x00\x2a" + b"\xff" * 40, "cut short"),
        (b"II\x2a\x00\x08\0\0\0\xff\xff" + bytes(60), "claims 65535 tags"),
        (b"\x89PNG\r\n\x1a\n" + bytes(60), "not a TIFF"),
    ],
)
def test_what_is_not_a_tiff(tmp_path: Path, data: bytes, says: str) -> None:
    assert says in reason(saved(tmp_path, data))


# --- no regular file


def test_folders_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "folder.tif").mkdir()
    assert "it is a folder" in reason(tmp_path / "folder.tif")
    assert "no such file" in reason(tmp_path / "missing.tif")
    with open_folder(tmp_path) as folder:
        with pytest.raises(UnreadableImageError, match="it is a folder"):
            stat_regular_file(folder, "folder.tif")
        for name in ("missing.tif", "nul\0.tif"):
            with pytest.raises(UnreadableImageError) as caught:
                stat_regular_file(folder, name)
            assert caught.value.path == tmp_path / name


def test_links_are_refused_unless_asked_for(write: Write, ramp: Any, tmp_path: Path) -> None:
    target = write(ramp)
    link = tmp_path / "link.tif"
    try:
        link.symlink_to(target)
    except (OSError, NotImplementedError):
        pytest.skip("no symbolic links here")
    assert "symbolic link" in reason(link)
    with open_folder(tmp_path) as folder:
        with pytest.raises(UnreadableImageError, match="symbolic link"):
            stat_regular_file(folder, link.name)
        assert stat_regular_file(folder, target.name) == target.stat()
    np.testing.assert_array_equal(read(link, follow_links=True), ramp)
    loop = tmp_path / "loop.tif"
    loop.symlink_to(loop)
    assert "symbolic link" in reason(loop)
    assert "the system says" in reason(loop, follow_links=True)
    target.unlink()
    assert "no such file" in reason(link, follow_links=True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_fifos_sockets_and_devices_do_not_block(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.tif"
    os.mkfifo(fifo)
    assert "FIFO" in reason(fifo)
    link = tmp_path / "zero.tif"
    link.symlink_to("/dev/zero")
    assert "device" in reason(link, follow_links=True)
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(tmp_path)  # socket paths are short
        try:
            server.bind("socket.tif")
        finally:
            os.chdir(here)
        assert "socket" in reason(tmp_path / "socket.tif")


@pytest.mark.skipif(os.name != "posix", reason="names are text there")
def test_names_that_are_not_text(ramp: npt.NDArray[Any], tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"kymo\xff\xfe.tif")
    try:
        path.write_bytes(b"")
    except OSError:
        pytest.skip("this file system wants UTF-8 names")
    with path.open("wb") as file:
        tifffile.imwrite(file, ramp)
    np.testing.assert_array_equal(read(path), ramp)


def test_a_name_with_nul_or_of_300_characters(tmp_path: Path) -> None:
    assert "the system says" in reason(tmp_path / "a\0b.tif")
    assert ";" in reason(tmp_path / ("n" * 300 + ".tif"))


# --- cut short


STORED: dict[str, dict[str, Any]] = {
    "plain": {"metadata": None},
    "strips": {"metadata": None, "rowsperstrip": 3},
    "separate": {"metadata": None, "contiguous": False},
    "shaped": {},
    "imagej": {"imagej": True},
    "ome": {"ome": True},
    "zlib": {"compression": "zlib", "rowsperstrip": 3},
    "zlib-ome": {"compression": "zlib", "ome": True},
    "tiled": {"tile": (16, 16)},
    "tiled-lzma": {"tile": (16, 16), "compression": "lzma"},
    "big": {"bigtiff": True},
}


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("pages", [1, 12])
def test_a_file_cut_anywhere_is_refused_or_whole(
    write: Write, tmp_path: Path, stored: str, pages: int
) -> None:
    shape = (40, 31) if pages == 1 else (pages, 40, 31)
    wanted = np.random.default_rng(5).integers(0, 4096, shape, dtype=np.uint16)
    data = write(wanted, photometric="minisblack", **STORED[stored]).read_bytes()
    cut = tmp_path / "cut.tif"
    refused = 0
    places = sorted(
        {*range(0, len(data), max(1, len(data) // 60)), *range(len(data) - 20, len(data))}
    )
    for place in places:
        cut.write_bytes(data[:place])
        try:
            found = read(cut)
        except UnreadableImageError:
            refused += 1
        else:
            np.testing.assert_array_equal(found, wanted)
    assert refused > 0.7 * len(places)


def test_a_stack_that_lost_pages_with_a_proper_end(
    tmp_path: Path, build_tiff: Build, gray_page: Page
) -> None:
    plane = np.arange(12, dtype="<u2").tobytes()
    text = b"ImageJ=1.54f\nimages=5\nunit=um\n\0"
    first = gray_page(plane, width=4, length=3, more={270: (2, len(text), text)})
    other = gray_page(plane, width=4, length=3)
    whole = saved(tmp_path, build_tiff([first, other, other, other, other]))
    assert read(whole).shape == (5, 3, 4)
    assert "declares 5 images, it holds 3" in reason(
        saved(tmp_path, build_tiff([first, other, other]))
    )


def test_a_shaped_stack_that_lost_pages(tmp_path: Path, build_tiff: Build, gray_page: Page) -> None:
    plane = np.arange(12, dtype="<u2").tobytes()
    text = b'{"shape": [4, 3, 4], "axes": "ZYX"}\0'
    first = gray_page(plane, width=4, length=3, more={270: (2, len(text), text)})
    other = gray_page(plane, width=4, length=3)
    assert read(saved(tmp_path, build_tiff([first, other, other, other]))).shape == (4, 3, 4)
    reason(saved(tmp_path, build_tiff([first, other, other])))


def test_an_imagej_stack_whose_chain_ends_early(
    tmp_path: Path, build_tiff: Build, gray_page: Page
) -> None:
    plane = np.arange(12, dtype="<u2").tobytes()
    text = b"ImageJ=1.54f\nimages=5\nslices=5\n\0"
    first = gray_page(plane, width=4, length=3, more={270: (2, len(text), text)})
    other = gray_page(plane, width=4, length=3)
    data = bytearray(build_tiff([first, other, other, other, other]))
    (start,) = struct.unpack("<I", data[4:8])
    (tags,) = struct.unpack("<H", data[start : start + 2])
    link = start + 2 + 12 * tags
    data[link : link + 4] = bytes(4)  # now it reads like 5 planes in one piece
    assert "run over a directory" in reason(saved(tmp_path, bytes(data)))


def test_an_ome_stack_that_lost_pages(write: Write, tmp_path: Path) -> None:
    path = write(np.zeros((3, 9, 8), np.uint16), ome=True, metadata={"axes": "ZYX"})
    data = path.read_bytes()
    more = data.replace(b'SizeZ="3"', b'SizeZ="4"')
    assert read(saved(tmp_path, more)).shape == (3, 9, 8)  # with a warning, see test_ome
    fewer = data.replace(b'SizeZ="3"', b'SizeZ="2"')
    assert read(saved(tmp_path, fewer)).shape == (2, 9, 8)  # likewise
    assert "ome metadata do not match" in reason(
        saved(tmp_path, data.replace(b'SizeY="9"', b'SizeY="7"'))
    )
    assert "do not decode" in reason(saved(tmp_path, data.replace(b"</Pixels>", b"</Pixel>s")))


def test_a_stack_with_a_page_stored_in_another_way(
    tmp_path: Path, build_tiff: Build, gray_page: Page
) -> None:
    plane = np.arange(12, dtype="<u2").tobytes()
    page = gray_page(plane, width=4, length=3)
    packed = gray_page(zlib.compress(plane), width=4, length=3, compression=8)
    assert "stored in different ways" in reason(saved(tmp_path, build_tiff([page, packed, page])))


def test_a_stack_whose_text_no_longer_gives_its_planes(write: Write, tmp_path: Path) -> None:
    path = write(np.zeros((3, 9, 8), np.uint16), truncate=True, photometric="minisblack")
    data = path.read_bytes()
    assert read(path).shape == (3, 9, 8)
    # Undefined in the encoding that tifffile falls back to, so it sees no text and reads one plane.
    assert "number of its planes" in reason(
        saved(tmp_path, data.replace(b"truncated", b"trunc\x81ted"))
    )
    assert "do not make up the shape" in reason(
        saved(tmp_path, data.replace(b"[3, 9, 8]", b"[3, 9,16]"))
    )


def test_an_image_that_lost_lines(write: Write, tmp_path: Path) -> None:
    path = write(np.zeros((40, 31), np.uint16), metadata=None, rowsperstrip=10)
    with tifffile.TiffFile(path) as tif:
        length = tif.pages.first.tags["ImageLength"]
        at, kind = length.valueoffset, "<I" if length.dtype == 4 else "<H"
    data = bytearray(path.read_bytes())
    struct.pack_into(kind, data, at, 30)
    assert "has 4 strips, not 3" in reason(saved(tmp_path, bytes(data)))


# --- loops, lies, bombs


@pytest.mark.parametrize("loop_to", [0, 1, 2])
def test_directories_in_a_loop(
    tmp_path: Path, build_tiff: Build, gray_page: Page, loop_to: int
) -> None:
    page = gray_page(bytes(24), width=4, length=3)
    data = build_tiff([page, page, page], loop_to=loop_to)
    assert "loop" in reason(saved(tmp_path, data))


def test_too_many_pages(write: Write) -> None:
    path = write(np.zeros((9, 4, 5), np.uint8), metadata=None, contiguous=False)
    assert "more than 8 pages" in reason(path, limits=ReadLimits(max_pages=8))


@pytest.mark.parametrize("compression", [1, 8])
def test_an_image_that_declares_2_to_the_40_pixels(
    tmp_path: Path, build_tiff: Build, gray_page: Page, compression: int
) -> None:
    page = gray_page(bytes(100), width=2**20, length=2**20, compression=compression)
    path = saved(tmp_path, build_tiff([page]))
    tracemalloc.start()
    try:
        assert "declare 2199023255552 bytes" in reason(path)
        # A higher limit does not help a file that cannot hold them.
        reason(path, limits=ReadLimits(max_pixel_bytes=2**60, max_expansion=1e20))
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("width", "length"), [(0, 3), (4, 0), (2**32 - 1, 2**32 - 1)])
def test_absurd_sizes(
    tmp_path: Path, build_tiff: Build, gray_page: Page, width: int, length: int
) -> None:
    reason(saved(tmp_path, build_tiff([gray_page(bytes(24), width=width, length=length)])))


def test_pixels_outside_the_file(tmp_path: Path, build_tiff: Build, gray_page: Page) -> None:
    more = {273: (4, 1, struct.pack("<I", 10**6))}
    page = gray_page(bytes(24), width=4, length=3, more=more)
    assert "cut short" in reason(saved(tmp_path, build_tiff([page])))
    page = gray_page(bytes(24), width=4, length=3, more={273: (4, 1, bytes(4))})
    assert "holds no data" in reason(saved(tmp_path, build_tiff([page])))
    page = gray_page(bytes(22), width=4, length=3)
    assert "strips have 22 bytes, its pixels 24" in reason(saved(tmp_path, build_tiff([page])))


def test_a_plain_image_of_nothing_is_recognised_by_its_ratio(
    tmp_path: Path, build_tiff: Build, gray_page: Page
) -> None:
    data = zlib.compress(bytes(400 * MIB), 1)
    page = gray_page(data, width=1024, length=200 * 1024, compression=8)
    path = saved(tmp_path, build_tiff([page]))
    assert "more than 200 times as many" in reason(path)


def test_a_strip_that_decompresses_to_more_than_it_declares(
    tmp_path: Path, build_tiff: Build, gray_page: Page
) -> None:
    data = zlib.compress(bytes(200 * MIB), 9)
    path = saved(tmp_path, build_tiff([gray_page(data, width=4, length=3, compression=8)]))
    tracemalloc.start()
    try:
        assert "decompresses to more than 16777216 bytes" in reason(path)
        assert tracemalloc.get_traced_memory()[1] < 40 * MIB
    finally:
        tracemalloc.stop()


def test_an_lzma_bomb(tmp_path: Path, build_tiff: Build, gray_page: Page) -> None:
    data = lzma.compress(bytes(100 * MIB), preset=0)
    path = saved(tmp_path, build_tiff([gray_page(data, width=4, length=3, compression=34925)]))
    assert "decompresses to more than" in reason(path)


def test_a_compressed_strip_beyond_the_limit(write: Write) -> None:
    path = write(np.zeros((512, 512), np.uint16), compression="zlib", rowsperstrip=512)
    limits = ReadLimits(max_segment_bytes=256 * 1024)
    assert "max_segment_bytes" in reason(path, limits=limits)


def test_a_strip_that_decompresses_to_less(
    tmp_path: Path, build_tiff: Build, gray_page: Page
) -> None:
    data = zlib.compress(bytes(22))
    page = gray_page(data, width=4, length=3, compression=8)
    assert "do not decode" in reason(saved(tmp_path, build_tiff([page])))


@pytest.mark.parametrize(
    ("code", "kind", "count"),
    [(270, 2, 2**31), (700, 7, 2**31), (320, 3, 2**30), (330, 4, 2**20), (273, 4, 2**28)],
)
def test_tags_that_claim_more_than_the_file_holds(
    tmp_path: Path, build_tiff: Build, gray_page: Page, code: int, kind: int, count: int
) -> None:
    page = gray_page(bytes(24), width=4, length=3, more={code: (kind, count, bytes(4))})
    assert "cut short or damaged in tag" in reason(saved(tmp_path, build_tiff([page])))


@pytest.mark.parametrize(
    ("code", "kind", "count", "says"),
    [
        (330, 4, 70_000, "claims 70000 values"),
        (320, 3, 1_000_001, "claims 1000001 values"),
        (270, 2, 2 * MIB, "claims 2097152 values"),
        (273, 4, 70_000, "claims 70000 values"),
    ],
)
def test_tags_that_hold_too_much(
    tmp_path: Path, build_tiff: Build, gray_page: Page, code: int, kind: int, count: int, says: str
) -> None:
    size = {2: 1, 3: 2, 4: 4}[kind]
    page = gray_page(bytes(24), width=4, length=3, more={code: (kind, count, bytes(count * size))})
    limits = ReadLimits(max_tag_bytes=MIB)
    assert says in reason(saved(tmp_path, build_tiff([page])), limits=limits)


def test_tags_that_share_a_text_hold_too_much_together(
    tmp_path: Path, build_tiff: Build, gray_page: Page
) -> None:
    text = b"x" * MIB
    stack = [gray_page(bytes(24), width=4, length=3, more={270: (2, MIB, text)})] * 17
    assert "page 17 claims" in reason(
        saved(tmp_path, build_tiff(stack)), limits=ReadLimits(max_tag_bytes=MIB)
    )
    assert read(tmp_path / "image.tif").shape == (17, 3, 4)


def test_a_tag_of_a_type_that_does_not_exist(
    tmp_path: Path, build_tiff: Build, gray_page: Page
) -> None:
    page = gray_page(bytes(24), width=4, length=3, more={258: (99, 1, b"\x10\0")})
    assert "unknown type 99" in reason(saved(tmp_path, build_tiff([page])))


def test_parts_of_pages_in_a_loop(tmp_path: Path, build_tiff: Build, gray_page: Page) -> None:
    # Each of its parts leads to itself, which a reader that goes down would never be done with.
    page = gray_page(bytes(24), width=4, length=3, more={330: (4, 2, struct.pack("<II", 40, 40))})
    data = bytearray(build_tiff([page]))
    (start,) = struct.unpack("<I", data[4:8])
    (parts,) = (
        at for at in range(len(data) - 8) if data[at : at + 8] == struct.pack("<II", 40, 40)
    )
    struct.pack_into("<II", data, parts, start, start)
    assert "loop" in reason(saved(tmp_path, bytes(data)))


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        (b'SizeT="1"', b'SizeT="100000000"'),
        (b'SizeX="8"', b'SizeX="100000000"'),
        (b'PlaneCount="3"', b'PlaneCount="300000000"'),
        (b'PlaneCount="3"', b'PlaneCount="0"/>' + b"<TiffData/>" * 700 + b"<TiffData"),
    ],
)
def test_xml_that_declares_more_planes_than_there_can_be(
    write: Write, said: bytes, instead: bytes
) -> None:
    path = write(np.zeros((3, 9, 8), np.uint16), ome=True, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(path) as tif:
        xml = str(tif.ome_metadata).encode()
    assert said in xml
    tifffile.tiffcomment(path, xml.replace(said, instead))
    tracemalloc.start()
    try:
        assert "more than 1000 planes" in reason(path, limits=ReadLimits(max_pages=1000))
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()


def test_a_strip_that_is_many_streams(tmp_path: Path, build_tiff: Build, gray_page: Page) -> None:
    data = lzma.compress(bytes(24))
    page = gray_page(data * 2, width=4, length=3, compression=34925)
    assert "more than one compressed stream" in reason(saved(tmp_path, build_tiff([page])))


def test_pages_are_read_where_they_are(tmp_path: Path, build_tiff: Build, gray_page: Page) -> None:
    # tifffile takes the pages of such a file for equidistant after it has seen five of them.
    text = b"state.configName='x'\0"
    planes = [np.full((3, 4), number, "<u2") for number in range(9)]
    pages = [
        gray_page(plane.tobytes(), width=4, length=3, more={270: (2, len(text), text)})
        for plane in planes
    ]
    path = saved(tmp_path, build_tiff(pages) + bytes(10_000))
    np.testing.assert_array_equal(read(path), np.stack(planes))


# --- sloppy, but nothing is lost


def test_byte_counts_may_be_missing_or_too_many(
    tmp_path: Path, build_tiff: Build, gray_page: Page
) -> None:
    wanted = np.arange(12, dtype="<u2").reshape(3, 4)
    tags, data = gray_page(wanted.tobytes(), width=4, length=3)
    for counts in (None, (4, 2, struct.pack("<II", 24, 24)), (4, 1, struct.pack("<I", 99))):
        tags.pop(279, None)
        tags |= {} if counts is None else {279: counts}
        np.testing.assert_array_equal(read(saved(tmp_path, build_tiff([(tags, data)]))), wanted)


# --- other files and entities by way of metadata


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
@pytest.mark.parametrize("name", ["other.ome.tif", "../other.ome.tif"])
def test_files_that_metadata_name_are_not_opened(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = write(np.zeros((2, 9, 8), np.uint16), "a.ome.tif", ome=True, metadata={"axes": "ZYX"})
    elsewhere = f'<TiffData FirstZ="1" IFD="0"><UUID FileName="{name}">urn:uuid:x</UUID></TiffData>'
    with tifffile.TiffFile(path) as tif:
        xml = tif.ome_metadata
    assert xml is not None
    start, stop = xml.index("<TiffData"), xml.index("</Pixels>")
    xml = xml[:start] + '<TiffData FirstZ="0" IFD="0"/>' + elsewhere + xml[stop:]
    tifffile.tiffcomment(path, xml.encode())
    inner = tmp_path / "inner"
    inner.mkdir()
    path = path.rename(inner / path.name)
    monkeypatch.chdir(inner)
    os.mkfifo(inner / "other.ome.tif")  # would block for ever
    os.mkfifo(tmp_path / "other.ome.tif")
    assert read(path).shape == (9, 8)


def test_xml_entities_are_not_expanded(write: Write) -> None:
    path = write(np.zeros((9, 8), np.uint16), ome=True)
    with tifffile.TiffFile(path) as tif:
        xml = tif.ome_metadata
    assert xml is not None
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    head = f'<!DOCTYPE OME [<!ENTITY e0 "ha">{entities}]>'
    at = xml.index("<OME")
    tifffile.tiffcomment(path, (xml[:at] + head + xml[at:]).encode())
    assert "entities" in reason(path)


# --- kinds of pixels


def test_compression_that_needs_imagecodecs_says_so(
    tmp_path: Path, build_tiff: Build, gray_page: Page
) -> None:
    try:
        import imagecodecs  # type: ignore[import-not-found, unused-ignore]
    except ModuleNotFoundError:
        pass
    else:
        pytest.skip(f"imagecodecs {imagecodecs.__version__} is installed")
    page = gray_page(bytes(24), width=4, length=3, compression=5)
    assert "install kymflow-zarr[codecs], or export it uncompressed" in reason(
        saved(tmp_path, build_tiff([page]))
    )


@pytest.mark.parametrize("compression", ["lzw", "zstd"])
def test_with_the_extra_codecs_other_compression_is_read(tmp_path: Path, compression: str) -> None:
    pytest.importorskip("imagecodecs")
    wanted = np.arange(200, dtype=np.uint16).reshape(20, 10)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, wanted, compression=compression)
    np.testing.assert_array_equal(read(path), wanted)


def test_an_unknown_compression(tmp_path: Path, build_tiff: Build, gray_page: Page) -> None:
    page = gray_page(bytes(24), width=4, length=3, compression=12345)
    assert "12345" in reason(saved(tmp_path, build_tiff([page])))


def test_packbits_is_read(tmp_path: Path, build_tiff: Build, gray_page: Page) -> None:
    wanted = np.arange(12, dtype="<u2").reshape(3, 4)
    raw = wanted.tobytes()
    page = gray_page(bytes([len(raw) - 1]) + raw, width=4, length=3, compression=32773)
    np.testing.assert_array_equal(read(saved(tmp_path, build_tiff([page]))), wanted)


def test_a_compressed_strip_that_is_itself_huge(
    tmp_path: Path, build_tiff: Build, gray_page: Page
) -> None:
    data = zlib.compress(bytes(24)) + bytes(MIB)
    path = saved(tmp_path, build_tiff([gray_page(data, width=4, length=3, compression=8)]))
    assert read(path).shape == (3, 4)
    assert "the limit is 65536" in reason(path, limits=ReadLimits(max_segment_bytes=65536))


@pytest.mark.parametrize(
    ("bits", "sample_format", "says"),
    [(128, 3, "not supported"), (16, 9, "its pixel format"), (7, 3, "its pixel format")],
)
def test_pixel_formats_that_do_not_exist(
    tmp_path: Path, build_tiff: Build, gray_page: Page, bits: int, sample_format: int, says: str
) -> None:
    more = {258: (3, 1, struct.pack("<H", bits)), 339: (3, 1, struct.pack("<H", sample_format))}
    page = gray_page(bytes(400), width=4, length=3, more=more)
    assert says in reason(saved(tmp_path, build_tiff([page])))


# --- change


def test_a_file_that_grows_while_it_is_read(write: Write, ramp: npt.NDArray[Any]) -> None:
    path = write(ramp)
    with open_image(path, TiffReader()) as image:
        blocks = image.iter_blocks(10)
        next(blocks)
        with path.open("ab") as file:
            file.write(b"more")
        with pytest.raises(UnreadableImageError, match="changed while it was read; try again"):
            list(blocks)


@pytest.mark.skipif(os.name != "posix", reason="open files cannot be cut there")
def test_a_file_that_is_cut_while_it_is_read(write: Write) -> None:
    wanted = np.arange(400_000, dtype=np.uint16).reshape(1000, 400)
    path = write(wanted)
    with open_image(path, TiffReader()) as image:
        blocks = image.iter_blocks(100)
        np.testing.assert_array_equal(next(blocks), wanted[:100])
        os.truncate(path, 300_000)
        with pytest.raises(UnreadableImageError):
            list(blocks)


def test_a_file_that_is_rewritten_in_place(write: Write, ramp: npt.NDArray[Any]) -> None:
    path = write(ramp)
    with open_image(path, TiffReader()) as image:
        data = path.read_bytes()
        with path.open("r+b") as file:
            file.write(data)
        os.utime(path, ns=(1, 1))
        with pytest.raises(UnreadableImageError, match="changed"):
            image.read()


@pytest.mark.skipif(os.name != "posix", reason="open files cannot be replaced there")
def test_a_file_that_is_replaced_while_it_is_read(
    write: Write, ramp: npt.NDArray[Any], tmp_path: Path
) -> None:
    path = write(ramp)
    with open_image(path, TiffReader()) as image:
        write(ramp + 1, "other.tif").replace(path)
        with pytest.raises(UnreadableImageError, match="changed"):
            image.read()


# --- memory


def test_a_large_file_is_read_in_bounded_memory(tmp_path: Path) -> None:
    shape = (60_000, 512)  # 60 MiB
    path = tmp_path / "large.tif"
    mapped = tifffile.memmap(path, shape=shape, dtype=np.uint16)
    mapped[-1] = 7
    del mapped
    tracemalloc.start()
    try:
        with open_image(path, TiffReader()) as image:
            total = sum(int(block[-1, 0]) for block in image.iter_blocks(1000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == 7
    assert peak < 6 * MIB  # two blocks of 1 MiB, and the directories


@pytest.mark.slow
def test_a_large_compressed_file_is_read_in_bounded_memory(write: Write) -> None:
    wanted = np.random.default_rng(6).integers(0, 50, (40, 1024, 256), dtype=np.uint16)
    path = write(wanted, compression="zlib", photometric="minisblack", rowsperstrip=256)
    tracemalloc.start()
    try:
        with open_image(path, TiffReader()) as image:
            for index, block in enumerate(image.iter_blocks(1)):
                assert np.array_equal(block[0], wanted[index])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB  # the file holds 20 MiB


# --- tifffile's log


def test_tifffiles_log_is_left_alone_and_decides_nothing(write: Write, tmp_path: Path) -> None:
    stack = write(np.zeros((3, 9, 8), np.uint16), ome=True, metadata={"axes": "ZYX"})
    bad = saved(tmp_path, stack.read_bytes().replace(b'SizeY="9"', b'SizeY="7"'))
    log = logging.getLogger("tifffile")
    before = (log.level, log.propagate, list(log.filters), list(log.handlers))
    logging.disable()  # nothing reaches any handler
    try:
        reason(bad)
    finally:
        logging.disable(logging.NOTSET)
    assert (log.level, log.propagate, list(log.filters), list(log.handlers)) == before


def test_good_and_bad_files_in_many_threads(
    write: Write, ramp: npt.NDArray[Any], tmp_path: Path
) -> None:
    good = write(ramp, "good.tif")
    stack = write(np.zeros((3, 9, 8), np.uint16), ome=True, metadata={"axes": "ZYX"})
    bad = saved(tmp_path, stack.read_bytes().replace(b'SizeY="9"', b'SizeY="7"'))

    def attempt(number: int) -> bool:
        try:
            read(bad if number % 3 == 0 else good)
        except UnreadableImageError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(attempt, range(300))) == [number % 3 != 0 for number in range(300)]


# --- anything


@pytest.mark.parametrize("stored", ["plain", "shaped", "imagej", "ome", "zlib", "tiled-lzma"])
@pytest.mark.parametrize("seed", range(3))
def test_random_damage_gives_pixels_or_the_one_error(
    write: Write, tmp_path: Path, stored: str, seed: int
) -> None:
    rng = random.Random(f"{stored} {seed}")
    wanted = np.arange(3 * 20 * 17, dtype=np.uint16).reshape(3, 20, 17)
    data = write(wanted, photometric="minisblack", **STORED[stored]).read_bytes()
    limits = ReadLimits(max_pixel_bytes=64 * MIB, max_segment_bytes=8 * MIB)
    path = tmp_path / "damaged.tif"
    for _ in range(40):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 1, 1, 4, 30])):
            damaged[rng.randrange(len(damaged))] = rng.choice(
                [0, 1, 0x7F, 0xFF, rng.randrange(256)]
            )
        path.write_bytes(damaged)
        with suppress(UnreadableImageError):
            assert read(path, limits=limits).nbytes <= limits.max_pixel_bytes


def test_random_damage_to_a_vendors_file(
    fluoview_tiff: Callable[..., Path], tmp_path: Path
) -> None:
    data = fluoview_tiff().read_bytes()
    rng = random.Random(7)
    path = tmp_path / "damaged.tif"
    for _ in range(200):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 3, 20])):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        with suppress(UnreadableImageError), open_image(path, TiffReader()) as image:
            dumps(merge_facts(image.shape, image.dtype, image.facts).to_json())
            image.read()
