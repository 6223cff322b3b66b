"""Ingest what is new in the folders that a dataset grows from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kymflow.cli.errors import FolderNotFoundError, UnknownNameError
from kymflow.cli.folders import ChosenFolders, choose_folders
from kymflow.cli.ingest_plan import PlanResult, plan_folders
from kymflow.cli.opening import open_reader, open_writer
from kymflow.cli.options import IngestFlags, ProgressParam
from kymflow.cli.progress import SILENT
from kymflow.cli.safe_text import command
from kymflow.cli.verbs.ingest import IngestResult, ingest_folders

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset

_USUAL = IngestFlags()


def refresh(
    dataset: str,
    /,
    *folders: Path,
    options: IngestFlags = _USUAL,
    progress: ProgressParam = SILENT,
) -> IngestResult | PlanResult:
    """Ingest what is new in the folders of a dataset.

    It looks into the folders that were ingested, with the patterns and subfolders that were given
    then, and into those that images came from.

    Args:
        dataset: Path or URL of the dataset.
        folders: The folders to look in; if none are named, those that it was filled from.
        options: How.
        progress: Shows how far the work is.

    Raises:
        FolderNotFoundError: A folder that was named is not there; or none is that images came from.
        UnknownNameError: No folder was named and the dataset records none.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    if options.dry_run:
        reader = open_reader(dataset)
        return plan_folders(
            reader, _choose(reader, folders, options), options, verb="refresh", location=dataset
        )
    writer = open_writer(dataset, wait_s=options.wait, durability=options.durability)
    return ingest_folders(
        writer,
        _choose(writer, folders, options),
        options,
        verb="refresh",
        location=dataset,
        progress=progress,
    )


def _choose(dataset: ZarrDataset, named: tuple[Path, ...], options: IngestFlags) -> ChosenFolders:
    folders = choose_folders(dataset, named, options.pattern, recursive=options.recursive)
    if not folders.there:
        for folder in folders.missing[:1]:
            moved = command("relocate", dataset.location, str(folder), "NEW")
            raise FolderNotFoundError(
                str(folder), exists=folder.exists(), hint=f"if it has moved: {moved}"
            )
        raise UnknownNameError(
            f"{dataset.location!r} does not know which folder to look in",
            hint=f"name one: {command('refresh', dataset.location, 'FOLDER')}",
        )
    return folders
