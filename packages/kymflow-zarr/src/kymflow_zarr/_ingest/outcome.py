"""What is asked of an ingest, and what it tells of each file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kymflow_zarr._catalog.sources import SourceFile, SourceRow
from kymflow_zarr.errors import UnreadableImageError

__all__ = ["IngestJob", "IngestOutcome", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestJob:
    """One file to take in.

    Attributes:
        image_id: The new image's id.
        file: The file.
        supersedes: The image that was made of an earlier state of this file.
    """

    image_id: str
    file: SourceFile
    supersedes: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestOutcome:
    """What became of one file.

    Attributes:
        path: The file.
        image_id: The new image; empty if it failed.
        error: Why it failed; None if it did not.
        source: The image's row in the sources index; None if it failed.
    """

    path: Path
    image_id: str
    error: UnreadableImageError | None = None
    source: SourceRow | None = None


def failed(path: Path, error: UnreadableImageError) -> IngestOutcome:
    """The outcome of an image that could not be taken in; it names the file that is at fault.

    Args:
        path: What was to be taken in.
        error: What is wrong, with it or with a file that goes along with it.
    """
    if error.path != path:
        error = UnreadableImageError(path, f"in {error.path.name!r}: {error.reason}")
    return IngestOutcome(path=path, image_id="", error=error)
