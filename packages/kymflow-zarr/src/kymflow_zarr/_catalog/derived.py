"""What was derived from images by name: ``index/derived/<name>.parquet``, one text per image.

It spares whoever derived it the work of deriving it again, and may be lost at any time.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.names import check_name
from kymflow_zarr._tables.parquet import read_parquet, write_parquet
from kymflow_zarr.errors import CorruptDataError

__all__ = ["load_derived", "save_derived"]

logger = logging.getLogger(__name__)

_IMAGE_ID, _VALUE = "image_id", "value"


def load_derived(blobs: BlobStore, name: str) -> dict[str, str]:
    """The texts by image id; none where they are missing or damaged."""
    key = _key(name)
    try:
        table = read_parquet(blobs, key)
    except CorruptDataError as error:
        logger.warning("what was derived as %r is not used: %s", name, error)
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
