"""Ingest a folder of image files into a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
)
from kymflow.cli.file_issues import FileIssue, file_issue, issue_blocks
from kymflow.cli.folders import (
    ChosenFolders,
    FolderSearch,
    SearchFolder,
    expand_patterns,
    nothing_matches,
    remember_folders,
    require_folder,
    search_remarks,
    subfolder_remark,
)
from kymflow.cli.ingest_plan import PlanResult, count_in_subfolders, plan_folders
from kymflow.cli.opening import open_reader
from kymflow.cli.options import IngestFlags, ProgressParam
from kymflow.cli.progress import SILENT
from kymflow.cli.safe_text import command, show
from kymflow.cli.settling import apply_rules, settle_image, unknown_steps
from kymflow.cli.workers import default_workers

if TYPE_CHECKING:
    from kymflow_zarr import IngestOutcome, RefreshPlan, ZarrDataset

_NAMED = 8
_LEFT_ALONE = {
    "changed": "changed since they were ingested",
    "waiting": "still being written, for the next run",
}
_USUAL = IngestFlags()


def ingest(
    folder: Path,
    dataset: str,
    /,
    *,
    options: IngestFlags = _USUAL,
    progress: ProgressParam = SILENT,
) -> IngestResult | PlanResult:
    """Ingest the images of a folder into a dataset.

    The dataset is created if it does not exist. Files that it has already are left alone, so the
    same command ingests what is new. A file that cannot be read stops only itself. The folder is
    remembered, with --pattern and --recursive: kymflow refresh looks there again.

    Args:
        folder: The folder with the image files.
        dataset: Path or URL of the dataset.
        options: How.
        progress: Shows how far the work is.

    Raises:
        FolderNotFoundError: There is no such folder.
        kymflow_zarr.KymflowZarrError: The dataset cannot be opened or written to.
    """
    from kymflow_zarr import ZarrDataset

    require_folder(folder)
    patterns = expand_patterns(options.pattern, recursive=options.recursive)
    folders = ChosenFolders(there=(SearchFolder(folder=folder, patterns=patterns),))
    if options.dry_run:
        with _open_or_empty(dataset) as opened:
            return plan_folders(opened, folders, options, verb="ingest", location=dataset)
    return ingest_folders(
        ZarrDataset(dataset, mode="a", durability=options.durability, lock_timeout_s=options.wait),
        folders,
        options,
        verb="ingest",
        location=dataset,
        progress=progress,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestResult(FolderSearch):
    """What a run of `ingest` or `refresh` did.

    Attributes:
        verb: ``ingest`` or ``refresh``.
        taken_in: How many files are new images now.
        extended: To how many images metadata or results were added that came later.
        renewed: How many files are images already, under another path or with an older time.
        issues: How many files beside images were left out, or are doubtful.
        by_rule: How many new images have fields or a calibration that were decided for all to come.
        without_line_period: How many new images have none that is known.
        without_pixel_size: How many new images have none that is known.
        items: One per file that was looked into.
    """

    streamed: ClassVar[bool] = True
    verb: str
    taken_in: int
    extended: int
    renewed: int
    issues: int
    by_rule: int
    without_line_period: int
    without_pixel_size: int
    items: tuple[FileOutcome, ...]

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
        yield from file_remarks(self.items)
        yield from rule_remarks(self.by_rule, self.dataset)
        yield from _calibration_remarks(self)
        if self.changed:
            yield remark("to ingest changed files again: --changed")
        if self.failed:
            yield remark("a file that failed is tried again once it changes, or with: --retry")
        if self.in_subfolders:
            yield subfolder_remark(self.in_subfolders)
        elif not (self.items or self.unchanged or self.changed):
            yield nothing_matches(self.patterns)
        yield from search_remarks(self)


def _calibration_remarks(result: IngestResult) -> Iterator[Block]:
    """How many new images lack a step, and the command that gives it."""
    for count, what, option, value, column in (
        (result.without_line_period, "line period", "--line-ms", "MS", "seconds_per_line"),
        (result.without_pixel_size, "pixel size", "--um", "MICROMETRES", "um_per_pixel"),
    ):
        if count:
            where = ("--where", f"{column} IS NULL")
            typed = command("calibrate", result.dataset, option, value, *where)
            yield remark(f"{counted(count, 'image')} without {what}: give it with {typed}")


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


def ingest_folders(
    dataset: ZarrDataset,
    folders: ChosenFolders,
    options: IngestFlags,
    *,
    verb: str,
    location: str,
    progress: ProgressParam,
) -> IngestResult:
    """Ingest what is new in some folders, and report each file as its image is committed."""
    mode: Literal["skip", "reingest_if_changed"] = (
        "reingest_if_changed" if options.changed else "skip"
    )
    how = options.for_store()
    plans = [
        dataset.plan_refresh(search.folder, search.patterns, options=how)
        for search in folders.there
    ]
    progress.begin("ingesting", sum(len(plan.to_ingest(mode)) for plan in plans))
    items: list[FileOutcome] = []
    unknown: dict[str, frozenset[str]] = {}
    workers = default_workers(options.workers)
    for search in folders.there:
        outcomes = dataset.iter_refresh(
            search.folder, search.patterns, mode=mode, workers=workers, options=how
        )
        for outcome in outcomes:
            item = _outcome(outcome)
            items.append(item)
            progress.tell(item)
            steps = settle_image(dataset, item.image_id)
            if item.image_id is not None and item.status == "ok":
                unknown[item.image_id] = steps
            progress.step()
    remember_folders(dataset, folders.there if folders.named else ())
    new = [item.image_id for item in items if item.status == "ok" and item.image_id is not None]
    by_rule = apply_rules(dataset, new)
    if by_rule:
        unknown = {image_id: unknown_steps(dataset.record(image_id)) for image_id in unknown}
    if items:  # after what else was found out about them
        dataset.update_manifest()
    statuses = Counter(item.status for item in items)
    without = Counter(step for steps in unknown.values() for step in steps)
    return IngestResult(
        verb=verb,
        dataset=location,
        folders=tuple(str(search.folder) for search in folders.there),
        missing_folders=tuple(str(folder) for folder in folders.missing),
        patterns=folders.patterns,
        named=folders.named,
        taken_in=statuses["ok"],
        extended=statuses["extended"],
        renewed=statuses["renewed"],
        waiting=statuses["waiting"],
        failed=statuses["failed"],
        unchanged=sum(len(plan.unchanged) for plan in plans),
        changed=statuses["changed"],
        issues=sum(len(item.issues) for item in items),
        gone=_count_gone(dataset, plans),
        in_subfolders=count_in_subfolders(dataset, folders, plans),
        by_rule=by_rule,
        without_line_period=without["line period"],
        without_pixel_size=without["pixel size"],
        items=tuple(items),
    )


def _count_gone(dataset: ZarrDataset, plans: Iterable[RefreshPlan]) -> int:
    """How many files that a plan missed were not found at another path meanwhile."""
    gone = {path for plan in plans for path in plan.gone}
    if not gone:
        return 0
    return len(gone.intersection(dataset.sources.load_arrow()["source_primary_path"].to_pylist()))


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


def _outcome(outcome: IngestOutcome) -> FileOutcome:
    return FileOutcome(
        path=str(outcome.path),
        status="ok" if outcome.status == "ingested" else outcome.status,
        image_id=outcome.image_id or None,
        reason=None if outcome.error is None else outcome.error.reason,
        issues=tuple(file_issue(outcome.path, issue) for issue in outcome.issues),
    )


def rule_remarks(images: int, dataset: str) -> Iterator[Block]:
    """That new images got what was decided for all to come."""
    if images:
        yield remark(
            f"fields and calibration set as decided for new images: {counted(images, 'image')}; "
            f"to see: {command('log', dataset)}"
        )


def file_remarks(items: Iterable[FileOutcome]) -> Iterator[Block]:
    """The files that were left alone, by name: as many as fit on a line."""
    by_status: dict[str, list[str]] = {}
    for item in items:
        by_status.setdefault(item.status, []).append(show(Path(item.path).name))
    for status, what in _LEFT_ALONE.items():
        names = by_status.get(status, [])
        if names:
            more = " …" if len(names) > _NAMED else ""
            yield remark(f"{what}: {', '.join(names[:_NAMED])}{more}")
