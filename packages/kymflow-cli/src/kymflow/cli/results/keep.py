"""What `check`, `repair`, `upgrade` and `export` answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "CheckResult",
    "DoneRepair",
    "ExportResult",
    "FoundProblem",
    "NotExported",
    "RepairResult",
    "UpgradeResult",
    "UpgradedImage",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundProblem:
    """One thing that is wrong with a dataset.

    Attributes:
        location: What is wrong, relative to the dataset.
        kind: What sort of problem it is.
        message: The problem.
        repairable: Whether `repair` can fix it.
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
        repairable: How many of them `repair` can fix.
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
    """One thing that was repaired.

    Attributes:
        location: What was repaired, relative to the dataset.
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
        dry_run: Whether it was a dry run that only lists what would be repaired.
        repairs: How many things were repaired, or with ``dry_run`` would be.
        problems: How many problems are left that `repair` cannot fix.
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
