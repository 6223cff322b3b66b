"""What DuckDB says of a query, in the words of the command."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from kymflow.cli.errors import QueryError
from kymflow.cli.guesses import guess

if TYPE_CHECKING:
    import duckdb

_NO_COLUMN = re.compile(r'Referenced column "(.+?)" not found')
_NO_TABLE = re.compile(r"Table with name (.+?) does not exist")
_CANDIDATES = re.compile(r"Candidate bindings: (.+?)(?: LINE|$)")
_KIND = re.compile(r"^(?:[A-Z][a-z]+ )+Error: ")


def query_error(
    error: duckdb.Error,
    *,
    columns: Collection[str] = (),
    tables: Collection[str] = (),
    more: str = "",
) -> QueryError:
    """The error to raise instead of one of DuckDB.

    Args:
        error: What DuckDB raised.
        columns: The columns that there are, if it is known which.
        tables: The tables that there are.
        more: What else there is to do about a table that does not exist.
    """
    text = " ".join(str(error).split("LINE 1:")[0].split())
    listed = f"the columns are: {', '.join(columns)}" if columns else ""
    listed = listed or f"the tables are: {', '.join(tables) or 'none'}{more}"
    if found := _NO_COLUMN.search(text):
        candidates = _CANDIDATES.search(text)
        near = columns or re.findall(r'"(.+?)"', candidates[1] if candidates else "")
        quoted = f"text needs quotes, as in '{found[1]}'; {listed}"
        return QueryError(
            f"there is no column {found[1]!r}", hint=guess(found[1], near, otherwise=quoted)
        )
    if found := _NO_TABLE.search(text):
        return QueryError(
            f"there is no table {found[1]!r}", hint=guess(found[1], tables, otherwise=listed)
        )
    reason = _KIND.sub("", text)
    return QueryError(reason[:1].lower() + reason[1:], hint=listed)
