"""Text of what keeps a dataset well: `check`, `repair`, `upgrade`, `export`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kymflow.cli.results import (
    CheckResult,
    DoneRepair,
    ExportResult,
    FoundProblem,
    RepairResult,
    UpgradeResult,
)
from kymflow.cli.safe_text import command, show
from kymflow.cli.views.base import Block, Screen, view
from kymflow.cli.views.parts import counted, failure_blocks, remark, sentence, table_blocks


@view.register
def _check(result: CheckResult, screen: Screen) -> Iterator[Block]:
    yield from _problems(result.items, screen)
    how = "every byte" if result.deep else "not every byte; for that: --deep"
    if result.ok:
        yield Block(lines=[f"{show(result.dataset)}: all is well"])
        yield remark(f"{counted(result.images, 'image')} checked, {how}")
        return
    yield sentence(counted(result.problems, "problem"), repairable=result.repairable)
    if result.repairable:
        yield remark(f"to repair what can be repaired: {command('repair', result.dataset)}")
    if any(item.kind == "gone" for item in result.items):
        yield remark(
            "what is gone can be restored from a copy or computed again; if it should stay away: "
            + command("repair", result.dataset, "--forget-gone")
        )


@view.register
def _repair(result: RepairResult, screen: Screen) -> Iterator[Block]:
    repairs = [item for item in result.items if isinstance(item, DoneRepair)]
    yield from table_blocks(
        ("where", "what"), [(item.location, item.action) for item in repairs], screen
    )
    left = [item for item in result.items if isinstance(item, FoundProblem)]
    yield from _problems(left, screen)
    verb = "would repair" if result.dry_run else "repaired"
    yield Block(
        lines=[
            f"{verb} {counted(result.repairs, 'thing')}, {counted(result.problems, 'problem')} left"
        ]
    )


def _problems(items: Sequence[FoundProblem], screen: Screen) -> Iterator[Block]:
    rows = [(item.kind, item.location, item.message) for item in items]
    yield from table_blocks(("problem", "where", "what"), rows, screen)


@view.register
def _upgrade(result: UpgradeResult, screen: Screen) -> Iterator[Block]:  # noqa: ARG001
    if result.format_before == result.format_version:
        yield Block(lines=[f"{show(result.dataset)} has format {result.format_version} already"])
        return
    yield Block(
        lines=[
            f"{show(result.dataset)}: {counted(result.upgraded, 'image')} "
            f"brought from format {result.format_before} to {result.format_version}"
        ]
    )


@view.register
def _export(result: ExportResult, screen: Screen) -> Iterator[Block]:
    yield from failure_blocks(
        f"{counted(result.failed, 'thing')} could not be exported",
        ("what", "reason"),
        [(item.name, item.reason) for item in result.items],
        screen,
    )
    yield sentence(
        f"{counted(result.images, 'image')} in {show(result.folder)}",
        tables=result.tables or 0,
        **{
            "files written": result.files_written or 0,
            "unchanged": result.files_unchanged or 0,
            "removed": result.files_removed or 0,
            "failed": result.failed,
        },
    )
    if result.files_kept:
        yield remark(f"not removed, as someone has changed them: {', '.join(result.files_kept)}")
