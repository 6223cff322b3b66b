"""Which pixels an OIR file holds: oirfile puts zeros where there are none, without an error.

A file is a list of blocks, whose places are an index at its end. The name of a block of pixels,
``z001t002_0_1_<channel>_<number>``, says which plane it is a part of.
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Iterable
from typing import IO, Final

_NAME, _PIXELS = 3, 4  # kinds of blocks
_OVERVIEW: Final = "REF_"
_MAX_NAME: Final = 1000


def plane_bytes(files: Iterable[IO[bytes]]) -> Counter[str]:
    """How many bytes of pixels of each plane are in an OIR file, and those in which it continues.

    Raises:
        ValueError: A file ends before the place or size that it declares.
    """
    found: Counter[str] = Counter()
    for file in files:
        _add_planes(file, found)
    return found


def _add_planes(file: IO[bytes], found: Counter[str]) -> None:
    size = file.seek(0, os.SEEK_END)
    declared, index = struct.unpack("<QQ", _read(file, 32, 16))
    if declared > size:
        raise ValueError(f"it is cut short: {size} of {declared} bytes are there")
    if not 0 < index <= declared:
        raise ValueError("its list of blocks lies outside the file")
    plane = ""
    places = _read(file, index + 4, (declared - index - 4) // 8 * 8)
    for (place,) in struct.iter_unpack("<Q", places):
        if not 0 < place <= declared - 8:
            break
        length, kind = struct.unpack("<II", _read(file, place, 8))
        if kind == _PIXELS and plane:
            found[plane] += length
        plane = ""
        if kind == _NAME:
            (letters,) = struct.unpack("<I", _read(file, place + 16, 4))
            name = _read(file, place + 20, min(letters, _MAX_NAME)).decode("ascii", "replace")
            if not name.startswith(_OVERVIEW):
                plane = name.rpartition("_")[0]
                found[plane] += 0  # of a plane whose pixels are missing, there are none


def _read(file: IO[bytes], place: int, count: int) -> bytes:
    file.seek(place)
    data = file.read(max(count, 0))
    if len(data) != max(count, 0):
        raise ValueError(f"it ends within {count} bytes at {place}")
    return data
