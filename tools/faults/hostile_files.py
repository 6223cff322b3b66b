"""Bad files of every kind, for a folder among good images.

A kind is known by what is wrong with it: a damaged image file, something bad beside a sound one, or
what is not a regular file at all.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import tifffile
from numpy.typing import NDArray

from faults.draws import seeded

HARMLESS_LIE = "declares strips that are longer than the file, with all pixels there"
_MEBIBYTE = 2**20
_NAMES = ("CON", "nul.a", "..", "-rf", "C:", "a\\b", "~root", "$(id)", ".hidden", "a b")

Damage: TypeAlias = Callable[[bytes, int], bytes]
"""Makes a bad image file of a sound one and a random number."""

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _DESCRIPTION = 256, 257, 258, 259, 270
_STRIP_OFFSETS, _SAMPLES, _STRIP_BYTES, _PARTS = 273, 277, 279, 330


def bad_files(folder: Path, *, variants: int, bombs: bool, seed: int) -> Iterator[tuple[str, str]]:
    """Write each kind of bad file some times; its name, and what is wrong with it."""
    sound = tiff_bytes()
    kinds = (*_DAMAGED, *_BESIDE, *_SPECIAL)
    for variant in range(variants):
        draw = seeded(seed, "hostile", variant)
        for kind, wrong in enumerate(kinds):
            if wrong in _BOMBS and not bombs:
                continue
            path, number = folder / f"bad{variant}_{kind:02d}.tif", draw.randrange(2**31)
            if wrong in _DAMAGED:
                _write(path, _DAMAGED[wrong](sound, number))
            elif wrong in _BESIDE:
                suffix, make = _BESIDE[wrong]
                path.write_bytes(sound)
                _write(path.with_suffix(suffix), make(number))
            else:
                _SPECIAL[wrong](path, sound, number)
            yield path.name, wrong


def tiff_bytes() -> bytes:
    """A small, sound image file."""
    return _tiff(np.arange(40 * 16, dtype=np.uint16).reshape(40, 16))


def _write(path: Path, data: bytes) -> None:
    """Write a file; one that is large shares its room with others of the same bytes."""
    if len(data) < _MEBIBYTE:
        path.write_bytes(data)
        return
    shared = path.parent.parent / f"shared_{zlib.crc32(data):08x}"
    if not shared.exists():
        shared.write_bytes(data)
    os.link(shared, path)


# --- parts of TIFFs -------------------------------------------------------------------------------


def _tiff(image: NDArray[Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, image, **options)
    return buffer.getvalue()


def _described(text: str) -> bytes:
    """A page of 8 x 8 pixels with a text."""
    return _tiff(np.zeros((8, 8), np.uint16), description=text, metadata=None)


def _entries(data: bytes, directory: int) -> range:
    """Where the entries of a directory start in a little-endian TIFF."""
    (count,) = struct.unpack_from("<H", data, directory)
    return range(directory + 2, directory + 2 + 12 * count, 12)


def _first_directory(data: bytes) -> int:
    (at,) = struct.unpack_from("<I", data, 4)
    return int(at)


def _with_tags(sound: bytes, values: dict[int, int]) -> bytes:
    """A TIFF with the values of some tags replaced."""
    data = bytearray(sound)
    for entry in _entries(sound, _first_directory(sound)):
        (tag,) = struct.unpack_from("<H", data, entry)
        if tag in values:
            struct.pack_into("<HII", data, entry + 2, 4, 1, values[tag])
    return bytes(data)


def _with_tag(sound: bytes, tag: int, kind: int, count: int, offset: int) -> bytes:
    """A TIFF with its description made another tag."""
    data = bytearray(sound)
    for entry in _entries(sound, _first_directory(sound)):
        if struct.unpack_from("<H", data, entry)[0] == _DESCRIPTION:
            struct.pack_into("<HHII", data, entry, tag, kind, count, offset)
    return bytes(data)


def _with_next_directory(data: bytes, directory: int, following: int) -> bytes:
    """A TIFF in which another directory follows on one."""
    changed = bytearray(data)
    struct.pack_into("<I", changed, _entries(data, directory).stop, following)
    return bytes(changed)


# --- damaged image files --------------------------------------------------------------------------


def _truncated_stack(sound: bytes, number: int) -> bytes:
    del sound
    data = _tiff(np.zeros((20, 16, 16), np.uint16), imagej=True)
    return data[: len(data) // 4 + number % (len(data) // 2)]


def _zlib_bomb(sound: bytes, number: int) -> bytes:
    del number
    packed = _zeros()
    tags = {_COMPRESSION: 8, _STRIP_BYTES: len(packed), _STRIP_OFFSETS: len(sound)}
    return _with_tags(sound, tags | {_WIDTH: 2**16, _LENGTH: 2**16}) + packed


@cache
def _zeros() -> bytes:
    return zlib.compress(bytes(2**28), 9)


def _huge_description(sound: bytes, number: int) -> bytes:
    del number
    at = len(sound) + 256
    data = _with_tag(sound, _DESCRIPTION, 2, 65 * _MEBIBYTE, at)
    return data.ljust(at, b" ") + b"x" * (65 * _MEBIBYTE)


def _xml_bomb(sound: bytes, number: int) -> bytes:
    del sound, number
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "bomb"}">' for n in range(12))
    return _described(f'<?xml version="1.0"?><!DOCTYPE OME [{entities}]><OME>&e11;</OME>')


def _lying_planes(sound: bytes, number: int) -> bytes:
    del sound
    buffer = io.BytesIO(_tiff(np.zeros((3, 8, 8), np.uint16), ome=True))
    xml = str(tifffile.tiffcomment(buffer))
    buffer.seek(0)
    tifffile.tiffcomment(buffer, xml.replace('SizeT="1"', f'SizeT="{2**30 + number}"').encode())
    return buffer.getvalue()


def _three_pages_in_a_circle(sound: bytes, number: int) -> bytes:
    del sound
    data = _tiff(np.zeros((3, 8, 8), np.uint16), photometric="minisblack")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        offsets = [page.offset for page in file.pages]
    return _with_next_directory(data, offsets[-1], offsets[number % 3])


_DAMAGED: dict[str, Damage] = {
    "cut short": lambda sound, number: sound[: 8 + number % (len(sound) - 400)],
    "a stack that is cut short": _truncated_stack,
    "no bytes": lambda _sound, _number: b"",
    "a header and nothing else": lambda sound, _number: sound[:8],
    "a text": lambda _sound, number: f"no image {number}\n".encode() * 50,
    "noise behind a header": lambda sound, number: sound[:8] + seeded(number).randbytes(5000),
    "declares 2^40 pixels": lambda sound, number: _with_tags(
        sound, {_WIDTH: 2**20, _LENGTH: 2**20 + number % 1000}
    ),
    HARMLESS_LIE: lambda sound, number: _with_tags(
        sound, {_STRIP_BYTES: 2**31 - 1 - number % 1000}
    ),
    "pages in a circle": lambda sound, _number: _with_next_directory(
        sound, _first_directory(sound), _first_directory(sound)
    ),
    "three pages in a circle": _three_pages_in_a_circle,
    "a page that is a part of itself": lambda sound, _number: _with_tag(
        sound, _PARTS, 4, 1, _first_directory(sound)
    ),
    "a directory far behind the end": lambda sound, number: (
        sound[:4] + struct.pack("<I", 2**31 - number % 2**20) + sound[8:]
    ),
    "a text tag of four gigabytes": lambda sound, number: _with_tag(
        sound, _DESCRIPTION, 2, 2**32 - 1 - number % 1000, 8
    ),
    "an axis of no length": lambda sound, number: _with_tags(sound, {_WIDTH + number % 2: 0}),
    "pixels of a size that no type has": lambda sound, number: _with_tags(
        sound, {_BITS: 61 + 2 * (number % 3)}
    ),
    "65,535 values per pixel": lambda sound, number: _with_tags(
        sound, {_SAMPLES: 65535 - number % 100}
    ),
    "an ImageJ stack of 2^30 pages with one": lambda _sound, number: _described(
        f"ImageJ=1.54f\nimages={2**30 + number}\nslices={2**30 + number}\n"
    ),
    "OME-XML of 2^30 planes with three": _lying_planes,
    "XML with entities that multiply": _xml_bomb,
    "a description of 65 MiB": _huge_description,
    "a decompression bomb": _zlib_bomb,
}


# --- bad files beside a sound image ---------------------------------------------------------------


def _pickled_array(number: int) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([{"number": number}], dtype=object), allow_pickle=True)
    return stream.getvalue()


def _lying_array(number: int) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**40 + number},), }}"
    text = header.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(80)


@cache
def _packed_csv() -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    block = b"0\n" * 2**20
    parts = [packer.compress(block) for _ in range(520)]
    return b"".join(parts) + packer.flush()


@cache
def _packed_parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    block = pa.table({"v": pa.array(np.zeros(2**24))})
    with pq.ParquetWriter(buffer, block.schema, compression="zstd") as writer:
        for _ in range(16):
            writer.write_table(block)
    return buffer.getvalue()


def _deep_json(number: int) -> bytes:
    depth = 2000 + number % 1000
    return b"[" * depth + b"]" * depth


_BESIDE: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "JSON that is nested too deeply": (".json", _deep_json),
    "JSON with NaN": (".json", lambda number: f'{{"a": NaN, "b": {number}}}'.encode()),
    "JSON that is not UTF-8": (
        ".json",
        lambda number: b'{"note": "\xff\xfe' + str(number).encode() + b'"}',
    ),
    "JSON with a key twice": (".json", lambda number: f'{{"a": {number}, "a": 2}}'.encode()),
    "JSON with a number of 5,000 digits": (
        ".json",
        lambda number: f'{{"a": {"9" * (5000 + number % 99)}}}'.encode(),
    ),
    "JSON of millions of lists": (
        ".json",
        lambda _number: b"[" + b"[]," * (8 * _MEBIBYTE) + b"[]]",
    ),
    "a metadata document of 65 MiB": (
        ".json",
        lambda _number: b'{"note": "' + b"x" * (65 * _MEBIBYTE) + b'"}',
    ),
    "a pickled array": (".result.npy", _pickled_array),
    "a pickle that calls itself an array": (
        ".result.npy",
        lambda number: pickle.dumps({"number": number}),
    ),
    "an array that declares 2^40 numbers": (".result.npy", _lying_array),
    "a table of 20,000 columns": (
        ".result.csv",
        lambda number: b"a," * (20_000 + number % 1000),
    ),
    "a compressed table that unpacks to more than a gigabyte": (
        ".result.csv.gz",
        lambda _number: _packed_csv(),
    ),
    "Parquet with a footer larger than the file": (
        ".result.parquet",
        lambda number: (
            b"PAR1" + seeded(number).randbytes(500) + struct.pack("<I", 2**31 - 1) + b"PAR1"
        ),
    ),
    "a Parquet table that unpacks to gigabytes": (
        ".result.parquet",
        lambda _number: _packed_parquet(),
    ),
}


# --- names, links and what is not a regular file --------------------------------------------------


def _not_utf8_name(path: Path, sound: bytes, number: int) -> None:
    del number
    Path(os.fsdecode(os.fsencode(path.with_suffix("")) + b"\xe9.tif")).write_bytes(sound)


def _reserved_name(path: Path, sound: bytes, number: int) -> None:
    path.write_bytes(sound)
    path.with_name(f"{path.stem}.{_NAMES[number % len(_NAMES)]}.npy").write_bytes(b"")


def _same_name(path: Path, sound: bytes, number: int) -> None:
    path.write_bytes(sound)
    for case in ("Result", "result"):
        text = json.dumps({"number": number})
        path.with_name(f"{path.stem}.{case}.json").write_text(text, encoding="utf-8")


def _link_out(path: Path, sound: bytes, number: int) -> None:
    del number
    outside = path.parent.parent / f"outside_{path.name}"
    outside.write_bytes(sound)
    path.symlink_to(outside)


def _link_beside(path: Path, sound: bytes, number: int) -> None:
    del number
    path.write_bytes(sound)
    path.with_suffix(".json").symlink_to("/etc/passwd")


def _fifo_beside(path: Path, sound: bytes, number: int) -> None:
    del number
    path.write_bytes(sound)
    os.mkfifo(path.with_suffix(".json"))


def _socket(path: Path, sound: bytes, number: int) -> None:
    del sound, number
    # The name of a socket may have 107 bytes: it is made under a short one.
    short = Path("/tmp") / f"kymflow-{os.getpid()}"  # noqa: S108 - removed at once
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(short))
    os.link(short, path) if short.stat().st_dev == path.parent.stat().st_dev else os.mkfifo(path)
    short.unlink()


_SPECIAL: dict[str, Callable[[Path, bytes, int], None]] = {
    "a name that is not UTF-8": _not_utf8_name,
    "an artifact beside it under a name that may be none": _reserved_name,
    "two artifacts beside it whose names differ in case only": _same_name,
    "a FIFO": lambda path, _sound, _number: os.mkfifo(path),
    "a FIFO beside it": _fifo_beside,
    "a socket": _socket,
    "a link to a device": lambda path, _sound, _number: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path, _sound, _number: path.symlink_to(path),
    "a link to nothing": lambda path, _sound, number: path.symlink_to(f"nothing{number}.tif"),
    "a link to the folder above": lambda path, _sound, _number: path.symlink_to(".."),
    "a link that leaves the folder": _link_out,
    "a link beside it that leaves the folder": _link_beside,
}
_BOMBS = frozenset(
    {
        "JSON of millions of lists",
        "a Parquet table that unpacks to gigabytes",
        "a compressed table that unpacks to more than a gigabyte",
        "a decompression bomb",
        "a description of 65 MiB",
        "a metadata document of 65 MiB",
    }
)
