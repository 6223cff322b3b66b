"""Text cells of CSV files made harmless to spreadsheets, and exactly back.

A spreadsheet runs a cell such as ``=HYPERLINK(...)`` when it opens a CSV file, and texts in a
dataset come from files that others wrote. So a text that starts with ``=``, ``+``, ``-``, ``@``, a
tab or a line end gets an apostrophe in front, which spreadsheets take for "this is text"; plain
numbers such as ``-5.2`` are left alone. A text that starts with an apostrophe gets a second one, so
that taking one away from each text that starts with one gives back what was there.

Source of the rule: OWASP, "CSV Injection".
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["escape_cell", "escape_column", "escape_csv_text", "unescape_cell", "unescape_column"]

_MARK: Final = "'"
# Full-width signs count in East Asian locales.
_TRIGGER: Final = "^['=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]"
_NUMBER: Final = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
_TRIGGER_PATTERN: Final = re.compile(_TRIGGER)
_NUMBER_PATTERN: Final = re.compile(_NUMBER)
_QUOTED_PATTERN: Final = re.compile('[",\r\n]')


def escape_cell(text: str) -> str:
    """A text as it may stand in a CSV file."""
    risky = _TRIGGER_PATTERN.match(text) and not _NUMBER_PATTERN.fullmatch(text)
    return _MARK + text if risky else text


def unescape_cell(text: str) -> str:
    """The text that `escape_cell` made this of."""
    return text.removeprefix(_MARK)


def escape_column(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """`escape_cell` for a whole Arrow column of texts; nulls stay."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts: Any = column  # the stubs know no mix of scalars and arrays
    risky = pc.and_(
        pc.match_substring_regex(texts, _TRIGGER),
        pc.invert(pc.match_substring_regex(texts, f"^({_NUMBER})$")),
    )
    if not pc.any(risky, min_count=0).as_py():
        return column
    marked = pc.binary_join_element_wise(pa.scalar(_MARK), texts, "")
    escaped: pa.ChunkedArray[Any] = pc.if_else(pc.fill_null(risky, False), marked, texts)
    return escaped


def unescape_column(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """`unescape_cell` for a whole Arrow column of texts; nulls stay."""
    import pyarrow.compute as pc

    texts: Any = column
    plain: pa.ChunkedArray[Any] = pc.replace_substring_regex(texts, "^'", "")
    return plain


def escape_csv_text(text: str) -> str | None:
    """A CSV document with its cells made harmless, or None where all of them are.

    Raises:
        csv.Error: It is no CSV that can be taken apart.
    """
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    escaped = [[escape_cell(cell) for cell in row] for row in rows]
    if escaped == rows:
        return None
    return _csv_text(escaped)


def unescape_csv_text(text: str) -> str:
    """The document that `escape_csv_text` made this of, equal cell by cell."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    return _csv_text([[unescape_cell(cell) for cell in row] for row in rows])


def _csv_text(rows: list[list[str]]) -> str:
    # csv.writer leaves a lone "\r" without quotes, and then no reader gives it back.
    return "".join(
        ",".join(_quoted(cell, alone=len(row) == 1) for cell in row) + "\n" for row in rows
    )


def _quoted(cell: str, *, alone: bool) -> str:
    if _QUOTED_PATTERN.search(cell) or (alone and not cell):
        return '"' + cell.replace('"', '""') + '"'
    return cell
