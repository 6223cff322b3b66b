"""Which images exist: the folder listing, and nothing else, decides."""

from __future__ import annotations

from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.names import check_segment
from kymflow_zarr.errors import InvalidNameError

__all__ = ["IMAGES", "list_image_ids"]

IMAGES = "images"


def list_image_ids(blobs: BlobStore) -> list[str]:
    """The ids of all committed images, sorted: one listing and one look at each commit key."""
    return [
        name
        for name in blobs.list_folder(IMAGES).folders
        if _is_valid(name) and _is_committed(blobs, f"{IMAGES}/{name}")
    ]


def _is_committed(blobs: BlobStore, folder: str) -> bool:
    if blobs.stat(f"{folder}/{COMMIT_KEY}") is not None:
        return True
    return (
        blobs.stat(f"{folder}/.zattrs") is not None
        and blobs.stat(f"{folder}/data/.zarray") is not None
    )


def _is_valid(name: str) -> bool:
    try:
        check_segment(name, kind="image")
    except InvalidNameError:
        return False
    return True
