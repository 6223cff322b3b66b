"""Take in what is new in the folders that a dataset grows from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kymflow.cli.errors import UnknownNameError
from kymflow.cli.folders import source_folders, topmost
from kymflow.cli.opening import open_reader, open_writer
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
from kymflow.cli.results import IngestResult, PlanResult
from kymflow.cli.verbs.ingest import (
    expand_patterns,
    plan_folders,
    require_folder,
    take_in_folders,
)

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset

__all__ = ["refresh"]


def refresh(
    dataset: str,
    /,
    *folders: Path,
    pattern: Patterns = DEFAULT_PATTERNS,
    recursive: Recursive = False,
    changed: Changed = False,
    dry_run: DryRun = False,
    workers: Workers = None,
    durability: Durability = "batch",
    wait: Wait = DEFAULT_WAIT_S,
    progress: ProgressParam = SILENT,
) -> IngestResult | PlanResult:
    """Take in what is new in the folders of a dataset.

    It is kymflow ingest into a dataset that exists.

    Args:
        dataset: Path or URL of the dataset.
        folders: The folders to look in; without any, those that its images came from.
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
        FolderNotFoundError: A folder is not there.
        UnknownNameError: No folder was named and the dataset knows of none.
        kymflow_zarr.NotADatasetError: There is no dataset at that place.
    """
    patterns = expand_patterns(pattern, recursive=recursive)
    if dry_run:
        reader = open_reader(dataset)
        chosen = _choose(reader, folders, recursive=recursive)
        return plan_folders(
            reader, chosen, patterns, verb="refresh", named=dataset, changed=changed
        )
    writer = open_writer(dataset, wait_s=wait, durability=durability)
    return take_in_folders(
        writer,
        _choose(writer, folders, recursive=recursive),
        patterns,
        verb="refresh",
        named=dataset,
        changed=changed,
        workers=default_workers(workers),
        progress=progress,
    )


def _choose(dataset: ZarrDataset, named: tuple[Path, ...], *, recursive: bool) -> tuple[Path, ...]:
    folders = named or tuple(Path(folder) for folder in source_folders(dataset))
    if not folders:
        raise UnknownNameError(
            f"{dataset.location!r} does not know which folder to look in",
            hint=f"name one: kymflow refresh {dataset.location} FOLDER",
        )
    for folder in folders:
        require_folder(folder)
    return topmost(folders) if recursive else folders
