"""Check a dataset for damage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from kymflow.cli.blocks import Block, Screen, counted, remark, sentence, table_blocks
from kymflow.cli.opening import open_reader
from kymflow.cli.options import ProgressParam
from kymflow.cli.progress import SILENT, followed
from kymflow.cli.results import DatasetResult
from kymflow.cli.safe_text import command, show

if TYPE_CHECKING:
    from kymflow_zarr import Problem


def check(dataset: str, /, *, deep: bool = False, progress: ProgressParam = SILENT) -> CheckResult:
    """Look for everything that is wrong with a dataset.

    Nothing is changed.

    Args:
        dataset: Path or URL of the dataset.
        deep: Read every byte and compare the checksums.
        progress: Shows how far the work is.

    Raises:
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    opened = open_reader(dataset)
    items: list[FoundProblem] = []
    for problem in opened.iter_problems(deep=deep, progress=followed(progress, "checking")):
        item = found_problem(problem)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult(DatasetResult):
    """What a check found.

    Attributes:
        deep: Whether every byte was read.
        images: How many images there are.
        problems: How many problems there are.
        repairable: How many of them `repair` can fix.
        items: The problems.
    """

    streamed: ClassVar[bool] = True
    verb: ClassVar[str] = "check"
    deep: bool
    images: int
    problems: int
    repairable: int
    items: tuple[FoundProblem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.problems == 0

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        yield from problems_table(self.items, screen)
        how = "every byte" if self.deep else "not every byte; for that: --deep"
        if self.ok:
            yield Block(lines=[f"{show(self.dataset)}: all is well"])
            yield remark(f"{counted(self.images, 'image')} checked, {how}")
            return
        yield sentence(counted(self.problems, "problem"), repairable=self.repairable)
        if self.repairable:
            yield remark(f"to repair what can be repaired: {command('repair', self.dataset)}")
        if any(item.kind == "gone" for item in self.items):
            yield remark(
                "what is gone can be restored from a copy or computed again; "
                "if it should stay deleted: " + command("repair", self.dataset, "--forget-gone")
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundProblem:
    """One thing that is wrong with a dataset.

    Attributes:
        location: What is wrong, relative to the dataset.
        kind: What sort of problem it is.
        message: The problem.
        repairable: Whether `repair` can fix it.
    """

    type: ClassVar[str] = "problem"
    location: str
    kind: str
    message: str
    repairable: bool


def problems_table(items: Sequence[FoundProblem], screen: Screen) -> Iterator[Block]:
    """The problems as a table."""
    rows = [(item.kind, item.location, item.message) for item in items]
    yield from table_blocks(("problem", "where", "what"), rows, screen)


def found_problem(problem: Problem) -> FoundProblem:
    """A problem as the results have it."""
    return FoundProblem(
        location=problem.location,
        kind=problem.kind,
        message=problem.message,
        repairable=problem.repairable,
    )
