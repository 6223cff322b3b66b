"""Which artifacts a record has, and which it should have by its inventory."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from kymflow_zarr._artifacts.kind import ArtifactKind
from kymflow_zarr._artifacts.registry import artifact_kinds, split_path
from kymflow_zarr._records.document import RecordDocument, image_folder
from kymflow_zarr._records.facts import provenance_key
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.inventory import Inventory
from kymflow_zarr._storage.walk import iter_keys


def iter_stored(
    blobs: BlobStore, image_id: str
) -> Iterator[tuple[str, tuple[str, ArtifactKind] | None]]:
    """Everything that is stored where a record's artifacts are.

    Yields:
        The key of a file, or of an array's folder, with the artifact's name and kind. None instead
        of these if it is not an artifact: a copy such as ``trace (copy).parquet``, or a file of a
        kind that is not registered.
    """
    folder = image_folder(image_id)
    for root, holds_folders in sorted({(kind.root, kind.is_folder) for kind in artifact_kinds()}):
        if holds_folders:
            listing = blobs.list_folder(f"{folder}/{root}")
            for name in listing.folders:
                yield f"{folder}/{root}/{name}", split_path(f"{root}/{name}")
            for name in listing.files:
                yield f"{folder}/{root}/{name}", None
        else:
            for key in iter_keys(blobs, f"{folder}/{root}"):
                yield key, split_path(key.removeprefix(f"{folder}/"))


def analysis_keys(blobs: BlobStore, image_id: str) -> list[str]:
    """The keys of a record's artifacts but arrays, sorted."""
    stored = iter_stored(blobs, image_id)
    return sorted(key for key, found in stored if found and not found[1].is_folder)


def present_artifacts(
    blobs: BlobStore, image_id: str, *, expected: Collection[str] = ()
) -> frozenset[str]:
    """The keys of the artifacts that are there, without the provenance.

    Expected ones count even if their kind is not registered.
    """
    there = (key for key, found in iter_stored(blobs, image_id) if found or key in expected)
    return frozenset(there) - {provenance_key(image_id)}


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
