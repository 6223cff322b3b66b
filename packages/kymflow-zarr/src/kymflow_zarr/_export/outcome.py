"""What became of an export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What an export did.

    Attributes:
        directory: The folder that was written to.
        image_ids: The images in it.
        table_names: The dataset tables in it.
        files_written: How many files are new or have new contents.
        files_unchanged: How many were there as they should be, and were not touched.
        files_removed: How many files of an earlier export were removed.
        files_kept: Files of an earlier export that would have been removed, but that someone has
            changed since.
    """

    directory: Path
    image_ids: tuple[str, ...]
    table_names: tuple[str, ...]
    files_written: int
    files_unchanged: int
    files_removed: int
    files_kept: tuple[str, ...]
