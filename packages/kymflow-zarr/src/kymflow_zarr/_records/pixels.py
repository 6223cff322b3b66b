"""A record's pixels, in whichever format they are stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._pixels.format1 import (
    iter_format1_slabs,
    open_format1_array,
    read_format1_array,
)
from kymflow_zarr._pixels.layout import ArrayDocument
from kymflow_zarr._pixels.reader import iter_slabs, read_array, read_document
from kymflow_zarr._records.document import RecordDocument, image_folder
from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr.errors import CorruptDataError, ImageNotFoundError

if TYPE_CHECKING:
    import zarr


def pixels_key(record: RecordDocument) -> str:
    """The key of the folder of its pixels."""
    return f"{image_folder(record.image_id)}/data"


def _read_document(blobs: BlobStore, record: RecordDocument) -> ArrayDocument | None:
    """The document of its pixels; None in format 1.

    Raises:
        CorruptDataError: It is damaged or missing, or describes other pixels than the record's.
    """
    if not record.digest:
        return None
    found = read_document(blobs, pixels_key(record))
    key = f"{pixels_key(record)}/{COMMIT_KEY}"
    if found is None:
        raise CorruptDataError(key, "the pixels' document is missing")
    if (found.digest, found.shape, found.dtype) != (record.digest, record.shape, record.dtype):
        raise CorruptDataError(key, "it describes other pixels than the record's document")
    return found


@contextmanager
def _unless_deleted(blobs: BlobStore, record: RecordDocument) -> Iterator[None]:
    """Report pixels that are missing as `ImageNotFoundError` where the image was deleted."""
    try:
        yield
    except CorruptDataError as error:
        if blobs.stat(f"{image_folder(record.image_id)}/{COMMIT_KEY}") is None and record.digest:
            raise ImageNotFoundError(record.image_id) from error
        raise


def load_pixels(blobs: BlobStore, record: RecordDocument) -> AnyArray:
    """All pixels, each chunk checked."""
    with _unless_deleted(blobs, record):
        document = _read_document(blobs, record)
        if document is None:
            return read_format1_array(blobs, pixels_key(record))
        return read_array(blobs, pixels_key(record), document)


def iter_pixels(blobs: BlobStore, record: RecordDocument) -> Iterator[AnyArray]:
    """The pixels in C order, in parts of bounded size, each chunk checked."""
    document = _read_document(blobs, record)
    if document is None:
        return iter_format1_slabs(blobs, pixels_key(record))
    return iter_slabs(blobs, pixels_key(record), document)


def open_pixels(blobs: BlobStore, record: RecordDocument) -> zarr.Array[Any]:
    """The pixels as a lazy Zarr array, which checks each chunk that it reads."""
    import zarr

    from kymflow_zarr._pixels.view import CheckedArrayStore

    with _unless_deleted(blobs, record):
        document = _read_document(blobs, record)
    if document is None:
        return open_format1_array(blobs, pixels_key(record))
    store = CheckedArrayStore(blobs, pixels_key(record), document)
    return zarr.open_array(store, mode="r", zarr_format=3)
