"""Make the tables over all images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kymflow.cli.opening import open_reader, open_writer, source_of
from kymflow.cli.options import (
    DEFAULT_WAIT_S,
    ProgressParam,
    Wait,
    Workers,
    default_workers,
)
from kymflow.cli.plugins import choose_indexers, known_plugins
from kymflow.cli.progress import SILENT, followed
from kymflow.cli.results import ImageFailure, IndexedTable, IndexResult, PluginListResult
from kymflow.cli.workers import worker_processes

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from kymflow.core import BaseIndexer, KymDataset
    from kymflow.core.errors import ImageIndexError, IndexUpdateError

__all__ = ["index"]

_WORTH_A_PROCESS = 64
"""A process takes about as long to start as this many images to index."""


def index(
    dataset: str,
    /,
    *indexers: str,
    list_them: Annotated[bool, Parameter(name=["--list", "-l"])] = False,
    workers: Workers = None,
    wait: Wait = DEFAULT_WAIT_S,
    progress: ProgressParam = SILENT,
) -> IndexResult | PluginListResult:
    """Make the tables over all images.

    Each indexer makes one, named kym_INDEXER. An image that fails stops only itself, and keeps
    the rows that it had.

    Args:
        dataset: Path or URL of the dataset.
        indexers: Which ones to run; without any, all that there are.
        list_them: List the indexers, and do nothing.
        workers: In how many processes to work.
        wait: For how many seconds to wait for another writer.
        progress: Who is told how it goes.

    Returns:
        What was done.

    Raises:
        UnknownNameError: There is no such indexer.
        kymflow_zarr.NotADatasetError: There is no dataset there.
        kymflow_zarr.LockedError: Another writer is at work.
    """
    if list_them:
        open_reader(dataset)
        found = known_plugins("indexer")
        return PluginListResult(
            verb="index",
            plugins=len(found),
            broken=sum(item.status == "broken" for item in found),
            items=found,
        )
    from kymflow.core import KymDataset, run_order

    chosen = run_order(choose_indexers(indexers))
    opened = open_writer(dataset, wait_s=wait)
    image_count = len(opened.list_image_ids())
    most = max(1, math.ceil(image_count / _WORTH_A_PROCESS)) if workers is None else workers
    items: list[IndexedTable | ImageFailure] = []
    with worker_processes(min(default_workers(workers), most)) as executor:
        for indexer in chosen:
            done = _run(KymDataset(opened), indexer, executor=executor, progress=progress)
            items += done
            for item in done:
                progress.tell(item)
    tables = [item for item in items if isinstance(item, IndexedTable)]
    return IndexResult(
        dataset=dataset,
        tables=sum(item.status != "failed" for item in tables),
        failed=sum(item.status != "ok" for item in tables),
        items=tuple(items),
    )


def _run(
    dataset: KymDataset,
    indexer: BaseIndexer,
    *,
    executor: Executor | None,
    progress: ProgressParam,
) -> Sequence[IndexedTable | ImageFailure]:
    from kymflow.core.errors import IndexUpdateError, KymflowCoreError

    follow = followed(progress, f"indexing: {indexer.name}")
    table = f"kym_{indexer.name}"
    try:
        update = dataset.update_index(
            indexer, on_error="collect", executor=executor, progress=follow
        )
    except IndexUpdateError as error:
        rows = dataset.ds.table_row_count(error.table)
        return [
            IndexedTable(
                indexer=indexer.name,
                table=error.table,
                status="partial" if error.indexed else "failed",
                images=error.indexed,
                failed=len(error.failures),
                rows=rows,
                left_out=0,
                reason=None,
            ),
            *_failures(dataset, error),
        ]
    except KymflowCoreError as error:
        return [
            IndexedTable(
                indexer=indexer.name,
                table=table,
                status="failed",
                images=0,
                failed=len(dataset.ds.list_image_ids()),
                rows=None,
                left_out=0,
                reason=str(error),
            )
        ]
    return [
        IndexedTable(
            indexer=indexer.name,
            table=update.table,
            status="ok",
            images=update.images,
            failed=0,
            rows=update.rows,
            left_out=sum(len(reasons) for reasons in update.left_out.values()),
            reason=None,
        )
    ]


def _failures(dataset: KymDataset, error: IndexUpdateError) -> list[ImageFailure]:
    entries = dataset.ds.load_manifest().entries
    found = []
    for image_id, cause in error.failures.items():
        source = source_of(entries.get(image_id))
        found.append(
            ImageFailure(
                image_id=image_id, source=source, step=cause.indexer, reason=_reason(cause)
            )
        )
    return found


def _reason(error: ImageIndexError) -> str:
    """Why, without the words that are for programmers."""
    from kymflow.core.errors import IndexerFailedError, RowError

    match error:
        case IndexerFailedError():
            return error.reason
        case RowError():
            return f"column {error.column!r}: {error.reason}" if error.column else error.reason
    return str(error)
