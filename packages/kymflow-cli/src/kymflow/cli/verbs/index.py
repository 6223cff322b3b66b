"""Make the tables over all images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from cyclopts import Parameter

from kymflow.cli.blocks import Block, Screen, counted, failure_blocks, remark, table_blocks
from kymflow.cli.errors import refuse_unused
from kymflow.cli.guesses import require_known
from kymflow.cli.image_failures import ImageOutcome
from kymflow.cli.opening import open_reader, open_writer, source_of
from kymflow.cli.options import DEFAULT_WAIT_S, ProgressParam, Wait, Workers
from kymflow.cli.progress import SILENT, followed
from kymflow.cli.results import BatchResult
from kymflow.cli.source_names import source_name
from kymflow.cli.survey import kept_indexers
from kymflow.cli.verbs.plugins import PluginListResult, known_plugins
from kymflow.cli.workers import worker_processes

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from kymflow.core import BaseIndexer, KymDataset

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
    """Make tables over all images.

    Each indexer makes one, named kym_INDEXER. An image that fails stops only itself, and keeps
    the rows that it had.

    Args:
        dataset: Path or URL of the dataset.
        indexers: Which ones to run; if none are named, all that have something to show: those of
            analyses that were never run are left out.
        list_them: List the indexers, and do nothing.
        workers: How many processes to use.
        wait: How many seconds to wait for another writer.
        progress: Shows how far the work is.

    Raises:
        UnknownNameError: There is no such indexer.
        UnusedOptionError: Indexers are named, and listed.
        kymflow_zarr.NotADatasetError: There is no dataset there.
        kymflow_zarr.LockedError: Another writer is at work.
    """
    if list_them:
        refuse_unused("--list", {"an indexer": bool(indexers)})
        open_reader(dataset)
        found = known_plugins("indexer")
        return PluginListResult(
            verb="index",
            plugins=len(found),
            broken=sum(item.status == "broken" for item in found),
            items=found,
        )
    from kymflow.core import KymDataset, run_order

    named = _named(indexers)
    opened = open_writer(dataset, wait_s=wait)
    chosen = run_order(named or kept_indexers(opened))
    images = len(opened.list_image_ids())
    items: list[IndexedTable | ImageFailure] = []
    with worker_processes(workers, images=images, per_process=_WORTH_A_PROCESS) as executor:
        for indexer in chosen:
            done = run_indexer(KymDataset(opened), indexer, executor=executor, progress=progress)
            items += done
            for item in done:
                progress.tell(item)
    opened.update_manifest()
    tables = [item for item in items if isinstance(item, IndexedTable)]
    return IndexResult(
        dataset=dataset,
        tables=sum(item.status != "failed" for item in tables),
        failed=sum(item.status != "ok" for item in tables),
        items=tuple(items),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexResult(BatchResult):
    """What a run of `index` did.

    Attributes:
        tables: How many tables were written.
        items: The tables, each followed by the images that failed.
    """

    streamed: ClassVar[bool] = True
    verb: ClassVar[str] = "index"
    tables: int
    items: tuple[IndexedTable | ImageFailure, ...]

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        failures = [item for item in self.items if isinstance(item, ImageFailure)]
        tables = [item for item in self.items if isinstance(item, IndexedTable)]
        yield from failure_blocks(
            f"{counted(len(failures), 'image')} could not be indexed",
            ("image", "file", "indexer", "reason"),
            [(i.image_id, source_name(i.source or ""), i.step, i.reason) for i in failures],
            screen,
        )
        yield from failure_blocks(
            f"{counted(sum(item.reason is not None for item in tables), 'indexer')} failed",
            ("indexer", "reason"),
            [(item.indexer, item.reason) for item in tables if item.reason is not None],
            screen,
        )
        yield from table_blocks(
            ("table", "rows", "images", "failed", "status"),
            [(item.table, item.rows, item.images, item.failed, item.status) for item in tables],
            screen,
        )
        left_out = sum(item.left_out for item in tables)
        if left_out:
            yield remark(
                f"left out: {counted(left_out, 'result')} of images that are excluded, or of "
                "regions that no longer exist or have other borders now"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedTable:
    """What one indexer did.

    Attributes:
        indexer: Its name.
        table: The table.
        status: ``ok``; ``partial``: some images failed and kept their old rows; ``failed``: the
            old table stays.
        images: How many images were indexed.
        failed: How many images failed.
        rows: How many rows the table has now; None if the table was not written.
        left_out: How many results have no row, because their image is excluded, or their region
            no longer exists or has other borders now.
        reason: Why all of it failed; None if it did not.
    """

    type: ClassVar[str] = "table"
    indexer: str
    table: str
    status: Literal["ok", "partial", "failed"]
    images: int = 0
    failed: int = 0
    rows: int | None = None
    left_out: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFailure(ImageOutcome):
    """One image that could not be indexed.

    Attributes:
        step: The indexer that failed.
    """

    type: ClassVar[str] = "failure"
    step: str


def run_indexer(
    dataset: KymDataset,
    indexer: BaseIndexer,
    *,
    mode: Literal["replace", "incremental"] = "replace",
    executor: Executor | None = None,
    progress: ProgressParam,
) -> Sequence[IndexedTable | ImageFailure]:
    """Run one indexer: the table, then the images that failed."""
    from kymflow.core.errors import IndexUpdateError, KymflowCoreError, cause_of

    follow = followed(progress, f"indexing: {indexer.name}")
    done = partial(IndexedTable, indexer=indexer.name, table=f"kym_{indexer.name}")
    try:
        update = dataset.update_index(
            indexer, mode=mode, on_error="collect", executor=executor, progress=follow
        )
    except IndexUpdateError as error:
        entries = dataset.ds.load_manifest().entries
        return [
            done(
                status="partial" if error.indexed else "failed",
                images=error.indexed,
                failed=len(error.failures),
                rows=dataset.ds.table_row_count(error.table),
            ),
            *(
                ImageFailure(
                    image_id=image_id,
                    source=source_of(entries.get(image_id)),
                    step=cause.indexer,
                    reason=cause_of(cause),
                )
                for image_id, cause in error.failures.items()
            ),
        ]
    except KymflowCoreError as error:
        failed = len(dataset.ds.list_image_ids())
        return [done(status="failed", failed=failed, reason=str(error))]
    left_out = sum(len(reasons) for reasons in update.left_out.values())
    return [done(status="ok", images=update.images, rows=update.rows, left_out=left_out)]


def _named(names: Sequence[str]) -> list[BaseIndexer]:
    """The indexers of these names, or of the tables that they make, each once.

    Raises:
        UnknownNameError: There is none of that name.
        kymflow.core.errors.PluginError: One that was named cannot be used.
    """
    from kymflow.core.plugins import find_indexers, load_indexer

    known = find_indexers()
    names = [name if name in known else name.removeprefix("kym_") for name in names]
    for name in names:
        require_known(name, known, what="indexer")
    return [load_indexer(name) for name in dict.fromkeys(names)]
