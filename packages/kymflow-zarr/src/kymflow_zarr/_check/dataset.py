"""Checking and repairing a whole dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kymflow_zarr._catalog.listing import IMAGES, published_ids
from kymflow_zarr._catalog.manifest import build_manifest
from kymflow_zarr._catalog.manifest_cache import (
    MANIFEST_KEY,
    is_damaged,
    load_cache,
    save_cache,
)
from kymflow_zarr._catalog.sources import SOURCES
from kymflow_zarr._catalog.sources_index import SourcesIndex
from kymflow_zarr._check.documents import check_root_documents, repair_documents
from kymflow_zarr._check.image import check_image
from kymflow_zarr._check.inventory import compare, repair_inventory
from kymflow_zarr._check.strays import iter_strays
from kymflow_zarr._problems import Problem, Repair, unreadable
from kymflow_zarr._progress import ProgressCallback, no_progress
from kymflow_zarr._records.document import image_folder
from kymflow_zarr._records.format1 import find_record_document
from kymflow_zarr._records.stored import expected_artifacts, present_artifacts
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.inventory import Inventory, read_inventory
from kymflow_zarr._storage.refusal import is_of_one_file
from kymflow_zarr._tables.parquet import verify_parquet
from kymflow_zarr._tables.tables import IMAGE_ID, TABLES, Tables
from kymflow_zarr.errors import CorruptDataError, SchemaValidationError
from kymflow_zarr.schema import DatasetSchema

__all__ = ["iter_problems", "repair"]

_TABLE = "tables/{}.parquet"


def iter_problems(
    blobs: BlobStore, *, deep: bool, progress: ProgressCallback = no_progress
) -> Iterator[Problem]:
    """Every problem of a dataset, as it is found.

    Args:
        blobs: The key space.
        deep: Whether every chunk and Parquet page is read and its checksum compared.
        progress: Told of the images; tables and the rest come after them.
    """
    tables = Tables(blobs)
    sources = SourcesIndex(blobs, tables)
    folders = blobs.list_folder(IMAGES).folders
    progress(0, len(folders))
    for done, name in enumerate(folders, start=1):
        yield from _going_on(image_folder(name), check_image(blobs, name, deep=deep))
        progress(done, len(folders))
    existing = set(published_ids(blobs))
    for name in tables.names():
        if name != SOURCES:
            found = _check_table(blobs, tables, name, existing, deep=deep)
            yield from _going_on(_TABLE.format(name), found)
    yield from _going_on(_TABLE.format(SOURCES), _check_sources(blobs, sources, deep=deep))
    if _is_current(blobs):
        inventory = read_inventory(blobs, TABLES)
        present = _present_tables(tables)
        yield from compare(blobs, TABLES, inventory, expected=_expected_tables, present=present)
    yield from iter_strays(blobs)
    if _is_current(blobs):
        yield from check_root_documents(blobs)
    if is_damaged(blobs):
        yield Problem(
            location=MANIFEST_KEY, kind="stale_cache", message="the manifest is damaged or outdated"
        )
    for leftover in blobs.leftovers():
        yield Problem(
            location=leftover, kind="leftover", message="a writer was killed before it was done"
        )


def repair(blobs: BlobStore, *, forget_gone: bool) -> Iterator[Repair]:
    """Repair what is derived or was never committed.

    The caller holds the writer's locks.

    Args:
        blobs: The key space.
        forget_gone: Whether artifacts and tables that are gone stop being a problem.

    Yields:
        Each thing done.
    """
    tables = Tables(blobs)
    sources = SourcesIndex(blobs, tables)
    for leftover in blobs.leftovers():
        blobs.sweep(leftover)
        yield Repair(location=leftover, action="removed what a killed writer left behind")
    # Rows of an image that has lost its commit document stay: it may be brought back from a copy.
    existing = set(published_ids(blobs))
    if any(_check_sources(blobs, sources, deep=True)):
        sources.save(sources.mended())
        yield Repair(location=_TABLE.format(SOURCES), action="brought it in line with the records")
    for name in tables.names():
        if name == SOURCES:
            continue
        try:
            orphans = _orphans(tables, name, existing)
            schema = tables.schema(name)
            if orphans and schema is not None:
                tables.replace_rows(
                    name, [], schema=schema, keep_others=existing, image_id_col=IMAGE_ID
                )
        except CorruptDataError:  # for `check` to name
            continue
        if orphans:
            yield Repair(
                location=_TABLE.format(name),
                action=f"dropped the rows of {len(orphans)} image(s) that are gone",
            )
    if is_damaged(blobs):
        save_cache(blobs, build_manifest(blobs, sorted(existing), load_cache(blobs)))
        yield Repair(location=MANIFEST_KEY, action="rebuilt it from the records")
    if _is_current(blobs):
        yield from repair_documents(blobs, sorted(existing))
    yield from _repair_inventories(blobs, tables, sorted(existing), forget_gone=forget_gone)


def _going_on(location: str, problems: Iterator[Problem]) -> Iterator[Problem]:
    """Problems of one thing; that the system does not let it be read is the last of them."""
    try:
        yield from problems
    except OSError as error:
        if not is_of_one_file(error):
            raise
        yield Problem(
            location=location,
            kind="unreadable",
            message=f"the system does not let it be read: {error}; "
            "see to its permissions, or bring it back from a copy",
        )


def _is_current(blobs: BlobStore) -> bool:
    """Whether the dataset has the current format: format 1 has no inventories, and no seals."""
    schema = DatasetSchema.read(blobs)
    return schema is not None and schema.version >= DatasetSchema.CURRENT


def _repair_inventories(
    blobs: BlobStore, tables: Tables, image_ids: Iterable[str], *, forget_gone: bool
) -> Iterator[Repair]:
    for image_id in image_ids:
        try:
            document = find_record_document(blobs, image_id)
        except CorruptDataError:  # for `check` to name
            continue
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
    if _is_current(blobs):
        inventory = read_inventory(blobs, TABLES)
        yield from repair_inventory(
            blobs,
            TABLES,
            inventory,
            expected=_expected_tables(inventory),
            present=_present_tables(tables),
            forget_gone=forget_gone,
        )


def _expected_tables(inventory: Inventory) -> set[str]:
    """The keys of the tables that were written; the sources index, which is derived, apart."""
    return {f"{TABLES}/{key}" for key in inventory.entered} - {_TABLE.format(SOURCES)}


def _present_tables(tables: Tables) -> set[str]:
    return {_TABLE.format(name) for name in tables.names() if name != SOURCES}


def _check_sources(blobs: BlobStore, sources: SourcesIndex, *, deep: bool) -> Iterator[Problem]:
    location = _TABLE.format(SOURCES)
    try:
        if deep:
            verify_parquet(blobs, location, deep=True)
        stored = {row.image_id for row in sources.stored()}
    except (CorruptDataError, SchemaValidationError) as error:
        yield Problem(location=location, kind="stale_cache", message=str(error))
        return
    actual = {row.image_id for row in sources.mended()}
    for image_id in sorted(stored - actual):
        yield Problem(
            location=location,
            kind="source_without_record",
            message=f"it has a row for image {image_id!r}, which does not exist",
        )
    for image_id in sorted(actual - stored):
        yield Problem(
            location=location,
            kind="record_without_source",
            message=f"it has no row for image {image_id!r}",
        )


def _check_table(
    blobs: BlobStore, tables: Tables, name: str, existing: set[str], *, deep: bool
) -> Iterator[Problem]:
    try:
        verify_parquet(blobs, _TABLE.format(name), deep=deep)
        orphans = _orphans(tables, name, existing)
    except CorruptDataError as error:
        yield unreadable(error)
        return
    for image_id in sorted(orphans):
        yield Problem(
            location=_TABLE.format(name),
            kind="orphan_rows",
            message=f"it has rows of image {image_id!r}, which does not exist",
        )


def _orphans(tables: Tables, name: str, existing: set[str]) -> set[str]:
    """The images that a table has rows of, but that do not exist."""
    import pyarrow as pa

    schema = tables.schema(name)
    if schema is None or IMAGE_ID not in schema.names:
        return set()
    if not pa.types.is_string(schema.field(IMAGE_ID).type):  # another program's
        return set()
    ids = tables.load(name, columns=[IMAGE_ID])[IMAGE_ID].unique().to_pylist()
    return {image_id for image_id in ids if isinstance(image_id, str)} - existing
