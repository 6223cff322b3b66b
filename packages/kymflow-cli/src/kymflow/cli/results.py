"""What each verb answers. The names here are the field names of ``--json``.

A result is a frozen value: some facts about the whole, and ``items``. As JSON Lines every item is
a record with its ``type``, and the facts are the last record, of type ``summary``.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import ClassVar, Literal, Protocol

__all__ = [
    "AnalysedImage",
    "AnalysisStatus",
    "AnalyzeResult",
    "Artifact",
    "CheckResult",
    "CompletionResult",
    "DamagedImage",
    "DatasetInfo",
    "DemoResult",
    "DoneRepair",
    "ExportResult",
    "FileOutcome",
    "FoundProblem",
    "ImageFailure",
    "ImageInfo",
    "IndexResult",
    "IndexedTable",
    "IngestResult",
    "Item",
    "ListResult",
    "ListedImage",
    "ListedTable",
    "NotExported",
    "PlanResult",
    "PlannedFile",
    "Plugin",
    "PluginListResult",
    "RepairResult",
    "ReportResult",
    "ReportedImage",
    "Result",
    "Row",
    "StatusResult",
    "TableListResult",
    "TableResult",
    "TableStatus",
    "UpgradeResult",
    "UpgradedImage",
    "item_to_json",
    "plain",
    "summary_to_json",
]


_NOT_IN_JSON: Mapping[str, bool] = {"json": False}


class Item(Protocol):
    """One record of a result; a dataclass."""

    @property
    def type(self) -> str:
        """The record's ``type`` in JSON."""


class Result(Protocol):
    """What a verb answers; a dataclass."""

    @property
    def verb(self) -> str:
        """The verb that was asked."""

    @property
    def ok(self) -> bool:
        """Whether everything went well; if not, the command ends with exit code 1."""

    @property
    def items(self) -> Sequence[Item]:
        """The records."""

    @property
    def streamed(self) -> bool:
        """Whether each item was told of while the work went on (`Progress.tell`)."""


# --- ingest, refresh --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutcome:
    """What became of one image file.

    Attributes:
        path: The file.
        status: Whether it was taken in.
        image_id: The new image; None if it failed.
        reason: Why it failed; None if it did not.
    """

    type: ClassVar[str] = "file"
    path: str
    status: Literal["ok", "failed"]
    image_id: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestResult:
    """What a run of `ingest` or `refresh` did.

    Attributes:
        verb: ``ingest`` or ``refresh``.
        dataset: The dataset.
        folders: The folders that were looked at.
        taken_in: How many files are new images now.
        failed: How many could not be taken in.
        unchanged: How many were in the dataset already, as they are.
        changed: How many differ from when they were taken in, and were left alone.
        gone: How many known files are no longer in these folders; their images stay.
        items: One per file that was tried.
    """

    streamed: ClassVar[bool] = True
    verb: str
    dataset: str
    folders: tuple[str, ...]
    taken_in: int
    failed: int
    unchanged: int
    changed: int
    gone: int
    items: tuple[FileOutcome, ...]

    @property
    def ok(self) -> bool:
        """Whether no file failed."""
        return self.failed == 0


