"""`KymDataset`: one disciplined, traceable table per indexer."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING, Literal, TypeAlias

from kymflow.core.errors import ImageIndexError, IndexUpdateError
from kymflow.core.kym_dataset.batches import BATCH_SIZE, ProgressCallback, run_batches
from kymflow.core.kym_dataset.columns import (
    TableColumns,
    fit_rows,
    known_columns,
    table_schema,
)
from kymflow.core.kym_dataset.extract import BatchRows, check_version, declared_columns
from kymflow.core.kym_dataset.indexer_base import BaseIndexer
from kymflow.core.kym_dataset.notebook import summary_html
from kymflow.core.kym_dataset.params import documented_params, find_params
from kymflow.core.kym_dataset.results import IndexUpdate
from kymflow.core.kym_dataset.spool import RowSpool
from kymflow.core.kym_dataset.table_names import (
    TABLE_PREFIX,
    check_is_kym_table,
    indexer_names,
    table_name,
)
from kymflow.core.kym_dataset.view import dataset_view
from kymflow.core.provenance import IMAGE_ID, PARAMS_HASH
from kymflow_zarr import ReadOnlyError, RowUpdate, ZarrDataset
from kymflow_zarr.frames import fit_columns

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from concurrent.futures import Executor

    import pandas as pd
    import pyarrow as pa

    from kymflow.core.provenance import Params

__all__ = ["KymDataset"]

logger = logging.getLogger(__name__)

OnError: TypeAlias = Literal["raise", "collect"]


class KymDataset:
    """A dataset with tables that indexers make.

    Args:
        ds: The dataset. Opened with ``mode="r"``, its tables can be read but not updated.
    """

    def __init__(self, ds: ZarrDataset) -> None:
        self._ds = ds

    def __repr__(self) -> str:
        return f"KymDataset({self._ds!r})"

    def _repr_html_(self) -> str:
        return summary_html(self._ds)

    @property
    def dataset(self) -> ZarrDataset:
        """The dataset that holds images and tables."""
        return self._ds

    def list_indexes(self) -> list[str]:
        """The names of the indexers that have a table here, sorted."""
        return indexer_names(self._ds.list_table_names())

    def load_index(self, indexer_name: str) -> pd.DataFrame:
        """The table of an indexer.

        Raises:
            TableNameError: No indexer can have this name.
            TableNotFoundError: It has no table yet.
        """
        return self._ds.load_table(table_name(indexer_name))

    def params_for(
        self, table: str, params_hash: str, *, indexer: BaseIndexer | None = None
    ) -> Params:
        """The parameters that made a row: the JSON document that its hash stands for.

        It is looked for in the records that have such rows, among their JSON artifacts, and known
        by its hash. What an indexer computes from the record instead (`DocumentsParams`) is asked
        of that indexer.

        Args:
            table: The table, ``kym_<name>``, or the name of its indexer.
            params_hash: The hash in the row.
            indexer: The table's indexer; looked up by name among those installed, if None.

        Raises:
            TableNotFoundError: There is no such table.
            ParamsNotFoundError: No row has this hash, or its parameters are no longer there: then
                the row is stale.
        """
        name = table.removeprefix(TABLE_PREFIX)
        return find_params(
            self._ds.as_read_only(),
            table_name(name),
            params_hash,
            source=documented_params(indexer or _installed_indexer(name)),
        )

    def view(self) -> pd.DataFrame:
        """One row per image, for people who look. No pixel is read.

        Returns:
            ``image_id``, ``source`` (name of the file that it was made of), ``acquired`` (by the
            clock on the wall there), ``shape`` (like ``30000x38``), ``dtype``, ``axes`` (like
            ``t,x``), ``rois`` (how many), ``note``; then for each table ``kym_<name>`` how many
            rows it has for the image. What is not known, or cannot be read, is missing.
        """
        return dataset_view(self._ds)

    def update_index(
        self,
        indexer: BaseIndexer,
        *,
        mode: Literal["replace"] = "replace",
        on_error: OnError = "raise",
        executor: Executor | None = None,
        batch_size: int = BATCH_SIZE,
        progress: ProgressCallback | None = None,
    ) -> IndexUpdate:
        """Run an indexer on every image and publish its rows as ``kym_<indexer.name>``.

        The table changes in one step, at the end. Rows of images that no longer exist go.

        Args:
            indexer: What to run.
            mode: ``"replace"``: every image's rows are computed anew.
            on_error: ``"raise"``: the first image that fails ends the run, the old table stays.
                ``"collect"``: all others are published, what failed keeps its old rows, and one
                error at the end lists every failed image.
            executor: Threads, processes or a cluster; workers in other processes open the dataset
                by its path or URL. None: this thread.
            batch_size: How many images are worked on, and held in memory, at a time.
            progress: Called with images done and total.

        Returns:
            What was done.

        Raises:
            TableNameError: The indexer's name breaks a rule.
            NotAKymTableError: A table of that name exists that no indexer made.
            TableSchemaError: The indexer declares other types than its table has.
            ImageIndexError: With ``on_error="raise"``: an image that failed.
            IndexUpdateError: With ``on_error="collect"``: all images that failed.
            WorkerError: The executor could not do the work. The old table stays.
            ReadOnlyError: The dataset was opened with ``mode="r"``.
        """
        _check_arguments(indexer, mode=mode, on_error=on_error, batch_size=batch_size)
        table = table_name(indexer.name)
        if self._ds.mode == "r":
            raise ReadOnlyError(f"update the table {table!r}")
        stored = self._ds.table_schema(table)
        if stored is not None:
            check_is_kym_table(table, stored)
        columns = known_columns(
            table,
            stored=stored,
            declared=declared_columns(indexer),
        )
        image_ids = self._ds.list_image_ids()
        batches = run_batches(
            self._ds.as_read_only(),
            indexer,
            image_ids,
            analysis_version=check_version(indexer),
            executor=executor,
            batch_size=batch_size,
            progress=progress or _no_progress,
        )
        failures: dict[str, ImageIndexError] = {}
        hashes: dict[str, frozenset[str]] = {}
        shared: dict[frozenset[str], frozenset[str]] = {}
        with RowSpool() as spool, closing(batches):
            for batch in batches:
                rows, columns, failed = _fit_batch(batch, columns, indexer=indexer.name)
                if failed and on_error == "raise":
                    raise _with_details(failed[0])
                failures |= {error.image_id: error for error in failed}
                spool.add(batch.asked, rows)
                # Thousands of images have the same parameters: they are kept once.
                for image_id, found in batch.params_hashes.items():
                    hashes[image_id] = shared.setdefault(found, found)
            unchanged = 0 if stored is None else self._count_unchanged(table, hashes)
            row_count = self._publish(
                table, spool, table_schema(columns), asked=image_ids, failed=failures.keys()
            )
        # The hook for incremental updates: an image whose hash is unchanged could be skipped, but
        # in this version every image is replaced.
        logger.info(
            "index %r: %d of %d images had an unchanged params_hash; all were replaced",
            indexer.name,
            unchanged,
            len(image_ids),
        )
        indexed = len(image_ids) - len(failures)
        if failures:
            raise IndexUpdateError(table, failures, indexed)
        return IndexUpdate(table=table, images=indexed, rows=row_count, unchanged_params=unchanged)

    def _count_unchanged(self, table: str, params_hashes: Mapping[str, frozenset[str]]) -> int:
        """For how many images the table holds these very hashes, and no others."""
        recorded: dict[object, set[object]] = {}
        # Once through the table, however large: asking for each batch's rows would open it anew.
        for part in self._ds.iter_table(table, columns=[IMAGE_ID, PARAMS_HASH]):
            pairs = part.group_by([IMAGE_ID, PARAMS_HASH]).aggregate([])
            for image_id, old_hash in zip(
                pairs[IMAGE_ID].to_pylist(), pairs[PARAMS_HASH].to_pylist(), strict=True
            ):
                recorded.setdefault(image_id, set()).add(old_hash)
        return sum(recorded.get(image_id, set()) == new for image_id, new in params_hashes.items())

    def _publish(
        self,
        table: str,
        spool: RowSpool,
        schema: pa.Schema,
        *,
        asked: Collection[str],
        failed: Collection[str],
    ) -> int:
        """Replace the table in one step; returns its number of rows."""
        # Images that came while this run went on: another run may have given them rows.
        newer = set(self._ds.list_image_ids()).difference(asked)
        return self._ds.replace_rows(
            table,
            self._row_updates(spool, schema, failed=frozenset(failed)),
            schema=schema,
            keep_others=newer.union(failed),
        )

    def _row_updates(
        self, spool: RowSpool, schema: pa.Schema, *, failed: frozenset[str]
    ) -> Iterator[RowUpdate]:
        import pyarrow as pa
        import pyarrow.compute as pc

        # The store asks for this under the lock that deleting an image takes, too: no row of an
        # image that was deleted during the run gets past here.
        existing = frozenset(self._ds.list_image_ids())
        for image_ids, parts in spool:
            fitted = [fit_columns(part, schema, what="the rows") for part in parts]
            rows = pa.concat_tables([schema.empty_table(), *fitted])
            if not existing.issuperset(image_ids):
                left = pa.array(sorted(existing.intersection(image_ids)), pa.string())
                rows = rows.filter(pc.is_in(rows[IMAGE_ID], value_set=left))
            yield RowUpdate(image_ids=frozenset(image_ids) - (failed & existing), rows=rows)


def _installed_indexer(name: str) -> BaseIndexer | None:
    # Imported here: plugins build on this package.
    from kymflow.core.plugins import find_indexers, load_indexer

    return load_indexer(name) if name in find_indexers() else None


def _check_arguments(indexer: object, *, mode: str, on_error: str, batch_size: int) -> None:
    if mode != "replace":
        raise ValueError(f"mode {mode!r} is not 'replace', the only one there is; give that")
    if on_error not in ("raise", "collect"):
        raise ValueError(f"on_error {on_error!r} is neither 'raise' nor 'collect'; choose one")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}; give a larger one")
    if isinstance(indexer, type) or not isinstance(indexer, BaseIndexer):
        raise TypeError(
            f"{indexer!r} is not an indexer; pass an object with name, extract_rows(), "
            "params_hash() and analysis_version()"
        )


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


def _with_details(error: ImageIndexError) -> ImageIndexError:
    """An error that also tells what happened in another process."""
    if error.details and error.__cause__ is None:
        error.add_note(error.details)
    return error


def _no_progress(done: int, total: int) -> None:
    pass
