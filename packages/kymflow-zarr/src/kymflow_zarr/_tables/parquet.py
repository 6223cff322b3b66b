"""Parquet as this format has it: checksums, small row groups, damage told by key."""

from __future__ import annotations

import io
import json
from bisect import bisect_left
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._tables import parquet_seal
from kymflow_zarr.errors import CorruptDataError, SchemaValidationError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = [
    "ROW_GROUP_ROWS",
    "StoredTable",
    "bare_schema",
    "frame_to_table",
    "merge_pandas_metadata",
    "open_parquet",
    "open_parquet_writer",
    "read_parquet",
    "table_from_bytes",
    "table_to_bytes",
    "table_to_frame",
    "verify_parquet",
    "write_parquet",
]

ROW_GROUP_ROWS = 32_768

_KEY_OF_FILE = "kymflow_zarr.key"
_OF_THE_FILE = (_KEY_OF_FILE.encode("ascii"), parquet_seal.METADATA_KEY.encode("ascii"))


class StoredTable:
    """An open Parquet file. Pages are checked as they are read; damage is told by key.

    All is read in the thread that asks. Arrow's own threads would call back into the Python stream,
    and one that is still at it while the interpreter ends takes the whole process down (SIGABRT).
    """

    def __init__(self, file: pq.ParquetFile, key: str) -> None:
        self._file = file
        self._key = key

    @property
    def schema(self) -> pa.Schema:
        """The columns."""
        return _plain_schema(self._file.schema_arrow)

    @property
    def num_rows(self) -> int:
        """How many rows there are, as the footer says."""
        return self._file.metadata.num_rows

    def read(self, columns: list[str] | None = None) -> pa.Table:
        """All rows.

        Raises:
            CorruptDataError: A page is damaged.
            SchemaValidationError: There is no such column.
        """
        self._check_columns(columns)
        with _damage_named(self._key):
            return _plain_table(self._file.read(columns=columns, use_threads=False))

    def iter_groups(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """All rows, one row group at a time.

        Raises:
            CorruptDataError: A page is damaged.
            SchemaValidationError: There is no such column.
        """
        self._check_columns(columns)
        for group in range(self._file.num_row_groups):
            with _damage_named(self._key):
                rows = _plain_table(
                    self._file.read_row_group(group, columns=columns, use_threads=False)
                )
            yield rows

    def read_where(
        self, column: str, values: Collection[str], *, columns: list[str] | None = None
    ) -> pa.Table:
        """The rows that hold one of some texts in a column.

        Row groups that cannot hold one, by their statistics, are not read.

        Raises:
            CorruptDataError: A page is damaged.
            SchemaValidationError: There is no such column.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        self._check_columns(columns)
        wanted = None if columns is None else list(dict.fromkeys([*columns, column]))
        groups = self._groups_holding(column, sorted(values))
        with _damage_named(self._key):
            found = _plain_table(
                self._file.read_row_groups(groups, columns=wanted, use_threads=False)
            )
        rows = found.filter(pc.is_in(found[column], pa.array(sorted(values), pa.string())))
        return rows if columns is None else rows.select(columns)

    def is_sorted_by(self, column: str) -> bool:
        """Whether every row group declares to be sorted by this column."""
        at = self._leaf_index(column)
        metadata = self._file.metadata
        return all(
            [
                (entry.column_index, entry.descending)
                for entry in metadata.row_group(group).sorting_columns
            ]
            == [(at, False)]
            for group in range(metadata.num_row_groups)
        )

    def _groups_holding(self, column: str, ordered: list[str]) -> list[int]:
        at = self._leaf_index(column)
        groups = []
        for group in range(self._file.num_row_groups):
            stats = self._file.metadata.row_group(group).column(at).statistics
            if stats is None or not stats.has_min_max:
                groups.append(group)
                continue
            low, high = stats.min, stats.max
            if not isinstance(low, str) or not isinstance(high, str) or _meets(ordered, low, high):
                groups.append(group)
        return groups

    def _leaf_index(self, column: str) -> int:
        """Where Parquet counts a column: one before it that is nested counts once for each part."""
        self._check_columns([column])
        leaves = self._file.schema
        for at in range(len(leaves)):
            if leaves.column(at).path == leaves.column(at).name == column:
                return at
        raise SchemaValidationError(
            f"column {column!r} of {self._key!r} holds {self.schema.field(column).type}, not text; "
            "convert it, and save the table anew"
        )

    def _check_columns(self, columns: Collection[str] | None) -> None:
        # Arrow leaves a column that is not there out without a word.
        names = self.schema.names
        for column in columns or ():
            if column not in names:
                raise SchemaValidationError(
                    f"{self._key!r} has no column {column!r}, only {', '.join(names)}; "
                    "name one of these"
                )


@contextmanager
def open_parquet(blobs: BlobStore, key: str) -> Iterator[StoredTable | None]:
    """An open Parquet file, or None where there is none.

    Raises:
        CorruptDataError: The file is no Parquet, or a copy of another one.
    """
    import pyarrow.parquet as pq

    stream = blobs.open_read(key)
    if stream is None:
        yield None
        return
    with stream:
        with _damage_named(key):
            parquet_seal.verify(stream, key=key)
            file = pq.ParquetFile(stream, page_checksum_verification=True, pre_buffer=False)
        _check_key(file, key)
        yield StoredTable(file, key)


def _check_key(file: pq.ParquetFile, key: str) -> None:
    said = (file.metadata.metadata or {}).get(_KEY_OF_FILE.encode("ascii"), key.encode("utf-8"))
    if said != key.encode("utf-8"):
        raise CorruptDataError(key, f"it is a copy of {said.decode('utf-8', 'replace')!r}")


@contextmanager
def _damage_named(key: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # names that are no UTF-8
        raise CorruptDataError(key, f"it cannot be read as Parquet ({error})") from error


@contextmanager
def open_parquet_writer(
    stream: BinaryIO, schema: pa.Schema, *, key: str | None = None, sorted_by: str | None = None
) -> Iterator[pq.ParquetWriter]:
    """A writer with this format's options.

    Args:
        stream: The file, open to write and read.
        schema: The columns.
        key: Where it will lie: the file says so, and is not taken for another one. None for a file
            that is no part of a dataset.
        sorted_by: The text column that the rows are sorted by.

    Raises:
        SchemaValidationError: A column of a type that Parquet lacks.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    sorting = None
    if sorted_by is not None:
        sorting = [pq.SortingColumn(_leaf_index(schema, sorted_by), nulls_first=False)]
    try:
        opened = pq.ParquetWriter(
            stream,
            bare_schema(schema),
            compression="zstd",
            write_page_checksum=True,
            write_page_index=True,
            sorting_columns=sorting,
        )
    except pa.ArrowNotImplementedError as error:
        raise SchemaValidationError(
            f"Parquet cannot hold a column of {key or 'the table'!r} ({error}); "
            "convert it, and store nested values as JSON text"
        ) from error
    with opened as writer:
        yield writer
        if key is not None:
            writer.add_key_value_metadata({_KEY_OF_FILE: key})
        writer.add_key_value_metadata({parquet_seal.METADATA_KEY: parquet_seal.BLANK})
    parquet_seal.fill_in(stream)


def write_parquet(
    blobs: BlobStore, key: str, table: pa.Table, *, sorted_by: str | None = None
) -> None:
    """Replace a key with a table in one step."""
    with (
        blobs.open_write(key) as stream,
        open_parquet_writer(stream, table.schema, key=key, sorted_by=sorted_by) as writer,
    ):
        writer.write_table(table, row_group_size=ROW_GROUP_ROWS)


def table_to_bytes(table: pa.Table, *, key: str | None = None) -> bytes:
    """A table as a Parquet file; `key` as for `open_parquet_writer`."""
    stream = io.BytesIO()
    with open_parquet_writer(stream, table.schema, key=key) as writer:
        writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
    return stream.getvalue()


def table_from_bytes(data: bytes) -> pa.Table:
    """The table of a Parquet file that is not in a dataset.

    Raises:
        ValueError: It is damaged (errors of Arrow are such).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(
        pa.BufferReader(data), page_checksum_verification=True, pre_buffer=False
    ) as file:
        table = file.read(use_threads=False)
    return table.replace_schema_metadata(bare_schema(table.schema).metadata)


def verify_parquet(blobs: BlobStore, key: str, *, deep: bool) -> None:
    """Open a Parquet file and, if `deep`, read every page; nothing if there is no such file.

    Raises:
        CorruptDataError: The file is damaged.
    """
    with open_parquet(blobs, key) as file:
        if file is not None and deep:
            for _ in file.iter_groups():
                pass


def read_parquet(blobs: BlobStore, key: str) -> pa.Table | None:
    """A whole stored table, or None where there is none.

    Raises:
        CorruptDataError: The file is damaged.
    """
    with open_parquet(blobs, key) as file:
        return None if file is None else file.read()


def frame_to_table(frame: pd.DataFrame, *, what: str) -> pa.Table:
    """A data frame as an Arrow table, its index dropped.

    Args:
        frame: Columns of one type each.
        what: What is being stored, for messages.

    Raises:
        SchemaValidationError: Column names that are not unique text, or a column that Parquet
            cannot hold; the message names it.
    """
    import pyarrow as pa

    names = list(frame.columns)
    for name in names:
        if not isinstance(name, str):
            raise SchemaValidationError(
                f"{what}: the column name {name!r} is not text; rename the column"
            )
        if names.count(name) > 1:
            raise SchemaValidationError(
                f"{what}: the column {name!r} is there twice; rename or drop one"
            )
    try:
        return _plain_table(pa.Table.from_pandas(frame, preserve_index=False))
    except _unfit() as error:
        _name_bad_column(frame, what=what)
        raise SchemaValidationError(
            f"{what}: Parquet cannot hold it ({error}); give each column one type"
        ) from error


def table_to_frame(table: pa.Table, *, key: str) -> pd.DataFrame:
    """An Arrow table as a data frame.

    Args:
        table: The table.
        key: The file that it was read from, for messages.

    Raises:
        CorruptDataError: What pandas has written of it into the file is damaged, which Parquet's
            own checksums do not cover in files of format 1.
    """
    import pyarrow as pa

    try:
        frame: pd.DataFrame = table.to_pandas()
    except (pa.ArrowException, AttributeError, LookupError, TypeError, ValueError) as error:
        raise CorruptDataError(key, f"it cannot be made a data frame ({error})") from error
    return frame


def _name_bad_column(frame: pd.DataFrame, *, what: str) -> None:
    import pyarrow as pa

    for name in frame.columns:
        try:
            pa.Array.from_pandas(frame[name])
        except _unfit() as error:
            raise SchemaValidationError(
                f"{what}: Parquet cannot hold the column {name!r} ({error}); "
                "give it one type, and store nested values as JSON text"
            ) from error


def _unfit() -> tuple[type[Exception], ...]:
    """What Arrow raises for values that it has no type for, or that do not go together."""
    import pyarrow as pa

    # TypeError: sparse columns; UnicodeEncodeError: half surrogate pairs.
    return (pa.ArrowInvalid, pa.ArrowNotImplementedError, OverflowError, TypeError, UnicodeError)


def _plain_table(table: pa.Table) -> pa.Table:
    """pandas 3 makes ``large_string``, which does not mix with ``string``: here there is one."""
    return table.cast(_plain_schema(table.schema))


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    plain = [
        field.with_type(pa.string()) if pa.types.is_large_string(field.type) else field
        for field in schema
    ]
    return pa.schema(plain).with_metadata(bare_schema(schema).metadata or {})


def bare_schema(schema: pa.Schema) -> pa.Schema:
    """A schema without the checksum and the key of the file that it was read from."""
    metadata = schema.metadata or {}
    return schema.with_metadata(
        {name: text for name, text in metadata.items() if name not in _OF_THE_FILE}
    )


def _leaf_index(schema: pa.Schema, column: str) -> int:
    """Where Parquet will count a column that holds no others."""
    at = schema.get_field_index(column)
    return sum(_count_leaves(schema.field(before).type) for before in range(at))


def _count_leaves(kind: pa.DataType) -> int:
    import pyarrow as pa

    stored = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    inner = [stored.field(at).type for at in range(stored.num_fields)]
    return sum(map(_count_leaves, inner)) if inner else 1


def _meets(ordered: list[str], low: str, high: str) -> bool:
    at = bisect_left(ordered, low)
    return at < len(ordered) and ordered[at] <= high


def merge_pandas_metadata(schema: pa.Schema, *others: pa.Schema) -> pa.Schema:
    """A schema whose pandas metadata knows the columns of all the others.

    pandas' nullable types survive Parquet only through this metadata.
    """
    columns: dict[str, object] = {}
    document: dict[str, object] | None = None
    for other in others:
        text = (other.metadata or {}).get(b"pandas")
        if text is None:
            continue
        said = json.loads(text)
        document = document or said
        for column in said["columns"]:
            columns.setdefault(column["name"], column)
    if document is None:
        return schema.remove_metadata()
    document["columns"] = [columns[name] for name in schema.names if name in columns]
    return schema.with_metadata({b"pandas": json.dumps(document).encode("utf-8")})
