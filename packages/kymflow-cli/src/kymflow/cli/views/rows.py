"""Text and CSV of tables: `table`, `query`, `demo`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from kymflow.cli.results import DemoResult, Row, TableListResult, TableResult
from kymflow.cli.safe_text import command, show, spreadsheet_cell
from kymflow.cli.views.base import Block, Screen, view
from kymflow.cli.views.parts import cell_value, counted, fact_blocks, remark, table_blocks

_ROWS_ON_A_TERMINAL = 20


@view.register
def _table_list(result: TableListResult, screen: Screen) -> Iterator[Block]:
    rows = [(item.name, item.rows, ", ".join(item.columns)) for item in result.items]
    yield from table_blocks(("table", "rows", "columns"), rows, screen)
    if not result.tables:
        yield remark(f"no table yet: {command('index', result.dataset)}")


@view.register
def _rows(result: TableResult, screen: Screen) -> Iterator[Block]:
    if result.as_csv:
        yield Block(lines=_csv_lines(result.columns, result.items))
        return
    shown = len(result.items)
    if screen.out is not None and result.limit is None:
        shown = min(shown, _ROWS_ON_A_TERMINAL)
    rows = [
        [cell_value(row.row[column]) for column in result.columns]
        for row in islice(result.items, shown)
    ]
    if rows:
        yield from table_blocks(result.columns, rows, screen)
    else:
        yield Block(lines=["  ".join(show(name) for name in result.columns)], style="bold")
    if shown < result.rows:
        yield remark(f"{shown} of {counted(result.rows, 'row')}; for more: --rows, --csv, --json")


@view.register
def _demo(result: DemoResult, screen: Screen) -> Iterator[Block]:
    rows = [[cell_value(row.row[column]) for column in result.columns] for row in result.items]
    yield from table_blocks(result.columns, rows, screen)
    yield Block(lines=[""])
    yield from fact_blocks(
        {
            "dataset": result.dataset,
            "images": f"{result.images}, {result.taken_in} of them new, "
            f"made of the TIFF files in {result.images_folder}",
        }
    )
    yield remark(f"now look at it: {command('info', result.dataset)}")


def _csv_lines(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    yield _csv_line(columns)
    for row in rows:
        yield _csv_line([cell_value(row.row[column]) for column in columns])


def _csv_line(values: Sequence[object]) -> str:
    stream = io.StringIO()
    cells = [spreadsheet_cell(value) if isinstance(value, str) else value for value in values]
    csv.writer(stream, lineterminator="\n").writerow(cells)
    return stream.getvalue().removesuffix("\n")
