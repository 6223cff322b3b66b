"""Records of format 1: a Zarr v2 group, attributes in ``.zattrs``, pixels without checksums."""

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
from kymflow_zarr._pixels.layout import check_dtype, check_geometry
from kymflow_zarr._records.document import RecordDocument, image_folder, read_record_document
from kymflow_zarr._records.format1_chunks import COMPRESSORS, check_chunk
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.json_text import loads
from kymflow_zarr.errors import CorruptDataError, SchemaValidationError

if TYPE_CHECKING:
    import zarr

__all__ = [
    "find_record_document",
    "iter_format1_slabs",
    "open_format1_array",
    "read_format1_array",
    "read_format1_document",
    "verify_format1_array",
]

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
_V2_DTYPE = re.compile(r"[<>|][buif][1248]")
_CHUNK = re.compile(r"\d+([./]\d+)*")
# Larger arrays must have most of their chunks: those that are missing cost memory all the same.
_SPARSE_BYTES = 256 * 1024 * 1024


def find_record_document(blobs: BlobStore, image_id: str) -> RecordDocument | None:
    """A record's facts in whichever format it has; an upgraded record counts as format 2."""
    return read_record_document(blobs, image_id) or read_format1_document(blobs, image_id)


def read_format1_document(blobs: BlobStore, image_id: str) -> RecordDocument | None:
    """The facts of a format-1 record, or None where there is none.

    Raises:
        CorruptDataError: Its attributes or its array's document are damaged.
    """
    folder = image_folder(image_id)
    key = f"{folder}/data/.zarray"
    array_text = blobs.get(key)
    attributes_text = blobs.get(f"{folder}/.zattrs")
    if array_text is None or attributes_text is None:
        return None
    array: Any = loads(array_text, key=key)
    attributes: Any = loads(attributes_text, key=f"{folder}/.zattrs")
    try:
        shape = tuple(array["shape"])
        text = array["dtype"]
        if not isinstance(text, str) or not _V2_DTYPE.fullmatch(text):
            raise SchemaValidationError(f"its dtype is {text!r}")
        dtype = check_dtype(np.dtype(text))
        check_geometry(shape, tuple(array["chunks"]), dtype)
        _check_codecs(array)
        axes = attributes.get("axes") or [f"dim_{number}" for number in range(len(shape))]
        created = attributes.get("created_utc", "")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CorruptDataError(key, f"it is no array of format 1 ({error})") from error
    if len(axes) != len(shape) or not all(isinstance(axis, str) for axis in axes):
        raise CorruptDataError(f"{folder}/.zattrs", f"its axes {axes!r} do not fit {shape!r}")
    return RecordDocument(
        image_id=image_id,
        created_utc=created if isinstance(created, str) else "",
        software="",
        axes=tuple(axes),
        shape=shape,
        dtype=dtype,
        digest="",
    )


def open_format1_array(blobs: BlobStore, folder: str) -> zarr.Array[Any]:
    """A Zarr v2 array, read-only; it carries no checksums.

    Raises:
        CorruptDataError: Its document is damaged, or names codecs that prototypes never wrote.
    """
    import zarr

    from kymflow_zarr._pixels.view import CheckedArrayStore

    key = f"{folder}/.zarray"
    said: Any = loads(blobs.get(key) or b"", key=key)
    try:
        shape, chunks, dtype = tuple(said["shape"]), tuple(said["chunks"]), np.dtype(said["dtype"])
        check_geometry(shape, chunks, dtype)
        _check_codecs(said)
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


def _check_codecs(array: Any) -> None:
    compressor = array.get("compressor")
    if array.get("filters") or (compressor is not None and compressor.get("id") not in COMPRESSORS):
        raise SchemaValidationError(
            f"its codecs {compressor!r} and {array.get('filters')!r} are not ones that it may have"
        )
