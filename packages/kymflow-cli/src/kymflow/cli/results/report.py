"""What `report` answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

__all__ = [
    "ReportResult",
    "ReportedImage",
]


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
