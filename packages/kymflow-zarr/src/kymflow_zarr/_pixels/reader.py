"""Reading arrays back, every byte checked against the array's document.

What is damaged, missing or altered is a `CorruptDataError`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import groupby

import numpy as np

from kymflow_zarr._pixels.codec import AnyArray, decode_chunk
from kymflow_zarr._pixels.layout import ArrayDocument
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr.errors import CorruptDataError


def read_document(blobs: BlobStore, folder: str) -> ArrayDocument | None:
    """The document of the array in `folder`, or None if there is none."""
    key = f"{folder}/zarr.json"
    data = blobs.get(key)
    return None if data is None else ArrayDocument.from_bytes(data, key=key)


def read_chunk(blobs: BlobStore, folder: str, document: ArrayDocument, name: str) -> AnyArray:
    """One chunk, checked; padded to the chunk shape at the edges."""
    key = f"{folder}/{name}"
    data = blobs.get(key)
    if data is None:
        raise CorruptDataError(key, "the chunk is missing")
    checksum = document.checksums[name]
    return decode_chunk(
        data, shape=document.chunks, dtype=document.dtype, checksum=checksum, key=key
    )


def read_array(blobs: BlobStore, folder: str, document: ArrayDocument) -> AnyArray:
    """The whole array."""
    rows = slice(0, document.shape[0])
    return _read_chunks(blobs, folder, document, document.chunk_keys(), rows=rows)


def read_replaceable_array(blobs: BlobStore, folder: str) -> AnyArray | None:
    """The array in a folder that a writer may replace meanwhile; None if there is none.

    Chunks that do not fit the document belong to another array if the document is another by now:
    then that one is read.
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
    """The array in consecutive parts along its first axis, one row of chunks at a time."""
    for rows, names in groupby(document.chunk_keys(), lambda name: document.region(name)[0]):
        yield _read_chunks(blobs, folder, document, names, rows=rows)


def _read_chunks(
    blobs: BlobStore, folder: str, document: ArrayDocument, names: Iterable[str], *, rows: slice
) -> AnyArray:
    """The rows that some chunks hold together."""
    out = np.empty((rows.stop - rows.start, *document.shape[1:]), dtype=document.dtype)
    for name in names:
        first, *others = document.region(name)
        chunk = read_chunk(blobs, folder, document, name)
        inside = tuple(slice(0, part.stop - part.start) for part in (first, *others))
        out[(slice(first.start - rows.start, first.stop - rows.start), *others)] = chunk[inside]
    return out


def verify_array(blobs: BlobStore, folder: str, document: ArrayDocument) -> None:
    """Read every chunk and compare the digest over all elements."""
    sha = hashlib.sha256()
    for slab in iter_slabs(blobs, folder, document):
        sha.update(np.ascontiguousarray(slab).data)
    if f"sha256:{sha.hexdigest()}" != document.digest:
        raise CorruptDataError(f"{folder}/zarr.json", "the digest over all its elements differs")
