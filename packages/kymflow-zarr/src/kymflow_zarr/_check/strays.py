"""Files and folders that this format has no place for: copies, notes, another program's files.

Nothing reads them, so they do no harm; but whoever put a result there believes that it is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from kymflow_zarr._catalog.listing import IMAGES
from kymflow_zarr._check.problems import Problem
from kymflow_zarr._pixels.layout import CHUNK_PREFIX
from kymflow_zarr._records.artifacts import ANALYSIS, ARRAYS, PARQUET
from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.inventory import INVENTORY
from kymflow_zarr._storage.names import is_valid_name

__all__ = ["iter_stray_tables", "iter_strays", "iter_strays_of_image"]

_TABLES = "tables"


def iter_strays(blobs: BlobStore) -> Iterator[Problem]:
    """What does not belong at the top, among the images and among the tables."""
    yield from _others(blobs, "", files=[COMMIT_KEY], folders=[IMAGES, _TABLES, "index"])
    for name in blobs.list_folder(IMAGES).files:
        yield _stray(f"{IMAGES}/{name}")
    for key in iter_stray_tables(blobs):
        yield _stray(key)


def iter_strays_of_image(blobs: BlobStore, folder: str) -> Iterator[Problem]:
    """What does not belong in an image's folder, its artifacts apart."""
    yield from _others(
        blobs, folder, files=[COMMIT_KEY, INVENTORY], folders=["data", ANALYSIS, ARRAYS]
    )
    listing = blobs.list_folder(f"{folder}/{ARRAYS}")
    named = [name for name in listing.folders if is_valid_name(name, kind="array")]
    for name in sorted({*listing.files, *listing.folders} - {*named}):
        yield _stray(f"{folder}/{ARRAYS}/{name}")
    arrays = [f"{folder}/{ARRAYS}/{name}" for name in named]
    for array in (f"{folder}/data", *arrays):
        # Chunks of format 1 lie directly in the array's folder.
        if blobs.stat(f"{array}/.zarray") is None:
            for stray in _others(blobs, array, files=[COMMIT_KEY], folders=[]):
                if not stray.location.startswith(f"{array}/{CHUNK_PREFIX}"):  # told of as chunks
                    yield stray


def iter_stray_tables(blobs: BlobStore, inside: str = "") -> Iterator[str]:
    """The keys of files among the tables that are none."""
    listing = blobs.list_folder(f"{_TABLES}/{inside}".rstrip("/"))
    for file in listing.files:
        name = inside + file.removesuffix(PARQUET)
        if name == INVENTORY:
            continue
        if not file.endswith(PARQUET) or not is_valid_name(name, kind="table"):
            yield f"{_TABLES}/{inside}{file}"
    for folder in listing.folders:
        yield from iter_stray_tables(blobs, f"{inside}{folder}/")


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
