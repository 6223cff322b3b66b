"""Checking one image: its documents, its chunks, its artifacts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from kymflow_zarr._check.inventory import compare
from kymflow_zarr._check.problems import Problem
from kymflow_zarr._check.strays import iter_strays_of_image
from kymflow_zarr._pixels.layout import CHUNK_PREFIX, ArrayDocument
from kymflow_zarr._pixels.reader import read_document, verify_array
from kymflow_zarr._records.artifacts import (
    ARRAYS,
    CSV_GZ,
    PARQUET,
    array_names,
    is_artifact_key,
    iter_analysis_files,
    provenance_key,
)
from kymflow_zarr._records.document import RecordDocument, image_folder
from kymflow_zarr._records.expected import expected_artifacts
from kymflow_zarr._records.format1 import find_record_document, iter_format1_slabs
from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.gunzip import gunzip_bounded
from kymflow_zarr._storage.inventory import read_inventory
from kymflow_zarr._storage.json_text import JsonValue, loads
from kymflow_zarr._tables.parquet import open_parquet, read_parquet
from kymflow_zarr.errors import CorruptDataError

__all__ = ["check_image", "check_parquet"]

_MAX_UNPACKED = 2**30


def check_image(blobs: BlobStore, image_id: str, *, deep: bool) -> Iterator[Problem]:
    """All problems of one image folder.

    Args:
        blobs: The key space.
        image_id: The image.
        deep: Whether every chunk and Parquet page is read and its checksum compared.
    """
    folder = image_folder(image_id)
    try:
        document = find_record_document(blobs, image_id)
    except CorruptDataError as error:
        yield Problem(location=error.key, kind="unreadable", message=error.reason)
        return
    if document is None:
        yield Problem(
            location=f"{folder}/{COMMIT_KEY}",
            kind="missing",
            message="the folder has no commit document, so the image is invisible; "
            "bring it back from a copy, or remove the folder and take its file in again",
        )
        return
    if document.digest:
        yield from _check_pixels(blobs, folder, document, deep=deep)
        yield from _check_provenance(blobs, document)
    elif deep:
        yield from _check_format1_array(blobs, f"{folder}/data")
    inventory = read_inventory(blobs, folder)
    present: set[str] = set()
    for key in iter_analysis_files(blobs, image_id):
        if is_artifact_key(key, image_id):
            present.add(key)
            yield from _check_artifact(blobs, key, deep=deep)
        else:
            yield Problem(location=key, kind="unknown", message="no artifact has such a name")
    yield from iter_strays_of_image(blobs, folder)
    for name in array_names(blobs, image_id):
        present.add(f"{folder}/{ARRAYS}/{name}")
        yield from _check_array(blobs, f"{folder}/{ARRAYS}/{name}", deep=deep)
    if document.digest:  # format 1 has no inventory
        present.discard(provenance_key(image_id))
        expected = partial(expected_artifacts, document)
        yield from compare(blobs, folder, inventory, expected=expected, present=present)


def _check_pixels(
    blobs: BlobStore, folder: str, document: RecordDocument, *, deep: bool
) -> Iterator[Problem]:
    key = f"{folder}/data"
    try:
        pixels = read_document(blobs, key)
    except CorruptDataError as error:
        yield Problem(location=error.key, kind="unreadable", message=error.reason)
        return
    if pixels is None:
        yield Problem(
            location=f"{key}/{COMMIT_KEY}",
            kind="missing",
            message="the pixels' document is missing",
        )
        return
    for name, said, found in (
        ("shape", document.shape, pixels.shape),
        ("dtype", document.dtype, pixels.dtype),
        ("digest", document.digest, pixels.digest),
        ("number of axes", len(document.axes), len(pixels.shape)),
    ):
        if said != found:
            yield Problem(
                location=f"{key}/{COMMIT_KEY}",
                kind="mismatch",
                message=f"its {name} is {found!s}, the record's document says {said!s}",
            )
    yield from _check_chunks(blobs, key, pixels, deep=deep)


def _check_array(blobs: BlobStore, folder: str, *, deep: bool) -> Iterator[Problem]:
    try:
        document = read_document(blobs, folder)
    except CorruptDataError as error:
        yield Problem(location=error.key, kind="unreadable", message=error.reason)
        return
    if document is not None:
        yield from _check_chunks(blobs, folder, document, deep=deep)
    elif blobs.stat(f"{folder}/.zarray") is None:
        yield Problem(
            location=f"{folder}/{COMMIT_KEY}",
            kind="missing",
            message="the array's document is missing",
        )
    elif deep:
        yield from _check_format1_array(blobs, folder)


def _check_format1_array(blobs: BlobStore, folder: str) -> Iterator[Problem]:
    try:  # to decode every chunk is all that can be checked without checksums
        for _ in iter_format1_slabs(blobs, folder):
            pass
    except CorruptDataError as error:
        yield Problem(location=error.key, kind="unreadable", message=error.reason)


def _check_chunks(
    blobs: BlobStore, folder: str, document: ArrayDocument, *, deep: bool
) -> Iterator[Problem]:
    """Each chunk there, nothing else there and, if `deep`, each byte as it was written."""
    expected = set(document.chunk_keys())
    present = set(blobs.list_folder(folder).files)
    for name in sorted(expected - present):
        yield Problem(location=f"{folder}/{name}", kind="missing", message="the chunk is missing")
    for name in sorted(present - expected):
        if name.startswith(CHUNK_PREFIX):
            yield Problem(
                location=f"{folder}/{name}", kind="unknown", message="the array has no such chunk"
            )
    if deep and expected <= present:
        try:
            verify_array(blobs, folder, document)
        except CorruptDataError as error:
            yield Problem(location=error.key, kind="unreadable", message=error.reason)


def _check_provenance(blobs: BlobStore, document: RecordDocument) -> Iterator[Problem]:
    key = provenance_key(document.image_id)
    data = blobs.get(key)
    if data is None:
        yield Problem(location=key, kind="missing", message="the image's provenance is missing")
        return
    try:
        provenance: JsonValue = loads(data, key=key)
    except CorruptDataError:
        return  # told of with the other artifacts
    said = provenance if isinstance(provenance, dict) else {}
    for name, value in (("image_id", document.image_id), ("pixels_digest", document.digest)):
        if said.get(name) != value:
            yield Problem(
                location=key,
                kind="mismatch",
                message=f"its {name} is {said.get(name)!r}, the record's document says {value!r}",
            )


def _check_artifact(blobs: BlobStore, key: str, *, deep: bool) -> Iterator[Problem]:
    if key.endswith(PARQUET):
        yield from check_parquet(blobs, key, deep=deep)
        return
    data = blobs.get(key)
    if data is None:  # deleted since it was listed
        return
    try:
        if key.endswith(CSV_GZ):
            gunzip_bounded(data, key=key, limit=_MAX_UNPACKED, one_member=True)
            return
        if data[:2] == b"\x1f\x8b":
            data = gunzip_bounded(data, key=key)
        loads(data, key=key)
    except CorruptDataError as error:
        yield Problem(location=error.key, kind="unreadable", message=error.reason)


def check_parquet(blobs: BlobStore, key: str, *, deep: bool) -> Iterator[Problem]:
    """Whether a Parquet file opens and, if `deep`, whether each page holds what was written."""
    try:
        if deep:
            read_parquet(blobs, key)
        else:
            with open_parquet(blobs, key):
                pass
    except CorruptDataError as error:
        yield Problem(location=error.key, kind="unreadable", message=error.reason)
