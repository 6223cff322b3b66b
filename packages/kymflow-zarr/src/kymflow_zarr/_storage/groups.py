"""The Zarr documents of a dataset's own folders, so that Zarr readers find their way to the images.

Nothing here reads them: a dataset without them, as 0.1.0 wrote it, is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.json_text import JsonValue, dumps, loads
from kymflow_zarr.errors import CorruptDataError

__all__ = ["GROUP_KEYS", "iter_damaged_groups", "write_missing_groups"]

GROUP_KEYS: Final = tuple(f"{folder}/{COMMIT_KEY}" for folder in ("images", "tables", "index"))
_DOCUMENT: Final[dict[str, JsonValue]] = {
    "zarr_format": 3,
    "node_type": "group",
    "attributes": {},
}


def write_missing_groups(blobs: BlobStore) -> list[str]:
    """Write the documents that are missing or damaged; returns their keys."""
    written = [key for key in GROUP_KEYS if not _is_group(blobs.get(key), key)]
    for key in written:
        blobs.put(key, dumps(_DOCUMENT))
    return written


def iter_damaged_groups(blobs: BlobStore) -> Iterator[str]:
    """The keys of the documents that are there, and are not those of a Zarr group."""
    for key in GROUP_KEYS:
        data = blobs.get(key)
        if data is not None and not _is_group(data, key):
            yield key


def _is_group(data: bytes | None, key: str) -> bool:
    """Whether that is the document of a group, perhaps with attributes that someone set."""
    try:
        said = None if data is None else loads(data, key=key)
    except CorruptDataError:
        return False
    return (
        isinstance(said, dict)
        and _DOCUMENT.keys() <= said.keys()
        and said | {"attributes": {}} == said | _DOCUMENT
    )
