"""Take a folder of image files into a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from kymflow.cli.errors import FolderNotFoundError
from kymflow.cli.opening import open_reader
from kymflow.cli.options import (
    DEFAULT_PATTERNS,
    DEFAULT_WAIT_S,
    Changed,
    DryRun,
    Durability,
    Patterns,
    ProgressParam,
    Recursive,
    Wait,
    Workers,
    default_workers,
)
from kymflow.cli.progress import SILENT
from kymflow.cli.results import FileOutcome, FileState, IngestResult, PlannedFile, PlanResult

if TYPE_CHECKING:
    from kymflow_zarr import IngestOutcome, RefreshPlan, ZarrDataset

__all__ = [
    "expand_patterns",
    "ingest",
    "plan_folders",
    "planned_files",
    "require_folder",
    "take_in_folders",
]


def ingest(
    folder: Path,
    dataset: str,
    /,
    *,
    pattern: Patterns = DEFAULT_PATTERNS,
    recursive: Recursive = False,
    changed: Changed = False,
    dry_run: DryRun = False,
    workers: Workers = None,
    durability: Durability = "batch",
    wait: Wait = DEFAULT_WAIT_S,
    progress: ProgressParam = SILENT,
) -> IngestResult | PlanResult:
    """Take the images of a folder into a dataset.

    A dataset that is not there is made. Files that the dataset has already are left alone, so
    the same command takes in what is new. A file that cannot be read stops only itself.

    Args:
        folder: The folder with the TIFF files.
        dataset: Path or URL of the dataset.
        pattern: Which files; may be given several times.
        recursive: Look into subfolders, too.
        changed: Take in again what has changed since; the old image stays.
        dry_run: Show what would be done, and do nothing.
        workers: How many files are read at a time.
        durability: What survives a power cut once told of: each image on its own (record), in
            groups (batch), or nothing is promised (none).
        wait: For how many seconds to wait for another writer.
        progress: Who is told how it goes.

    Returns:
        What was done, or with ``dry_run`` what would be.

    Raises:
        FolderNotFoundError: There is no such folder.
        kymflow_zarr.KymflowZarrError: The dataset cannot be opened or written to.
    """
    from kymflow_zarr import ZarrDataset

    require_folder(folder)
    patterns = expand_patterns(pattern, recursive=recursive)
    if dry_run:
        with _open_or_empty(dataset) as opened:
            return plan_folders(
                opened, [folder], patterns, verb="ingest", named=dataset, changed=changed
            )
    return take_in_folders(
        ZarrDataset(dataset, mode="a", durability=durability, lock_timeout_s=wait),
        [folder],
        patterns,
        verb="ingest",
        named=dataset,
        changed=changed,
        workers=default_workers(workers),
        progress=progress,
    )


def expand_patterns(patterns: Iterable[str], *, recursive: bool) -> tuple[str, ...]:
    """The patterns for the store: those of a recursive search start with ``**/``."""
    return tuple(
        f"**/{pattern}" if recursive and not pattern.startswith("**/") else pattern
        for pattern in patterns
    )


def plan_folders(
    dataset: ZarrDataset,
    folders: Iterable[Path],
    patterns: tuple[str, ...],
    *,
    verb: str,
    named: str,
    changed: bool,
) -> PlanResult:
    """What `take_in_folders` would do."""
    looked_at = tuple(folders)
    plans = [dataset.plan_refresh(folder, patterns) for folder in looked_at]
    items = tuple(item for plan in plans for item in planned_files(plan, changed=changed))
    return PlanResult(
        verb=verb,
        dataset=named,
        folders=tuple(str(folder) for folder in looked_at),
        to_take_in=sum(item.action == "take in" for item in items),
        new=sum(len(plan.new) for plan in plans),
        changed=sum(len(plan.changed) for plan in plans),
        unchanged=sum(len(plan.unchanged) for plan in plans),
        gone=sum(len(plan.gone) for plan in plans),
        items=items,
    )


def take_in_folders(
    dataset: ZarrDataset,
    folders: Iterable[Path],
    patterns: tuple[str, ...],
    *,
    verb: str,
    named: str,
    changed: bool,
    workers: int,
    progress: ProgressParam,
) -> IngestResult:
    """Take in what is new in some folders, telling of each file as its image is committed."""
    mode: Literal["skip", "reingest_if_changed"] = "reingest_if_changed" if changed else "skip"
    looked_at = tuple(folders)
    plans = [dataset.plan_refresh(folder, patterns) for folder in looked_at]
    progress.begin("taking in", sum(len(plan.to_ingest(mode)) for plan in plans))
    items: list[FileOutcome] = []
    for folder in looked_at:
        for outcome in dataset.iter_refresh(folder, patterns, mode=mode, workers=workers):
            item = _outcome(outcome)
            items.append(item)
            progress.tell(item)
            progress.step()
    taken_in = sum(item.status == "ok" for item in items)
    return IngestResult(
        verb=verb,
        dataset=named,
        folders=tuple(str(folder) for folder in looked_at),
        taken_in=taken_in,
        failed=len(items) - taken_in,
        unchanged=sum(len(plan.unchanged) for plan in plans),
        changed=0 if changed else sum(len(plan.changed) for plan in plans),
        gone=sum(len(plan.gone) for plan in plans),
        items=tuple(items),
    )


def require_folder(folder: Path) -> None:
    """Refuse a folder that is not there.

    Raises:
        FolderNotFoundError: It is not there, or is a file.
    """
    if not folder.is_dir():
        raise FolderNotFoundError(str(folder), exists=folder.exists())


@contextmanager
def _open_or_empty(dataset: str) -> Iterator[ZarrDataset]:
    """The dataset, or where there is none an empty one elsewhere: a dry run leaves nothing."""
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
        changed: Whether files that have changed would be taken in again.
    """
    for file in plan.new:
        yield _planned_file(str(file.primary), "new", take_in=True, image_id=None)
    for file, image_id in plan.changed:
        yield _planned_file(str(file.primary), "changed", take_in=changed, image_id=image_id)
    for path in plan.gone:
        yield _planned_file(path, "gone", take_in=False, image_id=None)
    for refused in plan.refused:
        yield _planned_file(str(refused), "refused", take_in=False, image_id=None)


def _planned_file(
    path: str, state: FileState, *, take_in: bool, image_id: str | None
) -> PlannedFile:
    return PlannedFile(
        path=path, state=state, action="take in" if take_in else "leave", image_id=image_id
    )


def _outcome(outcome: IngestOutcome) -> FileOutcome:
    if outcome.error is not None:
        return FileOutcome(
            path=str(outcome.path), status="failed", image_id=None, reason=outcome.error.reason
        )
    return FileOutcome(path=str(outcome.path), status="ok", image_id=outcome.image_id, reason=None)
