"""Check a dataset for damage, and repair what can be repaired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kymflow.cli.opening import open_reader, open_writer
from kymflow.cli.options import DEFAULT_WAIT_S, DryRun, ProgressParam, Wait
from kymflow.cli.progress import SILENT, followed
from kymflow.cli.results import CheckResult, DoneRepair, FoundProblem, RepairResult

if TYPE_CHECKING:
    from kymflow_zarr import Problem

__all__ = ["check", "repair"]


def check(dataset: str, /, *, deep: bool = False, progress: ProgressParam = SILENT) -> CheckResult:
    """Look for everything that is wrong with a dataset.

    Nothing is changed.

    Args:
        dataset: Path or URL of the dataset.
        deep: Read every byte and compare the checksums.
        progress: Who is told how it goes.

    Returns:
        The problems.

    Raises:
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    opened = open_reader(dataset)
    items: list[FoundProblem] = []
    for problem in opened.iter_problems(deep=deep, progress=followed(progress, "checking")):
        item = _found(problem)
        items.append(item)
        progress.tell(item)
    return CheckResult(
        dataset=dataset,
        deep=deep,
        images=len(opened.list_image_ids()),
        problems=len(items),
        repairable=sum(item.repairable for item in items),
        items=tuple(items),
    )


def repair(
    dataset: str,
    /,
    *,
    forget_gone: bool = False,
    dry_run: DryRun = False,
    wait: Wait = DEFAULT_WAIT_S,
) -> RepairResult:
    """Repair what can be repaired without guessing.

    Indexes are made anew from the images, and what killed writers left behind is removed. Damaged
    pixels and results are not touched.

    Args:
        dataset: Path or URL of the dataset.
        forget_gone: Results and tables that someone removed, and that should stay away, stop
            being a problem.
        dry_run: Show what would be repaired, and do nothing.
        wait: For how many seconds to wait for another writer.

    Returns:
        What was done, and what is left.

    Raises:
        kymflow_zarr.NotADatasetError: There is no dataset there.
        kymflow_zarr.LockedError: Another writer is at work.
    """
    if dry_run:
        found = [_found(problem) for problem in open_reader(dataset).iter_problems()]
        repairs = [
            DoneRepair(location=item.location, action=f"would repair: {item.message}")
            for item in found
            if _would_mend(item, forget_gone=forget_gone)
        ]
        left = [item for item in found if not _would_mend(item, forget_gone=forget_gone)]
    else:
        writer = open_writer(dataset, wait_s=wait)
        repairs = [
            DoneRepair(location=done.location, action=done.action)
            for done in writer.repair(forget_gone=forget_gone)
        ]
        left = [_found(problem) for problem in writer.iter_problems()]
    return RepairResult(
        dataset=dataset,
        dry_run=dry_run,
        repairs=len(repairs),
        problems=len(left),
        items=(*repairs, *left),
    )


def _would_mend(item: FoundProblem, *, forget_gone: bool) -> bool:
    return item.repairable or (forget_gone and item.kind == "gone")


def _found(problem: Problem) -> FoundProblem:
    return FoundProblem(
        location=problem.location,
        kind=problem.kind,
        message=problem.message,
        repairable=problem.repairable,
    )
