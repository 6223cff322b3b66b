"""Whether a key can be written beside those that are there."""

from __future__ import annotations

from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.names import check_no_collision

__all__ = ["check_writable"]


def check_writable(blobs: BlobStore, key: str, *, inside: str, kind: str) -> bool:
    """Refuse a key that would share a file with another on Windows or macOS.

    Every folder on the way is looked at, for ``A/b`` beside ``a/b``.

    Args:
        blobs: The key space.
        key: The key.
        inside: The folder, above the key, below which names are chosen by a caller.
        kind: What the key is for, used in the message.

    Returns:
        Whether something lies under the key already.

    Raises:
        InvalidNameError: It differs from an existing one only in case.
    """
    folder = inside
    there = False
    for segment in key.removeprefix(f"{inside}/").split("/"):
        listing = blobs.list_folder(folder)
        check_no_collision(segment, (*listing.files, *listing.folders), kind=kind)
        there = segment in listing.files
        folder = f"{folder}/{segment}"
    return there
