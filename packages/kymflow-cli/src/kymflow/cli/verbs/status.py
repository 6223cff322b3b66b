"""What is left to do, and what a person should look at."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kymflow.cli.blocks import (
    Block,
    Screen,
    counted,
    failure_blocks,
    remark,
    sentence,
    table_blocks,
)
from kymflow.cli.concerns import CONCERNS, ImageConcern, concerns_of
from kymflow.cli.file_issues import FileIssue, file_issue, issue_blocks
from kymflow.cli.folders import FolderSearch, choose_folders, search_remarks, subfolder_remark
from kymflow.cli.ingest_plan import PlannedFile, count_in_subfolders, planned_files
from kymflow.cli.json_values import NOT_IN_JSON
from kymflow.cli.opening import open_reader
from kymflow.cli.options import DEFAULT_PATTERNS, Patterns, Recursive
from kymflow.cli.safe_text import command, show
from kymflow.cli.survey import Survey, survey

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset


def status(
    dataset: str,
    /,
    *folders: Path,
    pattern: Patterns = DEFAULT_PATTERNS,
    recursive: Recursive = False,
) -> StatusResult:
    """Show what there is to do, and what to look at.

    To do: new files, results that are not current and why, and tables that are not up to date, with
    the commands for it; kymflow update does all of it. To look at: images that failed, are
    excluded, have no calibration, or are copies of others. Nothing is changed.

    Args:
        dataset: Path or URL of the dataset.
        folders: The folders to look in; if none are named, those that it was filled from.
        pattern: Which files; may be given several times.
        recursive: Include subfolders.

    Raises:
        FolderNotFoundError: A folder that was named is not there.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    opened = open_reader(dataset)
    chosen = choose_folders(opened, folders, pattern, recursive=recursive)
    plans = [opened.plan_refresh(search.folder, search.patterns) for search in chosen.there]
    found = survey(opened)
    issues = _issues(opened, found)
    files = [item for plan in plans for item in planned_files(plan, changed=False)]
    analyses, tables = list(_analyses(found)), list(_tables(opened, found))
    new = sum(len(plan.new) for plan in plans)
    to_do = list(_commands(dataset, analyses, tables))
    if new:
        named = [str(folder) for folder in folders]
        patterns = [word for name in pattern if name != "*" for word in ("--pattern", name)]
        deep = ["--recursive"] if recursive else []
        to_do.insert(0, command("refresh", dataset, *named, *patterns, *deep))
    return StatusResult(
        dataset=dataset,
        images=len(found.images),
        names=found.names,
        to_do=tuple(to_do),
        folders=tuple(str(search.folder) for search in chosen.there),
        missing_folders=tuple(str(folder) for folder in chosen.missing),
        patterns=chosen.patterns,
        named=chosen.named,
        new=new,
        changed=sum(len(plan.changed) for plan in plans),
        waiting=sum(len(plan.waiting) for plan in plans),
        failed=sum(len(plan.failed) for plan in plans),
        unchanged=sum(len(plan.unchanged) for plan in plans),
        gone=sum(len(plan.gone) for plan in plans),
        in_subfolders=count_in_subfolders(opened, chosen, plans),
        never_run=found.never_run,
        kept_as_is=_tables_of_nothing(opened),
        issues=len(issues),
        items=(*files, *issues, *analyses, *tables, *concerns_of(found)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusResult(FolderSearch):
    """What there is to do.

    Attributes:
        images: How many it has.
        names: What its images are called, by id. Not in the JSON.
        to_do: The commands that do what there is to do.
        new: How many files are new.
        never_run: Analyses that are installed and were never run on this dataset.
        kept_as_is: Tables of indexers that are not installed here; no run brings them up to date.
        issues: How many files beside images were left out, or are doubtful.
        items: The files that are not unchanged, what was left out or is doubtful, the analyses by
            folder, the tables, and the images to look at.
    """

    verb: ClassVar[str] = "status"
    images: int
    names: Mapping[str, str] = field(metadata=NOT_IN_JSON)
    to_do: tuple[str, ...]
    new: int
    never_run: tuple[str, ...]
    kept_as_is: tuple[str, ...]
    issues: int
    items: tuple[PlannedFile | FileIssue | AnalysisStatus | TableStatus | ImageConcern, ...]

    @property
    def ok(self) -> bool:
        """Whether there is nothing to do."""
        return not self.to_do

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        concerns = [item for item in self.items if isinstance(item, ImageConcern)]
        counts = Counter(item.concern for item in concerns)
        yield sentence(
            f"{show(self.dataset)}: {counted(self.images, 'image')}",
            new=self.new,
            changed=self.changed,
            waiting=self.waiting,
            gone=self.gone,
            **{f"file{'s' * (self.failed != 1)} failed": self.failed},
            **{CONCERNS[concern]: counts[concern] for concern in CONCERNS},
        )
        files = [item for item in self.items if isinstance(item, PlannedFile)]
        yield from _part("files", ("state", "file"), [(i.state, i.path) for i in files], screen)
        yield from failure_blocks(
            f"{counted(self.failed, 'file')} could not be ingested",
            ("file", "reason"),
            [(item.path, item.reason) for item in files if item.state == "failed"],
            screen,
        )
        analyses = [item for item in self.items if isinstance(item, AnalysisStatus)]
        yield from _part(
            "analyses",
            ("analysis", "folder", "current", "outdated", "missing", "failed", "changed since"),
            [
                (
                    f"{item.name} ({item.label})" if item.label else item.name,
                    item.folder,
                    item.current,
                    item.outdated,
                    item.missing,
                    item.failed,
                    ", ".join(f"{cause} of {count}" for cause, count in item.causes.items()),
                )
                for item in analyses
            ],
            screen,
        )
        tables = [item for item in self.items if isinstance(item, TableStatus)]
        yield from _part(
            "tables",
            ("table", "rows", "images", "images to index"),
            [(item.name, item.rows, item.images, item.outdated) for item in tables],
            screen,
        )
        yield from _part(
            "to look at",
            ("image", "what", "why"),
            [
                (self.names.get(item.image_id, item.image_id), item.concern, item.why)
                for item in concerns
            ],
            screen,
        )
        yield from issue_blocks(item for item in self.items if isinstance(item, FileIssue))
        for typed in self.to_do:
            yield remark(f"to do: {typed}")
        if self.in_subfolders:
            typed = command("refresh", self.dataset, *self.folders[:1], "--recursive")
            yield subfolder_remark(self.in_subfolders, typed)
        if len(self.to_do) > 1:
            yield remark(f"all of it in one go: {command('update', self.dataset)}")
        if self.changed:
            typed = command("refresh", self.dataset, "--changed")
            yield remark(f"to ingest changed files again: {typed}")
        if counts["uncalibrated"]:
            unknown = ("--where", "seconds_per_line IS NULL OR um_per_pixel IS NULL")
            given = ("--seconds-per-line", "SECONDS", "--um-per-pixel", "MICROMETRES")
            typed = command("calibrate", self.dataset, *given, *unknown)
            yield remark(f"to set the line period and the pixel size: {typed}")
        if self.never_run and self.images:
            listed = ", ".join(self.never_run)
            typed = command("analyze", self.dataset, self.never_run[0])
            yield remark(f"not run here yet: {listed}; to run one of them: {typed}")
        if self.kept_as_is:
            listed = ", ".join(self.kept_as_is)
            yield remark(f"not kept up to date, as what makes them is not installed: {listed}")
        yield from search_remarks(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisStatus:
    """How the results of an analysis stand for the images of one folder.

    Attributes:
        name: The analysis.
        label: The label of the results; empty for none.
        folder: The folder that the images came from; empty for those of no file.
        images: How many images there are, those that are excluded apart.
        current: How many have current results in all regions.
        outdated: How many have results and something has changed since.
        missing: How many lack results.
        failed: How many failed, and nothing has changed since.
        causes: For each thing that has changed, such as ``geometry``: of how many images.
    """

    type: ClassVar[str] = "analysis"
    name: str
    label: str
    folder: str
    images: int
    current: int
    outdated: int
    missing: int
    failed: int
    causes: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStatus:
    """How far a table is up to date.

    Attributes:
        name: The table's name.
        rows: How many rows it has; 0 if it has not been made yet.
        images: How many images have rows in it.
        outdated: For how many images its rows have to be recomputed.
    """

    type: ClassVar[str] = "table"
    name: str
    rows: int
    images: int
    outdated: int


def _issues(dataset: ZarrDataset, found: Survey) -> list[FileIssue]:
    issues = [
        file_issue(Path(source), issue)
        for image_id, listed in dataset.sources.issues().items()
        for issue in listed
        if image_id in found.images and (source := found.images[image_id].source)
    ]
    return sorted(issues, key=lambda issue: issue.path)


def _part(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], screen: Screen
) -> Iterator[Block]:
    if rows:
        yield Block(lines=["", title], style="bold")
        yield from table_blocks(columns, rows, screen)


def _analyses(found: Survey) -> Iterator[AnalysisStatus]:
    for (analysis, label), states in found.states.items():
        by_folder = defaultdict(list)
        for image_id, state in states.items():
            by_folder[found.images[image_id].folder].append(state)
        for folder, here in sorted(by_folder.items()):
            counts = Counter(state.state for state in here)
            yield AnalysisStatus(
                name=analysis,
                label=label,
                folder=folder,
                images=len(here),
                current=counts["current"],
                outdated=counts["outdated"],
                missing=counts["missing"],
                failed=counts["failed"],
                causes=Counter(cause for state in here for cause in state.causes),
            )


def _tables(dataset: ZarrDataset, found: Survey) -> Iterator[TableStatus]:
    for indexer, outdated in found.outdated.items():
        table = f"kym_{indexer}"
        yield TableStatus(
            name=table,
            rows=dataset.table_row_count(table) or 0,
            images=_images_with_rows(dataset, table),
            outdated=len(outdated),
        )


def _tables_of_nothing(dataset: ZarrDataset) -> tuple[str, ...]:
    """The tables of indexers that are not installed."""
    from kymflow.core import KymDataset
    from kymflow.core.plugins import find_indexers

    made_here = find_indexers()
    return tuple(f"kym_{n}" for n in KymDataset(dataset).list_indexes() if n not in made_here)


def _images_with_rows(dataset: ZarrDataset, table: str) -> int:
    if dataset.table_schema(table) is None:
        return 0
    return len(dataset.load_arrow_table(table, columns=["image_id"])["image_id"].unique())


def _commands(
    dataset: str, analyses: Sequence[AnalysisStatus], tables: Sequence[TableStatus]
) -> Iterator[str]:
    """What there is to do but to refresh."""
    todo = [(item.name, item.label) for item in analyses if item.outdated or item.missing]
    for name, label in dict.fromkeys(todo):
        labelled = ("--label", label) if label else ()
        yield command("analyze", dataset, name, "--missing", *labelled)
    if any(item.outdated for item in tables):
        yield command("index", dataset)
