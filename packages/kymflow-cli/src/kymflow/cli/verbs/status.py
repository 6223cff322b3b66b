"""What is left to do: files to ingest, images without results, tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kymflow.cli.blocks import (
    Block,
    Screen,
    counted,
    failure_blocks,
    remark,
    sentence,
    table_blocks,
)
from kymflow.cli.file_issues import FileIssue, file_issue, issue_blocks
from kymflow.cli.folders import search_remarks, source_folders, topmost
from kymflow.cli.json_values import NOT_IN_JSON
from kymflow.cli.opening import open_reader
from kymflow.cli.options import DEFAULT_PATTERNS, Patterns, Recursive
from kymflow.cli.safe_text import command, show
from kymflow.cli.verbs.ingest import PlannedFile, expand_patterns, planned_files, require_folder

if TYPE_CHECKING:
    from kymflow.core.analysis import Analysis
    from kymflow_zarr import ZarrDataset, ZarrImageRecord

__all__ = ["AnalysisStatus", "EqualImages", "StatusResult", "TableStatus", "status"]

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
    issues, copies = _issues(opened), _copies(opened)
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
        waiting=sum(len(plan.waiting) for plan in plans),
        failed=sum(len(plan.failed) for plan in plans),
        unchanged=sum(len(plan.unchanged) for plan in plans),
        gone=sum(len(plan.gone) for plan in plans),
        issues=len(issues),
        items=(
            *(item for plan in plans for item in planned_files(plan, changed=False)),
            *issues,
            *copies,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusResult:
    """What there is to do.

    Attributes:
        dataset: The dataset.
        images: How many it has.
        not_indexed: How many of them have a row in no table.
        folders: The folders that were looked at.
        missing_folders: Folders that images came from and that are not there now.
        patterns: Which files were looked for; ``**/`` stands for subfolders.
        named: Whether the folders were named, and not only found in the dataset. Not in the JSON.
        new: How many files are new.
        changed: How many files differ from when they were ingested.
        waiting: How many files are still being written.
        failed: How many files could not be ingested, and have not changed since.
        unchanged: How many files are in the dataset as they are.
        gone: How many known files are no longer in these folders.
        issues: How many files beside images were left out, or are doubtful.
        items: The files that are not unchanged, what was left out or is doubtful, images of equal
            pixels, then the analyses and tables.
    """

    streamed: ClassVar[bool] = False
    verb: ClassVar[str] = "status"
    ok: ClassVar[bool] = True
    dataset: str
    images: int
    not_indexed: int
    folders: tuple[str, ...]
    missing_folders: tuple[str, ...]
    patterns: tuple[str, ...]
    named: bool = field(metadata=NOT_IN_JSON)
    new: int
    changed: int
    waiting: int
    failed: int
    unchanged: int
    gone: int
    issues: int
    items: tuple[PlannedFile | FileIssue | EqualImages | AnalysisStatus | TableStatus, ...]

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        yield sentence(
            f"{show(self.dataset)}: {counted(self.images, 'image')}",
            new=self.new,
            changed=self.changed,
            waiting=self.waiting,
            failed=self.failed,
            gone=self.gone,
            **{"in no table": self.not_indexed},
        )
        files = [item for item in self.items if isinstance(item, PlannedFile)]
        if files:
            yield Block(lines=["", "files"], style="bold")
            yield from table_blocks(
                ("state", "file"), [(item.state, item.path) for item in files], screen
            )
            yield from failure_blocks(
                f"{counted(self.failed, 'file')} could not be ingested",
                ("file", "reason"),
                [(item.path, item.reason) for item in files if item.state == "failed"],
                screen,
            )
        analyses = [item for item in self.items if isinstance(item, AnalysisStatus)]
        if analyses:
            yield Block(lines=["", "analyses"], style="bold")
            counts = [(item.name, item.images, item.without) for item in analyses]
            yield from table_blocks(
                ("analysis", "images", "images without results"), counts, screen
            )
        tables = [item for item in self.items if isinstance(item, TableStatus)]
        if tables:
            yield Block(lines=["", "tables"], style="bold")
            rows = [(item.name, item.rows, item.images, item.without) for item in tables]
            yield from table_blocks(
                ("table", "rows", "images", "images without rows"), rows, screen
            )
        yield from issue_blocks(item for item in self.items if isinstance(item, FileIssue))
        for item in self.items:
            if isinstance(item, EqualImages):
                yield remark(f"equal pixels: {', '.join(map(show, item.paths))}")
        if self.new:
            folders = self.folders if self.named else ()
            deep = ("--recursive",) if any(name.startswith("**/") for name in self.patterns) else ()
            typed = command("refresh", self.dataset, *folders, *deep)
            yield remark(f"to ingest what is new: {typed}")
        # Once some were asked for, the others are not missing.
        asked_for = [item for item in analyses if item.images] or analyses
        for item in asked_for:
            if item.without:
                typed = command("analyze", self.dataset, item.name, "--missing")
                yield remark(f"to analyze what is missing: {typed}")
        if self.not_indexed:
            yield remark(f"to bring the tables up to date: {command('index', self.dataset)}")
        yield from search_remarks(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualImages:
    """Images with equal pixels, which were made of different files.

    Attributes:
        image_ids: The images.
        paths: Their files, in the same order.
    """

    type: ClassVar[str] = "equal_images"
    image_ids: tuple[str, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisStatus:
    """How many images have current results of an analysis.

    Attributes:
        name: The analysis.
        images: How many images have current results of it in all regions.
        without: How many have not.
    """

    type: ClassVar[str] = "analysis"
    name: str
    images: int
    without: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStatus:
    """How far a table covers the images.

    Attributes:
        name: The table's name.
        rows: How many rows it has; 0 if it was not made yet.
        images: How many images have rows in it.
        without: How many images have none.
    """

    type: ClassVar[str] = "table"
    name: str
    rows: int
    images: int
    without: int


def _paths(dataset: ZarrDataset) -> dict[str, str]:
    """Image id → its file."""
    index = dataset.load_sources_index()
    return dict(zip(index["image_id"], index["source_primary_path"], strict=True))


def _issues(dataset: ZarrDataset) -> tuple[FileIssue, ...]:
    found = dataset.sources.issues()
    paths = _paths(dataset) if found else {}
    return tuple(
        file_issue(Path(paths[image_id]), issue)
        for image_id, issues in found.items()
        for issue in issues
    )


def _copies(dataset: ZarrDataset) -> tuple[EqualImages, ...]:
    found = dataset.sources.duplicates()
    paths = _paths(dataset) if found else {}
    return tuple(
        EqualImages(image_ids=group, paths=tuple(paths[image_id] for image_id in group))
        for group in found
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
