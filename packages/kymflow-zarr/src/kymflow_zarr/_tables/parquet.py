"""Parquet files as this format has them, opened and written: checksums, small row groups."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._tables import parquet_seal
from kymflow_zarr._tables.dtypes import pandas_metadata
from kymflow_zarr._tables.stored_table import (
    BYTES_PER_CELL,
    KEY_OF_FILE,
    ROW_GROUP_ROWS,
    StoredTable,
    as_damage,
    bare_schema,
    count_leaves,
)
from kymflow_zarr.errors import CorruptDataError, SchemaValidationError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAX_COLUMNS = 10_000
"""Most columns of a table that is ingested from a file."""


@contextmanager
def open_parquet(blobs: BlobStore, key: str) -> Iterator[StoredTable | None]:
    """An open Parquet file, or None if there is none. Its footer is checked, its rows are not.

    Raises:
        CorruptDataError: It is damaged, is not Parquet, or is a copy of another file.
    """
    import pyarrow.parquet as pq

    stream = blobs.open_read(key)
    if stream is None:
        yield None
        return
    with stream:
        with as_damage(key):
            checksums = parquet_seal.read_checksums(stream, key=key)
            file = pq.ParquetFile(
                stream, page_checksum_verification=not checksums, pre_buffer=False
            )
        _check_metadata(file, key)
        yield StoredTable(file, stream, checksums, key)


def _check_metadata(file: pq.ParquetFile, key: str) -> None:
    metadata = file.metadata.metadata or {}
    stored_key = metadata.get(KEY_OF_FILE.encode("ascii"), key.encode("utf-8"))
    if stored_key != key.encode("utf-8"):
        raise CorruptDataError(key, f"it is a copy of {stored_key.decode('utf-8', 'replace')!r}")
    try:
        json.loads(metadata.get(b"pandas", b"null"))
    except ValueError as error:  # in files of format 1 no checksum covers it
        raise CorruptDataError(key, f"what pandas wrote into it is not JSON ({error})") from error


@contextmanager
def open_parquet_writer(
    stream: BinaryIO, schema: pa.Schema, *, key: str | None = None, sorted_by: str | None = None
) -> Iterator[pq.ParquetWriter]:
    """A writer into an open file, with this format's options.

    The file says under which key it will be, so that it is not taken for another one; one that is
    not part of a dataset has none. `sorted_by` is the text column that the rows are sorted by.

    Raises:
        SchemaValidationError: A column of a type that Parquet lacks.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    sorting = None
    if sorted_by is not None:
        before = range(schema.get_field_index(sorted_by))
        leaf = sum(count_leaves(schema.field(at).type) for at in before)
        sorting = [pq.SortingColumn(leaf, nulls_first=False)]
    bare = bare_schema(schema)
    # Measured values hardly repeat: a dictionary of them would take longer than all the rest.
    repeating = [field.name for field in bare if not pa.types.is_floating(field.type)]
    try:
        opened = pq.ParquetWriter(
            stream,
            bare.with_metadata({**(bare.metadata or {}), **pandas_metadata(schema)}),
            compression="zstd",
            use_dictionary=repeating,  # type: ignore[arg-type]  # the stubs know of True and False only
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
                writer.add_key_value_metadata({KEY_OF_FILE: key})
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
    """The table of a Parquet file from outside the dataset, written by any program.

    Raises:
        CorruptDataError: It declares to become more than `max_bytes`.
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
        metadata.num_rows * metadata.num_columns * BYTES_PER_CELL,
    )
    if metadata.num_columns > MAX_COLUMNS or declared > max_bytes:
        raise CorruptDataError(
            key,
            f"it declares {metadata.num_rows} rows of {metadata.num_columns} columns, "
            f"{declared} bytes, but the limit is {max_bytes}",
        )


def verify_parquet(blobs: BlobStore, key: str, *, deep: bool) -> None:
    """Open a Parquet file and, if `deep`, read all of it; nothing if there is no such file."""
    with open_parquet(blobs, key) as file:
        if file is not None and deep:
            file.verify()


def read_parquet(blobs: BlobStore, key: str) -> pa.Table | None:
    """A whole stored table, or None if there is none."""
    with open_parquet(blobs, key) as file:
        return None if file is None else file.read()
