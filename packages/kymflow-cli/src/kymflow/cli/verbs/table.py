"""Show a table of a dataset, or list its tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Annotated, ClassVar, overload

from cyclopts import Parameter

from kymflow.cli.blocks import (
    Block,
    Screen,
    cell_value,
    counted,
    outdated_remark,
    remark,
    table_blocks,
)
from kymflow.cli.errors import UnknownNameError, refuse_unused
from kymflow.cli.guesses import require_known
from kymflow.cli.json_values import NOT_IN_JSON
from kymflow.cli.opening import find_image, open_reader
from kymflow.cli.options import Rows
from kymflow.cli.results import DatasetResult
from kymflow.cli.row_formats import separated_lines
from kymflow.cli.safe_text import command, show
from kymflow.cli.survey import count_outdated, kept_indexers

if TYPE_CHECKING:
    import pyarrow as pa

    from kymflow_zarr import ZarrDataset

_AT_ONCE = 1000
_ROWS_ON_A_TERMINAL = 20


def table(
    dataset: str,
    name: str | None = None,
    /,
    *,
    columns: Annotated[tuple[str, ...], Parameter(name=["--columns", "-c"])] = (),
    image: Annotated[str | None, Parameter(name=["--image", "-i"])] = None,
    rows: Rows = None,
    raw: bool = False,
) -> TableResult | TableListResult:
    """Show a table, or list the tables.

    On a terminal the first 20 rows and the columns that fit are shown; anywhere else, and with
    --format, all of it. A table that kymflow index made is shown with the file and the fields of
    each image, in the order of the files' names, and without excluded images.

    Args:
        dataset: Path or URL of the dataset.
        name: The table; without it, all tables are listed.
        columns: Just these columns, with commas between; may be given several times.
        image: Just the rows of this image: its id, the first characters of it, or its source file.
        rows: Just this many rows.
        raw: The table as it is stored: its own columns, rows by image id, nothing left out.

    Raises:
        UnknownNameError: There is no such table, column or image.
        UnusedOptionError: No table is named, and an option is about one.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    from kymflow.core import KymDataset
    from kymflow.core.plugins import find_indexers

    opened = open_reader(dataset)
    if name is None:
        given = {
            "--columns": bool(columns),
            "--image": image is not None,
            "--rows": rows is not None,
            "--raw": raw,
        }
        refuse_unused("the list of all tables", given)
        items = list_tables(opened)
        return TableListResult(dataset=dataset, tables=len(items), items=items)
    kym, tables = KymDataset(opened), opened.list_table_names()
    if name not in tables and name in kym.list_indexes():
        name = f"kym_{name}"
    if name not in tables and name.removeprefix("kym_") in find_indexers():
        raise UnknownNameError(
            f"table {name!r} has not been made yet",
            hint=_how_to_make(opened, name.removeprefix("kym_")),
        )
    require_known(
        name,
        tables,
        what="table",
        where=f"in {dataset!r}",
        see=f"see those that exist: {command('table', dataset)}",
    )
    wanted = [part.strip() for text in columns for part in text.split(",") if part.strip()]
    schema = opened.table_schema(name)
    known = [] if schema is None else schema.names
    is_of_images = name.startswith("kym_") and "image_id" in known
    names = kym.image_names(name.removeprefix("kym_")) if is_of_images and not raw else None
    if schema is not None and names is not None:
        known = names.join_arrow(schema.empty_table()).column_names
    for column in wanted:
        require_known(
            column,
            known,
            what="column",
            where=f"in table {name!r}",
            see=f"it has: {', '.join(known)}",
        )
    image_ids = None if image is None else [find_image(opened, image)]
    is_part = image is None and rows is not None  # of a table of any size
    if names is not None:
        loaded = names.load_arrow(
            opened, name, columns=wanted, image_ids=image_ids, rows=rows if is_part else None
        )
    elif image is None and rows is not None:
        loaded = opened.tables.head_arrow(name, rows, columns=wanted or None)
    else:
        loaded = opened.load_arrow_table(name, columns=wanted or None, image_ids=image_ids)
    count = (opened.table_row_count(name) or 0) if is_part else loaded.num_rows
    return TableResult(
        verb="table",
        dataset=dataset,
        table=name,
        rows=count,
        columns=tuple(loaded.schema.names),
        items=ArrowRows(loaded.slice(0, rows)),
        limit=rows,
        outdated=0 if names is None else count_outdated(opened, name.removeprefix("kym_")),
        exclusion=None if image_ids is None or count else _exclusion(opened, image_ids[0]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TableResult(DatasetResult):
    """Rows of a table, or of a query.

    Attributes:
        verb: ``table`` or ``query``.
        table: The table's name; None for a query.
        rows: How many rows there are.
        columns: The names of the columns.
        items: The rows that were asked for.
        limit: How many rows were asked for; None for all. Not in the JSON.
        outdated: Of how many images the rows are not up to date. Not in the JSON.
        exclusion: Why the image that was asked for was excluded, and so has no rows. Not in the
            JSON.
    """

    verb: str
    table: str | None
    rows: int
    columns: tuple[str, ...]
    items: Sequence[Row]
    limit: int | None = field(default=None, metadata=NOT_IN_JSON)
    outdated: int = field(default=0, metadata=NOT_IN_JSON)
    exclusion: str | None = field(default=None, metadata=NOT_IN_JSON)

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        shown = len(self.items)
        if screen.out is None:
            yield Block(lines=separated_lines(self, delimiter="\t"))
        else:
            shown = shown if self.limit is not None else min(shown, _ROWS_ON_A_TERMINAL)
            rows = [
                [cell_value(row.row[column]) for column in self.columns]
                for row in islice(self.items, shown)
            ]
            yield from table_blocks(self.columns, rows, screen)
            if not rows:
                yield Block(lines=["  ".join(show(name) for name in self.columns)], style="bold")
        if shown < self.rows:
            yield remark(f"{shown} of {counted(self.rows, 'row')}; for more: --rows, --format")
        if self.outdated:
            yield outdated_remark(self.outdated, self.dataset)
        if self.exclusion is not None:
            yield remark(f"this image is excluded: {self.exclusion}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableListResult(DatasetResult):
    """The tables of a dataset.

    Attributes:
        tables: How many it has.
        items: The tables.
    """

    verb: ClassVar[str] = "table"
    tables: int
    items: tuple[ListedTable, ...]

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        rows = [
            (item.name, item.rows, len(item.columns) if screen.out else ", ".join(item.columns))
            for item in self.items
        ]
        yield from table_blocks(("table", "rows", "columns"), rows, screen)
        if not self.tables:
            yield remark(f"no table yet: {command('index', self.dataset)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table.

    Attributes:
        row: Its values by column.
    """

    type: ClassVar[str] = "row"
    row: Mapping[str, object]


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


def list_tables(dataset: ZarrDataset) -> tuple[ListedTable, ...]:
    """The tables of a dataset; their footers are read, not their rows."""
    found = []
    for name in dataset.list_table_names():
        schema = dataset.table_schema(name)
        if schema is not None:
            found.append(
                ListedTable(
                    name=name,
                    rows=dataset.table_row_count(name) or 0,
                    columns=tuple(schema.names),
                )
            )
    return tuple(found)


def _how_to_make(dataset: ZarrDataset, indexer_name: str) -> str:
    from kymflow.core.indexers import AnalysisTable
    from kymflow.core.plugins import load_indexer

    indexer = load_indexer(indexer_name)
    if isinstance(indexer, AnalysisTable) and indexer not in kept_indexers(dataset):
        typed = command("analyze", dataset.location, indexer.analysis.name)
        return f"run its analysis: {typed}"
    return f"make it: {command('update', dataset.location)}"


def _exclusion(dataset: ZarrDataset, image_id: str) -> str | None:
    from kymflow.core.decisions import read_decisions

    exclusion = read_decisions(dataset.record(image_id)).exclusion
    return None if exclusion is None else exclusion.reason


class ArrowRows(Sequence[Row]):
    """The rows of an Arrow table, made as they are asked for."""

    def __init__(self, table: pa.Table) -> None:
        self.arrow = table

    def __len__(self) -> int:
        return int(self.arrow.num_rows)

    def __iter__(self) -> Iterator[Row]:
        for batch in self.arrow.to_batches(max_chunksize=_AT_ONCE):
            for row in batch.to_pylist():
                yield Row(row=row)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> ArrowRows: ...
    def __getitem__(self, index: int | slice) -> Row | ArrowRows:
        picked = range(len(self))[index]
        if isinstance(picked, range):
            return ArrowRows(self.arrow.take(list(picked)))
        return Row(row=self.arrow.slice(picked, 1).to_pylist()[0])
