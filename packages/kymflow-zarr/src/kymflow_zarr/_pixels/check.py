"""Checking a stored array: every chunk there, nothing else, and each byte as it was written."""

from __future__ import annotations

from collections.abc import Iterator

from kymflow_zarr._pixels.format1 import FORMAT1_DOCUMENT, iter_format1_slabs
from kymflow_zarr._pixels.layout import ArrayDocument
from kymflow_zarr._pixels.reader import verify_array
from kymflow_zarr._problems import Problem, damage_problem, rewrite_problem
from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr.errors import CorruptDataError


def check_chunks(
    blobs: BlobStore, folder: str, document: ArrayDocument, *, deep: bool
) -> Iterator[Problem]:
    """All problems of an array's folder, by its document."""
    if document.added is not None:
        yield rewrite_problem(f"{folder}/{COMMIT_KEY}", document.added)
    listing = blobs.list_folder(folder)
    expected = set(document.chunk_keys())
    missing = expected.difference(listing.files)
    for name in sorted(missing):
        yield Problem(location=f"{folder}/{name}", kind="missing", message="the chunk is missing")
    # An unfinished upgrade leaves the chunks of format 1 beside the new ones.
    if blobs.stat(f"{folder}/{FORMAT1_DOCUMENT}") is None:
        for name in sorted({*listing.files, *listing.folders} - expected - {COMMIT_KEY}):
            yield Problem(
                location=f"{folder}/{name}", kind="unknown", message="it is not part of the array"
            )
    if deep and not missing:
        try:
            verify_array(blobs, folder, document)
        except CorruptDataError as error:
            yield damage_problem(error)


def check_format1_array(blobs: BlobStore, folder: str) -> Iterator[Problem]:
    """Whether every chunk of an array of format 1 can be decoded: it has no checksums."""
    try:
        for _ in iter_format1_slabs(blobs, folder):
            pass
    except CorruptDataError as error:
        yield damage_problem(error)
