"""Parquet as this format has it: checksums, small row groups, damage reported by key."""

from __future__ import annotations

import io
import json
import os
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._tables import parquet_seal
from kymflow_zarr._tables.arrow_types import is_text
from kymflow_zarr._tables.columns import plain_schema, plain_table
from kymflow_zarr._tables.dtypes import pandas_metadata
from kymflow_zarr.errors import CorruptDataError, SchemaValidationError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = [
    "MAX_COLUMNS",
    "ROW_GROUP_ROWS",
    "StoredTable",
    "bare_schema",
    "open_parquet",
    "open_parquet_writer",
    "read_parquet",
    "table_from_bytes",
    "table_to_bytes",
    "verify_parquet",
    "write_parquet",
]

ROW_GROUP_ROWS = 32_768
MAX_COLUMNS = 10_000
"""Most columns of a table that is taken in from a file."""
_BYTES_PER_CELL = 8
_PART_BYTES = 64 * 2**20
_LOADED_BYTES = 512 * 2**20
_MOST_GROWTH = 100  # times the size of the file; results of measurements grow two- to tenfold

_KEY_OF_FILE = "kymflow_zarr.key"
_OF_THE_FILE = tuple(key.encode("ascii") for key in (_KEY_OF_FILE, *parquet_seal.METADATA_KEYS))


