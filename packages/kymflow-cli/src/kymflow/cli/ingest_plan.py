"""What a run of `ingest` or `refresh` would do: its plan, file by file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from kymflow.cli.blocks import Block, Screen, counted, sentence, table_blocks
from kymflow.cli.folders import (
    ChosenFolders,
    FolderSearch,
    expand_patterns,
    nothing_matches,
    search_remarks,
    subfolder_remark,
)
from kymflow.cli.options import IngestFlags
from kymflow.cli.safe_text import show

if TYPE_CHECKING:
    from kymflow_zarr import RefreshPlan, ZarrDataset

FileState = Literal["new", "changed", "waiting", "failed", "gone", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResult(FolderSearch):
    """What `ingest` or `refresh` would do (``--dry-run``).

    Attributes:
        verb: ``ingest`` or ``refresh``.
        dry_run: Always true.
        to_take_in: How many files the run would ingest.
        new: How many are new.
        items: One per file, except the unchanged ones.
    """

    verb: str
    dry_run: bool = True
    to_take_in: int
    new: int
    items: tuple[PlannedFile, ...]

    @property
    def ok(self) -> bool:
        """A plan is neither good nor bad."""
        return True

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        yield from table_blocks(
            ("state", "action", "file"),
            [(item.state, item.action, item.path) for item in self.items],
            screen,
        )
        yield sentence(
            f"would ingest {counted(self.to_take_in, 'file')} into {show(self.dataset)}",
            unchanged=self.unchanged,
            changed=self.changed,
            waiting=self.waiting,
            failed=self.failed,
            gone=self.gone,
        )
        if self.in_subfolders:
            yield subfolder_remark(self.in_subfolders)
        elif not (self.items or self.unchanged):
            yield nothing_matches(self.patterns)
        yield from search_remarks(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """What a run would do with one file.

    Attributes:
        path: The file.
        state: What it is, compared with the dataset.
        action: ``take in`` or ``leave``.
        image_id: The image that was made of it before; None for a new file.
        reason: Why it failed before, or is refused; else None.
    """

    type: ClassVar[str] = "file"
    path: str
    state: FileState
    action: Literal["take in", "leave"]
    image_id: str | None
    reason: str | None


def plan_folders(
    dataset: ZarrDataset, folders: ChosenFolders, options: IngestFlags, *, verb: str, location: str
) -> PlanResult:
    """What ingesting some folders would do."""
    how = options.for_store()
    plans = [
        dataset.plan_refresh(search.folder, search.patterns, options=how)
        for search in folders.there
    ]
    items = tuple(item for plan in plans for item in planned_files(plan, changed=options.changed))
    return PlanResult(
        verb=verb,
        dataset=location,
        folders=tuple(str(search.folder) for search in folders.there),
        missing_folders=tuple(str(folder) for folder in folders.missing),
        patterns=folders.patterns,
        named=folders.named,
        to_take_in=sum(item.action == "take in" for item in items),
        new=sum(len(plan.new) for plan in plans),
        changed=sum(len(plan.changed) for plan in plans),
        waiting=sum(len(plan.waiting) for plan in plans),
        failed=sum(len(plan.failed) for plan in plans),
        unchanged=sum(len(plan.unchanged) for plan in plans),
        gone=sum(len(plan.gone) for plan in plans),
        in_subfolders=count_in_subfolders(dataset, folders, plans),
        items=items,
    )


def count_in_subfolders(
    dataset: ZarrDataset, folders: ChosenFolders, plans: Sequence[RefreshPlan]
) -> int:
    """How many new files lie below the named folders whose subfolders are not looked at."""
    found = 0
    for search, plan in zip(folders.there, plans, strict=True):
        if search.is_recursive or not (folders.named and search.has_subfolders):
            continue
        deeper = dataset.plan_refresh(
            search.folder, expand_patterns(search.patterns, recursive=True)
        )
        here = {file.paths for file in (*plan.new, *plan.waiting)}
        found += sum(file.paths not in here for file in deeper.new)
    return found


def planned_files(plan: RefreshPlan, *, changed: bool) -> Iterable[PlannedFile]:
    """What a plan says of each file that is not unchanged.

    Args:
        plan: The plan.
        changed: Whether files that have changed would be ingested again.
    """
    for file in plan.new:
        yield _planned_file(str(file.primary), "new", take_in=True)
    for file, image_id in plan.changed:
        yield _planned_file(str(file.primary), "changed", take_in=changed, image_id=image_id)
    for file in plan.waiting:
        yield _planned_file(str(file.primary), "waiting")
    for failure in plan.failed:
        yield _planned_file(failure.path, "failed", reason=failure.reason)
    for path in plan.gone:
        yield _planned_file(path, "gone")
    for refused, error in plan.refused.items():
        yield _planned_file(str(refused), "refused", reason=error.reason)


def _planned_file(
    path: str,
    state: FileState,
    *,
    take_in: bool = False,
    image_id: str | None = None,
    reason: str | None = None,
) -> PlannedFile:
    return PlannedFile(
        path=path,
        state=state,
        action="take in" if take_in else "leave",
        image_id=image_id,
        reason=reason,
    )
