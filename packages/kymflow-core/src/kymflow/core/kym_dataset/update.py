"""One update of one table: which images to ask for, their rows, and the table in one step."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from kymflow.core.batches import BatchWork, ProgressCallback, no_progress, run_batches
from kymflow.core.errors import ImageIndexError, IndexUpdateError
from kymflow.core.kym_dataset.columns import (
    TableColumns,
    fit_rows,
    known_columns,
    table_schema,
)
from kymflow.core.kym_dataset.extract import (
    BatchRows,
    check_version,
    declared_columns,
    extract_batch,
)
from kymflow.core.kym_dataset.indexer_base import BaseIndexer, ExcludedImageIndexer
from kymflow.core.kym_dataset.results import IndexUpdate
from kymflow.core.kym_dataset.spool import RowSpool
from kymflow.core.kym_dataset.table_names import check_is_kym_table, table_name
from kymflow.core.kym_dataset.unchanged import (
    RowOrigins,
    row_origins,
    table_origins,
    take_fingerprints,
)
from kymflow.core.provenance import IMAGE_ID
from kymflow.core.run_log import Run, log_run, now
from kymflow_zarr import ReadOnlyError, RowUpdate, ZarrDataset
from kymflow_zarr.frames import fit_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    import pyarrow as pa

logger = logging.getLogger(__name__)

BATCH_SIZE: Final = 64

Mode: TypeAlias = Literal["replace", "incremental"]
OnError: TypeAlias = Literal["raise", "collect"]


def update_table(
    dataset: ZarrDataset,
    indexer: BaseIndexer,
    *,
    mode: Mode,
    on_error: OnError,
    keep_excluded: bool,
    executor: Executor | None,
    batch_size: int,
    progress: ProgressCallback | None,
) -> IndexUpdate:
    """`KymDataset.update_index`."""
    _check_arguments(indexer, mode=mode, on_error=on_error, batch_size=batch_size)
    table = table_name(indexer.name)
    if dataset.mode == "r":
        raise ReadOnlyError(f"update the table {table!r}")
    started = now()
    stored = dataset.table_schema(table)
    if stored is not None:
        check_is_kym_table(table, stored)
    columns = known_columns(table, stored=stored, declared=declared_columns(indexer))
    version = check_version(indexer)
    image_ids = dataset.list_image_ids()
    keep_excluded = _keeps_excluded(indexer, keep_excluded=keep_excluded)
    stamps = dataset.artifact_stamps(image_ids)
    fingerprints = take_fingerprints(dataset, indexer, stamps, keep_excluded=keep_excluded)
    old = table_origins(dataset, table)
    unchanged = fingerprints.unchanged(old) if mode == "incremental" else frozenset()
    asked = [image_id for image_id in image_ids if image_id not in unchanged]
    with RowSpool() as spool:
        found = _ask(
            partial(extract_batch, dataset.as_read_only(), indexer, version, keep_excluded),
            asked,
            columns,
            spool,
            indexer=indexer.name,
            on_error=on_error,
            executor=executor,
            batch_size=batch_size,
            progress=progress or no_progress,
        )
        if stored is None or asked or not old.keys() <= set(image_ids):
            schema = table_schema(found.columns)
            row_count = dataset.replace_rows(
                table,
                _row_updates(dataset, spool, schema, failed=frozenset(found.failures)),
                schema=schema,
                drop_gone=True,
            )
        else:
            row_count = dataset.table_row_count(table) or 0
    kept = {image_id: old[image_id] for image_id in unchanged if image_id in old}
    fresh = fingerprints.with_rows({**kept, **found.origins})
    for image_id in found.failures:
        fresh.pop(image_id, None)
    if fresh != fingerprints.kept:
        dataset.save_derived(fingerprints.name, fresh)
    update = IndexUpdate(
        table=table,
        images=len(image_ids) - len(found.failures),
        recomputed=len(asked) - len(found.failures),
        rows=row_count,
        unchanged_params=_count_same_params(old, found.origins) + len(unchanged & old.keys()),
        left_out=found.left_out,
    )
    log_run(
        dataset,
        Run(
            action="index",
            name=indexer.name,
            version=version,
            started=started,
            counts={
                "images": update.images,
                "recomputed": update.recomputed,
                "failed": len(found.failures),
                "rows": update.rows,
                "left_out": sum(len(reasons) for reasons in update.left_out.values()),
            },
        ),
    )
    logger.info(
        "index %r: %d of %d images had an unchanged params_hash; %s were replaced",
        indexer.name,
        update.unchanged_params,
        len(image_ids),
        "all" if mode == "replace" else f"the rows of {update.recomputed}",
    )
    if found.failures:
        raise IndexUpdateError(table, found.failures, update.images)
    return update


def outdated_images(
    dataset: ZarrDataset, indexer: BaseIndexer, stamps: Mapping[str, str] | None = None
) -> frozenset[str]:
    """`KymDataset.outdated_images`."""
    if stamps is None:
        stamps = dataset.artifact_stamps(dataset.list_image_ids())
    keep_excluded = _keeps_excluded(indexer, keep_excluded=False)
    fingerprints = take_fingerprints(dataset, indexer, stamps, keep_excluded=keep_excluded)
    rows = table_origins(dataset, table_name(indexer.name))
    deleted = rows.keys() - stamps.keys()
    return frozenset(stamps.keys() - fingerprints.unchanged(rows) | deleted)


def _keeps_excluded(indexer: BaseIndexer, *, keep_excluded: bool) -> bool:
    """Whether images that a person excluded have rows."""
    covers = isinstance(indexer, ExcludedImageIndexer) and indexer.covers_excluded
    return keep_excluded or covers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What came of asking an indexer, the rows apart, which are in the spool."""

    columns: TableColumns
    origins: RowOrigins
    failures: Mapping[str, ImageIndexError]
    left_out: Mapping[str, tuple[str, ...]]


