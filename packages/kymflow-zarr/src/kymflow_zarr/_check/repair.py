"""Repairing a dataset: what is derived or was never committed."""

from __future__ import annotations

from collections.abc import Iterator

from kymflow_zarr._catalog.listing import published_ids
from kymflow_zarr._catalog.manifest import build_manifest
from kymflow_zarr._catalog.manifest_cache import (
    MANIFEST_KEY,
    is_damaged,
    load_cache,
    save_cache,
)
from kymflow_zarr._catalog.recent_sources import RecentSources
from kymflow_zarr._catalog.source_details import SourceDetails
from kymflow_zarr._catalog.sources_index import SourcesIndex
from kymflow_zarr._check.documents import is_current, repair_documents, repair_root_documents
from kymflow_zarr._check.image import is_remnant
from kymflow_zarr._check.inventory import repair_inventory
from kymflow_zarr._check.tables import (
    SOURCES_KEY,
    check_sources,
    expected_tables,
    orphans,
    table_keys,
)
from kymflow_zarr._problems import Repair
from kymflow_zarr._records.document import image_folder
from kymflow_zarr._records.format1 import find_record_document
from kymflow_zarr._records.stored import expected_artifacts, present_artifacts
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.inventory import read_inventory
from kymflow_zarr._storage.refusal import is_per_file_error
from kymflow_zarr._tables.tables import IMAGE_ID, TABLES, Tables
from kymflow_zarr.errors import CorruptDataError


def repair(blobs: BlobStore, *, forget_gone: bool) -> Iterator[Repair]:
    """Repair what is derived or was never committed; see `ZarrDataset.repair`.

    The caller holds the writer's locks.
    """
    tables = Tables(blobs)
    leftovers = blobs.leftovers()
    blobs.sweep(leftovers)
    for leftover in leftovers:
        yield Repair(location=leftover, action="removed what a killed writer left behind")
    for image_id in published_ids(blobs):
        yield from _ignore_damage(_remove_remnant(blobs, image_id))
    # Rows of an image that has lost its commit document stay: it may be restored from a copy.
    existing = set(published_ids(blobs))
    if any(check_sources(blobs, deep=True)):
        sources = SourcesIndex(blobs)
        rows = sources.rows_to_store()
        sources.save(rows)
        SourceDetails(blobs).save([row.image_id for row in rows])
        RecentSources(blobs).mark()  # a line about an image that is gone must not come back
        yield Repair(location=SOURCES_KEY, action="updated it from the records")
    for name, key in table_keys(tables).items():
        yield from _ignore_damage(_repair_table(tables, name, key, existing))
    if is_damaged(blobs):
        save_cache(blobs, build_manifest(blobs, sorted(existing), load_cache(blobs)))
        yield Repair(location=MANIFEST_KEY, action="rebuilt it from the records")
    current = is_current(blobs)
    if current:
        yield from _ignore_damage(repair_root_documents(blobs))
    for image_id in sorted(existing):
        if current:
            yield from _ignore_damage(repair_documents(blobs, image_id))
        yield from _ignore_damage(_repair_inventory(blobs, image_id, forget_gone=forget_gone))
    if current:
        inventory = read_inventory(blobs, TABLES)
        yield from repair_inventory(
            blobs,
            TABLES,
            inventory,
            expected=expected_tables(inventory),
            present=set(table_keys(tables).values()),
            forget_gone=forget_gone,
        )


def _remove_remnant(blobs: BlobStore, image_id: str) -> Iterator[Repair]:
    if is_remnant(blobs, image_id):
        blobs.delete_folder(image_folder(image_id))
        yield Repair(
            location=image_folder(image_id), action="removed what was saved while it was deleted"
        )


def _repair_table(tables: Tables, name: str, key: str, existing: set[str]) -> Iterator[Repair]:
    gone = orphans(tables, name, existing)
    schema = tables.schema(name)
    if gone and schema is not None:
        tables.replace_rows(name, [], schema=schema, keep_others=existing, image_id_col=IMAGE_ID)
        yield Repair(
            location=key,
            action=f"dropped the rows of {len(gone)} image(s) that no longer exist",
        )


def _repair_inventory(blobs: BlobStore, image_id: str, *, forget_gone: bool) -> Iterator[Repair]:
    document = find_record_document(blobs, image_id)
    if document is not None and document.digest:
        inventory = read_inventory(blobs, image_folder(image_id))
        expected = expected_artifacts(document, inventory)
        yield from repair_inventory(
            blobs,
            image_folder(image_id),
            inventory,
            expected=expected,
            present=present_artifacts(blobs, image_id, expected=expected),
            forget_gone=forget_gone,
        )


def _ignore_damage(repairs: Iterator[Repair]) -> Iterator[Repair]:
    """The repairs of one thing, up to damage that `check` reports."""
    try:
        yield from repairs
    except CorruptDataError:
        return
    except OSError as error:
        if not is_per_file_error(error):
            raise
