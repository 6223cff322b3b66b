"""Whether a key can be written beside existing ones."""

from __future__ import annotations

from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.names import check_no_collision
from kymflow_zarr.errors import InvalidNameError


def check_writable(
    blobs: BlobStore, key: str, *, inside: str, kind: str, is_folder: bool = False
) -> bool:
    """Refuse a key that would share a file with another on Windows or macOS.

    Every folder on the way from `inside`, below which names are chosen by a caller, is looked at,
    for ``A/b`` beside ``a/b``. Returns whether something is stored under the key already.

    Raises:
        InvalidNameError: It differs from an existing one only in case, or a file is where a folder
            is needed, or the other way round.
    """
    name = key.removeprefix(f"{inside}/")
    segments = name.split("/")
    folder = inside
    there = False
    for position, segment in enumerate(segments, start=1):
        listing = blobs.list_folder(folder)
        check_no_collision(segment, (*listing.files, *listing.folders), kind=kind)
        same, other = listing.files, listing.folders
        if is_folder or position < len(segments):
            same, other = other, same
        if segment in other:
            raise InvalidNameError(
                name, kind=kind, reason=f"{folder}/{segment} is in the way, a file or folder"
            )
        there = segment in same
        folder = f"{folder}/{segment}"
    return there
