"""Results as one table: CSV and TSV for a spreadsheet, Parquet for a program."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

from kymflow.cli.blocks import cell_value
from kymflow.cli.results import Item, item_to_json
from kymflow.cli.safe_text import show

if TYPE_CHECKING:
    import pyarrow as pa

    from kymflow.cli.results import Result

Format: TypeAlias = Literal["text", "json", "csv", "tsv", "parquet"]


@runtime_checkable
class HasRow(Protocol):
    """An item that is a row of a table."""

    @property
    def row(self) -> dict[str, object]:
        """Its values by column."""


@runtime_checkable
class HasArrow(Protocol):
    """Items that are an Arrow table."""

    @property
    def arrow(self) -> pa.Table:
        """The table."""


def separated_lines(result: Result, *, delimiter: Literal[",", "\t"]) -> Iterator[str]:
    """The items of a result as CSV or TSV, its cells harmless in a spreadsheet.

    A column for each field of the items, and ``type`` where there are several kinds of them.
    """
    columns = _columns(result.items)
    yield _line(columns, delimiter)
    for item in result.items:
        values = _values(item)
        yield _line([cell_value(values.get(column)) for column in columns], delimiter)


def parquet_bytes(result: Result) -> bytes:
    """The items of a result as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if isinstance(result.items, HasArrow):
        table = result.items.arrow
    else:
        columns = _columns(result.items)
        values = [_values(item) for item in result.items]
        table = pa.table(
            {column: [cell_value(one.get(column)) for one in values] for column in columns}
        )
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def _columns(items: Sequence[Item]) -> list[str]:
    if isinstance(items, HasArrow):
        return list(items.arrow.column_names)
    found = dict.fromkeys(name for item in items for name in _values(item))
    if len({item.type for item in items}) < 2:
        found.pop("type", None)
    return list(found)


def _values(item: Item) -> dict[str, object]:
    return item.row if isinstance(item, HasRow) else item_to_json(item)


def _line(values: Sequence[object], delimiter: str) -> str:
    from kymflow_zarr.frames import harmless

    if delimiter == "\t":  # a line per row, for programs that know of no quotes
        return "\t".join("" if value is None else show(harmless(str(value))) for value in values)
    cells = [harmless(_lines(value)) if isinstance(value, str) else value for value in values]
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(cells)
    return stream.getvalue().removesuffix("\n")


def _lines(text: str) -> str:
    """Line breaks stay, as CSV can quote them; what else is not printable is escaped."""
    return "\n".join(show(line) for line in text.replace("\r\n", "\n").split("\n"))
