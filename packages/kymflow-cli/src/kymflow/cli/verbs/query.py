"""SQL over the tables of a dataset."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from kymflow.cli.errors import MissingExtraError, QueryError
from kymflow.cli.opening import open_reader
from kymflow.cli.options import Rows
from kymflow.cli.sql_errors import query_error
from kymflow.cli.verbs.table import ArrowRows, TableResult

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import Statement, StatementType

    from kymflow_zarr import KymflowZarrError, ZarrDataset

_ABOUT_TABLES = ("show", "information_schema", "duckdb_", "pg_", "sqlite_")
_SEALED_OFF = {"enable_external_access": False, "autoinstall_known_extensions": False}
_SQL_MEMORY = "96MiB"  # what does not fit is on the disk meanwhile
_ANSWER_BYTES = 64 * 2**20
_ANSWER_ROWS = 4096  # fetched at a time


def query(dataset: str, sql: str, /, *, rows: Rows = None) -> TableResult:
    """Query the tables in SQL.

    DuckDB runs the query. Tables have their own names, as in SELECT * FROM sources; a name with a
    slash or a dot needs quotes: SELECT * FROM "lab/notes". Without kym_ before its name, a table
    also has the file and the fields of each image, and leaves out excluded images: SELECT file,
    median_mm_s FROM velocity. The query sees the tables and nothing else: no files, no network.

    Args:
        dataset: Path or URL of the dataset.
        sql: One SELECT.
        rows: Just this many rows.

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
    from kymflow.core import KymDataset

    names = dataset.list_table_names()
    with TemporaryDirectory(ignore_cleanup_errors=True) as spill:
        limits = {"memory_limit": _SQL_MEMORY, "temp_directory": spill}
        with duckdb.connect(":memory:", config={**_SEALED_OFF, **limits}) as connection:
            tables: dict[str, _TableStream] = {}
            try:
                _require_one_query(connection.extract_statements(sql), duckdb.StatementType.SELECT)
                tables |= _tables(dataset, names, sql)
                for name, table in tables.items():
                    connection.register(name, table)
                return _fetch(connection.sql(sql).to_arrow_reader(_ANSWER_ROWS), rows)
            except duckdb.Error as error:
                for table in tables.values():
                    for failure in table.failures:
                        raise failure from error
                short = KymDataset(dataset).list_indexes()
                more = "" if short else "; for those of the analyses, first run kymflow index"
                raise query_error(error, tables=[*names, *short], more=more) from error


def _tables(
    dataset: ZarrDataset, names: Sequence[str], sql: str
) -> Iterator[tuple[str, _TableStream]]:
    """The tables that a query is about; those that it only lists without rows."""
    from kymflow.core import KymDataset

    text, kym = sql.lower(), KymDataset(dataset)
    lists_tables = any(word in text for word in _ABOUT_TABLES)
    for name in names:
        if name.lower() in text:
            yield name, _stream(dataset, name)
        elif lists_tables:
            yield name, _TableStream(_schema(dataset, name), lambda: iter(()))
    for name in kym.list_indexes():
        if name not in names and re.search(rf"\b{name}\b", text):
            table = f"kym_{name}"
            if "image_id" in _schema(dataset, table).names:
                yield name, _stream(dataset, table, each=kym.image_names(name).join_arrow)


def _schema(dataset: ZarrDataset, table: str) -> pa.Schema:
    if (schema := dataset.table_schema(table)) is None:
        raise QueryError(f"the table {table!r} was removed meanwhile", hint="ask again")
    return schema


def _stream(
    dataset: ZarrDataset,
    table: str,
    *,
    each: Callable[[pa.Table], pa.Table] = lambda rows: rows,
) -> _TableStream:
    """A table, with what becomes of its parts."""
    schema = each(_schema(dataset, table).empty_table()).schema
    return _TableStream(schema, lambda: map(each, dataset.tables.iter_arrow(table)))


class _TableStream:
    """A table that DuckDB reads from its start, part by part, each time that a query scans it.

    So it reads no more than a query needs, and keeps nothing of it.

    Args:
        schema: The schema.
        parts: The rows, some at a time.

    Attributes:
        failures: What went wrong in reading it: DuckDB passes on just its text.
    """

    def __init__(self, schema: pa.Schema, parts: Callable[[], Iterator[pa.Table]]) -> None:
        self._schema = schema
        self._parts = parts
        self.failures: list[KymflowZarrError] = []

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The rows, by the Arrow PyCapsule interface."""
        import pyarrow as pa

        reader = pa.RecordBatchReader.from_batches(self._schema, self._batches())
        return reader.__arrow_c_stream__(requested_schema)  # type: ignore[no-untyped-call]

    def _batches(self) -> Iterator[pa.RecordBatch]:
        from kymflow_zarr import KymflowZarrError

        try:
            for part in self._parts():
                yield from part.cast(self._schema).to_batches()
        except KymflowZarrError as error:
            self.failures.append(error)
            raise


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
