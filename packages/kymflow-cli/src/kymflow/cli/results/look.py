"""What `ls`, `info`, `table` and `query` answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from kymflow.cli.results.base import NOT_IN_JSON

__all__ = [
    "Artifact",
    "DamagedImage",
    "DatasetInfo",
    "ImageInfo",
    "ListResult",
    "ListedImage",
    "ListedTable",
    "Row",
    "TableListResult",
    "TableResult",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedImage:
    """One image in a list.

    Attributes:
        image_id: Its id.
        source: The file that it was made of; None if there is none.
        shape: The pixels' shape.
        axes: A name for each dimension.
        dtype: The pixels' type.
        created_utc: When it was ingested, ISO 8601; None if unknown.
        acquired_local: When it was recorded, by the clock on the wall there, ISO 8601; None if
            unknown.
    """

    type: ClassVar[str] = "image"
    image_id: str
    source: str | None
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    dtype: str
    created_utc: str | None
    acquired_local: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedImage:
    """One image that cannot be read.

    Attributes:
        image_id: Its id.
        reason: What is wrong with it.
    """

    type: ClassVar[str] = "failure"
    image_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListResult:
    """The images of a dataset.

    Attributes:
        dataset: The dataset.
        images: How many can be read.
        damaged: How many cannot.
        items: The images, in the order that was asked for, then those that cannot be read.
    """

    streamed: ClassVar[bool] = False
    verb: ClassVar[str] = "ls"
    dataset: str
    images: int
    damaged: int
    items: tuple[ListedImage | DamagedImage, ...]

    @property
    def ok(self) -> bool:
        """Whether all can be read."""
        return self.damaged == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTable:
    """One table in a list.

    Attributes:
        name: Its name.
        rows: How many rows it has.
        columns: The names of its columns.
    """

    type: ClassVar[str] = "table"
    name: str
    rows: int
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableListResult:
    """The tables of a dataset.

    Attributes:
        dataset: The dataset.
        tables: How many it has.
        items: The tables.
    """

    streamed: ClassVar[bool] = False
    verb: ClassVar[str] = "table"
    ok: ClassVar[bool] = True
    dataset: str
    tables: int
    items: tuple[ListedTable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table.

    Attributes:
        row: Its values by column.
    """

    type: ClassVar[str] = "row"
    row: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableResult:
    """Rows of a table, or of a query.

    Attributes:
        verb: ``table`` or ``query``.
        dataset: The dataset.
        table: The table's name; None for a query.
        rows: How many rows there are.
        columns: The names of the columns.
        items: The rows that were asked for.
        limit: How many rows were asked for; None for all. Not in the JSON.
        as_csv: Whether CSV was asked for. Not in the JSON.
    """

    streamed: ClassVar[bool] = False
    ok: ClassVar[bool] = True
    verb: str
    dataset: str
    table: str | None
    rows: int
    columns: tuple[str, ...]
    items: Sequence[Row]
    limit: int | None = field(default=None, metadata=NOT_IN_JSON)
    as_csv: bool = field(default=False, metadata=NOT_IN_JSON)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """What a dataset is.

    Attributes:
        dataset: Where it is.
        format_version: The version of its format.
        created_utc: When it was made, ISO 8601; None if unknown.
        software: What made it; None if unknown.
        images: How many images it has.
        folders: The folders that they came from.
        items: Its tables.
    """

    streamed: ClassVar[bool] = False
    verb: ClassVar[str] = "info"
    ok: ClassVar[bool] = True
    dataset: str
    format_version: int
    created_utc: str | None
    software: str | None
    images: int
    folders: tuple[str, ...]
    items: tuple[ListedTable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One result that is kept with an image.

    Attributes:
        name: Its name.
        kind: What it is: ``json``, ``table``, ``csv``, ``array``, or what a plug-in adds.
        key: Where it is, relative to the dataset.
    """

    type: ClassVar[str] = "artifact"
    name: str
    kind: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """What an image is.

    Attributes:
        dataset: The dataset.
        image: The image.
        pixels_digest: The checksum of its pixels; None in format 1.
        header: What its file said of it.
        experiment_metadata: What people said of it.
        rois: Its regions of interest.
        items: The results that are kept with it.
    """

    streamed: ClassVar[bool] = False
    verb: ClassVar[str] = "info"
    ok: ClassVar[bool] = True
    dataset: str
    image: ListedImage
    pixels_digest: str | None
    header: Mapping[str, object]
    experiment_metadata: Mapping[str, object]
    rois: tuple[Mapping[str, object], ...]
    items: tuple[Artifact, ...]
