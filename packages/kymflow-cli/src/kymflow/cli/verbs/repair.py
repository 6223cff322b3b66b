"""Check a dataset for damage, and repair what can be repaired."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from kymflow.cli.blocks import Block, Screen, counted, table_blocks
from kymflow.cli.opening import open_reader, open_writer
from kymflow.cli.options import DEFAULT_WAIT_S, DryRun, Wait
from kymflow.cli.results import DatasetResult
from kymflow.cli.verbs.check import FoundProblem, found_problem, problems_table


def repair(
    dataset: str,
    /,
    *,
    forget_gone: bool = False,
    unlock: bool = False,
    dry_run: DryRun = False,
    wait: Wait = DEFAULT_WAIT_S,
) -> RepairResult:
    """Repair what can be repaired without guessing.

    Indexes are rebuilt from the images, and what killed writers left behind is removed. Damaged
    pixels and results are not touched.

    Args:
        dataset: Path or URL of the dataset.
        forget_gone: No longer report results and tables that someone removed on purpose.
        unlock: Free the locks of an object store first: that of a killed writer blocks the dataset
            for up to 20 s.
        dry_run: Show what would be repaired, and do nothing.
        wait: How many seconds to wait for another writer.

    Raises:
        kymflow_zarr.NotADatasetError: There is no dataset there.
        kymflow_zarr.LockedError: Another writer is at work.
    """
    if dry_run:
        found = [found_problem(problem) for problem in open_reader(dataset).iter_problems()]
        repairs = [
            DoneRepair(location=item.location, action=f"would repair: {item.message}")
            for item in found
            if _is_repaired_by_repair(item, forget_gone=forget_gone)
        ]
        left = [item for item in found if not _is_repaired_by_repair(item, forget_gone=forget_gone)]
    else:
        writer = open_writer(dataset, wait_s=wait)
        freed = writer.unlock() if unlock else []
        repairs = [DoneRepair(location="index", action=f"freed the lock {lock}") for lock in freed]
        repairs += [
            DoneRepair(location=done.location, action=done.action)
            for done in writer.repair(forget_gone=forget_gone)
        ]
        left = [found_problem(problem) for problem in writer.iter_problems()]
    return RepairResult(
        dataset=dataset,
        dry_run=dry_run,
        repairs=len(repairs),
        problems=len(left),
        items=(*repairs, *left),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairResult(DatasetResult):
    """What a repair did, and what is left.

    Attributes:
        dry_run: Whether it was a dry run that only lists what would be repaired.
        repairs: How many things were repaired, or with ``dry_run`` would be.
        problems: How many problems are left that `repair` cannot fix.
        items: The repairs, then the problems that are left.
    """

    verb: ClassVar[str] = "repair"
    dry_run: bool
    repairs: int
    problems: int
    items: tuple[DoneRepair | FoundProblem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong any more."""
        return self.problems == 0

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        repairs = [item for item in self.items if isinstance(item, DoneRepair)]
        yield from table_blocks(
            ("where", "what"), [(item.location, item.action) for item in repairs], screen
        )
        left = [item for item in self.items if isinstance(item, FoundProblem)]
        yield from problems_table(left, screen)
        verb = "would repair" if self.dry_run else "repaired"
        yield Block(
            lines=[
                f"{verb} {counted(self.repairs, 'thing')}, {counted(self.problems, 'problem')} left"
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneRepair:
    """One thing that was repaired.

    Attributes:
        location: What was repaired, relative to the dataset.
        action: What was done.
    """

    type: ClassVar[str] = "repair"
    location: str
    action: str


def _is_repaired_by_repair(item: FoundProblem, *, forget_gone: bool) -> bool:
    return item.repairable or (forget_gone and item.kind == "gone")
