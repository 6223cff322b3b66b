"""Which images exist: the folder listing, and nothing else, decides."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.names import is_valid_name

IMAGES = "images"
_OWN_IDS = re.compile(r"(?:[0-9a-f][0-9a-f-]{35}/)*+")
"""Names like those that this package gives images, each followed by a slash."""


def list_image_ids(blobs: BlobStore) -> list[str]:
    """The ids of all committed images, sorted: one listing and one look at each commit key."""
    return sorted(committed_ids(blobs))


def committed_ids(blobs: BlobStore) -> list[str]:
    """`list_image_ids` in any order."""
    folders = blobs.folders(IMAGES, holding=COMMIT_KEY)
    return [
        name for name in _valid(folders) if folders[name] or _is_format1(blobs, f"{IMAGES}/{name}")
    ]


def is_committed(blobs: BlobStore, image_id: str) -> bool:
    """Whether there is a committed image with this id."""
    folder = f"{IMAGES}/{image_id}"
    return is_valid_name(image_id, kind="image") and (
        blobs.stat(f"{folder}/{COMMIT_KEY}") is not None or _is_format1(blobs, folder)
    )


def published_ids(blobs: BlobStore) -> list[str]:
    """The ids of all images that were committed and not deleted, damaged ones as well.

    Where folders are renamed into place one listing is enough, at half the cost of `committed_ids`.
    An image whose commit document someone removed is among them.
    """
    published = blobs.published(IMAGES)
    return committed_ids(blobs) if published is None else list(_valid(published))


def _valid(names: Collection[str]) -> Iterable[str]:
    # Matching all names at once takes a third of the time of matching each.
    if _OWN_IDS.fullmatch("/".join([*names, ""])):
        return names
    return [name for name in names if is_valid_name(name, kind="image")]


def _is_format1(blobs: BlobStore, folder: str) -> bool:
    return (
        blobs.stat(f"{folder}/.zattrs") is not None
        and blobs.stat(f"{folder}/data/.zarray") is not None
    )
