"""Parquet as this format has it: page checksums, small row groups, damage told by key."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr.errors import CorruptDataError, SchemaValidationError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = [
    "ROW_GROUP_ROWS",
    "frame_to_table",
    "open_parquet",
    "open_parquet_writer",
    "read_parquet",
    "row_groups_holding",
    "write_parquet",
]

ROW_GROUP_ROWS = 32_768


@contextmanager
def open_parquet(blobs: BlobStore, key: str) -> Iterator[pq.ParquetFile | None]:
    """An open Parquet file whose pages are checked as they are read; None where there is none.

    Raises:
        CorruptDataError: The file is no Parquet, or a page read in the block is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = blobs.open_read(key)
    if stream is None:
        yield None
        return
    with stream:
        try:
            yield pq.ParquetFile(stream, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            raise CorruptDataError(key, f"it cannot be read as Parquet ({error})") from error


@contextmanager
def open_parquet_writer(
    stream: BinaryIO, schema: pa.Schema, *, sorted_by: str | None = None
) -> Iterator[pq.ParquetWriter]:
    """A writer with this format's options."""
    import pyarrow.parquet as pq

    sorting = None
    if sorted_by is not None:
        sorting = [pq.SortingColumn(schema.get_field_index(sorted_by), nulls_first=True)]
    with pq.ParquetWriter(
        stream,
        schema,
        compression="zstd",
        write_page_checksum=True,
        write_page_index=True,
        sorting_columns=sorting,
    ) as writer:
        yield writer


def write_parquet(
    blobs: BlobStore, key: str, table: pa.Table, *, sorted_by: str | None = None
) -> None:
    """Replace a key with a table in one step."""
    with (
        blobs.open_write(key) as stream,
        open_parquet_writer(stream, table.schema, sorted_by=sorted_by) as writer,
    ):
        writer.write_table(table, row_group_size=ROW_GROUP_ROWS)


def read_parquet(
    blobs: BlobStore,
    key: str,
    *,
    columns: list[str] | None = None,
    only: tuple[str, Collection[str]] | None = None,
) -> pa.Table | None:
    """A stored table, or None where there is none.

    Args:
        blobs: The key space.
        key: The table's key.
        columns: Read just these; all if None.
        only: A text column and the values that rows must have in it. Row groups that cannot hold
            one are not read.

    Raises:
        CorruptDataError: The file is damaged.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    with open_parquet(blobs, key) as file:
        if file is None:
            return None
        if only is None:
            return file.read(columns=columns)
        column, values = only
        wanted = None if columns is None else list(dict.fromkeys([*columns, column]))
        found = file.read_row_groups(row_groups_holding(file, column, values), columns=wanted)
        rows = found.filter(pc.is_in(found[column], pa.array(sorted(values), pa.string())))
        return rows if columns is None else rows.select(columns)


def row_groups_holding(file: pq.ParquetFile, column: str, values: Collection[str]) -> list[int]:
    """The row groups whose statistics do not rule out every value."""
    at = file.schema_arrow.get_field_index(column)
    if at < 0:
        raise SchemaValidationError(
            f"there is no column {column!r}; the table has {', '.join(file.schema_arrow.names)}"
        )
    ordered = sorted(values)
    groups = []
    for group in range(file.num_row_groups):
        stats = file.metadata.row_group(group).column(at).statistics
        if stats is None or not stats.has_min_max or _meets(ordered, stats.min, stats.max):
            groups.append(group)
    return groups


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
        return _without_large_types(pa.Table.from_pandas(frame, preserve_index=False))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        _name_bad_column(frame, what=what)
        raise


def _name_bad_column(frame: pd.DataFrame, *, what: str) -> None:
    import pyarrow as pa

    for name in frame.columns:
        try:
            pa.Array.from_pandas(frame[name])
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise SchemaValidationError(
                f"{what}: Parquet cannot hold the column {name!r} ({error}); "
                "give it one type, and store nested values as JSON text"
            ) from error


def _without_large_types(table: pa.Table) -> pa.Table:
    """pandas 3 makes ``large_string``, which does not mix with ``string``: one kind on disk."""
    import pyarrow as pa

    plain = [
        field.with_type(pa.string()) if pa.types.is_large_string(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(plain, metadata=table.schema.metadata))


def _meets(ordered: list[str], low: str, high: str) -> bool:
    from bisect import bisect_left

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
