"""Which tables belong to indexers, and what indexers may be called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kymflow.core.errors import TableNameError
from kymflow.core.provenance import PROVENANCE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

TABLE_PREFIX: Final = "kym_"
RESERVED_PREFIXES: Final = ("kym_", "tables", "index", "sources")

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST: Final = 100  # with the prefix it stays below the store's limit for a file name


def table_name(indexer_name: str) -> str:
    """The one table that an indexer of this name may write.

    Raises:
        TableNameError: The name breaks a rule, which the error names.
    """
    if not isinstance(indexer_name, str):
        raise TableNameError(indexer_name, "a name must be text")
    if not _NAME.fullmatch(indexer_name):
        raise TableNameError(indexer_name, f"a name must match {_NAME.pattern}")
    if len(indexer_name) > _LONGEST:
        raise TableNameError(indexer_name, f"a name must not be longer than {_LONGEST} characters")
    for prefix in RESERVED_PREFIXES:
        if indexer_name.startswith(prefix):
            raise TableNameError(indexer_name, f"the prefix {prefix!r} is reserved")
    return f"{TABLE_PREFIX}{indexer_name}"


def indexer_names(table_names: Iterable[str]) -> list[str]:
    """The indexers that these tables belong to; other tables are ignored."""
    return [
        name.removeprefix(TABLE_PREFIX) for name in table_names if name.startswith(TABLE_PREFIX)
    ]


def check_is_kym_table(table: str, schema: pa.Schema) -> None:
    """Refuse a table that lacks the columns which all tables of indexers have.

    Raises:
        TableNameError: It names the column.
    """
    import pyarrow as pa

    for column in PROVENANCE_COLUMNS:
        at = schema.get_field_index(column)
        if at < 0 or not pa.types.is_string(schema.field(at).type):
            raise TableNameError(
                table.removeprefix(TABLE_PREFIX),
                f"the table {table!r} was not made by an indexer: it has no text column {column!r}",
                hint="it is never overwritten: call delete_table(), or choose another name",
            )
