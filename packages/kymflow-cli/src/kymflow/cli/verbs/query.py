"""SQL over the tables of a dataset."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kymflow.cli.errors import MissingExtraError, QueryError
from kymflow.cli.opening import open_reader
from kymflow.cli.options import Rows
from kymflow.cli.verbs.table import ArrowRows, TableResult

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import Statement, StatementType

    from kymflow_zarr import ZarrDataset

_ABOUT_TABLES = ("show", "information_schema", "duckdb_", "pg_", "sqlite_")
_SEALED_OFF = {"enable_external_access": False, "autoinstall_known_extensions": False}


def query(dataset: str, sql: str, /, *, rows: Rows = None) -> TableResult:
    """Ask the tables in SQL.

    DuckDB answers; tables have their own names, as in SELECT * FROM sources. A name with a
    slash or a dot needs quotes: SELECT * FROM "lab/notes". Without kym_ before its name, a table
    has the files of the images and what is known of them, too, and no image that is excluded:
    SELECT file, median_mm_s FROM velocity. The query sees the tables and nothing else: no files,
    no network.

    Args:
        dataset: Path or URL of the dataset.
        sql: One SELECT.
        rows: Just this many rows.

    Returns:
        The rows of the answer.

    Raises:
        QueryError: The query cannot be run.
        MissingExtraError: DuckDB is not installed.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    opened = open_reader(dataset)
    answer = _with_unique_names(_ask(opened, sql))
    return TableResult(
        verb="query",
        dataset=dataset,
        table=None,
        rows=answer.num_rows,
        columns=tuple(answer.schema.names),
        items=ArrowRows(answer.slice(0, rows)),
        limit=rows,
    )


def _ask(dataset: ZarrDataset, sql: str) -> pa.Table:
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError("DuckDB", extra="sql") from error
    from kymflow.core import KymDataset

    names, kym = dataset.list_table_names(), KymDataset(dataset)
    with duckdb.connect(":memory:", config=dict(_SEALED_OFF)) as connection:
        try:
            _require_one_query(connection.extract_statements(sql), duckdb.StatementType.SELECT)
            text = sql.lower()
            lists_tables = any(word in text for word in _ABOUT_TABLES)
            for name in names:
                # Rows of others cannot be asked for, and need not be read.
                if name.lower() in text:
                    connection.register(name, dataset.load_arrow_table(name))
                elif lists_tables and (schema := dataset.table_schema(name)) is not None:
                    connection.register(name, schema.empty_table())
            for name in kym.list_indexes():
                schema = dataset.table_schema(f"kym_{name}")
                is_of_images = schema is not None and "image_id" in schema.names
                if is_of_images and name not in names and re.search(rf"\b{name}\b", text):
                    named = kym.image_names(name).load_arrow(dataset, f"kym_{name}")
                    connection.register(name, named)
            answer: pa.Table = connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            message = " ".join(str(error).split("LINE 1:")[0].split())
            raise QueryError(
                message, hint=f"the tables are: {', '.join(names) or 'none'}"
            ) from error
    return answer


def _require_one_query(statements: Sequence[Statement], query: StatementType) -> None:
    if len(statements) != 1 or statements[0].type != query:
        raise QueryError("this is not one query", hint="give one SELECT")


def _with_unique_names(table: pa.Table) -> pa.Table:
    """A query may return two columns of one name; the later ones get a number."""
    seen: dict[str, int] = {}
    names = []
    for name in table.schema.names:
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return table.rename_columns(names)
