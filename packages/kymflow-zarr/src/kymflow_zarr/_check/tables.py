"""Checking the tables over all images, and the sources index among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kymflow_zarr._catalog.recent_sources import read_recent
from kymflow_zarr._catalog.sources import SOURCES
from kymflow_zarr._catalog.sources_index import SourcesIndex
from kymflow_zarr._check.inventory import compare
from kymflow_zarr._problems import Problem
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.inventory import Inventory, read_inventory
from kymflow_zarr._tables.parquet import verify_parquet
from kymflow_zarr._tables.tables import IMAGE_ID, TABLES, Tables, names_images
from kymflow_zarr.errors import CorruptDataError, SchemaValidationError

SOURCES_KEY = f"{TABLES}/{SOURCES}.parquet"
"""Where the sources index is."""


def table_keys(tables: Tables) -> dict[str, str]:
    """The key of each table by its name; the sources index, which is derived, is not among them."""
    return {name: f"{TABLES}/{name}.parquet" for name in tables.names() if name != SOURCES}


def expected_tables(inventory: Inventory) -> set[str]:
    """The keys of the tables that were written, by the inventory."""
    return {f"{TABLES}/{key}" for key in inventory.entered} - {SOURCES_KEY}


def compare_tables(blobs: BlobStore, tables: Tables) -> Iterator[Problem]:
    """Whether the tables that were written are there."""
    inventory = read_inventory(blobs, TABLES)
    present = set(table_keys(tables).values())
    yield from compare(blobs, TABLES, inventory, expected=expected_tables, present=present)


def check_table(
    blobs: BlobStore, tables: Tables, name: str, key: str, existing: set[str], *, deep: bool
) -> Iterator[Problem]:
    """Whether a table can be read, and has rows of existing images alone."""
    verify_parquet(blobs, key, deep=deep)
    for image_id in sorted(orphans(tables, name, existing)):
        yield Problem(
            location=key,
            kind="orphan_rows",
            message=f"it has rows of image {image_id!r}, which does not exist",
        )


def orphans(tables: Tables, name: str, existing: set[str]) -> set[str]:
    """The images that a table has rows of, but that do not exist."""
    schema = tables.schema(name)
    if schema is None or not names_images(schema):
        return set()
    ids = {
        image_id
        for part in tables.iterate(name, columns=[IMAGE_ID])
        for image_id in part[IMAGE_ID].unique().to_pylist()
    }
    return {image_id for image_id in ids if isinstance(image_id, str)} - existing


def check_sources(blobs: BlobStore, *, deep: bool) -> Iterator[Problem]:
    """Whether the sources index has one row for each record that came from a file."""
    sources = SourcesIndex(blobs)
    try:
        if deep:
            verify_parquet(blobs, SOURCES_KEY, deep=True)
        rows = Counter(row.image_id for row in sources.stored())
    except (CorruptDataError, SchemaValidationError) as error:
        yield Problem(location=SOURCES_KEY, kind="stale_cache", message=str(error))
        return
    actual = {row.image_id for row in sources.rows_to_store()}
    for image_id in sorted(image_id for image_id, count in rows.items() if count > 1):
        yield Problem(
            location=SOURCES_KEY,
            kind="stale_cache",
            message=f"it has {rows[image_id]} rows for image {image_id!r}; the last one counts",
        )
    for image_id in sorted(rows.keys() - actual - read_recent(blobs).deleted):
        yield Problem(
            location=SOURCES_KEY,
            kind="source_without_record",
            message=f"it has a row for image {image_id!r}, which does not exist",
        )
    for image_id in sorted(actual - rows.keys()):
        yield Problem(
            location=SOURCES_KEY,
            kind="record_without_source",
            message=f"it has no row for image {image_id!r}",
        )
