"""What is asked of an ingest, and what it reports of each file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from kymflow_zarr._catalog.source_issue import SourceIssue
from kymflow_zarr._catalog.sources import SourceFile, SourceRow
from kymflow_zarr.errors import UnreadableImageError

IngestStatus: TypeAlias = Literal["ingested", "extended", "renewed", "changed", "waiting", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestJob:
    """One image to ingest.

    Attributes:
        image_id: The new image's id.
        file: The file.
        path: The file of its first channel.
        supersedes: The image that was made of an earlier state of this file.
        scene: Which image of a file of several; empty for a file of one.
        unlisted: Why it is not known which images the file holds; None if it is.
    """

    image_id: str
    file: SourceFile
    path: Path
    supersedes: str | None
    scene: str = ""
    unlisted: UnreadableImageError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestOutcome:
    """What became of one file.

    Attributes:
        path: The file.
        image_id: Its image; empty if there is none yet.
        status: ``"ingested"``: a new image. ``"renewed"``: the pixels of an image that is there
            already, under a new path or with a new time. ``"extended"``: the same, and metadata or
            artifacts beside the file were added to that image. ``"changed"``: not what the image
            was made of, and left alone. ``"waiting"``: still being written, for the next run.
            ``"failed"``: not readable.
        error: Why there is no image of it; None if there is one.
        source: The image's row in the sources index, where that is new.
        pixels_digest: The digest of a new image's pixels; else empty.
        issues: What was left out or is doubtful.
    """

    path: Path
    image_id: str
    status: IngestStatus = "ingested"
    error: UnreadableImageError | None = None
    source: SourceRow | None = None
    pixels_digest: str = ""
    issues: tuple[SourceIssue, ...] = ()


def failed(path: Path, error: UnreadableImageError, *, scene: str = "") -> IngestOutcome:
    """The outcome of an image that could not be ingested; it names the file at fault.

    That may be another one that goes along with it; of a file of several images, it is the scene.
    """
    at_fault = scene if error.path == path else error.path.name
    if at_fault:
        error = type(error)(path, f"in {at_fault!r}: {error.reason}")
    return IngestOutcome(path=path, image_id="", status="failed", error=error)
