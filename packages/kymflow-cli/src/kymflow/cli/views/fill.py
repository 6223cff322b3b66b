"""Text of what fills a dataset: `ingest`, `refresh`, `analyze`, `index`."""

from __future__ import annotations

from collections.abc import Iterator

from kymflow.cli.opening import source_name
from kymflow.cli.options import DEFAULT_PATTERNS
from kymflow.cli.results import (
    AnalyzeResult,
    ImageFailure,
    IndexedTable,
    IndexResult,
    IngestResult,
    PlanResult,
)
from kymflow.cli.safe_text import command, show
from kymflow.cli.views.base import Block, Screen, view
from kymflow.cli.views.parts import (
    counted,
    failure_blocks,
    nothing_matches,
    remark,
    search_remarks,
    sentence,
    table_blocks,
)


@view.register
def _ingest(result: IngestResult, screen: Screen) -> Iterator[Block]:
    yield from failure_blocks(
        f"{counted(result.failed, 'file')} could not be ingested",
        ("file", "reason"),
        [(item.path, item.reason) for item in result.items if item.status == "failed"],
        screen,
    )
    yield sentence(
        f"{counted(result.taken_in, 'new image')} in {show(result.dataset)}",
        unchanged=result.unchanged,
        changed=result.changed,
        failed=result.failed,
        gone=result.gone,
    )
    if result.changed:
        yield remark("to ingest changed files again: --changed")
    if result.verb == "ingest" and result.patterns != DEFAULT_PATTERNS:
        yield remark(
            "for what comes later, run this command again: "
            "kymflow refresh does not remember patterns and subfolders"
        )
    if not (result.items or result.unchanged or result.changed):
        yield nothing_matches(result.patterns)
    yield from search_remarks(result)


@view.register
def _plan(result: PlanResult, screen: Screen) -> Iterator[Block]:
    yield from table_blocks(
        ("state", "action", "file"),
        [(item.state, item.action, item.path) for item in result.items],
        screen,
    )
    yield sentence(
        f"would take {counted(result.to_take_in, 'file')} into {show(result.dataset)}",
        unchanged=result.unchanged,
        changed=result.changed,
        gone=result.gone,
    )
    if not (result.items or result.unchanged):
        yield nothing_matches(result.patterns)
    yield from search_remarks(result)


@view.register
def _analyze(result: AnalyzeResult, screen: Screen) -> Iterator[Block]:
    yield from failure_blocks(
        f"{counted(result.failed, 'image')} could not be analyzed",
        ("image", "file", "reason"),
        [
            (item.image_id, source_name(item.source or ""), item.reason)
            for item in result.items
            if item.status == "failed"
        ],
        screen,
    )
    yield sentence(
        f"{show(result.analysis)}: {counted(result.analyzed, 'image')} analyzed",
        **{"left alone": result.skipped, "failed": result.failed},
    )
    if result.analyzed:
        yield remark(f"to make tables of them: {command('index', result.dataset)}")


@view.register
def _index(result: IndexResult, screen: Screen) -> Iterator[Block]:
    failures = [item for item in result.items if isinstance(item, ImageFailure)]
    tables = [item for item in result.items if isinstance(item, IndexedTable)]
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
            f"left out: {counted(left_out, 'result')} of regions that no longer exist, or have "
            "other borders now"
        )
