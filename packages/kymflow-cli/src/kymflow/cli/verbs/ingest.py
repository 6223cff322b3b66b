"""Take a folder of image files into a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar, Literal

from kymflow.cli.blocks import (
    Block,
    Screen,
    counted,
    failure_blocks,
    remark,
    sentence,
    table_blocks,
)
from kymflow.cli.errors import FolderNotFoundError
from kymflow.cli.file_issues import FileIssue, file_issue, issue_blocks
from kymflow.cli.folders import nothing_matches, search_remarks
from kymflow.cli.json_values import NOT_IN_JSON
from kymflow.cli.opening import open_reader
from kymflow.cli.options import DEFAULT_PATTERNS, ProgressParam, TakeIn, default_workers
from kymflow.cli.progress import SILENT
from kymflow.cli.safe_text import show
from kymflow.cli.settling import settle_image

if TYPE_CHECKING:
    from kymflow_zarr import IngestOutcome, RefreshPlan, ZarrDataset

__all__ = [
    "FileOutcome",
    "FileState",
    "IngestResult",
    "PlanResult",
    "PlannedFile",
    "expand_patterns",
    "ingest",
    "plan_folders",
    "planned_files",
    "require_folder",
    "take_in_folders",
]

FileState = Literal["new", "changed", "waiting", "failed", "gone", "refused"]
_NAMED = 8
_USUAL = TakeIn()
_ZARR = ("zarr.json", ".zgroup")


def ingest(
    folder: Path,
    dataset: str,
    /,
    *,
    options: TakeIn = _USUAL,
    progress: ProgressParam = SILENT,
) -> IngestResult | PlanResult:
    """Take the images of a folder into a dataset.

    A dataset that is not there is made. Files that the dataset has already are left alone, so
    the same command ingests what is new. A file that cannot be read stops only itself.

    Args:
        folder: The folder with the image files.
        dataset: Path or URL of the dataset.
        options: How.
        progress: Who is told how it goes.

    Returns:
        What was done, or with ``--dry-run`` what would be.

    Raises:
        FolderNotFoundError: There is no such folder.
        kymflow_zarr.KymflowZarrError: The dataset cannot be opened or written to.
    """
    from kymflow_zarr import ZarrDataset

    require_folder(folder)
    if options.dry_run:
        with _open_or_empty(dataset) as opened:
            return plan_folders(opened, [folder], options, verb="ingest", location=dataset)
    return take_in_folders(
        ZarrDataset(dataset, mode="a", durability=options.durability, lock_timeout_s=options.wait),
        [folder],
        options,
        verb="ingest",
        location=dataset,
        progress=progress,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestResult:
    """What a run of `ingest` or `refresh` did.

    Attributes:
        verb: ``ingest`` or ``refresh``.
        dataset: The dataset.
        folders: The folders that were looked at.
        missing_folders: Folders that images came from and that are not there now.
        patterns: Which files were looked for; ``**/`` stands for subfolders.
        named: Whether the folders were named, and not only found in the dataset. Not in the JSON.
        taken_in: How many files are new images now.
        extended: To how many images metadata or results were added that came later.
        renewed: How many files are images already, under another path or with an older time.
        waiting: How many are still being written, and are left for the next run.
        failed: How many could not be ingested.
        unchanged: How many were in the dataset already, as they are.
        changed: How many differ from when they were ingested, and were left alone.
        gone: How many known files are no longer in these folders; their images stay.
        issues: How many files beside images were left out, or are doubtful.
        items: One per file that was looked into.
    """

    streamed: ClassVar[bool] = True
    verb: str
    dataset: str
    folders: tuple[str, ...]
    missing_folders: tuple[str, ...]
    patterns: tuple[str, ...]
    named: bool = field(metadata=NOT_IN_JSON)
    taken_in: int
    extended: int
    renewed: int
    waiting: int
    failed: int
    unchanged: int
    changed: int
    gone: int
    issues: int
    items: tuple[FileOutcome, ...]

    @property
    def ok(self) -> bool:
        """Whether no file failed."""
        return self.failed == 0

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        yield from failure_blocks(
            f"{counted(self.failed, 'file')} could not be ingested",
            ("file", "reason"),
            [(item.path, item.reason) for item in self.items if item.status == "failed"],
            screen,
        )
        yield from issue_blocks([issue for item in self.items for issue in item.issues])
        yield sentence(
            f"{counted(self.taken_in, 'new image')} in {show(self.dataset)}",
            extended=self.extended,
            renewed=self.renewed,
            unchanged=self.unchanged,
            changed=self.changed,
            waiting=self.waiting,
            failed=self.failed,
            gone=self.gone,
        )
        if self.changed:
            yield remark(
                f"changed: {_named(self.items, 'changed')}; to ingest them again: --changed"
            )
        if self.waiting:
            yield remark(f"still being written, for the next run: {_named(self.items, 'waiting')}")
        if self.failed:
            yield remark("a file that failed is tried again once it changes, or with: --retry")
        if self.verb == "ingest" and self.patterns != DEFAULT_PATTERNS:
            yield remark(
                "for what comes later, run this command again: "
                "kymflow refresh does not remember patterns and subfolders"
            )
        if not (self.items or self.unchanged or self.changed):
            yield nothing_matches(self.patterns)
        yield from search_remarks(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutcome:
    """What became of one image file.

    Attributes:
        path: The file.
        status: ``ok`` for a new image, ``extended`` for one to which metadata or results were
            added, ``renewed`` for one whose file has moved or was only touched, ``changed`` for a
            file that was left alone, ``waiting`` for one still being written, or ``failed``.
        image_id: Its image; None if there is none.
        reason: Why there is none; None if there is one.
        issues: What was left out beside it, or is doubtful.
    """

    type: ClassVar[str] = "file"
    path: str
    status: Literal["ok", "extended", "renewed", "changed", "waiting", "failed"]
    image_id: str | None
    reason: str | None
    issues: tuple[FileIssue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResult:
    """What `ingest` or `refresh` would do (``--dry-run``).

    Attributes:
        verb: ``ingest`` or ``refresh``.
        dataset: The dataset; it need not exist.
        folders: The folders that were looked at.
        missing_folders: Folders that images came from and that are not there now.
        patterns: Which files were looked for; ``**/`` stands for subfolders.
        named: Whether the folders were named, and not only found in the dataset. Not in the JSON.
        dry_run: Always true.
        to_take_in: How many files the run would ingest.
        new: How many are new.
        changed: How many differ from when they were ingested.
        waiting: How many changed too short a time ago, and would be left for a later run.
        failed: How many could not be ingested before, and have not changed since.
        unchanged: How many are in the dataset as they are.
        gone: How many known files are no longer in these folders.
        items: One per file, except the unchanged ones.
    """

    streamed: ClassVar[bool] = False
    verb: str
    dataset: str
    folders: tuple[str, ...]
    missing_folders: tuple[str, ...]
    patterns: tuple[str, ...]
    named: bool = field(metadata=NOT_IN_JSON)
    dry_run: bool = True
    to_take_in: int
    new: int
    changed: int
    waiting: int
    failed: int
    unchanged: int
    gone: int
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
            f"would take {counted(self.to_take_in, 'file')} into {show(self.dataset)}",
            unchanged=self.unchanged,
            changed=self.changed,
            waiting=self.waiting,
            failed=self.failed,
            gone=self.gone,
        )
        if not (self.items or self.unchanged):
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


def expand_patterns(patterns: Iterable[str], *, recursive: bool) -> tuple[str, ...]:
    """The patterns for the store: those of a recursive search start with ``**/``."""
    return tuple(
        f"**/{pattern}" if recursive and not pattern.startswith("**/") else pattern
        for pattern in patterns
    )


def plan_folders(
    dataset: ZarrDataset,
    folders: Sequence[Path],
    options: TakeIn,
    *,
    verb: str,
    location: str,
    missing: Sequence[Path] = (),
    named: bool = True,
) -> PlanResult:
    """What `take_in_folders` would do."""
    patterns = expand_patterns(options.pattern, recursive=options.recursive)
    how = options.for_store()
    plans = [dataset.plan_refresh(folder, patterns, options=how) for folder in folders]
    items = tuple(item for plan in plans for item in planned_files(plan, changed=options.changed))
    return PlanResult(
        verb=verb,
        dataset=location,
        folders=tuple(str(folder) for folder in folders),
        missing_folders=tuple(str(folder) for folder in missing),
        patterns=patterns,
        named=named,
        to_take_in=sum(item.action == "take in" for item in items),
        new=sum(len(plan.new) for plan in plans),
        changed=sum(len(plan.changed) for plan in plans),
        waiting=sum(len(plan.waiting) for plan in plans),
        failed=sum(len(plan.failed) for plan in plans),
        unchanged=sum(len(plan.unchanged) for plan in plans),
        gone=sum(len(plan.gone) for plan in plans),
        items=items,
    )


def take_in_folders(
    dataset: ZarrDataset,
    folders: Sequence[Path],
    options: TakeIn,
    *,
    verb: str,
    location: str,
    progress: ProgressParam,
    missing: Sequence[Path] = (),
    named: bool = True,
) -> IngestResult:
    """Take in what is new in some folders, telling of each file as its image is committed."""
    mode: Literal["skip", "reingest_if_changed"] = (
        "reingest_if_changed" if options.changed else "skip"
    )
    patterns = expand_patterns(options.pattern, recursive=options.recursive)
    how = options.for_store()
    plans = [dataset.plan_refresh(folder, patterns, options=how) for folder in folders]
    progress.begin("taking in", sum(len(plan.to_ingest(mode)) for plan in plans))
    items: list[FileOutcome] = []
    workers = default_workers(options.workers)
    for folder in folders:
        for outcome in dataset.iter_refresh(
            folder, patterns, mode=mode, workers=workers, options=how
        ):
            item = _outcome(outcome)
            items.append(item)
            progress.tell(item)
            settle_image(dataset, item.image_id)
            progress.step()
    statuses = Counter(item.status for item in items)
    return IngestResult(
        verb=verb,
        dataset=location,
        folders=tuple(str(folder) for folder in folders),
        missing_folders=tuple(str(folder) for folder in missing),
        patterns=patterns,
        named=named,
        taken_in=statuses["ok"],
        extended=statuses["extended"],
        renewed=statuses["renewed"],
        waiting=statuses["waiting"],
        failed=statuses["failed"],
        unchanged=sum(len(plan.unchanged) for plan in plans),
        changed=statuses["changed"],
        gone=sum(len(plan.gone) for plan in plans),
        issues=sum(len(item.issues) for item in items),
        items=tuple(items),
    )


def require_folder(folder: Path) -> None:
    """Refuse a folder that is not there.

    Raises:
        FolderNotFoundError: It is not there, or is a file, or is a dataset.
    """
    if any((folder / name).is_file() for name in _ZARR):
        raise FolderNotFoundError(str(folder), exists=True, is_zarr=True)
    if not folder.is_dir():
        raise FolderNotFoundError(str(folder), exists=folder.exists())


@contextmanager
def _open_or_empty(dataset: str) -> Iterator[ZarrDataset]:
    """The dataset, or a temporary empty one if there is none: a dry run leaves nothing behind."""
    from kymflow_zarr import NotADatasetError, ZarrDataset

    try:
        opened = open_reader(dataset)
    except NotADatasetError:
        path = Path(dataset)
        if path.exists() and (path.is_file() or any(path.iterdir())):
            raise
    else:
        yield opened
        return
    with TemporaryDirectory() as elsewhere:
        yield ZarrDataset(Path(elsewhere) / "empty.zarr")


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


def _outcome(outcome: IngestOutcome) -> FileOutcome:
    return FileOutcome(
        path=str(outcome.path),
        status="ok" if outcome.status == "ingested" else outcome.status,
        image_id=outcome.image_id or None,
        reason=None if outcome.error is None else outcome.error.reason,
        issues=tuple(file_issue(outcome.path, issue) for issue in outcome.issues),
    )


def _named(items: Iterable[FileOutcome], status: str) -> str:
    """The names of the files with a status, as many as fit on a line."""
    names = [show(Path(item.path).name) for item in items if item.status == status]
    return ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
