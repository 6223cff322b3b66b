"""What stands on the page. Every text in these values is text, never markup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from kymflow.cli.report.figures import Drawing

_LONGEST_LABEL = 40
"""Longer texts are sentences, which stand beside the image."""


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
        image_id: The image.
        name: What people call it.
        recorded: When it was recorded.
        size: Its lines and pixels, and how long and wide that is.
        regions: The names of its regions.
        labels: What people wrote down about the recording, by the name of the field.
        cells: What analyses found in them, by the name of the column.
        state: What is wrong, or missing; empty if nothing is.
        damaged: Whether something cannot be read.
    """

    image_id: str
    name: str
    recorded: str
    size: str
    regions: tuple[str, ...]
    labels: Mapping[str, str]
    cells: Mapping[str, tuple[str, ...]]
    state: str
    damaged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionSection:
    """The result of one analysis in one region.

    Attributes:
        title: The region.
        illustration: Its figure; None if it has none, or it cannot be drawn.
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
        image_id: The image.
        title: What people call the image.
        facts: What is known of it.
        problems: What cannot be read.
        remarks: What else a reader should know.
        kymographs: The recording, a figure per channel and slice.
        regions: Its regions with results.
        details: A few lines, each of them drawn.
        provenance: Where the pixels come from.
    """

    image_id: str
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
        rows: The summary; empty on the page of one image.
        doubts: What was left out or is doubtful of the images, with their names.
        sections: The images; empty if each has its own page.
        image_pages: The folder of these pages, from this one; empty if there is none.
        home: The address of the summary, for the page of one image; empty if it is on this page.
    """

    title: str
    facts: tuple[Fact, ...]
    scope: str
    rows: tuple[ImageRow, ...]
    sections: tuple[ImageSection, ...]
    doubts: tuple[Fact, ...] = ()
    image_pages: str = ""
    home: str = ""

    def address(self, image_id: str) -> str:
        """Where an image is shown, for a link on this page."""
        if self.image_pages:
            return f"{quote(self.image_pages)}/{quote(image_id)}.html"
        return f"#image-{image_id}"

    @property
    def labels(self) -> tuple[str, ...]:
        """The columns of the summary that tell images apart: fields that differ between them."""
        names = dict.fromkeys(name for row in self.rows for name in row.labels)
        values = {name: {row.labels.get(name, "") for row in self.rows} for name in names}
        return tuple(
            name
            for name, different in values.items()
            if len(different) > 1 and max(map(len, different)) <= _LONGEST_LABEL
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the summary that hold what analyses found."""
        return tuple(dict.fromkeys(column for row in self.rows for column in row.cells))
