"""Which images exist: the folder listing, and nothing else, decides."""

from __future__ import annotations

import re

from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.names import check_segment
from kymflow_zarr.errors import InvalidNameError

__all__ = ["IMAGES", "list_image_ids"]

IMAGES = "images"
_OWN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""How this package names images: a name that needs no closer look."""


def list_image_ids(blobs: BlobStore) -> list[str]:
    """The ids of all committed images, sorted: one listing and one look at each commit key."""
    return [
        name
        for name, committed in blobs.folders(IMAGES, holding=COMMIT_KEY).items()
        if _is_valid(name) and (committed or _is_format1(blobs, f"{IMAGES}/{name}"))
    ]


def _is_format1(blobs: BlobStore, folder: str) -> bool:
    return (
        blobs.stat(f"{folder}/.zattrs") is not None
        and blobs.stat(f"{folder}/data/.zarray") is not None
    )


def _is_valid(name: str) -> bool:
    if _OWN_ID.fullmatch(name):
        return True
    try:
        check_segment(name, kind="image")
    except InvalidNameError:
        return False
    return True
