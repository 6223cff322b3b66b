"""SQL over the tables of a dataset."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from kymflow.cli.errors import MissingExtraError, QueryError
from kymflow.cli.opening import open_reader
from kymflow.cli.options import Rows
from kymflow.cli.verbs.table import ArrowRows, TableResult

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection, Statement, StatementType

    from kymflow_zarr import ZarrDataset

_ABOUT_TABLES = ("show", "information_schema", "duckdb_", "pg_", "sqlite_")
_SEALED_OFF = {"enable_external_access": False, "autoinstall_known_extensions": False}
_SQL_MEMORY = "96MiB"  # what does not fit is on the disk meanwhile
_TABLE_BYTES = 16 * 2**20  # a larger table is handed to DuckDB part by part
_ANSWER_BYTES = 64 * 2**20
_ANSWER_ROWS = 4096  # fetched at a time


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
    answer, count = _ask(opened, sql, rows)
    answer = _with_unique_names(answer)
    return TableResult(
        verb="query",
        dataset=dataset,
        table=None,
        rows=count,
        columns=tuple(answer.schema.names),
        items=ArrowRows(answer),
        limit=rows,
    )


def _ask(dataset: ZarrDataset, sql: str, rows: int | None) -> tuple[pa.Table, int]:
    """The answer, or its first rows, and how many it has."""
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError("DuckDB", extra="sql") from error

    names = dataset.list_table_names()
    with TemporaryDirectory(ignore_cleanup_errors=True) as spill:
        limits = {"memory_limit": _SQL_MEMORY, "temp_directory": spill}
        with duckdb.connect(":memory:", config={**_SEALED_OFF, **limits}) as connection:
            try:
                _require_one_query(connection.extract_statements(sql), duckdb.StatementType.SELECT)
                _give_tables(connection, dataset, names, sql)
                return _fetch(connection.sql(sql).to_arrow_reader(_ANSWER_ROWS), rows)
            except duckdb.Error as error:
                message = " ".join(str(error).split("LINE 1:")[0].split())
                raise QueryError(
                    message, hint=f"the tables are: {', '.join(names) or 'none'}"
                ) from error


def _give_tables(
    connection: DuckDBPyConnection, dataset: ZarrDataset, names: Sequence[str], sql: str
) -> None:
    """Make the tables that a query is about known to DuckDB."""
    from kymflow.core import KymDataset

    text, kym = sql.lower(), KymDataset(dataset)
    lists_tables = any(word in text for word in _ABOUT_TABLES)
    for name in names:
        # Rows of others cannot be asked for, and need not be read.
        if name.lower() in text:
            _give(connection, name, _parts(dataset, name))
        elif lists_tables and (schema := dataset.table_schema(name)) is not None:
            connection.register(name, schema.empty_table())
    for name in kym.list_indexes():
        schema = dataset.table_schema(f"kym_{name}")
        is_of_images = schema is not None and "image_id" in schema.names
        if is_of_images and name not in names and re.search(rf"\b{name}\b", text):
            named = kym.image_names(name)
            _give(connection, name, _parts(dataset, f"kym_{name}"), each=named.join_arrow)


def _parts(dataset: ZarrDataset, name: str) -> Iterator[pa.Table]:
    """The rows of a table, some at a time; at least one part, of which all columns are known."""
    schema = dataset.table_schema(name)
    if schema is not None:
        yield schema.empty_table()
    yield from dataset.tables.iter_arrow(name)


def _give(
    connection: DuckDBPyConnection,
    name: str,
    parts: Iterator[pa.Table],
    *,
    each: Callable[[pa.Table], pa.Table] = lambda rows: rows,
) -> None:
    """Make a table known to DuckDB, which keeps a large one on the disk.

    Args:
        connection: The database.
        name: What the query calls it.
        parts: Its rows.
        each: What becomes of them.
    """
    import pyarrow as pa

    first: deque[pa.Table] = deque()
    for part in parts:
        first.append(part)
        if sum(one.nbytes for one in first) > _TABLE_BYTES:
            break
    else:
        connection.register(name, each(pa.concat_tables(first)))
        return
    schema = each(first[0]).schema

    def batches() -> Iterator[pa.RecordBatch]:
        while (part := first.popleft() if first else next(parts, None)) is not None:
            yield from each(part).cast(schema).to_batches()

    connection.from_arrow(pa.RecordBatchReader.from_batches(schema, batches())).create(f'"{name}"')


def _fetch(answer: pa.RecordBatchReader, rows: int | None) -> tuple[pa.Table, int]:
    """The rows of an answer, or the first so many of them, and how many there are."""
    import pyarrow as pa

    kept: list[pa.RecordBatch] = []
    count = kept_rows = size = 0
    for batch in answer:
        part = batch if rows is None else batch.slice(0, max(0, rows - kept_rows))
        count += len(batch)
        if len(part):
            kept.append(part)
            kept_rows += len(part)
            size += part.nbytes
        if size > _ANSWER_BYTES:
            raise QueryError(
                f"the answer takes more than {_ANSWER_BYTES // 2**20} MiB",
                hint="ask for fewer columns, or for its first rows with --rows",
            )
    return pa.Table.from_batches(kept, answer.schema), count


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
