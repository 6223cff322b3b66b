"""What was derived from images by name: ``index/derived/<name>.parquet``, one text per image.

It saves deriving it again, and may be lost at any time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from kymflow_zarr._artifacts.registry import artifact_kinds
from kymflow_zarr._records.document import image_folder
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.names import check_name
from kymflow_zarr._storage.side_by_side import side_by_side
from kymflow_zarr._tables.parquet import read_parquet, write_parquet
from kymflow_zarr.errors import CorruptDataError

logger = logging.getLogger(__name__)

_IMAGE_ID, _VALUE = "image_id", "value"


def artifact_stamps(blobs: BlobStore, image_ids: Iterable[str]) -> dict[str, str]:
    """For each image a text that differs once one of its artifacts was changed; see `Caches`."""
    roots = sorted({kind.root for kind in artifact_kinds()})

    def stamp(image_id: str) -> str:
        folder = image_folder(image_id)
        try:
            found = [blobs.stamp(f"{folder}/{root}") for root in roots]
        except CorruptDataError:  # reading the image reports it
            found = []
        return " ".join(found).strip()

    ids = list(image_ids)
    return dict(zip(ids, side_by_side(blobs, stamp, ids), strict=True))


def load_derived(blobs: BlobStore, name: str) -> dict[str, str]:
    """The texts by image id; none where they are missing or damaged."""
    key = _key(name)
    try:
        table = read_parquet(blobs, key)
    except CorruptDataError as error:
        logger.warning("the cached values %r are ignored: %s", name, error)
        return {}
    if table is None or table.column_names != [_IMAGE_ID, _VALUE]:
        return {}
    columns: list[list[Any]] = [table[name].to_pylist() for name in (_IMAGE_ID, _VALUE)]
    return dict(zip(*columns, strict=True))


def save_derived(blobs: BlobStore, name: str, values: Mapping[str, str]) -> None:
    """Replace the texts in one step."""
    import pyarrow as pa

    ordered = dict(sorted(values.items()))
    columns = [pa.array(column, pa.string()) for column in (list(ordered), list(ordered.values()))]
    table = pa.table(columns, names=[_IMAGE_ID, _VALUE])
    write_parquet(blobs, _key(name), table, sorted_by=_IMAGE_ID)


def _key(name: str) -> str:
    check_name(name, kind="derived table")
    return f"index/derived/{name}.parquet"
