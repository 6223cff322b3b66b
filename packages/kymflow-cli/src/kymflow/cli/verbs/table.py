"""Show a table of a dataset, or list its tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, overload

from cyclopts import Parameter

from kymflow.cli.errors import UnknownNameError
from kymflow.cli.guesses import guess
from kymflow.cli.opening import find_image, open_reader
from kymflow.cli.options import Csv, Rows
from kymflow.cli.results import ListedTable, Row, TableListResult, TableResult
from kymflow.cli.safe_text import command

if TYPE_CHECKING:
    import pyarrow as pa

    from kymflow_zarr import ZarrDataset

__all__ = ["ArrowRows", "list_tables", "table"]

_AT_ONCE = 1000


def table(
    dataset: str,
    name: str | None = None,
    /,
    *,
    columns: Annotated[tuple[str, ...], Parameter(name=["--columns", "-c"])] = (),
    image: Annotated[str | None, Parameter(name=["--image", "-i"])] = None,
    rows: Rows = None,
    csv: Csv = False,
) -> TableResult | TableListResult:
    """Show a table, or list the tables.

    On a terminal the first 20 rows and the columns that fit are shown; anywhere else, and with
    --json or --csv, all of it.

    Args:
        dataset: Path or URL of the dataset.
        name: The table; without it, all tables are listed.
        columns: Just these columns, with commas between; may be given several times.
        image: Just the rows of this image: its id, the first characters of it, or its source file.
        rows: Just this many rows.
        csv: Write CSV. Text that a spreadsheet would take for a formula gets an apostrophe.

    Returns:
        The rows, or the tables.

    Raises:
        UnknownNameError: There is no such table, column or image.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    opened = open_reader(dataset)
    if name is None:
        items = list_tables(opened)
        return TableListResult(dataset=dataset, tables=len(items), items=items)
    _require_known(
        name,
        opened.list_table_names(),
        what="table",
        where=repr(dataset),
        see=f"see those that exist: {command('table', dataset)}",
    )
    wanted = [part.strip() for text in columns for part in text.split(",") if part.strip()]
    schema = opened.table_schema(name)
    known = [] if schema is None else schema.names
    for column in wanted:
        _require_known(
            column,
            known,
            what="column",
            where=f"table {name!r}",
            see=f"it has: {', '.join(known)}",
        )
    loaded = opened.load_arrow_table(
        name,
        columns=wanted or None,
        image_ids=None if image is None else [find_image(opened, image)],
    )
    return TableResult(
        verb="table",
        dataset=dataset,
        table=name,
        rows=loaded.num_rows,
        columns=tuple(loaded.schema.names),
        items=ArrowRows(loaded.slice(0, rows)),
        limit=rows,
        as_csv=csv,
    )


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


class ArrowRows(Sequence[Row]):
    """The rows of an Arrow table, made as they are asked for."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __iter__(self) -> Iterator[Row]:
        for batch in self._table.to_batches(max_chunksize=_AT_ONCE):
            for row in batch.to_pylist():
                yield Row(row=row)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> ArrowRows: ...
    def __getitem__(self, index: int | slice) -> Row | ArrowRows:
        picked = range(len(self))[index]
        if isinstance(picked, range):
            return ArrowRows(self._table.take(list(picked)))
        return Row(row=self._table.slice(picked, 1).to_pylist()[0])


def _require_known(name: str, known: Sequence[str], *, what: str, where: str, see: str) -> None:
    if name in known:
        return
    raise UnknownNameError(
        f"there is no {what} {name!r} in {where}", hint=guess(name, known, otherwise=see)
    )
