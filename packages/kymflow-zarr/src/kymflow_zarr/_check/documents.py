"""Zarr documents that another program has written: what it added stays, and does no harm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kymflow_zarr._artifacts.array_kind import ARRAY
from kymflow_zarr._pixels.layout import ArrayDocument
from kymflow_zarr._problems import Problem, Repair, rewritten
from kymflow_zarr._records.document import RecordDocument, image_folder
from kymflow_zarr._records.stored import iter_stored
from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.groups import iter_damaged_groups, write_missing_groups
from kymflow_zarr._storage.seal import Rewrite, reseal, unseal_zarr
from kymflow_zarr.errors import CorruptDataError
from kymflow_zarr.schema import DatasetSchema

__all__ = ["check_root_documents", "repair_documents"]


def check_root_documents(blobs: BlobStore) -> Iterator[Problem]:
    """All problems of the dataset's root document, and of those of its folders."""
    data = blobs.get(COMMIT_KEY)
    if data is not None:
        _, added = unseal_zarr(data, key=COMMIT_KEY, rewrite=DatasetSchema.rewrite)
        if added is not None:
            yield rewritten(COMMIT_KEY, added)
    for key in iter_damaged_groups(blobs):
        yield Problem(
            location=key, kind="stale_cache", message="it is not the document of a Zarr group"
        )


def repair_documents(blobs: BlobStore, image_ids: Iterable[str]) -> Iterator[Repair]:
    """Seal again what another program has written anew, and write the documents of folders."""
    yield from _reseal(blobs, COMMIT_KEY, DatasetSchema.rewrite)
    for key in write_missing_groups(blobs):
        yield Repair(location=key, action="wrote the document of a Zarr group")
    for image_id in image_ids:
        folder = image_folder(image_id)
        yield from _reseal(blobs, f"{folder}/{COMMIT_KEY}", RecordDocument.rewrite)
        stored = iter_stored(blobs, image_id)
        arrays = [key for key, found in stored if found and found[1] is ARRAY]
        for array in (f"{folder}/data", *arrays):
            yield from _reseal(blobs, f"{array}/{COMMIT_KEY}", ArrayDocument.rewrite)


def _reseal(blobs: BlobStore, key: str, rewrite: Rewrite) -> Iterator[Repair]:
    data = blobs.get(key)
    if data is None:
        return
    try:
        said, added = unseal_zarr(data, key=key, rewrite=rewrite)
        if added is None:
            return
        blobs.put(key, reseal(said, key=key, rewrite=rewrite))
    except CorruptDataError:  # for `check` to name
        return
    yield Repair(location=key, action="sealed it again, with what another program has added")
