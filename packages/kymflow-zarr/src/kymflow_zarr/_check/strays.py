"""Files and folders that this format has no place for: copies, notes, another program's files.

Nothing reads them, so they do no harm; but someone who saved a result there believes it is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from kymflow_zarr._artifacts.registry import artifact_kinds
from kymflow_zarr._catalog.listing import IMAGES
from kymflow_zarr._problems import Problem
from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.inventory import INVENTORY
from kymflow_zarr._storage.walk import iter_keys
from kymflow_zarr._tables.tables import TABLES, table_name

_OWN_FILES = {f"{TABLES}/{COMMIT_KEY}", f"{TABLES}/{INVENTORY}"}


def iter_strays(blobs: BlobStore) -> Iterator[Problem]:
    """What does not belong at the top, among the images and among the tables."""
    yield from _others(blobs, "", files=[COMMIT_KEY], folders=[IMAGES, TABLES, "index"])
    for name in blobs.list_folder(IMAGES).files:
        if name != COMMIT_KEY:
            yield _stray(f"{IMAGES}/{name}")
    for key in iter_keys(blobs, TABLES):
        if table_name(key) is None and key not in _OWN_FILES:
            yield _stray(key)


def iter_strays_of_image(blobs: BlobStore, folder: str) -> Iterator[Problem]:
    """What does not belong directly in an image's folder."""
    roots = {kind.root for kind in artifact_kinds()}
    yield from _others(blobs, folder, files=[COMMIT_KEY, INVENTORY], folders=["data", *roots])


def _others(
    blobs: BlobStore, folder: str, *, files: Collection[str], folders: Collection[str]
) -> Iterator[Problem]:
    listing = blobs.list_folder(folder)
    prefix = f"{folder}/" if folder else ""
    for name in (*listing.files, *listing.folders):
        if name not in files and name not in folders:
            yield _stray(prefix + name)


def _stray(key: str) -> Problem:
    return Problem(location=key, kind="unknown", message="the format has no place for it")
