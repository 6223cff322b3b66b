"""An open Parquet file, of which only what is asked for is read and checked."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO

from kymflow_zarr._tables import parquet_seal
from kymflow_zarr._tables.arrow_types import is_text
from kymflow_zarr._tables.columns import plain_schema, plain_table
from kymflow_zarr._tables.parquet_footer import ColumnChunk, column_chunks, read_footer
from kymflow_zarr.errors import CorruptDataError, SchemaValidationError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROW_GROUP_ROWS = 32_768
KEY_OF_FILE = "kymflow_zarr.key"
"""The key-value metadata in which a file says where it is stored."""
BYTES_PER_CELL = 8
"""What a value takes in memory, as an estimate."""
_PART_BYTES = 64 * 2**20
_LOADED_BYTES = 256 * 2**20
_REPEATED_BYTES = 2 * 2**30  # of texts that many rows have; a dictionary holds each once
_MOST_GROWTH = 100  # times the size of the file; measurements grow two- to tenfold
_FILE_METADATA = tuple(key.encode("ascii") for key in (KEY_OF_FILE, *parquet_seal.METADATA_KEYS))


class StoredTable:
    """An open Parquet file.

    Methods raise `CorruptDataError` if what they read is damaged, and `SchemaValidationError` for a
    column that is not there.

    Everything is read in the calling thread. Arrow's own threads would call back into the Python
    stream, and one that still does so while the interpreter exits aborts the process (SIGABRT).
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
        """All rows."""
        return self._read(range(self._file.num_row_groups), columns)

    def iter_parts(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """All rows in order, some at a time: memory is bounded whatever the file declares."""
        import pyarrow as pa

        names, leaves = self._select(columns)
        for group in range(self._file.num_row_groups):
            rows = self._rows_at_once(group, leaves)
            self._verify([group], leaves)
            with as_damage(self._key):
                for batch in self._file.iter_batches(
                    rows, row_groups=[group], columns=names, use_threads=False
                ):
                    yield self._plain(pa.Table.from_batches([batch]), names)

    def head(self, rows: int, columns: Sequence[str] | None = None) -> pa.Table:
        """The first rows."""
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
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = None if columns is None else list(dict.fromkeys([*columns, column]))
        found = self._read(self._groups_holding(column, sorted(values)), wanted)
        rows = found.filter(pc.is_in(found[column], pa.array(sorted(values), pa.string())))
        return rows if columns is None else rows.select(list(columns))

    def verify(self) -> None:
        """Read every byte and every row, and compare them with all checksums."""
        parquet_seal.verify_file(self._stream, key=self._key)
        for _ in self.iter_parts():
            pass

    def is_sorted_by(self, column: str) -> bool:
        """Whether every row group declares to be sorted by this column."""
        at = self._text_leaf(column)
        metadata = self._file.metadata
        groups = map(metadata.row_group, range(metadata.num_row_groups))
        return all(
            [(by.column_index, by.descending) for by in group.sorting_columns] == [(at, False)]
            for group in groups
        )

    def float_columns_without_values(self) -> frozenset[str]:
        """The columns of floats without any value: pandas makes an untyped column one of these."""
        import pyarrow as pa

        found = set()
        at = 0
        for field in self._file.schema_arrow:
            if pa.types.is_float64(field.type) and self._is_null(at):
                found.add(field.name)
            at += count_leaves(field.type)
        return frozenset(found)

    @cached_property
    def _chunks(self) -> list[list[ColumnChunk]]:
        """The column chunks of each row group: all that is known of them comes from here."""
        chunks = column_chunks(read_footer(self._stream)[1], key=self._key)
        self._stream.seek(0)
        leaves = len(self._leaves(None))
        if [len(group) for group in chunks] != [leaves] * self._file.num_row_groups:
            raise CorruptDataError(
                self._key, f"not every row group has the file's {leaves} columns"
            )
        return chunks

    def _is_null(self, leaf: int) -> bool:
        """Whether a column is empty, or its statistics say that it holds no value."""
        return all(
            chunks[leaf].null_count == self._rows_of(group) or not self._rows_of(group)
            for group, chunks in enumerate(self._chunks)
        )

    def _rows_of(self, group: int) -> int:
        return self._file.metadata.row_group(group).num_rows

    def _read(self, groups: Iterable[int], columns: Sequence[str] | None) -> pa.Table:
        import pyarrow as pa

        names, leaves = self._select(columns)
        wanted = list(groups)
        self._check_declared(wanted, leaves)
        self._verify(wanted, leaves)
        if not wanted:  # `empty_table` loads pandas
            return self._plain(pa.Table.from_batches([], self._file.schema_arrow), names)
        with as_damage(self._key):
            rows = self._file.read_row_groups(wanted, columns=names, use_threads=False)
        return self._plain(rows, names)

    def _select(self, columns: Sequence[str] | None) -> tuple[list[str] | None, list[int]]:
        """The columns as Arrow and as Parquet names them."""
        self._check_columns(columns)
        return None if columns is None else list(columns), self._leaves(columns)

    def _verify(self, groups: Sequence[int], leaves: Sequence[int]) -> None:
        if self._checksums:
            chunks, sums = self._chunks, self._checksums
            parquet_seal.verify_chunks(
                self._stream, chunks, sums, groups=groups, leaves=leaves, key=self._key
            )

    def _plain(self, found: pa.Table, names: list[str] | None) -> pa.Table:
        with as_damage(self._key):
            found.validate(full=True)  # text that is not UTF-8 would fail wherever it is used
        # To Arrow, "a" also selects the columns "a.b".
        rows = plain_table(found if names is None else found.select(names), what=self._key)
        return rows.replace_schema_metadata(bare_schema(rows.schema).metadata)

    def _rows_at_once(self, group: int, leaves: Sequence[int]) -> int:
        """How many rows of a row group take about as much memory as a part may.

        Raises:
            CorruptDataError: A column of it has to be unpacked to far more than that, as for one
                value of hundreds of megabytes, and far more than a file of this size can mean.
        """
        chunks = [self._chunks[group][leaf] for leaf in leaves]
        most, size = max((chunk.unpacked_size for chunk in chunks), default=0), self._size()
        if most > max(2 * _PART_BYTES, _MOST_GROWTH * size):
            raise CorruptDataError(
                self._key,
                f"a column would take {most} bytes at once, and the file has {size}; "
                "restore it from a copy",
            )
        whole = sum(max(chunk.unpacked_size, chunk.text_size) for chunk in chunks)
        per_row = max(BYTES_PER_CELL * len(leaves), whole // max(1, self._rows_of(group)), 1)
        return max(1, min(ROW_GROUP_ROWS, _PART_BYTES // per_row))

    def _size(self) -> int:
        size = self._stream.seek(0, os.SEEK_END)
        self._stream.seek(0)
        return size

    def _check_declared(self, groups: Sequence[int], leaves: Sequence[int]) -> None:
        """Refuse rows that would take far more memory than a file of this size can mean.

        A kilobyte can declare millions of equal rows, and may be meant to do harm.
        """
        rows = sum(map(self._rows_of, groups))
        chunks = [self._chunks[group][leaf] for group in groups for leaf in leaves]
        text = sum(chunk.text_size for chunk in chunks)
        unpacked = sum(chunk.unpacked_size for chunk in chunks)
        declared = max(rows * len(leaves) * BYTES_PER_CELL, unpacked, text - _REPEATED_BYTES)
        size = self._size()
        if declared > max(_LOADED_BYTES, _MOST_GROWTH * size):
            raise CorruptDataError(
                self._key,
                f"{rows} rows of {len(leaves)} columns would take {declared} bytes, and the file "
                f"has {size}; read it part by part, with iter_arrow()",
            )

    def _groups_holding(self, column: str, ordered: list[str]) -> list[int]:
        at = self._text_leaf(column)
        texts = [text.encode("utf-8") for text in ordered]
        bounds = [chunks[at].bounds for chunks in self._chunks]
        return [group for group, found in enumerate(bounds) if not found or _meets(texts, *found)]

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
                "convert it, and save the table again"
            )
        return at

    def _leaves(self, columns: Sequence[str] | None) -> list[int]:
        """Where Parquet counts columns: one that is nested counts once for each part."""
        wanted = None if columns is None else set(columns)
        leaves: list[int] = []
        count = 0
        for field in self._file.schema_arrow:
            start, count = count, count + count_leaves(field.type)
            if wanted is None or field.name in wanted:
                leaves += range(start, count)
        return leaves

    def _check_columns(self, columns: Collection[str] | None) -> None:
        # Arrow silently leaves out a column that does not exist.
        names = dict.fromkeys(self._file.schema_arrow.names)
        for column in columns or ():
            if column not in names:
                raise SchemaValidationError(
                    f"{self._key!r} has no column {column!r}, only {', '.join(names)}; "
                    "name one of these"
                )


def bare_schema(schema: pa.Schema) -> pa.Schema:
    """A schema without the checksums and the key of the file that it was read from."""
    metadata = schema.metadata or {}
    return schema.with_metadata(
        {name: text for name, text in metadata.items() if name not in _FILE_METADATA}
    )


@contextmanager
def as_damage(key: str) -> Iterator[None]:
    """Errors of Arrow as damage of the file under a key."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # names that are not UTF-8
        raise CorruptDataError(key, f"it cannot be read as Parquet ({error})") from error


def count_leaves(kind: pa.DataType) -> int:
    import pyarrow as pa

    stored = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    inner = [stored.field(at).type for at in range(stored.num_fields)]
    return sum(map(count_leaves, inner)) if inner else 1


def _meets(ordered: list[bytes], low: bytes, high: bytes) -> bool:
    at = bisect_left(ordered, low)
    return at < len(ordered) and ordered[at] <= high