def _ask(
    extract: BatchWork[BatchRows],
    image_ids: Sequence[str],
    columns: TableColumns,
    spool: RowSpool,
    *,
    indexer: str,
    on_error: OnError,
    executor: Executor | None,
    batch_size: int,
    progress: ProgressCallback,
) -> _Found:
    """Ask an indexer for images' rows; with ``on_error="raise"`` the first failure is raised."""
    origins: dict[str, tuple[tuple[str, str, int], ...]] = {}
    failures: dict[str, ImageIndexError] = {}
    left_out: dict[str, tuple[str, ...]] = {}
    batches = run_batches(
        extract, image_ids, executor=executor, batch_size=batch_size, progress=progress
    )
    with closing(batches):
        for batch in batches:
            rows, columns, failed = _fit_batch(batch, columns, indexer=indexer)
            if failed and on_error == "raise":
                raise _with_details(failed[0])
            failures |= {error.image_id: error for error in failed}
            left_out |= batch.left_out
            origins |= row_origins(rows)
            spool.add(batch.asked, rows)
    return _Found(columns=columns, origins=origins, failures=failures, left_out=left_out)


def _fit_batch(
    batch: BatchRows, columns: TableColumns, *, indexer: str
) -> tuple[list[pa.Table], TableColumns, list[ImageIndexError]]:
    """A batch's rows in the types of the table, what is known of these now, and what failed."""
    fitted: list[pa.Table] = []
    failed: list[ImageIndexError] = list(batch.failures)
    for part in batch.parts:
        rows, columns, misfits = fit_rows(part, columns, indexer=indexer)
        fitted += rows
        failed += misfits
    return fitted, columns, sorted(failed, key=lambda error: error.image_id)


def _row_updates(
    dataset: ZarrDataset, spool: RowSpool, schema: pa.Schema, *, failed: frozenset[str]
) -> Iterator[RowUpdate]:
    import pyarrow as pa
    import pyarrow.compute as pc

    # The store asks for this under the lock that deleting an image takes, too: no row of an image
    # that was deleted during the run gets past here.
    existing = frozenset(dataset.list_image_ids())
    for image_ids, parts in spool:
        fitted = [fit_columns(part, schema, what="the rows") for part in parts]
        rows = pa.concat_tables([schema.empty_table(), *fitted])
        if not existing.issuperset(image_ids):
            left = pa.array(sorted(existing.intersection(image_ids)), pa.string())
            rows = rows.filter(pc.is_in(rows[IMAGE_ID], value_set=left))
        yield RowUpdate(image_ids=frozenset(image_ids) - (failed & existing), rows=rows)


def _count_same_params(old: RowOrigins, new: RowOrigins) -> int:
    """For how many images the table held exactly these hashes."""
    return sum(_hashes(old.get(image_id, ())) == _hashes(new[image_id]) for image_id in new)


def _hashes(origins: Iterable[tuple[str, str, int]]) -> set[str]:
    return {digest for _, digest, _ in origins}


def _with_details(error: ImageIndexError) -> ImageIndexError:
    """An error with the traceback of another process as a note."""
    if error.details and error.__cause__ is None:
        error.add_note(error.details)
    return error


def _check_arguments(indexer: object, *, mode: str, on_error: str, batch_size: int) -> None:
    for argument, value, choices in (("mode", mode, Mode), ("on_error", on_error, OnError)):
        if value not in get_args(choices):
            supported = " and ".join(map(repr, get_args(choices)))
            raise ValueError(f"unknown {argument} {value!r}; only {supported} are supported")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}; give a larger one")
    if isinstance(indexer, type) or not isinstance(indexer, BaseIndexer):
        raise TypeError(
            f"{indexer!r} is not an indexer; pass an object with name, extract_rows(), "
            "params_hash() and analysis_version()"
        )
