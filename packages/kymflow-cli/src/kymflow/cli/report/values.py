"""What stands on the page. Every text in these values is text, never markup."""

from __future__ import annotations

from dataclasses import dataclass

from kymflow.cli.report.figures import Drawing

__all__ = ["Fact", "Illustration", "ImageRow", "ImageSection", "Page", "RegionSection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A name and its value.

    Attributes:
        name: What it is.
        value: Its value; may have several lines.
        is_code: Whether it is something to compare or to copy, like a digest.
    """

    name: str
    value: str
    is_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Illustration:
    """A figure with its words.

    Attributes:
        drawing: The figure.
        alt: What it shows, for those who do not see it.
        caption: What stands under it.
    """

    drawing: Drawing
    alt: str
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRow:
    """An image's row of the summary. The cells of regions have one line per region.

    Attributes:
        anchor: The id of its section.
        name: What people call it.
        recorded: When it was recorded.
        size: Its lines and pixels, and how long and wide that is.
        regions: The names of its regions.
        median: Their median velocities.
        unknown: Their shares of windows without evidence.
        stalled: Their shares of windows in stalls.
        state: What is wrong, or missing; empty if nothing is.
        damaged: Whether something cannot be read.
    """

    anchor: str
    name: str
    recorded: str
    size: str
    regions: tuple[str, ...]
    median: tuple[str, ...]
    unknown: tuple[str, ...]
    stalled: tuple[str, ...]
    state: str
    damaged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionSection:
    """The results of one region.

    Attributes:
        title: The region.
        illustration: Velocity and evidence over time; None if they cannot be read.
        facts: Its numbers.
        provenance: Where they come from.
        remarks: What else a reader should know.
    """

    title: str
    illustration: Illustration | None
    facts: tuple[Fact, ...]
    provenance: tuple[Fact, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSection:
    """An image's part of the page.

    Attributes:
        anchor: Its id in the page.
        title: What people call the image.
        facts: What is known of it.
        problems: What cannot be read.
        remarks: What else a reader should know.
        kymographs: The recording, a figure per channel and slice.
        regions: Its regions with results.
        details: A few lines, each of them drawn.
        provenance: Where the pixels come from.
    """

    anchor: str
    title: str
    facts: tuple[Fact, ...]
    problems: tuple[str, ...]
    remarks: tuple[str, ...]
    kymographs: tuple[Illustration, ...]
    regions: tuple[RegionSection, ...]
    details: tuple[Illustration, ...]
    provenance: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The whole page.

    Attributes:
        title: Its title.
        facts: What is known of the dataset.
        scope: Which images are shown, if not all of them.
        rows: The summary.
        sections: The images.
    """

    title: str
    facts: tuple[Fact, ...]
    scope: str
    rows: tuple[ImageRow, ...]
    sections: tuple[ImageSection, ...]