FileState = Literal["new", "changed", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """What a run would do with one file.

    Attributes:
        path: The file.
        state: What it is, compared with the dataset.
        action: ``take in`` or ``leave``.
        image_id: The image that was made of it before; None for a new file.
    """

    type: ClassVar[str] = "file"
    path: str
    state: FileState
    action: Literal["take in", "leave"]
    image_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResult:
    """What `ingest` or `refresh` would do (``--dry-run``).

    Attributes:
        verb: ``ingest`` or ``refresh``.
        dataset: The dataset; it need not exist.
        folders: The folders that were looked at.
        dry_run: Always true.
        to_take_in: How many files the run would take in.
        new: How many are new.
        changed: How many differ from when they were taken in.
        unchanged: How many are in the dataset as they are.
        gone: How many known files are no longer in these folders.
        items: One per file, except the unchanged ones.
    """

    streamed: ClassVar[bool] = False
    verb: str
    dataset: str
    folders: tuple[str, ...]
    dry_run: bool = True
    to_take_in: int
    new: int
    changed: int
    unchanged: int
    gone: int
    items: tuple[PlannedFile, ...]

    @property
    def ok(self) -> bool:
        """A plan is neither good nor bad."""
        return True


# --- ls, info, table --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedImage:
    """One image in a list.

    Attributes:
        image_id: Its id.
        source: The file that it was made of; None if there is none.
        shape: The pixels' shape.
        axes: A name for each dimension.
        dtype: The pixels' type.
        created_utc: When it was taken in, ISO 8601; None if unknown.
        acquired_local: When it was recorded, by the clock on the wall there, ISO 8601; None if
            unknown.
    """

    type: ClassVar[str] = "image"
    image_id: str
    source: str | None
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    dtype: str
    created_utc: str | None
    acquired_local: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedImage:
    """One image that cannot be read.

    Attributes:
        image_id: Its id.
        reason: What is wrong with it.
    """

    type: ClassVar[str] = "failure"
    image_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListResult:
    """The images of a dataset.

    Attributes:
        dataset: The dataset.
        images: How many can be read.
        damaged: How many cannot.
        items: The images, in the order that was asked for, then those that cannot be read.
    """

    streamed: ClassVar[bool] = False
    verb: ClassVar[str] = "ls"
    dataset: str
    images: int
    damaged: int
    items: tuple[ListedImage | DamagedImage, ...]

    @property
    def ok(self) -> bool:
        """Whether all can be read."""
        return self.damaged == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTable:
    """One table in a list.

    Attributes:
        name: Its name.
        rows: How many rows it has.
        columns: The names of its columns.
    """

    type: ClassVar[str] = "table"
    name: str
    rows: int
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableListResult:
    """The tables of a dataset.

    Attributes:
        dataset: The dataset.
        tables: How many it has.
        items: The tables.
    """

    streamed: ClassVar[bool] = False
    verb: ClassVar[str] = "table"
    ok: ClassVar[bool] = True
    dataset: str
    tables: int
    items: tuple[ListedTable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table.

    Attributes:
        row: Its values by column.
    """

    type: ClassVar[str] = "row"
    row: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableResult:
    """Rows of a table, or of a query.

    Attributes:
        verb: ``table`` or ``query``.
        dataset: The dataset.
        table: The table's name; None for a query.
        rows: How many rows there are.
        columns: The names of the columns.
        items: The rows that were asked for.
        limit: How many rows were asked for; None for all. Not in the JSON.
        as_csv: Whether CSV was asked for. Not in the JSON.
    """

    streamed: ClassVar[bool] = False
    ok: ClassVar[bool] = True
    verb: str
    dataset: str
    table: str | None
    rows: int
    columns: tuple[str, ...]
    items: Sequence[Row]
    limit: int | None = field(default=None, metadata=_NOT_IN_JSON)
    as_csv: bool = field(default=False, metadata=_NOT_IN_JSON)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """What a dataset is.

    Attributes:
        dataset: Where it lies.
        format_version: The version of its format.
        created_utc: When it was made, ISO 8601; None if unknown.
        software: What made it; None if unknown.
        images: How many images it has.
        folders: The folders that they came from.
        items: Its tables.
    """

    streamed: ClassVar[bool] = False
    verb: ClassVar[str] = "info"
    ok: ClassVar[bool] = True
    dataset: str
    format_version: int
    created_utc: str | None
    software: str | None
    images: int
    folders: tuple[str, ...]
    items: tuple[ListedTable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One result that is kept with an image.

    Attributes:
        name: Its name.
        kind: What it is.
        key: Where it lies, relative to the dataset.
    """

    type: ClassVar[str] = "artifact"
    name: str
    kind: Literal["json", "parquet", "csv", "array"]
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """What an image is.

    Attributes:
        dataset: The dataset.
        image: The image.
        pixels_digest: The checksum of its pixels; None in format 1.
        header: What its file said of it.
        experiment_metadata: What people said of it.
        rois: Its regions of interest.
        items: The results that are kept with it.
    """

    streamed: ClassVar[bool] = False
    verb: ClassVar[str] = "info"
    ok: ClassVar[bool] = True
    dataset: str
    image: ListedImage
    pixels_digest: str | None
    header: Mapping[str, object]
    experiment_metadata: Mapping[str, object]
    rois: tuple[Mapping[str, object], ...]
    items: tuple[Artifact, ...]


# --- analyze ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysedImage:
    """What became of one image.

    Attributes:
        image_id: The image.
        source: The file that it was made of; None if there is none.
        status: ``ok``: it has new results; ``skipped``: it had results of these parameters.
        reason: Why it failed; None if it did not.
    """

    type: ClassVar[str] = "image"
    image_id: str
    source: str | None
    status: Literal["ok", "skipped", "failed"]
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyzeResult:
    """What a run of `analyze` did.

    Attributes:
        dataset: The dataset.
        analysis: The analysis.
        images: How many images have new results.
        failed: How many failed.
        skipped: How many had results of these parameters, and were left alone.
        items: The images that were tried.
    """

    streamed: ClassVar[bool] = True
    verb: ClassVar[str] = "analyze"
    dataset: str
    analysis: str
    images: int
    failed: int
    skipped: int
    items: tuple[AnalysedImage, ...]

    @property
    def ok(self) -> bool:
        """Whether no image failed."""
        return self.failed == 0


# --- index ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One indexer or analysis of this installation.

    Attributes:
        kind: Which of the two.
        name: Its name.
        origin: The distribution that it comes from.
        version: That distribution's version; None if it is not installed.
        status: Whether it can be used.
        summary: What it says of itself, in a line.
        reason: Why it cannot be used; None if it can.
    """

    type: ClassVar[str] = "plugin"
    kind: Literal["indexer", "analysis"]
    name: str
    origin: str
    version: str | None
    status: Literal["ok", "broken"]
    summary: str
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginListResult:
    """The indexers and analyses of this installation.

    Attributes:
        verb: ``plugins``, or ``index`` with ``--list``.
        plugins: How many there are.
        broken: How many of them cannot be used.
        items: The plugins.
    """

    streamed: ClassVar[bool] = False
    verb: str = "plugins"
    plugins: int
    broken: int
    items: tuple[Plugin, ...]

    @property
    def ok(self) -> bool:
        """Whether all can be used."""
        return self.broken == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedTable:
    """What one indexer did.

    Attributes:
        indexer: Its name.
        table: The table.
        status: ``ok``; ``partial``: some images failed and kept their old rows; ``failed``: the
            old table stays.
        images: How many images were indexed.
        failed: How many images failed.
        rows: How many rows the table has now; None if the table was not written.
        reason: Why all of it failed; None if it did not.
    """

    type: ClassVar[str] = "table"
    indexer: str
    table: str
    status: Literal["ok", "partial", "failed"]
    images: int
    failed: int
    rows: int | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFailure:
    """One image that could not be worked on.

    Attributes:
        image_id: The image.
        source: The file that it was made of; None if there is none.
        step: The indexer or analysis that failed.
        reason: Why.
    """

    type: ClassVar[str] = "failure"
    image_id: str
    source: str | None
    step: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexResult:
    """What a run of `index` did.

    Attributes:
        dataset: The dataset.
        tables: How many tables were written.
        failed: How many indexers failed, on some images or on all.
        items: The tables, each followed by the images that failed.
    """

    streamed: ClassVar[bool] = True
    verb: ClassVar[str] = "index"
    dataset: str
    tables: int
    failed: int
    items: tuple[IndexedTable | ImageFailure, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return self.failed == 0


# --- status -----------------------------------------------------------------------------------


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisStatus:
    """How many images have results of an analysis.

    Attributes:
        name: The analysis.
        images: How many images have results of it.
        without: How many have none.
    """

    type: ClassVar[str] = "analysis"
    name: str
    images: int
    without: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusResult:
    """What there is to do.

    Attributes:
        dataset: The dataset.
        images: How many it has.
        not_indexed: How many of them have a row in no table.
        folders: The folders that were looked at.
        missing_folders: Folders that images came from and that are not there now.
        new: How many files are new.
        changed: How many files differ from when they were taken in.
        unchanged: How many files are in the dataset as they are.
        gone: How many known files are no longer in these folders.
        items: The files that are not unchanged, then the analyses and tables.
    """

    streamed: ClassVar[bool] = False
    verb: ClassVar[str] = "status"
    ok: ClassVar[bool] = True
    dataset: str
    images: int
    not_indexed: int
    folders: tuple[str, ...]
    missing_folders: tuple[str, ...]
    new: int
    changed: int
    unchanged: int
    gone: int
    items: tuple[PlannedFile | AnalysisStatus | TableStatus, ...]


# --- check, repair, upgrade -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundProblem:
    """One thing that is wrong with a dataset.

    Attributes:
        location: What is wrong, relative to the dataset.
        kind: What sort of problem it is.
        message: The problem.
        repairable: Whether `repair` mends it.
    """

    type: ClassVar[str] = "problem"
    location: str
    kind: str
    message: str
    repairable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What a check found.

    Attributes:
        dataset: The dataset.
        deep: Whether every byte was read.
        images: How many images there are.
        problems: How many problems there are.
        repairable: How many of them `repair` mends.
        items: The problems.
    """

    streamed: ClassVar[bool] = True
    verb: ClassVar[str] = "check"
    dataset: str
    deep: bool
    images: int
    problems: int
    repairable: int
    items: tuple[FoundProblem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.problems == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneRepair:
    """One thing that was mended.

    Attributes:
        location: What was mended, relative to the dataset.
        action: What was done.
    """

    type: ClassVar[str] = "repair"
    location: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairResult:
    """What a repair did, and what is left.

    Attributes:
        dataset: The dataset.
        dry_run: Whether it was only looked at what could be mended.
        repairs: How many things were mended, or with ``dry_run`` would be.
        problems: How many problems are left that `repair` cannot mend.
        items: The repairs, then the problems that are left.
    """

    streamed: ClassVar[bool] = False
    verb: ClassVar[str] = "repair"
    dataset: str
    dry_run: bool
    repairs: int
    problems: int
    items: tuple[DoneRepair | FoundProblem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong any more."""
        return self.problems == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradedImage:
    """One image that was brought to the current format.

    Attributes:
        image_id: The image.
    """

    type: ClassVar[str] = "image"
    image_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeResult:
    """What an upgrade did.

    Attributes:
        dataset: The dataset.
        format_before: The version of its format before.
        format_version: The version that it has now.
        upgraded: How many images were upgraded.
        items: These images.
    """

    streamed: ClassVar[bool] = False
    verb: ClassVar[str] = "upgrade"
    ok: ClassVar[bool] = True
    dataset: str
    format_before: int
    format_version: int
    upgraded: int
    items: tuple[UpgradedImage, ...]


# --- export -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NotExported:
    """One thing that could not be exported.

    Attributes:
        name: What it is: a key in the dataset, an image, a table.
        reason: Why.
    """

    type: ClassVar[str] = "failure"
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """What an export did. Counts are None where damage kept it from being complete.

    Attributes:
        dataset: The dataset.
        folder: Where it was written to.
        images: How many images are in the folder, whole.
        tables: How many tables are in it.
        files_written: How many files are new or have new contents.
        files_unchanged: How many were there as they should be.
        files_removed: How many files of an earlier export were removed.
        files_kept: Files of an earlier export that someone has changed since; they stay.
        failed: How many things could not be exported.
        items: These things.
    """

    streamed: ClassVar[bool] = False
    verb: ClassVar[str] = "export"
    dataset: str
    folder: str
    images: int
    tables: int | None
    files_written: int | None
    files_unchanged: int | None
    files_removed: int | None
    files_kept: tuple[str, ...]
    failed: int
    items: tuple[NotExported, ...]

    @property
    def ok(self) -> bool:
        """Whether all of it was exported."""
        return self.failed == 0


# --- report -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedImage:
    """One image of a report.

    Attributes:
        image_id: The image.
        source: The file that it was made of; None if there is none, or it is not known.
        status: ``damaged`` if some of it cannot be read; the report has the rest.
        regions: How many of its regions have a velocity.
        reason: What cannot be read; None if all can.
    """

    type: ClassVar[str] = "image"
    image_id: str
    source: str | None
    status: Literal["ok", "damaged"]
    regions: int
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportResult:
    """What a report shows.

    Attributes:
        dataset: The dataset.
        report: The file that was written.
        images: How many images the dataset has.
        shown: How many of them the report shows.
        left_out: How many it leaves out because of the limit.
        without_results: How many of those shown have no velocity yet.
        damaged: How many of those shown cannot be read in full.
        size_bytes: How large the file is.
        items: The images shown.
    """

    streamed: ClassVar[bool] = True
    verb: ClassVar[str] = "report"
    dataset: str
    report: str
    images: int
    shown: int
    left_out: int
    without_results: int
    damaged: int
    size_bytes: int
    items: tuple[ReportedImage, ...]

    @property
    def ok(self) -> bool:
        """Whether all of what is shown could be read."""
        return self.damaged == 0


# --- demo -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What the demo made.

    Attributes:
        folder: The folder of it all.
        dataset: The dataset.
        images_folder: The folder with the TIFF files.
        taken_in: How many images were taken in by this run.
        images: How many images the dataset has.
        table: The table whose rows follow.
        columns: Its columns.
        items: Its rows.
    """

    streamed: ClassVar[bool] = False
    verb: ClassVar[str] = "demo"
    ok: ClassVar[bool] = True
    folder: str
    dataset: str
    images_folder: str
    taken_in: int
    images: int
    table: str
    columns: tuple[str, ...]
    items: Sequence[Row]


# --- completion -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionResult:
    """A script for a shell.

    Attributes:
        shell: The shell.
        script: The script.
        items: Always empty.
    """

    streamed: ClassVar[bool] = False
    verb: ClassVar[str] = "completion"
    ok: ClassVar[bool] = True
    shell: str
    script: str
    items: tuple[Item, ...] = ()


# --- as JSON ----------------------------------------------------------------------------------


def item_to_json(item: Item) -> dict[str, object]:
    """An item as a JSON object: its ``type``, then its fields."""
    return {"type": item.type, **_fields(item)}


def summary_to_json(result: Result, *, exit_code: int) -> dict[str, object]:
    """The last record of a result: everything but its items."""
    return {
        "type": "summary",
        "verb": result.verb,
        "ok": result.ok,
        "exit_code": exit_code,
        **_fields(result),
    }


def _fields(value: object) -> dict[str, object]:
    if not is_dataclass(value):
        raise TypeError(f"{type(value).__name__} is no dataclass; make results dataclasses")
    return {
        item.name: plain(getattr(value, item.name))
        for item in fields(value)
        if item.metadata.get("json", True) and item.name != "items"
    }


def plain(value: object) -> object:
    """A value as JSON has it: times as ISO 8601, bytes as base64, NaN and infinity as null."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal() | PurePath():
            return str(value)
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
    if is_dataclass(value):
        return _fields(value)
    return str(value)
