"""One chunk to bytes and back: Blosc (zstd 3, bit shuffle), then CRC-32C.

The bytes are those of Zarr's own ``bytes``, ``blosc`` and ``crc32c`` codecs in a row, so that any
Zarr v3 reader decodes them. A flipped bit in a bare Blosc chunk would be read back silently: the
trailing checksum detects that, and its copy in the array's document a swapped file.
"""

from __future__ import annotations

import math
import struct
from typing import Any, TypeAlias

import google_crc32c
import numpy as np
from numcodecs.blosc import Blosc
from numpy.typing import NDArray

from kymflow_zarr.errors import CorruptDataError

AnyArray: TypeAlias = NDArray[Any]

_CRC_BYTES = 4
_BLOSC_HEADER = 16
_BLOSC = Blosc(cname="zstd", clevel=3, shuffle=Blosc.BITSHUFFLE, blocksize=0)


def codec_documents(dtype: np.dtype[Any]) -> list[dict[str, Any]]:
    """The ``codecs`` entry of a Zarr v3 array document for this package's chunks."""
    return [
        {"name": "bytes", "configuration": {"endian": "little"}},
        {
            "name": "blosc",
            "configuration": {
                "typesize": dtype.itemsize,
                "cname": "zstd",
                "clevel": 3,
                "shuffle": "bitshuffle",
                "blocksize": 0,
            },
        },
        {"name": "crc32c"},
    ]


def is_codec_list(codecs: Any, dtype: np.dtype[Any]) -> bool:
    """Whether a document names this package's codecs; zarr leaves out the order of single bytes."""
    expected = codec_documents(dtype)
    if dtype.itemsize == 1 and codecs[0] == {"name": "bytes"}:
        expected[0] = {"name": "bytes"}
    return bool(codecs == expected)


def encode_chunk(chunk: AnyArray) -> bytes:
    """Encode one whole chunk: C-contiguous, little-endian, of the array's chunk shape."""
    body: bytes = _BLOSC.encode(chunk)
    return body + struct.pack("<I", google_crc32c.value(body))


def chunk_checksum(data: bytes) -> int:
    """The CRC-32C that an encoded chunk says of itself: its last four bytes."""
    return int.from_bytes(data[-_CRC_BYTES:], "little")


def check_declared_size(data: bytes, *, size: int, key: str) -> None:
    """Check what a chunk says that it decompresses to, before any memory is allocated.

    Raises:
        CorruptDataError: It is cut short, or declares another size.
    """
    if len(data) < _BLOSC_HEADER + _CRC_BYTES:
        raise CorruptDataError(key, f"a chunk of {len(data)} bytes is cut short")
    (declared,) = struct.unpack_from("<I", data, 4)
    if declared != size:
        raise CorruptDataError(key, f"the chunk declares {declared} bytes instead of {size}")


def decode_chunk(
    data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any], checksum: int, key: str
) -> AnyArray:
    """Check one chunk by the CRC-32C that the array's document names, and decode it (read-only).

    Raises:
        CorruptDataError: A checksum differs, or the bytes do not decode to one chunk.
    """
    check_declared_size(data, size=dtype.itemsize * math.prod(shape), key=key)
    body = memoryview(data)[:-_CRC_BYTES]
    if chunk_checksum(data) != checksum or google_crc32c.value(bytes(body)) != checksum:
        raise CorruptDataError(key, "the chunk's bytes differ from the checksum in its document")
    try:
        raw = _BLOSC.decode(body)
    except RuntimeError as error:
        raise CorruptDataError(key, f"the chunk cannot be decompressed ({error})") from error
    return np.frombuffer(raw, dtype=dtype).reshape(shape)
