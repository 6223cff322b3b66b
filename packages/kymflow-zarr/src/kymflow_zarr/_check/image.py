"""Checking one image: its documents, its chunks, its artifacts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from kymflow_zarr._catalog.listing import IMAGES
from kymflow_zarr._catalog.recorded_source import read_provenance
from kymflow_zarr._check.inventory import compare
from kymflow_zarr._check.strays import iter_strays_of_image
from kymflow_zarr._pixels.check import check_chunks, check_format1_array
from kymflow_zarr._pixels.reader import read_document
from kymflow_zarr._problems import Problem, damage_problem, rewrite_problem
from kymflow_zarr._records.document import RecordDocument, image_folder
from kymflow_zarr._records.facts import provenance_key
from kymflow_zarr._records.format1 import find_record_document
from kymflow_zarr._records.stored import expected_artifacts, iter_stored
from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.inventory import read_inventory
from kymflow_zarr.errors import CorruptDataError


def check_image(blobs: BlobStore, image_id: str, *, deep: bool) -> Iterator[Problem]:
    """All problems of one image folder."""
    folder = image_folder(image_id)
    document = find_record_document(blobs, image_id)
    if document is None and is_remnant(blobs, image_id):
        yield Problem(
            location=folder,
            kind="leftover",
            message="a result was saved while its image was being deleted, and belongs to no image",
        )
    elif document is None:
        yield Problem(
            location=f"{folder}/{COMMIT_KEY}",
            kind="missing",
            message="the folder has no commit document, so the image is invisible; "
            "restore it from a copy, or remove the folder and ingest its file again",
        )
    else:
        yield from _check_record(blobs, folder, document, deep=deep)


def _check_record(
    blobs: BlobStore, folder: str, document: RecordDocument, *, deep: bool
) -> Iterator[Problem]:
    if document.added is not None:
        yield rewrite_problem(f"{folder}/{COMMIT_KEY}", document.added)
    if document.digest:
        yield from _check_pixels(blobs, folder, document, deep=deep)
        yield from _check_provenance(blobs, document)
    elif deep:
        yield from check_format1_array(blobs, f"{folder}/data")
    yield from iter_strays_of_image(blobs, folder)
    yield from _check_artifacts(blobs, document, deep=deep)


def is_remnant(blobs: BlobStore, image_id: str) -> bool:
    """Whether a folder holds nothing but results that were saved while their image was deleted.

    Whatever a person or a disk has removed from an image, its pixels or its provenance remain; and
    what someone keeps in a folder of their own is no artifact. Where folders are not published in
    one step, it may be an image that is being written.
    """
    if blobs.published(IMAGES) is None or find_record_document(blobs, image_id) is not None:
        return False
    folder = image_folder(image_id)
    if "data" in blobs.list_folder(folder).folders or blobs.get(provenance_key(image_id)):
        return False
    artifacts = [found for _, found in iter_stored(blobs, image_id)]
    is_only_those = all(artifacts) and next(iter_strays_of_image(blobs, folder), None) is None
    return bool(artifacts) and is_only_those


def _check_artifacts(
    blobs: BlobStore, document: RecordDocument, *, deep: bool
) -> Iterator[Problem]:
    folder = image_folder(document.image_id)
    inventory = read_inventory(blobs, folder)
    expected = partial(expected_artifacts, document)
    written = expected(inventory)
    present: set[str] = set()
    for key, found in iter_stored(blobs, document.image_id):
        if found is not None:
            _, kind = found
            yield from kind.check(blobs, key, deep=deep)
        else:
            yield Problem(
                location=key,
                kind="unknown",
                message="it is not an artifact of a registered kind, or its name is not allowed",
            )
        if found is not None or key in written:
            present.add(key)
    if document.digest:  # format 1 has no inventory
        present.discard(provenance_key(document.image_id))
        yield from compare(blobs, folder, inventory, expected=expected, present=present)


def _check_pixels(
    blobs: BlobStore, folder: str, document: RecordDocument, *, deep: bool
) -> Iterator[Problem]:
    key = f"{folder}/data"
    try:
        pixels = read_document(blobs, key)
    except CorruptDataError as error:
        yield damage_problem(error)
        return
    if pixels is None:
        yield Problem(
            location=f"{key}/{COMMIT_KEY}",
            kind="missing",
            message="the pixels' document is missing",
        )
        return
    for name, expected, found in (
        ("shape", document.shape, pixels.shape),
        ("dtype", document.dtype, pixels.dtype),
        ("digest", document.digest, pixels.digest),
        ("number of axes", len(document.axes), len(pixels.shape)),
    ):
        if expected != found:
            yield Problem(
                location=f"{key}/{COMMIT_KEY}",
                kind="mismatch",
                message=f"its {name} is {found!s}, the record's document says {expected!s}",
            )
    yield from check_chunks(blobs, key, pixels, deep=deep)


def _check_provenance(blobs: BlobStore, document: RecordDocument) -> Iterator[Problem]:
    key = provenance_key(document.image_id)
    try:
        stored = read_provenance(blobs, document.image_id)
    except CorruptDataError:
        return  # reported with the other artifacts
    if stored is None:
        yield Problem(location=key, kind="missing", message="the image's provenance is missing")
        return
    for name, value in (("image_id", document.image_id), ("pixels_digest", document.digest)):
        if stored.get(name) != value:
            yield Problem(
                location=key,
                kind="mismatch",
                message=f"its {name} is {stored.get(name)!r}, the record's document says {value!r}",
            )
