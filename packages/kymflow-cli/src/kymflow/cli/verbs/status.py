"""What is left to do: files to ingest, images without results, tables."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kymflow.cli.folders import source_folders, topmost
from kymflow.cli.opening import open_reader
from kymflow.cli.options import DEFAULT_PATTERNS, Patterns, Recursive
from kymflow.cli.results import AnalysisStatus, StatusResult, TableStatus
from kymflow.cli.verbs.ingest import expand_patterns, planned_files, require_folder

if TYPE_CHECKING:
    from kymflow.core.analysis import Analysis
    from kymflow_zarr import ZarrDataset, ZarrImageRecord

__all__ = ["status"]

_SOURCES = "sources"


def status(
    dataset: str,
    /,
    *folders: Path,
    pattern: Patterns = DEFAULT_PATTERNS,
    recursive: Recursive = False,
) -> StatusResult:
    """Show what is new, and what has no result yet.

    Nothing is changed. Patterns and subfolders that were given to kymflow ingest are not
    remembered: give them again.

    Args:
        dataset: Path or URL of the dataset.
        folders: The folders to look in; without any, just those that its images came from.
        pattern: Which files; may be given several times.
        recursive: Include subfolders.

    Returns:
        What there is to do. Nothing is changed.

    Raises:
        FolderNotFoundError: A folder that was named is not there.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    opened = open_reader(dataset)
    for folder in folders:
        require_folder(folder)
    known = folders or tuple(Path(folder) for folder in source_folders(opened))
    there = [folder for folder in known if folder.is_dir()]
    patterns = expand_patterns(pattern, recursive=recursive)
    plans = [
        opened.plan_refresh(folder, patterns) for folder in (topmost(there) if recursive else there)
    ]
    image_ids = frozenset(opened.list_image_ids())
    covered = _covered_images(opened, image_ids)
    return StatusResult(
        dataset=dataset,
        images=len(image_ids),
        not_indexed=len(image_ids.difference(*covered.values())),
        folders=tuple(str(folder) for folder in there),
        missing_folders=tuple(str(folder) for folder in known if folder not in there),
        patterns=patterns,
        named=bool(folders),
        new=sum(len(plan.new) for plan in plans),
        changed=sum(len(plan.changed) for plan in plans),
        unchanged=sum(len(plan.unchanged) for plan in plans),
        gone=sum(len(plan.gone) for plan in plans),
        items=(
            *(item for plan in plans for item in planned_files(plan, changed=False)),
            *_analyses(opened),
            *(
                TableStatus(
                    name=name,
                    rows=opened.table_row_count(name) or 0,
                    images=len(images),
                    without=len(image_ids) - len(images),
                )
                for name, images in covered.items()
            ),
        ),
    )


def _analyses(dataset: ZarrDataset) -> list[AnalysisStatus]:
    from kymflow.core.plugins import load_analyses

    analyses = load_analyses().values()
    image_ids = dataset.load_manifest().entries if analyses else {}
    counts = Counter(
        analysis.name
        for analysis in analyses
        for image_id in image_ids
        if _is_current(dataset.record(image_id), analysis)
    )
    return [
        AnalysisStatus(
            name=analysis.name,
            images=counts[analysis.name],
            without=len(image_ids) - counts[analysis.name],
        )
        for analysis in analyses
    ]


def _is_current(record: ZarrImageRecord, analysis: Analysis[Any]) -> bool:
    """Whether an image has results in all its regions, and nothing has changed since."""
    from kymflow.core import KymflowCoreError
    from kymflow.core.analysis import image_status
    from kymflow_zarr import KymflowZarrError

    try:
        status = image_status(record, analysis)
    except (KymflowCoreError, KymflowZarrError, OSError):
        return False
    return all(region.state == "current" for region in status.regions)


def _covered_images(dataset: ZarrDataset, image_ids: frozenset[str]) -> dict[str, frozenset[str]]:
    """For each table over the images, those that have rows in it."""
    covered = {}
    for name in dataset.list_table_names():
        schema = dataset.table_schema(name)
        if name == _SOURCES or schema is None or "image_id" not in schema.names:
            continue
        column = dataset.load_arrow_table(name, columns=["image_id"])["image_id"]
        covered[name] = image_ids.intersection(column.unique().to_pylist())
    return covered
