"""Arrays of format 1: Zarr v2, without checksums.

What cannot be decoded is a `CorruptDataError`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._pixels.format1_chunks import COMPRESSORS, DECODER_ERRORS, check_chunk
from kymflow_zarr._pixels.layout import check_dtype, check_geometry, chunk_grid
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.json_text import loads
from kymflow_zarr.errors import CorruptDataError, SchemaValidationError

if TYPE_CHECKING:
    import zarr

FORMAT1_DOCUMENT = ".zarray"
"""The document of such an array, in its folder."""

_V2_DTYPE = re.compile(r"[<>|][buif][1248]")
_CHUNK = re.compile(r"\d+([./]\d+)*")
# Larger arrays must have most of their chunks: those that are missing cost memory all the same.
_SPARSE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Format1Array:
    """What the ``.zarray`` of an array of format 1 says, checked."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    compressor: str | None


def read_format1_array_document(blobs: BlobStore, folder: str) -> Format1Array | None:
    """An array's document, or None if there is none.

    Raises:
        CorruptDataError: It is damaged, declares what cannot be, or names other codecs or types
            than prototypes wrote.
    """
    key = f"{folder}/{FORMAT1_DOCUMENT}"
    text = blobs.get(key)
    if text is None:
        return None
    parsed: Any = loads(text, key=key)
    try:
        if not isinstance(parsed["dtype"], str) or not _V2_DTYPE.fullmatch(parsed["dtype"]):
            raise SchemaValidationError(f"its dtype is {parsed['dtype']!r}")
        dtype = np.dtype(parsed["dtype"])
        shape, chunks = tuple(parsed["shape"]), tuple(parsed["chunks"])
        check_geometry(shape, chunks, check_dtype(dtype))
        compressor = None if parsed.get("compressor") is None else parsed["compressor"]["id"]
        filters = parsed.get("filters")
        if filters or (compressor is not None and compressor not in COMPRESSORS):
            raise SchemaValidationError(
                f"its codecs {compressor!r} and {filters!r} are not allowed"
            )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CorruptDataError(key, f"it is not an array of format 1 ({error})") from error
    return Format1Array(shape=shape, chunks=chunks, dtype=check_dtype(dtype), compressor=compressor)


def open_format1_array(blobs: BlobStore, folder: str) -> zarr.Array[Any]:
    """A Zarr v2 array, read-only; it carries no checksums.

    Raises:
        CorruptDataError: Its document is damaged, or names codecs that prototypes never wrote.
    """
    import zarr

    from kymflow_zarr._pixels.view import CheckedArrayStore

    array = read_format1_array_document(blobs, folder)
    if array is None:
        raise CorruptDataError(f"{folder}/{FORMAT1_DOCUMENT}", "it is missing")
    count = math.prod(chunk_grid(array.shape, array.chunks))
    if math.prod(array.shape) * array.dtype.itemsize > _SPARSE_BYTES and count > 2 * _count_files(
        blobs, folder, depth=len(array.shape)
    ):
        raise CorruptDataError(
            f"{folder}/{FORMAT1_DOCUMENT}",
            f"most of the {count} chunks that it declares are missing",
        )
    with _decoding(folder):
        store = CheckedArrayStore(blobs, folder, None, check=partial(_check_file, array, folder))
        return zarr.open_array(store, mode="r", zarr_format=2)


def iter_format1_slabs(
    blobs: BlobStore, folder: str, rows: int | None = None
) -> Iterator[AnyArray]:
    """A Zarr v2 array in parts of some rows along its first axis, or as long as a chunk.

    Raises:
        CorruptDataError: As `open_format1_array`, and at once; for a damaged chunk once it is read.
    """
    array = open_format1_array(blobs, folder)
    step = rows or array.chunks[0]

    def parts() -> Iterator[AnyArray]:
        for start in range(0, array.shape[0], step):
            with _decoding(folder):
                part: AnyArray = np.asarray(array[start : start + step])
            yield part

    return parts()


def read_format1_array(blobs: BlobStore, folder: str) -> AnyArray:
    """A whole Zarr v2 array."""
    array = open_format1_array(blobs, folder)
    with _decoding(folder):
        return np.asarray(array[...])


def _check_file(array: Format1Array, folder: str, name: str, data: bytes) -> None:
    if array.compressor is not None and _CHUNK.fullmatch(name):
        limit = math.prod(array.chunks) * array.dtype.itemsize
        check_chunk(data, array.compressor, limit=limit, key=f"{folder}/{name}")


@contextmanager
def _decoding(folder: str) -> Iterator[None]:
    """What zarr and its codecs raise for damaged bytes, as an error that names the array."""
    try:
        yield
    except CorruptDataError:
        raise
    except DECODER_ERRORS as error:
        raise CorruptDataError(folder, f"its array cannot be decoded ({error})") from error


def _count_files(blobs: BlobStore, folder: str, *, depth: int) -> int:
    """How many files there are; chunks may be in folders, one for each axis but the last."""
    listing = blobs.list_folder(folder)
    if depth == 0:
        return len(listing.files)
    inner = (f"{folder}/{name}" for name in listing.folders)
    return len(listing.files) + sum(_count_files(blobs, one, depth=depth - 1) for one in inner)
