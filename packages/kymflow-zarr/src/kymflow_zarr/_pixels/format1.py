"""Arrays of format 1: Zarr v2, without checksums."""

from __future__ import annotations

import lzma
import math
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._pixels.format1_chunks import COMPRESSORS, check_chunk
from kymflow_zarr._pixels.layout import check_geometry
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.json_text import loads
from kymflow_zarr.errors import CorruptDataError, SchemaValidationError

if TYPE_CHECKING:
    import zarr

__all__ = [
    "FORMAT1_DOCUMENT",
    "check_codecs",
    "iter_format1_slabs",
    "open_format1_array",
    "read_format1_array",
    "verify_format1_array",
]

FORMAT1_DOCUMENT = ".zarray"
"""The document of such an array, in its folder."""

# zarr passes on whatever the codec in question raises.
_DECODERS_FAIL_WITH = (
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    MemoryError,
    OverflowError,
    RuntimeError,
    SystemError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    zlib.error,
)
_CHUNK = re.compile(r"\d+([./]\d+)*")
# Larger arrays must have most of their chunks: those that are missing cost memory all the same.
_SPARSE_BYTES = 256 * 1024 * 1024


def open_format1_array(blobs: BlobStore, folder: str) -> zarr.Array[Any]:
    """A Zarr v2 array, read-only; it carries no checksums.

    Raises:
        CorruptDataError: Its document is damaged, or names codecs that prototypes never wrote.
    """
    import zarr

    from kymflow_zarr._pixels.view import CheckedArrayStore

    key = f"{folder}/{FORMAT1_DOCUMENT}"
    said: Any = loads(blobs.get(key) or b"", key=key)
    try:
        shape, chunks, dtype = tuple(said["shape"]), tuple(said["chunks"]), np.dtype(said["dtype"])
        check_geometry(shape, chunks, dtype)
        check_codecs(said)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CorruptDataError(key, f"it is no array of format 1 ({error})") from error
    count = math.prod(-(-n // c) for n, c in zip(shape, chunks, strict=True))
    if math.prod(shape) * dtype.itemsize > _SPARSE_BYTES and count > 2 * _count_files(
        blobs, folder, depth=len(shape)
    ):
        raise CorruptDataError(key, f"most of the {count} chunks that it declares are missing")
    compressor = said.get("compressor")

    def check(name: str, data: bytes) -> None:
        if compressor is not None and _CHUNK.fullmatch(name):
            limit = math.prod(chunks) * dtype.itemsize
            check_chunk(data, compressor["id"], limit=limit, key=f"{folder}/{name}")

    with _decoding(folder):
        store = CheckedArrayStore(blobs, folder, None, check=check)
        return zarr.open_array(store, mode="r", zarr_format=2)


def iter_format1_slabs(
    blobs: BlobStore, folder: str, rows: int | None = None
) -> Iterator[AnyArray]:
    """A Zarr v2 array in consecutive parts along its first axis.

    Args:
        blobs: The key space.
        folder: The array's folder.
        rows: How long a part is; the whole array if None.

    Raises:
        CorruptDataError: It cannot be decoded.
    """
    array = open_format1_array(blobs, folder)
    length = array.shape[0]
    step = rows or max(1, length)
    for start in range(0, max(1, length), step):
        with _decoding(folder):
            part: AnyArray = np.asarray(array[start : start + step])
        yield part


def read_format1_array(blobs: BlobStore, folder: str) -> AnyArray:
    """A whole Zarr v2 array.

    Raises:
        CorruptDataError: It cannot be decoded.
    """
    (whole,) = iter_format1_slabs(blobs, folder)
    return whole


def verify_format1_array(blobs: BlobStore, folder: str) -> None:
    """Decode every chunk of a Zarr v2 array; that is all that can be checked without checksums.

    Raises:
        CorruptDataError: It cannot be decoded.
    """
    rows = open_format1_array(blobs, folder).chunks[0]
    for _ in iter_format1_slabs(blobs, folder, rows):
        pass


@contextmanager
def _decoding(folder: str) -> Iterator[None]:
    """What zarr and its codecs raise for damaged bytes, as an error that names the array."""
    try:
        yield
    except CorruptDataError:
        raise
    except _DECODERS_FAIL_WITH as error:
        raise CorruptDataError(folder, f"its array cannot be decoded ({error})") from error


def _count_files(blobs: BlobStore, folder: str, *, depth: int) -> int:
    """How many files there are; chunks may lie in folders, one for each axis but the last."""
    listing = blobs.list_folder(folder)
    if depth == 0:
        return len(listing.files)
    inner = (f"{folder}/{name}" for name in listing.folders)
    return len(listing.files) + sum(_count_files(blobs, one, depth=depth - 1) for one in inner)


def check_codecs(array: Any) -> None:
    """Refuse codecs that prototypes never wrote.

    Raises:
        SchemaValidationError: The document names others.
    """
    compressor = array.get("compressor")
    if array.get("filters") or (compressor is not None and compressor.get("id") not in COMPRESSORS):
        raise SchemaValidationError(
            f"its codecs {compressor!r} and {array.get('filters')!r} are not ones that it may have"
        )
