"""Take in what is new in the folders that a dataset grows from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kymflow.cli.errors import UnknownNameError
from kymflow.cli.folders import source_folders, topmost
from kymflow.cli.opening import open_reader, open_writer
from kymflow.cli.options import ProgressParam, TakeIn
from kymflow.cli.progress import SILENT
from kymflow.cli.safe_text import command
from kymflow.cli.verbs.ingest import (
    IngestResult,
    PlanResult,
    plan_folders,
    require_folder,
    take_in_folders,
)

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset

__all__ = ["refresh"]

_USUAL = TakeIn()


def refresh(
    dataset: str,
    /,
    *folders: Path,
    options: TakeIn = _USUAL,
    progress: ProgressParam = SILENT,
) -> IngestResult | PlanResult:
    """Take in what is new in the folders of a dataset.

    It is kymflow ingest into a dataset that exists. Patterns and subfolders that were given there
    are not remembered: give them again.

    Args:
        dataset: Path or URL of the dataset.
        folders: The folders to look in; without any, just those that its images came from.
        options: How.
        progress: Who is told how it goes.

    Returns:
        What was done, or with ``--dry-run`` what would be.

    Raises:
        FolderNotFoundError: A folder that was named is not there; or none is that images came from.
        UnknownNameError: No folder was named and the dataset knows of none.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    if options.dry_run:
        reader = open_reader(dataset)
        there, missing = _choose(reader, folders, recursive=options.recursive)
        return plan_folders(
            reader,
            there,
            options,
            verb="refresh",
            location=dataset,
            missing=missing,
            named=bool(folders),
        )
    writer = open_writer(dataset, wait_s=options.wait, durability=options.durability)
    there, missing = _choose(writer, folders, recursive=options.recursive)
    return take_in_folders(
        writer,
        there,
        options,
        verb="refresh",
        location=dataset,
        progress=progress,
        missing=missing,
        named=bool(folders),
    )


def _choose(
    dataset: ZarrDataset, named: tuple[Path, ...], *, recursive: bool
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """The folders to look in, and those that images came from and that are not there now."""
    folders = named or tuple(Path(folder) for folder in source_folders(dataset))
    if not folders:
        raise UnknownNameError(
            f"{dataset.location!r} does not know which folder to look in",
            hint=f"name one: {command('refresh', dataset.location, 'FOLDER')}",
        )
    there = tuple(folder for folder in folders if folder.is_dir())
    missing = tuple(folder for folder in folders if folder not in there)
    if missing and (named or not there):
        require_folder(missing[0])
    return topmost(there) if recursive else there, missing
