"""Reading arrays back, every byte checked against the array's document."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from kymflow_zarr._pixels.codec import AnyArray, decode_chunk
from kymflow_zarr._pixels.layout import ArrayDocument
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr.errors import CorruptDataError

__all__ = ["iter_slabs", "read_array", "read_document", "read_replaceable_array", "verify_array"]


def read_document(blobs: BlobStore, folder: str) -> ArrayDocument | None:
    """The document of the array in `folder`, or None where there is none.

    Raises:
        CorruptDataError: It is there but damaged.
    """
    key = f"{folder}/zarr.json"
    data = blobs.get(key)
    return None if data is None else ArrayDocument.from_bytes(data, key=key)


def read_chunk(blobs: BlobStore, folder: str, document: ArrayDocument, name: str) -> AnyArray:
    """One chunk, checked; padded to the chunk shape at the edges.

    Raises:
        CorruptDataError: It is missing (which Zarr would read as zeros) or altered.
    """
    key = f"{folder}/{name}"
    data = blobs.get(key)
    if data is None:
        raise CorruptDataError(key, "the chunk is missing")
    return decode_chunk(
        data,
        shape=document.chunks,
        dtype=document.dtype,
        checksum=document.checksums[name],
        key=key,
    )


def read_array(blobs: BlobStore, folder: str, document: ArrayDocument) -> AnyArray:
    """The whole array.

    Raises:
        CorruptDataError: A chunk is missing or altered.
    """
    out = np.empty(document.shape, dtype=document.dtype)
    for name in document.chunk_keys():
        region = document.region(name)
        chunk = read_chunk(blobs, folder, document, name)
        out[region] = chunk[tuple(slice(0, part.stop - part.start) for part in region)]
    return out


def read_replaceable_array(blobs: BlobStore, folder: str) -> AnyArray | None:
    """The array in a folder that a writer may replace meanwhile; None where there is none.

    Chunks that do not fit the document belong to another array if the document is another by now:
    then that one is read.

    Raises:
        CorruptDataError: The document, or a chunk, is missing or altered.
    """
    document = read_document(blobs, folder)
    while document is not None:
        try:
            return read_array(blobs, folder, document)
        except CorruptDataError:
            now = read_document(blobs, folder)
            if now == document:
                raise
            document = now
    return None


def iter_slabs(blobs: BlobStore, folder: str, document: ArrayDocument) -> Iterator[AnyArray]:
    """The array in consecutive parts along its first axis, one row of chunks at a time.

    Raises:
        CorruptDataError: A chunk is missing or altered.
    """
    slab: AnyArray | None = None
    at = slice(0, 0)
    for name in document.chunk_keys():
        region = document.region(name)
        if slab is None or region[0] != at:
            if slab is not None:
                yield slab
            at = region[0]
            slab = np.empty((at.stop - at.start, *document.shape[1:]), dtype=document.dtype)
        chunk = read_chunk(blobs, folder, document, name)
        inside = tuple(slice(0, part.stop - part.start) for part in region)
        slab[(slice(None), *region[1:])] = chunk[inside]
    if slab is not None:
        yield slab


def verify_array(blobs: BlobStore, folder: str, document: ArrayDocument) -> None:
    """Read every chunk and compare the digest over all elements.

    Raises:
        CorruptDataError: A chunk is missing or altered, or the digest differs.
    """
    sha = hashlib.sha256()
    for slab in iter_slabs(blobs, folder, document):
        sha.update(np.ascontiguousarray(slab).data)
    if f"sha256:{sha.hexdigest()}" != document.digest:
        raise CorruptDataError(f"{folder}/zarr.json", "the digest over all its elements differs")
