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
    whole = tuple(slice(0, length) for length in document.shape)
    return _read_chunks(blobs, folder, document, document.chunk_keys(), slab=whole)


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
    """The array in C order, in parts that are one chunk high along the first axis that they cut."""
    last = len(document.shape) - 1
    axis = next((at for at, length in enumerate(document.chunks) if length > 1), last)
    whole = tuple(slice(0, length) for length in document.shape[axis + 1 :])
    for begin, names in groupby(
        document.chunk_keys(), lambda name: document.region(name)[: axis + 1]
    ):
        yield _read_chunks(blobs, folder, document, names, slab=(*begin, *whole))


def _read_chunks(
    blobs: BlobStore,
    folder: str,
    document: ArrayDocument,
    names: Iterable[str],
    *,
    slab: tuple[slice, ...],
) -> AnyArray:
    """The part of the array that some chunks hold together."""
    starts = [part.start for part in slab]
    out = np.empty([part.stop - part.start for part in slab], dtype=document.dtype)
    for name in names:
        region = document.region(name)
        chunk = read_chunk(blobs, folder, document, name)
        places = zip(region, starts, strict=True)
        place = tuple(slice(part.start - start, part.stop - start) for part, start in places)
        out[place] = chunk[tuple(slice(0, part.stop - part.start) for part in region)]
    return out


def verify_array(blobs: BlobStore, folder: str, document: ArrayDocument) -> None:
    """Read every chunk and compare the digest over all elements."""
    sha = hashlib.sha256()
    for slab in iter_slabs(blobs, folder, document):
        sha.update(np.ascontiguousarray(slab).data)
    if f"sha256:{sha.hexdigest()}" != document.digest:
        raise CorruptDataError(f"{folder}/zarr.json", "the digest over all its elements differs")
