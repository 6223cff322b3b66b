"""Datasets of format 1 whose chunks or documents declare far more than they hold."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zarr
from numcodecs import BZ2, LZ4, LZMA, Blosc, GZip, Zlib, Zstd

from kymflow_zarr import CorruptDataError, ZarrDataset, ZarrImageRecord

IMAGE_ID = "0a7f3c1e-1111-4222-8333-444455556666"
PIXELS = np.arange(120, dtype=np.uint16).reshape(20, 6)
BOMB_BYTES = 2**26
ZEROS = bytes(BOMB_BYTES)
ZSTD_SIZE = struct.pack("<IBQ", 0xFD2FB528, 0b1110_0000, BOMB_BYTES)
CODECS: list[tuple[Any, Callable[[], bytes]]] = [
    (Blosc(), lambda: bytes(Blosc().encode(ZEROS))),
    (BZ2(), lambda: bz2.compress(ZEROS)),
    (GZip(), lambda: gzip.compress(ZEROS)),
    (LZ4(), lambda: bytes(LZ4().encode(ZEROS))),
    (LZMA(), lambda: lzma.compress(ZEROS)),
    (Zlib(), lambda: zlib.compress(ZEROS)),
    (Zstd(), lambda: bytes(Zstd().encode(ZEROS))),
]
NAMES = [codec.codec_id for codec, _ in CODECS]


def write_old(place: Path, compressor: Any) -> Path:
    """A dataset of format 1 with one image; returns the folder of its pixels."""
    root = zarr.create_group(place, zarr_format=2)
    root.attrs.update({"format": "kymflow_zarr_v1", "schema_version": 1})
    group = root.create_group(f"images/{IMAGE_ID}")
    group.attrs.update({"axes": ["t", "x"]})
    array = group.create_array(
        "data", shape=PIXELS.shape, chunks=(8, 6), dtype="u2", compressors=compressor
    )
    array[...] = PIXELS
    return place / "images" / IMAGE_ID / "data"


@pytest.fixture(scope="module", autouse=True)
def traced_memory() -> Iterator[None]:
    # Not per read: after a refusal zarr's threads may still unpack other chunks, and before
    # CPython 3.12.9 and 3.13.2 a process can end when tracing stops while a thread without the
    # GIL asks for memory (python/cpython#128679).
    tracemalloc.start()
    yield
    tracemalloc.stop()


def peak_of(load: Callable[[], object], match: str) -> int:
    """The most memory that a refused read held, beyond what was held before."""
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    with pytest.raises(CorruptDataError, match=match):
        load()
    return tracemalloc.get_traced_memory()[1] - before


@pytest.mark.parametrize("codec", [None, *(codec for codec, _ in CODECS)], ids=["none", *NAMES])
def test_every_codec_of_the_prototypes_is_read(tmp_path: Path, codec: Any) -> None:
    write_old(tmp_path / "old.zarr", codec)
    dataset = ZarrDataset(tmp_path / "old.zarr")
    assert np.array_equal(dataset.record(IMAGE_ID).load_array(), PIXELS)
    dataset.upgrade()
    assert np.array_equal(dataset.record(IMAGE_ID).load_array(), PIXELS)
    assert dataset.check(deep=True) == []


READS: list[Callable[[ZarrImageRecord], object]] = [
    lambda record: record.load_array(),
    lambda record: record.open_array()[...],
]


@pytest.mark.parametrize(("codec", "bomb"), CODECS, ids=NAMES)
def test_a_chunk_that_unpacks_to_more_is_refused(
    tmp_path: Path, codec: Any, bomb: Callable[[], bytes]
) -> None:
    data = write_old(tmp_path / "old.zarr", codec)
    (data / "1.0").write_bytes(bomb())
    dataset = ZarrDataset(tmp_path / "old.zarr")
    record = dataset.record(IMAGE_ID)
    for read in READS:
        peak = peak_of(lambda read=read: read(record), r"data/1\.0.*to 96 bytes")  # type: ignore[misc]
        assert peak < BOMB_BYTES / 2  # LZMA keeps a dictionary of 8 MiB, twice
    assert any("to 96 bytes" in problem.message for problem in dataset.check(deep=True))
    with pytest.raises(CorruptDataError, match=r"data/1\.0"):
        dataset.upgrade()


@pytest.mark.parametrize("cut", [0, 3, 6, 12])
@pytest.mark.parametrize("codec", [codec for codec, _ in CODECS], ids=NAMES)
def test_a_chunk_that_is_cut_short_is_refused(tmp_path: Path, codec: Any, cut: int) -> None:
    data = write_old(tmp_path / "old.zarr", codec)
    (data / "1.0").write_bytes((data / "1.0").read_bytes()[:cut])
    with pytest.raises(CorruptDataError, match=IMAGE_ID):
        ZarrDataset(tmp_path / "old.zarr").record(IMAGE_ID).load_array()


def streamed(data: bytes) -> bytes:
    """A Zstandard frame that does not say what it holds."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    "chunk",
    [ZSTD_SIZE + bytes(20), streamed(ZEROS), bytes(20)],
    ids=["too large", "unknown", "other"],
)
def test_whatever_a_zstandard_frame_says_it_gets_the_room_of_a_chunk(
    tmp_path: Path, chunk: bytes
) -> None:
    data = write_old(tmp_path / "old.zarr", Zstd())
    (data / "1.0").write_bytes(chunk)
    record = ZarrDataset(tmp_path / "old.zarr").record(IMAGE_ID)
    assert peak_of(record.load_array, "to 96 bytes") < 2**20


def test_a_blosc_chunk_that_declares_more_than_there_is_is_refused(tmp_path: Path) -> None:
    data = write_old(tmp_path / "old.zarr", Blosc())
    whole = (data / "1.0").read_bytes()
    for cut in (15, 16, 20, len(whole) - 1):
        (data / "1.0").write_bytes(whole[:cut])
        with pytest.raises(CorruptDataError, match=r"data/1\.0"):
            ZarrDataset(tmp_path / "old.zarr").record(IMAGE_ID).load_array()


def test_an_array_that_declares_what_is_not_there_is_refused(tmp_path: Path) -> None:
    # Chunks that are missing are filled: a terabyte of them would be asked for.
    data = write_old(tmp_path / "old.zarr", Zstd())
    said = json.loads((data / ".zarray").read_bytes())
    (data / ".zarray").write_text(json.dumps({**said, "shape": [2**39, 6]}), encoding="utf-8")
    dataset = ZarrDataset(tmp_path / "old.zarr")
    record = dataset.record(IMAGE_ID)
    for read in READS:
        assert peak_of(lambda read=read: read(record), "are missing") < 2**20  # type: ignore[misc]
    assert dataset.check(deep=True) != []


def test_a_chunk_that_is_missing_is_what_zarr_fills_it_with(tmp_path: Path) -> None:
    data = write_old(tmp_path / "old.zarr", Zstd())
    (data / "0.0").unlink()
    found = ZarrDataset(tmp_path / "old.zarr").record(IMAGE_ID).load_array()
    assert np.array_equal(found[8:], PIXELS[8:])
    assert not found[:8].any()
