"""Bad files of every kind, for a folder among good images."""

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

import numpy as np
import tifffile

from faults.draws import seeded

__all__ = ["HARMLESS_LIE", "bad_files", "tiff_bytes"]

HARMLESS_LIE = "declares strips that are longer than the file, with all pixels there"
_MEBIBYTE = 2**20


def bad_files(folder: Path, *, variants: int, bombs: bool, seed: int) -> Iterator[tuple[str, str]]:
    """Write each kind of bad file some times; its name, and what is wrong with it."""
    sound = tiff_bytes()
    for variant in range(variants):
        draw = seeded(seed, "hostile", variant)
        for number, maker in enumerate(_MAKERS):
            if maker in _BOMBS and not bombs:
                continue
            name = f"bad{variant}_{number:02d}.tif"
            yield name, maker(folder / name, sound, draw.randrange(2**31))


def tiff_bytes() -> bytes:
    """A small, sound image file."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.arange(40 * 16, dtype=np.uint16).reshape(40, 16))
    return buffer.getvalue()


def _truncated(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound[: 8 + number % (len(sound) - 400)])
    return "cut short"


def _truncated_stack(path: Path, sound: bytes, number: int) -> str:
    del sound
    tifffile.imwrite(path, np.zeros((20, 16, 16), np.uint16), imagej=True)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 4 + number % (len(data) // 2)])
    return "a stack that is cut short"


def _empty(path: Path, sound: bytes, number: int) -> str:
    del sound, number
    path.write_bytes(b"")
    return "no bytes"


def _header_only(path: Path, sound: bytes, number: int) -> str:
    del number
    path.write_bytes(sound[:8])
    return "a header and nothing else"


def _text(path: Path, sound: bytes, number: int) -> str:
    del sound
    path.write_text(f"no image {number}\n" * 50, encoding="utf-8")
    return "a text"


def _noise(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound[:8] + seeded(number).randbytes(5000))
    return "noise behind a header"


def _set_tag(sound: bytes, tag: int, value: int) -> bytes:
    """A little-endian TIFF with the value of one tag replaced."""
    data = bytearray(sound)
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        if struct.unpack_from("<H", data, entry)[0] == tag:
            struct.pack_into("<HII", data, entry + 2, 4, 1, value)
    return bytes(data)


def _lying_size(path: Path, sound: bytes, number: int) -> str:
    huge = _set_tag(_set_tag(sound, 256, 2**20), 257, 2**20 + number % 1000)
    path.write_bytes(huge)
    return "declares 2^40 pixels"


def _lying_strips(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(_set_tag(sound, 279, 2**31 - 1 - number % 1000))
    return HARMLESS_LIE


def _cycle(path: Path, sound: bytes, number: int) -> str:
    del number
    data = bytearray(sound)
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    struct.pack_into("<I", data, at + 2 + 12 * count, at)
    path.write_bytes(data)
    return "pages in a circle"


def _zlib_bomb(path: Path, sound: bytes, number: int) -> str:
    del number
    packed = zlib.compress(bytes(2**28), 9)
    data = bytearray(_set_tag(_set_tag(sound, 259, 8), 279, len(packed)))
    data = bytearray(_set_tag(_set_tag(bytes(data), 256, 2**16), 257, 2**16))
    data = bytearray(_set_tag(bytes(data), 273, len(data)))
    path.write_bytes(bytes(data) + packed)
    return "a decompression bomb"


def _not_utf8_name(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound)
    path.rename(os.fsdecode(os.fsencode(path.with_suffix("")) + b"\xe9.tif"))
    return f"a name that is not UTF-8, number {number}"


def _fifo(path: Path, sound: bytes, number: int) -> str:
    del sound, number
    os.mkfifo(path)
    return "a FIFO"


def _link_to_itself(path: Path, sound: bytes, number: int) -> str:
    del sound, number
    path.symlink_to(path)
    return "a link to itself"


def _link_out(path: Path, sound: bytes, number: int) -> str:
    del number
    outside = path.parent.parent / f"outside_{path.name}"
    outside.write_bytes(sound)
    path.symlink_to(outside)
    return "a link that leaves the folder"


def _device(path: Path, sound: bytes, number: int) -> str:
    del sound, number
    path.symlink_to("/dev/zero")
    return "a link to a device"


def _object_array(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound)
    array = np.array([{"number": number}], dtype=object)
    np.save(path.with_suffix(".result.npy"), array, allow_pickle=True)
    return "a pickled array beside it"


def _csv_bomb(path: Path, sound: bytes, number: int) -> str:
    del number
    path.write_bytes(sound)
    path.with_suffix(".result.csv.gz").write_bytes(_packed_csv())
    return "a compressed table beside it that unpacks to more than a gigabyte"


@cache
def _packed_csv() -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    block = b"0\n" * 2**20
    parts = [packer.compress(block) for _ in range(520)]
    return b"".join(parts) + packer.flush()


def _deep_json(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound)
    depth = 2000 + number % 1000
    path.with_suffix(".json").write_text("[" * depth + "]" * depth, encoding="utf-8")
    return "JSON that is nested too deeply"


def _json_of_another_kind(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound)
    path.with_suffix(".json").write_text(f'{{"a": NaN, "b": {number}}}', encoding="utf-8")
    return "JSON with NaN"


def _not_utf8(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound)
    path.with_suffix(".json").write_bytes(b'{"note": "\xff\xfe' + str(number).encode() + b'"}')
    return "JSON that is not UTF-8"


def _json_bomb(path: Path, sound: bytes, number: int) -> str:
    del number
    path.write_bytes(sound)
    _beside(path, ".json", b"[" + b"[]," * (8 * _MEBIBYTE) + b"[]]")
    return "JSON of millions of lists"


def _huge_json(path: Path, sound: bytes, number: int) -> str:
    del number
    path.write_bytes(sound)
    _beside(path, ".json", b'{"note": "' + b"x" * (65 * _MEBIBYTE) + b'"}')
    return "a metadata document of 65 MiB"


def _huge_description(path: Path, sound: bytes, number: int) -> str:
    del number
    at = len(sound)
    data = bytearray(_add_tag(sound, 270, 2, 65 * _MEBIBYTE, at + 256))
    _link(path, bytes(data).ljust(at + 256, b" ") + b"x" * (65 * _MEBIBYTE))
    return "a description of 65 MiB"


def _xml_bomb(path: Path, sound: bytes, number: int) -> str:
    del sound, number
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "bomb"}">' for n in range(12))
    xml = f'<?xml version="1.0"?><!DOCTYPE OME [{entities}]><OME>&e11;</OME>'
    tifffile.imwrite(path, np.zeros((8, 8), np.uint16), description=xml, metadata=None)
    return "XML with entities that multiply"


def _lying_stack(path: Path, sound: bytes, number: int) -> str:
    del sound
    text = f"ImageJ=1.54f\nimages={2**30 + number}\nslices={2**30 + number}\n"
    tifffile.imwrite(path, np.zeros((8, 8), np.uint16), description=text, metadata=None)
    return "an ImageJ stack of 2^30 pages with one"


def _lying_planes(path: Path, sound: bytes, number: int) -> str:
    del sound
    tifffile.imwrite(path, np.zeros((3, 8, 8), np.uint16), ome=True)
    xml = str(tifffile.tiffcomment(path))
    tifffile.tiffcomment(path, xml.replace('SizeT="1"', f'SizeT="{2**30 + number}"').encode())
    return "OME-XML of 2^30 planes with three"


def _parts_in_a_loop(path: Path, sound: bytes, number: int) -> str:
    del number
    (at,) = struct.unpack_from("<I", sound, 4)
    path.write_bytes(_add_tag(sound, 330, 4, 1, at))
    return "a page that is a part of itself"


def _lying_page_offset(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound[:4] + struct.pack("<I", 2**31 - number % 2**20) + sound[8:])
    return "a directory far behind the end"


def _lying_count(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(_add_tag(sound, 270, 2, 2**32 - 1 - number % 1000, 8))
    return "a text tag of four gigabytes"


def _no_width(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(_set_tag(sound, 256 + number % 2, 0))
    return "an axis of no length"


def _odd_pixels(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(_set_tag(sound, 258, 1 + 2 * (number % 3) + 60))
    return "pixels of a size that no type has"


def _lying_samples(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(_set_tag(sound, 277, 65535 - number % 100))
    return "65,535 values per pixel"


def _two_loops(path: Path, sound: bytes, number: int) -> str:
    del sound
    tifffile.imwrite(path, np.zeros((3, 8, 8), np.uint16), photometric="minisblack")
    with tifffile.TiffFile(path) as file:
        offsets = [page.offset for page in file.pages]
    data = bytearray(path.read_bytes())
    last = offsets[-1]
    (count,) = struct.unpack_from("<H", data, last)
    struct.pack_into("<I", data, last + 2 + 12 * count, offsets[number % 3])
    path.write_bytes(data)
    return "three pages in a circle"


def _socket(path: Path, sound: bytes, number: int) -> str:
    del sound, number
    # The name of a socket may have 107 bytes: it is made under a short one.
    short = Path("/tmp") / f"kymflow-{os.getpid()}"  # noqa: S108 - removed at once
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(short))
    os.link(short, path) if short.stat().st_dev == path.parent.stat().st_dev else os.mkfifo(path)
    short.unlink()
    return "a socket"


def _link_to_nothing(path: Path, sound: bytes, number: int) -> str:
    del sound
    path.symlink_to(f"nothing{number}.tif")
    return "a link to nothing"


def _link_up(path: Path, sound: bytes, number: int) -> str:
    del sound, number
    path.symlink_to("..")
    return "a link to the folder above"


def _pickle(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound)
    path.with_suffix(".result.npy").write_bytes(pickle.dumps({"number": number}))
    return "a pickle that calls itself an array"


def _lying_array(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound)
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**40 + number},), }}"
    text = head.ljust(117).encode() + b"\n"
    path.with_suffix(".result.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(80)
    )
    return "an array that declares 2^40 numbers"


def _parquet_bomb(path: Path, sound: bytes, number: int) -> str:
    del number
    path.write_bytes(sound)
    _beside(path, ".result.parquet", _packed_parquet())
    return "a Parquet table beside it that unpacks to gigabytes"


def _broken_parquet(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound)
    data = b"PAR1" + seeded(number).randbytes(500) + struct.pack("<I", 2**31 - 1) + b"PAR1"
    path.with_suffix(".result.parquet").write_bytes(data)
    return "Parquet with a footer larger than the file"


def _wide_csv(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound)
    path.with_suffix(".result.csv").write_text("a," * (20_000 + number % 1000), encoding="utf-8")
    return "a table of 20,000 columns"


def _reserved_name(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound)
    names = ("CON", "nul.a", "..", "-rf", "C:", "a\\b", "~root", "$(id)", ".hidden", "a b")
    path.with_name(f"{path.stem}.{names[number % len(names)]}.npy").write_bytes(b"")
    return "an artifact beside it under a name that may be none"


def _same_name(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound)
    for case in ("Result", "result"):
        text = json.dumps({"number": number})
        path.with_name(f"{path.stem}.{case}.json").write_text(text, encoding="utf-8")
    return "two artifacts beside it whose names differ in case only"


def _repeated_key(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound)
    path.with_suffix(".json").write_text(f'{{"a": {number}, "a": 2}}', encoding="utf-8")
    return "JSON with a key twice"


def _huge_number(path: Path, sound: bytes, number: int) -> str:
    path.write_bytes(sound)
    path.with_suffix(".json").write_text(f'{{"a": {"9" * (5000 + number % 99)}}}', encoding="utf-8")
    return "JSON with a number of 5,000 digits"


def _fifo_beside(path: Path, sound: bytes, number: int) -> str:
    del number
    path.write_bytes(sound)
    os.mkfifo(path.with_suffix(".json"))
    return "a FIFO beside it"


def _link_beside(path: Path, sound: bytes, number: int) -> str:
    del number
    path.write_bytes(sound)
    path.with_suffix(".json").symlink_to("/etc/passwd")
    return "a link beside it that leaves the folder"


def _beside(path: Path, suffix: str, data: bytes) -> None:
    _link(path.with_suffix(suffix), data)


def _link(path: Path, data: bytes) -> None:
    """A file of these bytes that shares its room with others of the same."""
    shared = path.parent.parent / f"shared_{zlib.crc32(data):08x}"
    if not shared.exists():
        shared.write_bytes(data)
    os.link(shared, path)


def _add_tag(sound: bytes, tag: int, kind: int, count: int, offset: int) -> bytes:
    """A little-endian TIFF with its software tag made another one."""
    data = bytearray(sound)
    (at,) = struct.unpack_from("<I", data, 4)
    (tags,) = struct.unpack_from("<H", data, at)
    for entry in range(at + 2, at + 2 + 12 * tags, 12):
        if struct.unpack_from("<H", data, entry)[0] == 270:
            struct.pack_into("<HHII", data, entry, tag, kind, count, offset)
    return bytes(data)


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


_MAKERS: tuple[Callable[[Path, bytes, int], str], ...] = (
    _truncated,
    _truncated_stack,
    _empty,
    _header_only,
    _text,
    _noise,
    _lying_size,
    _lying_strips,
    _cycle,
    _zlib_bomb,
    _not_utf8_name,
    _fifo,
    _link_to_itself,
    _link_out,
    _device,
    _object_array,
    _csv_bomb,
    _deep_json,
    _json_of_another_kind,
    _not_utf8,
    _json_bomb,
    _huge_json,
    _huge_description,
    _xml_bomb,
    _lying_stack,
    _lying_planes,
    _parts_in_a_loop,
    _lying_page_offset,
    _lying_count,
    _no_width,
    _odd_pixels,
    _lying_samples,
    _two_loops,
    _socket,
    _link_to_nothing,
    _link_up,
    _pickle,
    _lying_array,
    _parquet_bomb,
    _broken_parquet,
    _wide_csv,
    _reserved_name,
    _same_name,
    _repeated_key,
    _huge_number,
    _fifo_beside,
    _link_beside,
)
_BOMBS = frozenset(
    {_zlib_bomb, _csv_bomb, _parquet_bomb, _json_bomb, _huge_json, _huge_description}
)
