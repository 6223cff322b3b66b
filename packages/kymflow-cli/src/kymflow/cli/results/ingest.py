"""What `ingest` and `refresh` answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from kymflow.cli.results.base import NOT_IN_JSON

__all__ = [
    "FileOutcome",
    "FileState",
    "IngestResult",
    "PlanResult",
    "PlannedFile",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutcome:
    """What became of one image file.

    Attributes:
        path: The file.
        status: Whether it was ingested.
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
        missing_folders: Folders that images came from and that are not there now.
        patterns: Which files were looked for; ``**/`` stands for subfolders.
        named: Whether the folders were named, and not only found in the dataset. Not in the JSON.
        taken_in: How many files are new images now.
        failed: How many could not be ingested.
        unchanged: How many were in the dataset already, as they are.
        changed: How many differ from when they were ingested, and were left alone.
        gone: How many known files are no longer in these folders; their images stay.
        items: One per file that was tried.
    """

    streamed: ClassVar[bool] = True
    verb: str
    dataset: str
    folders: tuple[str, ...]
    missing_folders: tuple[str, ...]
    patterns: tuple[str, ...]
    named: bool = field(metadata=NOT_IN_JSON)
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


FileState = Literal["new", "changed", "gone", "refused"]


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
        missing_folders: Folders that images came from and that are not there now.
        patterns: Which files were looked for; ``**/`` stands for subfolders.
        named: Whether the folders were named, and not only found in the dataset. Not in the JSON.
        dry_run: Always true.
        to_take_in: How many files the run would ingest.
        new: How many are new.
        changed: How many differ from when they were ingested.
        unchanged: How many are in the dataset as they are.
        gone: How many known files are no longer in these folders.
        items: One per file, except the unchanged ones.
    """

    streamed: ClassVar[bool] = False
    verb: str
    dataset: str
    folders: tuple[str, ...]
    missing_folders: tuple[str, ...]
    patterns: tuple[str, ...]
    named: bool = field(metadata=NOT_IN_JSON)
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
