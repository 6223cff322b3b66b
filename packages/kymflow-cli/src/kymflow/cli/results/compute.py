"""What `analyze`, `index` and `plugins` answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

__all__ = [
    "AnalysedImage",
    "AnalyzeResult",
    "ImageFailure",
    "IndexResult",
    "IndexedTable",
    "Plugin",
    "PluginListResult",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysedImage:
    """What became of one image.

    Attributes:
        image_id: The image.
        source: The file that it was made of; None if there is none.
        status: ``skipped``: it had results of these parameters, and was left alone.
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
        images: How many of the images asked for have results now, new ones or older ones.
        analyzed: How many were analyzed.
        skipped: How many had results of these parameters, and were left alone.
        failed: How many failed.
        items: The images that were asked for.
    """

    streamed: ClassVar[bool] = True
    verb: ClassVar[str] = "analyze"
    dataset: str
    analysis: str
    images: int
    analyzed: int
    skipped: int
    failed: int
    items: tuple[AnalysedImage, ...]

    @property
    def ok(self) -> bool:
        """Whether no image failed."""
        return self.failed == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One reader, header reader, indexer or analysis of this installation.

    Attributes:
        kind: Which of them.
        name: Its name.
        origin: The distribution that it comes from.
        version: That distribution's version; None if it is not installed.
        suffixes: Endings of the files that a reader takes; empty for others.
        status: Whether it can be used.
        summary: What it says of itself, in a line.
        reason: Why it cannot be used; None if it can.
    """

    type: ClassVar[str] = "plugin"
    kind: Literal["reader", "header", "indexer", "analysis"]
    name: str
    origin: str
    version: str | None
    suffixes: tuple[str, ...] = ()
    status: Literal["ok", "broken"]
    summary: str
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginListResult:
    """The readers, indexers and analyses of this installation.

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
        left_out: How many results have no row, because their region no longer exists or has other
            borders now.
        reason: Why all of it failed; None if it did not.
    """

    type: ClassVar[str] = "table"
    indexer: str
    table: str
    status: Literal["ok", "partial", "failed"]
    images: int
    failed: int
    rows: int | None
    left_out: int
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
