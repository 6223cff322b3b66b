"""Zarr documents that another program has rewritten: what it added stays, and does no harm."""

from __future__ import annotations

from collections.abc import Iterator

from kymflow_zarr._artifacts.array_kind import ARRAY
from kymflow_zarr._pixels.layout import ArrayDocument
from kymflow_zarr._problems import Problem, Repair, rewrite_problem
from kymflow_zarr._records.document import RecordDocument, image_folder
from kymflow_zarr._records.stored import iter_stored
from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.groups import iter_damaged_groups, write_missing_groups
from kymflow_zarr._storage.seal import AsWritten, reseal, unseal_zarr
from kymflow_zarr.schema import DatasetSchema


def is_current(blobs: BlobStore) -> bool:
    """Whether the dataset has the current format: format 1 has no inventories, and no seals."""
    schema = DatasetSchema.read(blobs)
    return schema is not None and schema.version == DatasetSchema.CURRENT


def check_root_documents(blobs: BlobStore) -> Iterator[Problem]:
    """All problems of the dataset's root document, and of those of its folders."""
    data = blobs.get(COMMIT_KEY)
    if data is not None:
        _, added = unseal_zarr(data, key=COMMIT_KEY, as_written=DatasetSchema.as_written)
        if added is not None:
            yield rewrite_problem(COMMIT_KEY, added)
    for key in iter_damaged_groups(blobs):
        yield Problem(
            location=key,
            kind="stale_cache",
            message="it is missing, or is not the document of a Zarr group",
        )


def repair_root_documents(blobs: BlobStore) -> Iterator[Repair]:
    """Seal again what another program has rewritten, and write the documents of folders."""
    yield from _reseal(blobs, COMMIT_KEY, DatasetSchema.as_written)
    for key in write_missing_groups(blobs):
        yield Repair(location=key, action="wrote the document of a Zarr group")


def repair_documents(blobs: BlobStore, image_id: str) -> Iterator[Repair]:
    """Seal again what another program has rewritten in one image."""
    folder = image_folder(image_id)
    yield from _reseal(blobs, f"{folder}/{COMMIT_KEY}", RecordDocument.as_written)
    stored = iter_stored(blobs, image_id)
    arrays = [key for key, found in stored if found and found[1] is ARRAY]
    for array in (f"{folder}/data", *arrays):
        yield from _reseal(blobs, f"{array}/{COMMIT_KEY}", ArrayDocument.as_written)


def _reseal(blobs: BlobStore, key: str, as_written: AsWritten) -> Iterator[Repair]:
    data = blobs.get(key)
    if data is None:
        return
    try:
        parsed, added = unseal_zarr(data, key=key, as_written=as_written)
        if added is None:
            return
        blobs.put(key, reseal(parsed, as_written=as_written))
    except ValueError:  # it is damaged, or what was added looks like a seal: `check` reports it
        return
    yield Repair(location=key, action="sealed it again, with what another program has added")
