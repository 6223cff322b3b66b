"""Grey pictures as PNG, in a few milliseconds."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

TRANSPARENT: Final = 255
"""The value of a pixel that is not known."""

COMPRESSION: Final = 3
"""Of zlib: in a third of the time of the usual 6, a page is about as large."""

_UP: Final = 2
"""The PNG filter that stores what a row differs by from the one above: equal rows cost nothing."""


def grey_png(values: NDArray[np.uint8]) -> bytes:
    """A PNG of grey values.

    Args:
        values: Shape ``(rows, columns)``, the upper row first; 0 is black, 254 white, and
            `TRANSPARENT` lets the page be seen.
    """
    rows, columns = values.shape
    differences = np.diff(values, axis=0, prepend=np.zeros((1, columns), np.uint8))
    compressor = zlib.compressobj(level=COMPRESSION, strategy=zlib.Z_FILTERED)
    pixels = compressor.compress(np.insert(differences, 0, _UP, axis=1).tobytes())
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)),
            _chunk(b"tRNS", struct.pack(">H", TRANSPARENT)),
            _chunk(b"IDAT", pixels + compressor.flush()),
            _chunk(b"IEND", b""),
        )
    )


def data_uri(png: bytes) -> str:
    """A PNG as an address that contains it."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
