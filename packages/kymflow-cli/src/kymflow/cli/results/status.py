"""What `status` answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from kymflow.cli.results.base import NOT_IN_JSON
from kymflow.cli.results.ingest import PlannedFile

__all__ = [
    "AnalysisStatus",
    "StatusResult",
    "TableStatus",
]


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
    patterns: tuple[str, ...]
    named: bool = field(metadata=NOT_IN_JSON)
    new: int
    changed: int
    unchanged: int
    gone: int
    items: tuple[PlannedFile | AnalysisStatus | TableStatus, ...]
