"""Checking a whole dataset."""

from __future__ import annotations

from collections.abc import Iterator

from kymflow_zarr._catalog.listing import IMAGES, published_ids
from kymflow_zarr._catalog.manifest_cache import MANIFEST_KEY, is_damaged
from kymflow_zarr._check.documents import check_root_documents, is_current
from kymflow_zarr._check.image import check_image
from kymflow_zarr._check.strays import iter_strays
from kymflow_zarr._check.tables import (
    SOURCES_KEY,
    check_sources,
    check_table,
    compare_tables,
    table_keys,
)
from kymflow_zarr._problems import Problem, damage_problem, link_problem
from kymflow_zarr._progress import ProgressCallback, no_progress
from kymflow_zarr._records.document import image_folder
from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.refusal import is_per_file_error
from kymflow_zarr._storage.side_by_side import side_by_side
from kymflow_zarr._tables.tables import TABLES, Tables
from kymflow_zarr.errors import CorruptDataError


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
    yield from _until_damage(SOURCES_KEY, check_sources(blobs, deep=deep))
    if is_current(blobs):
        yield from _until_damage(TABLES, compare_tables(blobs, tables))
    yield from _until_damage("", iter_strays(blobs))
    if is_current(blobs):
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
    for name, key in table_keys(tables).items():
        found = check_table(blobs, tables, name, key, existing, deep=deep)
        yield from _until_damage(key, found)


def _check_index(blobs: BlobStore) -> Iterator[Problem]:
    if is_damaged(blobs):
        yield Problem(
            location=MANIFEST_KEY, kind="stale_cache", message="the manifest is damaged or outdated"
        )
    for leftover in blobs.leftovers():
        yield Problem(
            location=leftover, kind="leftover", message="a writer was killed before it was done"
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
