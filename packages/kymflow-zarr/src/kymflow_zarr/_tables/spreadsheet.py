"""Tables as CSV for people: readable, harmless in a spreadsheet, and never read back.

A spreadsheet runs a cell such as ``=HYPERLINK(...)`` when it opens a CSV file, and texts in a
dataset come from files that others wrote. So a text that starts with ``=``, ``+``, ``-``, ``@``, a
tab or a line end, or with one of the signs' full-width forms, gets an apostrophe in front, which
spreadsheets take for "this is text"; plain numbers such as ``-5.2`` are left alone.

Source of the rule: OWASP, "CSV Injection".
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from kymflow_zarr._tables.dtypes import has_meaning, name_in
from kymflow_zarr._tables.to_pandas import table_to_frame

if TYPE_CHECKING:
    import pyarrow as pa

# Full-width signs count in East Asian locales.
_RISKY: Final = re.compile("['=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


class NotShownError(ValueError):
    """CSV cannot show it; the message says why."""


def harmless(text: str) -> str:
    """A text made safe for a CSV file; a leading apostrophe is doubled, so none is lost."""
    return f"'{text}" if _RISKY.match(text) and not _NUMBER.fullmatch(text) else text


def write_csv(stream: BinaryIO, schema: pa.Schema, parts: Iterable[pa.Table]) -> None:
    """Write a table that arrives in parts.

    Numbers, booleans and times are written without quotes, all else is text in quotes: lists and
    structs as Python prints them.

    Raises:
        NotShownError: A column holds what has no text.
    """
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    header = True
    for part in chain([schema.empty_table()], parts):
        try:
            columns = list(map(_to_text, part.columns, part.schema))
        except (pa.ArrowException, OverflowError, ValueError) as error:  # beyond Python's years
            raise NotShownError(str(error)) from error
        shown = pa.Table.from_arrays(columns, names=[harmless(name) for name in part.column_names])
        options = pa_csv.WriteOptions(include_header=header, quoting_style="needed")
        pa_csv.write_csv(shown, stream, options)
        header = False


def harmless_csv(data: bytes) -> bytes:
    """CSV that someone else wrote, with its cells made harmless.

    Raises:
        NotShownError: It is not UTF-8, or not CSV that can be taken apart.
    """
    harmless_text = io.StringIO(newline="")
    writer = csv.writer(harmless_text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    try:
        rows = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
        writer.writerows([harmless(cell) for cell in row] for row in rows)
    except (UnicodeDecodeError, csv.Error) as error:
        raise NotShownError(str(error)) from error
    return harmless_text.getvalue().encode("utf-8")


def _to_text(column: pa.ChunkedArray[Any], field: pa.Field[Any]) -> Any:
    """A column as it is written to CSV."""
    import pyarrow as pa

    if has_meaning(name_in(field)):  # stored as numbers that mean nothing to people
        values = table_to_frame(pa.table([column], schema=pa.schema([field]))).iloc[:, 0]
        shown = values.astype(str).where(values.notna(), None)
        return pa.array(shown, pa.string(), from_pandas=True)
    kind, types = column.type, pa.types
    if types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if types.is_timestamp(kind) and kind.tz is not None:
        return column.cast(pa.timestamp(kind.unit, "UTC"))
    if types.is_primitive(kind) or types.is_decimal(kind) or types.is_null(kind):
        return column
    texts = (None if value is None else harmless(str(value)) for value in column.to_pylist())
    return pa.array(texts, pa.string())
