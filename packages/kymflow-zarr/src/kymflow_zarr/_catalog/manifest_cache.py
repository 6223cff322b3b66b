"""The stored manifest, ``index/manifest.parquet``: one row an image, named as its facts are."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kymflow_zarr._catalog.manifest import Manifest, ManifestEntry
from kymflow_zarr._catalog.sources import SourceRow
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._tables.parquet import read_parquet, verify_parquet, write_parquet
from kymflow_zarr.errors import CorruptDataError

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

MANIFEST_KEY = "index/manifest.parquet"


def load_cache(blobs: BlobStore) -> dict[str, ManifestEntry]:
    """The stored entries; none where the manifest is missing, damaged or of another version."""
    try:
        return _read_cache(blobs)
    except CorruptDataError as error:
        logger.warning("the manifest is not used: %s", error)
        return {}


def is_damaged(blobs: BlobStore) -> bool:
    """Whether there is a manifest that cannot be used."""
    try:
        verify_parquet(blobs, MANIFEST_KEY, deep=True)
        _read_cache(blobs)
    except CorruptDataError:
        return True
    return False


def save_cache(blobs: BlobStore, manifest: Manifest) -> None:
    """Store the manifest, replacing the old one in one step."""
    import pyarrow as pa

    rows = [_row(entry) for entry in manifest.entries.values()]
    schema = _schema()
    columns: Iterable[Any] = zip(*rows, strict=True) if rows else [()] * len(schema.names)
    table = pa.table(dict(zip(schema.names, columns, strict=True)), schema=schema)
    write_parquet(blobs, MANIFEST_KEY, table, sorted_by="image_id")


def _read_cache(blobs: BlobStore) -> dict[str, ManifestEntry]:
    table = read_parquet(blobs, MANIFEST_KEY)
    if table is None:
        return {}
    schema = _schema()
    if not table.schema.equals(schema):
        raise CorruptDataError(
            MANIFEST_KEY, f"its columns are not {', '.join(schema.names)}, or of other types"
        )
    columns = [table[name].to_pylist() for name in schema.names]
    return {row[0]: _entry(*row) for row in zip(*columns, strict=True)}


def _schema() -> pa.Schema:
    import pyarrow as pa

    text, number = pa.string(), pa.int64()
    fields: list[pa.Field[Any]] = [
        pa.field("image_id", text, nullable=False),
        pa.field("created_utc", text, nullable=False),
        pa.field("acquired_local_epoch_ns", number),
        pa.field("shape", pa.list_(number), nullable=False),
        pa.field("dtype", text, nullable=False),
        pa.field("axes", pa.list_(text), nullable=False),
        # Version 0.1 kept size and time of the metadata file; now 0 and the entry's stamp.
        pa.field("metadata_size_bytes", number, nullable=False),
        pa.field("metadata_mtime_ns", number, nullable=False),
        # All null where the image came from no file.
        pa.field("source_primary_path", text),
        pa.field("source_mtime_ns", number),
        pa.field("source_size_bytes", number),
        pa.field("ingested_epoch_ns", number),
    ]
    return pa.schema(fields)


def _row(entry: ManifestEntry) -> tuple[Any, ...]:
    """An entry as a row, in the order of the schema."""
    path, _, *numbers = entry.source or (None,) * len(SourceRow._fields)
    return (
        entry.image_id,
        entry.created_utc,
        entry.acquired_local_epoch_ns,
        entry.shape,
        entry.dtype,
        entry.axes,
        0,
        entry.stamp,
        path,
        *numbers,
    )


def _entry(
    image_id: str,
    created_utc: str,
    acquired: int | None,
    shape: list[int],
    dtype: str,
    axes: list[str],
    _: int,
    stamp: int,
    path: str | None,
    *numbers: int,
) -> ManifestEntry:
    return ManifestEntry(
        image_id=image_id,
        created_utc=created_utc,
        acquired_local_epoch_ns=acquired,
        shape=tuple(shape),
        dtype=dtype,
        axes=tuple(axes),
        source=None if path is None else SourceRow(path, image_id, *numbers),
        stamp=stamp,
    )
