"""Which artifacts a record should have: those that it was committed with, and its inventory's."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from kymflow_zarr._records.artifacts import (
    ARRAYS,
    array_names,
    iter_artifact_keys,
    provenance_key,
)
from kymflow_zarr._records.document import RecordDocument, image_folder
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.inventory import Inventory, enter, strike

__all__ = ["enter_artifacts", "expected_artifacts", "present_artifacts", "strike_artifacts"]


def expected_artifacts(document: RecordDocument, inventory: Inventory) -> frozenset[str]:
    """The keys of the artifacts that were written and not deleted since, arrays by their folder.

    The provenance, which every record must have, is left out; so is all of format 1, which keeps
    no such list.
    """
    if not document.digest:
        return frozenset()
    folder = image_folder(document.image_id)
    inside = inventory.entered.union(document.artifacts) - inventory.struck
    return frozenset(f"{folder}/{key}" for key in inside) - {provenance_key(document.image_id)}


def present_artifacts(blobs: BlobStore, image_id: str) -> frozenset[str]:
    """The keys of the artifacts that are there, arrays by their folder, the provenance left out."""
    arrays = f"{image_folder(image_id)}/{ARRAYS}"
    keys = [f"{arrays}/{name}" for name in array_names(blobs, image_id)]
    return frozenset([*keys, *iter_artifact_keys(blobs, image_id)]) - {provenance_key(image_id)}


def enter_artifacts(blobs: BlobStore, document: RecordDocument, keys: Iterable[str]) -> None:
    """Note that artifacts were published."""
    inside = _inside(document, keys)
    if inside:
        enter(blobs, image_folder(document.image_id), inside)


def strike_artifacts(blobs: BlobStore, document: RecordDocument, keys: Iterable[str]) -> None:
    """Note that artifacts are about to be deleted."""
    inside = _inside(document, keys)
    if inside:
        strike(blobs, image_folder(document.image_id), inside)


def _inside(document: RecordDocument, keys: Iterable[str]) -> Collection[str]:
    """The keys as a record's inventory has them; none in format 1, which has no inventory."""
    if not document.digest:
        return ()
    prefix = f"{image_folder(document.image_id)}/"
    return [key.removeprefix(prefix) for key in keys]