class StoredTable:
    """An open Parquet file, of which no more is read and checked than is asked for.

    All is read in the thread that asks. Arrow's own threads would call back into the Python stream,
    and one that is still at it while the interpreter ends takes the whole process down (SIGABRT).
    """

    def __init__(
        self, file: pq.ParquetFile, stream: BinaryIO, checksums: Sequence[int], key: str
    ) -> None:
        self._file = file
        self._stream = stream
        self._checksums = checksums
        self._key = key

    @property
    def schema(self) -> pa.Schema:
        """The columns."""
        import pyarrow as pa

        stored = self._file.schema_arrow
        schema = plain_schema(stored, what=self._key)
        # Version 0.1 left categories to Parquet, which keeps them with the rows.
        categorical = [field.name for field in stored if pa.types.is_dictionary(field.type)]
        for field in self.read(categorical).schema if categorical else ():
            schema = schema.set(schema.get_field_index(field.name), field)
        return bare_schema(schema)

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return self._file.metadata.num_rows

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows.

        Raises:
            CorruptDataError: What was read is damaged.
            SchemaValidationError: There is no such column.
        """
        return self._read(range(self._file.num_row_groups), columns)

    def iter_parts(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """All rows in order, some at a time: memory is bounded whatever the file declares.

        Raises:
            CorruptDataError: What was read is damaged.
            SchemaValidationError: There is no such column.
        """
        import pyarrow as pa

        names, leaves = self._wanted(columns)
        rows = max(1, min(ROW_GROUP_ROWS, _PART_BYTES // (_BYTES_PER_CELL * max(1, len(leaves)))))
        for group in range(self._file.num_row_groups):
            self._verify([group], leaves)
            with _damage_named(self._key):
                for batch in self._file.iter_batches(
                    rows, row_groups=[group], columns=names, use_threads=False
                ):
                    yield self._plain(pa.Table.from_batches([batch]), names)

    def head(self, rows: int, columns: Sequence[str] | None = None) -> pa.Table:
        """The first rows.

        Raises:
            CorruptDataError: What was read is damaged.
            SchemaValidationError: There is no such column.
        """
        import pyarrow as pa

        parts: list[pa.Table] = []
        found = self.iter_parts(columns)
        missing = rows
        while missing > 0 and (part := next(found, None)) is not None:
            parts.append(part.slice(0, missing))
            missing -= len(parts[-1])
        return pa.concat_tables(parts) if parts else self._read([], columns)

    def read_where(
        self, column: str, values: Collection[str], *, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """The rows that hold one of some texts in a column.

        Row groups that cannot hold one, by their statistics, are not read.

        Raises:
            CorruptDataError: What was read is damaged.
            SchemaValidationError: There is no such column.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = None if columns is None else list(dict.fromkeys([*columns, column]))
        found = self._read(self._groups_holding(column, sorted(values)), wanted)
        rows = found.filter(pc.is_in(found[column], pa.array(sorted(values), pa.string())))
        return rows if columns is None else rows.select(list(columns))

    def has_text(self, column: str, value: str) -> bool:
        """Whether a text is in a column; False if there is no such column, or none of text.

        Raises:
            CorruptDataError: What was read is damaged.
        """
        schema = self._file.schema_arrow
        if column not in schema.names or not is_text(schema.field(column).type):
            return False
        groups = self._groups_holding(column, [value])
        return any(value in self._read([group], [column])[column].to_pylist() for group in groups)

    def verify(self) -> None:
        """Read every byte and every row, and compare them with all checksums.

        Raises:
            CorruptDataError: The file is damaged.
        """
        parquet_seal.verify_file(self._stream, key=self._key)
        for _ in self.iter_parts():
            pass

    def is_sorted_by(self, column: str) -> bool:
        """Whether every row group declares to be sorted by this column."""
        at = self._text_leaf(column)
        metadata = self._file.metadata
        return all(
            [
                (entry.column_index, entry.descending)
                for entry in metadata.row_group(group).sorting_columns
            ]
            == [(at, False)]
            for group in range(metadata.num_row_groups)
        )

    def valueless_floats(self) -> frozenset[str]:
        """The columns of floats without any value: pandas calls a column so that has no type."""
        import pyarrow as pa

        metadata = self._file.metadata
        groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
        found = set()
        at = 0
        for field in self._file.schema_arrow:
            if pa.types.is_float64(field.type) and all(_is_null(group, at) for group in groups):
                found.add(field.name)
            at += _count_leaves(field.type)
        return frozenset(found)

    def _read(self, groups: Iterable[int], columns: Sequence[str] | None) -> pa.Table:
        names, leaves = self._wanted(columns)
        wanted = list(groups)
        self._check_declared(wanted, leaves)
        self._verify(wanted, leaves)
        if not wanted:
            return self._plain(self._file.schema_arrow.empty_table(), names)
        with _damage_named(self._key):
            rows = self._file.read_row_groups(wanted, columns=names, use_threads=False)
        return self._plain(rows, names)

    def _wanted(self, columns: Sequence[str] | None) -> tuple[list[str] | None, list[int]]:
        """The columns as Arrow and as Parquet names them."""
        self._check_columns(columns)
        return None if columns is None else list(columns), self._leaves(columns)

    def _verify(self, groups: Sequence[int], leaves: Sequence[int]) -> None:
        parquet_seal.verify_chunks(
            self._stream,
            self._file.metadata,
            self._checksums,
            groups=groups,
            leaves=leaves,
            key=self._key,
        )

    def _plain(self, found: pa.Table, names: list[str] | None) -> pa.Table:
        # Arrow takes "a" for the columns "a.b", too.
        rows = plain_table(found if names is None else found.select(names), what=self._key)
        return rows.replace_schema_metadata(bare_schema(rows.schema).metadata)

    def _check_declared(self, groups: Sequence[int], leaves: Sequence[int]) -> None:
        """Refuse rows that would take far more memory than a file of this size can mean.

        A kilobyte can declare millions of rows, all alike: whoever made it may have meant harm.
        """
        metadata = self._file.metadata
        found = [metadata.row_group(group) for group in groups]
        rows = sum(group.num_rows for group in found)
        declared = max(
            rows * len(leaves) * _BYTES_PER_CELL,
            sum(group.column(leaf).total_uncompressed_size for group in found for leaf in leaves),
        )
        size = self._stream.seek(0, os.SEEK_END)
        self._stream.seek(0)
        if declared > max(_LOADED_BYTES, _MOST_GROWTH * size):
            raise CorruptDataError(
                self._key,
                f"{rows} rows of {len(leaves)} columns would take {declared} bytes, and the file "
                f"has {size}; read it part by part, with iter_arrow()",
            )

    def _groups_holding(self, column: str, ordered: list[str]) -> list[int]:
        at = self._text_leaf(column)
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

    def _text_leaf(self, column: str) -> int:
        """Where Parquet counts a column of text.

        Raises:
            SchemaValidationError: It holds something else.
        """
        import pyarrow as pa

        self._check_columns([column])
        (at, *others) = self._leaves([column])
        kind = self._file.schema_arrow.field(column).type
        if others or not (pa.types.is_null(kind) or is_text(kind)):
            raise SchemaValidationError(
                f"column {column!r} of {self._key!r} holds {kind}, not text; "
                "convert it, and save the table anew"
            )
        return at

    def _leaves(self, columns: Sequence[str] | None) -> list[int]:
        """Where Parquet counts columns: one that is nested counts once for each part."""
        wanted = None if columns is None else set(columns)
        leaves: list[int] = []
        count = 0
        for field in self._file.schema_arrow:
            start, count = count, count + _count_leaves(field.type)
            if wanted is None or field.name in wanted:
                leaves += range(start, count)
        return leaves

    def _check_columns(self, columns: Collection[str] | None) -> None:
        # Arrow leaves a column that is not there out without a word.
        names = dict.fromkeys(self._file.schema_arrow.names)
        for column in columns or ():
            if column not in names:
                raise SchemaValidationError(
                    f"{self._key!r} has no column {column!r}, only {', '.join(names)}; "
                    "name one of these"
                )


