"""All keys below a folder."""

from __future__ import annotations

from collections.abc import Iterator

from kymflow_zarr._storage.blobs import BlobStore


def iter_keys(blobs: BlobStore, folder: str) -> Iterator[str]:
    """The key of every file in a folder and in those inside it."""
    listing = blobs.list_folder(folder)
    for file in listing.files:
        yield f"{folder}/{file}"
    for inner in listing.folders:
        yield from iter_keys(blobs, f"{folder}/{inner}")
