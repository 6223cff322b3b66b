"""Checking and repairing a whole dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kymflow_zarr._catalog.listing import IMAGES, published_ids
from kymflow_zarr._catalog.manifest import build_manifest
from kymflow_zarr._catalog.manifest_cache import (
    MANIFEST_KEY,
    is_damaged,
    load_cache,
    save_cache,
)
from kymflow_zarr._catalog.recent_sources import RecentSources, read_recent
from kymflow_zarr._catalog.source_details import SourceDetails
from kymflow_zarr._catalog.sources import SOURCES
from kymflow_zarr._catalog.sources_index import SourcesIndex
from kymflow_zarr._check.documents import (
    check_root_documents,
    repair_documents,
    repair_root_documents,
)
from kymflow_zarr._check.image import check_image, is_remnant
from kymflow_zarr._check.inventory import compare, repair_inventory
from kymflow_zarr._check.strays import iter_strays
from kymflow_zarr._problems import Problem, Repair, damage_problem, link_problem
from kymflow_zarr._progress import ProgressCallback, no_progress
from kymflow_zarr._records.document import image_folder
from kymflow_zarr._records.format1 import find_record_document
from kymflow_zarr._records.stored import expected_artifacts, present_artifacts
from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.inventory import Inventory, read_inventory
from kymflow_zarr._storage.refusal import is_per_file_error
from kymflow_zarr._storage.side_by_side import side_by_side
from kymflow_zarr._tables.parquet import verify_parquet
from kymflow_zarr._tables.tables import IMAGE_ID, TABLES, Tables, names_images
from kymflow_zarr.errors import CorruptDataError, SchemaValidationError
from kymflow_zarr.schema import DatasetSchema

_TABLE = "tables/{}.parquet"


def iter_problems(
    blobs: BlobStore, *, deep: bool, progress: ProgressCallback = no_progress
) -> Iterator[Problem]:
    """Every problem of a dataset, as it is found; see `ZarrDataset.iter_problems`."""
    links = frozenset(blobs.links(""))
    yield from map(link_problem, sorted(links))
    for problem in _iter_problems(blobs, deep=deep, progress=progress):
        if problem.location not in links:
            yield problem


def _iter_problems(
    blobs: BlobStore, *, deep: bool, progress: ProgressCallback
) -> Iterator[Problem]:
    tables = Tables(blobs)
    yield from _until_damage(IMAGES, _check_images(blobs, deep=deep, progress=progress))
    yield from _until_damage(TABLES, _check_tables(blobs, tables, deep=deep))
    found = _check_sources(blobs, SourcesIndex(blobs, tables), deep=deep)
    yield from _until_damage(_TABLE.format(SOURCES), found)
    if _is_current(blobs):
        yield from _until_damage(TABLES, _compare_tables(blobs, tables))
    yield from _until_damage("", iter_strays(blobs))
    if _is_current(blobs):
        yield from _until_damage(COMMIT_KEY, check_root_documents(blobs))
    yield from _until_damage("index", _check_index(blobs))


def _check_images(blobs: BlobStore, *, deep: bool, progress: ProgressCallback) -> Iterator[Problem]:
    folders = sorted(blobs.folders(IMAGES, holding=COMMIT_KEY))
    claimed = blobs.claimed()  # asked for last: a writer that is done since has published
    progress(0, len(folders))

    def check(name: str) -> list[Problem]:
        found = _until_damage(image_folder(name), check_image(blobs, name, deep=deep))
        return [
            problem
            for problem in found
            if problem.kind != "missing" or problem.location.rpartition("/")[0] not in claimed
        ]

    for done, found in enumerate(side_by_side(blobs, check, folders), start=1):
        yield from found
        progress(done, len(folders))


def _check_tables(blobs: BlobStore, tables: Tables, *, deep: bool) -> Iterator[Problem]:
    existing = set(published_ids(blobs))
    for name in tables.names():
        if name != SOURCES:
            found = _check_table(blobs, tables, name, existing, deep=deep)
            yield from _until_damage(_TABLE.format(name), found)


def _compare_tables(blobs: BlobStore, tables: Tables) -> Iterator[Problem]:
    inventory = read_inventory(blobs, TABLES)
    present = _present_tables(tables)
    yield from compare(blobs, TABLES, inventory, expected=_expected_tables, present=present)


def _check_index(blobs: BlobStore) -> Iterator[Problem]:
    if is_damaged(blobs):
        yield Problem(
            location=MANIFEST_KEY, kind="stale_cache", message="the manifest is damaged or outdated"
        )
    for leftover in blobs.leftovers():
        yield Problem(
            location=leftover, kind="leftover", message="a writer was killed before it was done"
        )


def repair(blobs: BlobStore, *, forget_gone: bool) -> Iterator[Repair]:
    """Repair what is derived or was never committed; see `ZarrDataset.repair`.

    The caller holds the writer's locks.
    """
    tables = Tables(blobs)
    sources = SourcesIndex(blobs, tables)
    leftovers = blobs.leftovers()
    blobs.sweep(leftovers)
    for leftover in leftovers:
        yield Repair(location=leftover, action="removed what a killed writer left behind")
    for image_id in published_ids(blobs):
        yield from _ignore_damage(_remove_remnant(blobs, image_id))
    # Rows of an image that has lost its commit document stay: it may be restored from a copy.
    existing = set(published_ids(blobs))
    if any(_check_sources(blobs, sources, deep=True)):
        rows = sources.rows_to_store()
        sources.save(rows)
        SourceDetails(blobs).save([row.image_id for row in rows])
        RecentSources(blobs).mark()  # a line about an image that is gone must not come back
        yield Repair(location=_TABLE.format(SOURCES), action="updated it from the records")
    for name in tables.names():
        if name != SOURCES:
            yield from _ignore_damage(_repair_table(tables, name, existing))
    if is_damaged(blobs):
        save_cache(blobs, build_manifest(blobs, sorted(existing), load_cache(blobs)))
        yield Repair(location=MANIFEST_KEY, action="rebuilt it from the records")
    current = _is_current(blobs)
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
            expected=_expected_tables(inventory),
            present=_present_tables(tables),
            forget_gone=forget_gone,
        )


def _remove_remnant(blobs: BlobStore, image_id: str) -> Iterator[Repair]:
    if is_remnant(blobs, image_id):
        blobs.delete_folder(image_folder(image_id))
        yield Repair(
            location=image_folder(image_id), action="removed what was saved while it was deleted"
        )


def _repair_table(tables: Tables, name: str, existing: set[str]) -> Iterator[Repair]:
    orphans = _orphans(tables, name, existing)
    schema = tables.schema(name)
    if orphans and schema is not None:
        tables.replace_rows(name, [], schema=schema, keep_others=existing, image_id_col=IMAGE_ID)
        yield Repair(
            location=_TABLE.format(name),
            action=f"dropped the rows of {len(orphans)} image(s) that no longer exist",
        )


def _until_damage(location: str, problems: Iterator[Problem]) -> Iterator[Problem]:
    """The problems of one thing; if it cannot be read at all, that is the last of them."""
    try:
        yield from problems
    except CorruptDataError as error:
        yield damage_problem(error)
    except OSError as error:
        if not is_per_file_error(error):
            raise
        yield Problem(
            location=location,
            kind="unreadable",
            message=f"the system refuses to read it: {error}; "
            "check its permissions, or restore it from a copy",
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


def _is_current(blobs: BlobStore) -> bool:
    """Whether the dataset has the current format: format 1 has no inventories, and no seals."""
    schema = DatasetSchema.read(blobs)
    return schema is not None and schema.version >= DatasetSchema.CURRENT


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


def _expected_tables(inventory: Inventory) -> set[str]:
    """The keys of the tables that were written, without the sources index, which is derived."""
    return {f"{TABLES}/{key}" for key in inventory.entered} - {_TABLE.format(SOURCES)}


def _present_tables(tables: Tables) -> set[str]:
    return {_TABLE.format(name) for name in tables.names() if name != SOURCES}


def _check_sources(blobs: BlobStore, sources: SourcesIndex, *, deep: bool) -> Iterator[Problem]:
    location = _TABLE.format(SOURCES)
    try:
        if deep:
            verify_parquet(blobs, location, deep=True)
        rows = Counter(row.image_id for row in sources.stored())
    except (CorruptDataError, SchemaValidationError) as error:
        yield Problem(location=location, kind="stale_cache", message=str(error))
        return
    actual = {row.image_id for row in sources.rows_to_store()}
    for image_id in sorted(image_id for image_id, count in rows.items() if count > 1):
        yield Problem(
            location=location,
            kind="stale_cache",
            message=f"it has {rows[image_id]} rows for image {image_id!r}; the last one counts",
        )
    for image_id in sorted(rows.keys() - actual - read_recent(blobs).deleted):
        yield Problem(
            location=location,
            kind="source_without_record",
            message=f"it has a row for image {image_id!r}, which does not exist",
        )
    for image_id in sorted(actual - rows.keys()):
        yield Problem(
            location=location,
            kind="record_without_source",
            message=f"it has no row for image {image_id!r}",
        )


def _check_table(
    blobs: BlobStore, tables: Tables, name: str, existing: set[str], *, deep: bool
) -> Iterator[Problem]:
    verify_parquet(blobs, _TABLE.format(name), deep=deep)
    for image_id in sorted(_orphans(tables, name, existing)):
        yield Problem(
            location=_TABLE.format(name),
            kind="orphan_rows",
            message=f"it has rows of image {image_id!r}, which does not exist",
        )


def _orphans(tables: Tables, name: str, existing: set[str]) -> set[str]:
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