@contextmanager
def open_parquet(blobs: BlobStore, key: str) -> Iterator[StoredTable | None]:
    """An open Parquet file, or None where there is none. Its footer is checked, its rows are not.

    Raises:
        CorruptDataError: It is damaged, is not Parquet, or is a copy of another file.
    """
    import pyarrow.parquet as pq

    stream = blobs.open_read(key)
    if stream is None:
        yield None
        return
    with stream:
        with _damage_named(key):
            checksums = parquet_seal.read_checksums(stream, key=key)
            file = pq.ParquetFile(
                stream, page_checksum_verification=not checksums, pre_buffer=False
            )
        _check_metadata(file, key)
        yield StoredTable(file, stream, checksums, key)


def _check_metadata(file: pq.ParquetFile, key: str) -> None:
    metadata = file.metadata.metadata or {}
    said = metadata.get(_KEY_OF_FILE.encode("ascii"), key.encode("utf-8"))
    if said != key.encode("utf-8"):
        raise CorruptDataError(key, f"it is a copy of {said.decode('utf-8', 'replace')!r}")
    try:
        json.loads(metadata.get(b"pandas", b"null"))
    except ValueError as error:  # in files of format 1 no checksum covers it
        raise CorruptDataError(key, f"what pandas wrote into it is not JSON ({error})") from error


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
            bare_schema(schema).with_metadata(
                {**(bare_schema(schema).metadata or {}), **pandas_metadata(schema)}
            ),
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
    try:
        with opened as writer:
            yield writer
            if key is not None:
                writer.add_key_value_metadata({_KEY_OF_FILE: key})
            writer.add_key_value_metadata(parquet_seal.BLANKS)
    except pa.ArrowInvalid as error:
        raise SchemaValidationError(
            f"Parquet cannot hold the rows of {key or 'the table'!r} ({error}); convert them"
        ) from error
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


def table_from_bytes(data: bytes, *, key: str, max_bytes: int | None = None) -> pa.Table:
    """The table of a Parquet file that is not in a dataset, by whatever program.

    Args:
        data: The file.
        key: Where it is, for messages.
        max_bytes: Most bytes that it may declare to become; any if None.

    Raises:
        CorruptDataError: It declares more.
        ValueError: It is damaged (errors of Arrow are such).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(
        pa.BufferReader(data), page_checksum_verification=True, pre_buffer=False
    ) as file:
        if max_bytes is not None:
            _check_declared(file.metadata, key=key, max_bytes=max_bytes)
        table = file.read(use_threads=False)
    return table.replace_schema_metadata(bare_schema(table.schema).metadata)


def _check_declared(metadata: pq.FileMetaData, *, key: str, max_bytes: int) -> None:
    groups = range(metadata.num_row_groups)
    declared = max(
        sum(metadata.row_group(index).total_byte_size for index in groups),
        metadata.num_rows * metadata.num_columns * _BYTES_PER_CELL,
    )
    if metadata.num_columns > MAX_COLUMNS or declared > max_bytes:
        raise CorruptDataError(
            key,
            f"it declares {metadata.num_rows} rows of {metadata.num_columns} columns, "
            f"{declared} bytes, the limit is {max_bytes}",
        )


def verify_parquet(blobs: BlobStore, key: str, *, deep: bool) -> None:
    """Open a Parquet file and, if `deep`, read all of it; nothing if there is no such file.

    Raises:
        CorruptDataError: The file is damaged.
    """
    with open_parquet(blobs, key) as file:
        if file is not None and deep:
            file.verify()


def read_parquet(blobs: BlobStore, key: str) -> pa.Table | None:
    """A whole stored table, or None where there is none.

    Raises:
        CorruptDataError: The file is damaged.
    """
    with open_parquet(blobs, key) as file:
        return None if file is None else file.read()


def bare_schema(schema: pa.Schema) -> pa.Schema:
    """A schema without the checksums and the key of the file that it was read from."""
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


def _is_null(group: pq.RowGroupMetaData, leaf: int) -> bool:
    """Whether the statistics of a column chunk say that it holds no value."""
    stats = group.column(leaf).statistics
    return stats is not None and stats.null_count == group.num_rows


def _meets(ordered: list[str], low: str, high: str) -> bool:
    at = bisect_left(ordered, low)
    return at < len(ordered) and ordered[at] <= high
