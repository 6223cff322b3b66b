"""The Zarr documents of a dataset's own folders, so that Zarr readers find their way to the images.

Nothing here reads them: a dataset without them, as 0.1.0 wrote it, is whole. Where some of them
are, one that is missing was lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.json_text import JsonValue, dumps, loads
from kymflow_zarr._storage.seal import OWN_ATTRIBUTE, without_consolidated
from kymflow_zarr.errors import CorruptDataError

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
    """The keys of those that are damaged, or lost; ``index`` may be deleted as a whole."""
    found = {key: blobs.get(key) for key in GROUP_KEYS}
    some_are_there = any(data is not None for data in found.values())
    for key, data in found.items():
        is_lost = data is None and some_are_there and not key.startswith("index/")
        if is_lost or (data is not None and not _is_group(data, key)):
            yield key


def _is_group(data: bytes | None, key: str) -> bool:
    """Whether that is the document of such a group, perhaps with attributes that someone set."""
    try:
        text = None if data is None else without_consolidated(data)
        said = None if text is None else loads(text, key=key, finite=False)
    except CorruptDataError:
        return False
    if not isinstance(said, dict) or not _DOCUMENT.keys() <= said.keys():
        return False
    attributes = said["attributes"]
    return (
        isinstance(attributes, dict)
        and OWN_ATTRIBUTE not in attributes  # of the dataset's or an image's document
        and said | {"attributes": {}} == said | _DOCUMENT
    )
