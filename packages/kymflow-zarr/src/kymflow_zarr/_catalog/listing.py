"""Which images exist: the folder listing, and nothing else, decides."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.names import is_valid_name

__all__ = ["IMAGES", "committed_ids", "list_image_ids"]

IMAGES = "images"
_OWN_IDS = re.compile(r"(?:[0-9a-f][0-9a-f-]{35}/)*+")
"""Names like those that this package gives images, each followed by a slash."""


def list_image_ids(blobs: BlobStore) -> list[str]:
    """The ids of all committed images, sorted: one listing and one look at each commit key."""
    return sorted(committed_ids(blobs))


def committed_ids(blobs: BlobStore) -> list[str]:
    """`list_image_ids` in any order."""
    folders = blobs.folders(IMAGES, holding=COMMIT_KEY)
    names: Iterable[str] = folders
    # One look at all names takes a third of what a look at each would.
    if not _OWN_IDS.fullmatch("/".join([*folders, ""])):
        names = [name for name in folders if is_valid_name(name, kind="image")]
    return [name for name in names if folders[name] or _is_format1(blobs, f"{IMAGES}/{name}")]


def _is_format1(blobs: BlobStore, folder: str) -> bool:
    return (
        blobs.stat(f"{folder}/.zattrs") is not None
        and blobs.stat(f"{folder}/data/.zarray") is not None
    )
