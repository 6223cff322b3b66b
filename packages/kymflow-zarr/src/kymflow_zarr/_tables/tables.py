"""The dataset's tables by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.inventory import INVENTORY, enter, read_inventory, strike
from kymflow_zarr._storage.names import check_name, is_valid_name
from kymflow_zarr._storage.siblings import check_writable
from kymflow_zarr._tables.parquet import (
    StoredTable,
    frame_to_table,
    open_parquet,
    open_parquet_writer,
    write_parquet,
)
from kymflow_zarr._tables.replace import (
    RowUpdate,
    check_rows,
    merged_schema,
    merged_tables,
    regrouped,
)
from kymflow_zarr.errors import InvalidNameError, TableNotFoundError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["IMAGE_ID", "TABLES", "Tables"]

IMAGE_ID = "image_id"
TABLES = "tables"
_SUFFIX = ".parquet"


class Tables:
    """Load, save and update the tables of one dataset. The caller holds the writer's lock."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def names(self) -> list[str]:
        """The names of all tables, sorted."""
        return sorted(self._walk(""))

    def schema(self, name: str) -> pa.Schema | None:
        """The Arrow schema of a table, or None where there is none."""
        with open_parquet(self._blobs, self._key(name)) as file:
            return None if file is None else file.schema

    def row_count(self, name: str) -> int | None:
        """How many rows a table has, without reading its rows; None where there is no table."""
        with open_parquet(self._blobs, self._key(name)) as file:
            return None if file is None else file.num_rows

    def load(
        self,
        name: str,
        *,
        columns: list[str] | None = None,
        image_ids: Collection[str] | None = None,
        image_id_col: str = IMAGE_ID,
    ) -> pa.Table:
        """A table, or some of its columns and rows.

        Raises:
            TableNotFoundError: There is no such table.
            CorruptDataError: It is damaged.
        """
        key = self._key(name)
        with open_parquet(self._blobs, key) as file:
            if file is None:
                raise TableNotFoundError(key, name=name)
            if image_ids is None:
                return file.read(columns)
            return file.read_where(image_id_col, image_ids, columns=columns)

    def iterate(self, name: str, *, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """A table part by part, one row group at a time.

        Raises:
            TableNotFoundError: There is no such table.
            CorruptDataError: It is damaged.
        """
        key = self._key(name)
        with open_parquet(self._blobs, key) as file:
            if file is None:
                raise TableNotFoundError(key, name=name)
            yield from file.iter_groups(columns)

    def save(self, name: str, frame: pd.DataFrame | pa.Table) -> None:
        """Replace a whole table; rows are sorted by image id where there is such a column.

        Raises:
            SchemaValidationError: A column that Parquet cannot hold.
        """
        import pyarrow as pa

        with self._writing(name) as key:
            rows = (
                frame
                if isinstance(frame, pa.Table)
                else frame_to_table(frame, what=f"table {name!r}")
            )
            if _holds_texts(rows.schema, IMAGE_ID):
                at = rows.schema.get_field_index(IMAGE_ID)
                # Categories, above all: they cannot be sorted, nor other images be added to them.
                rows = rows.set_column(at, IMAGE_ID, rows[IMAGE_ID].cast(pa.string()))
                write_parquet(self._blobs, key, rows.sort_by(IMAGE_ID), sorted_by=IMAGE_ID)
            else:
                write_parquet(self._blobs, key, rows)

    def replace_rows(
        self,
        name: str,
        updates: Iterable[RowUpdate],
        *,
        schema: pa.Schema,
        keep_others: Collection[str] | None,
        image_id_col: str,
    ) -> int:
        """Replace the rows of some images with one streamed rewrite; returns the table's rows.

        Raises:
            SchemaValidationError: The new rows do not fit, or the updates are out of order.
            CorruptDataError: The old table is damaged, or the new one did not come out whole.
        """
        written = 0
        # The old file is closed before the new one takes its place: Windows insists.
        with (
            self._writing(name) as key,
            self._blobs.open_write(key) as stream,
            open_parquet(self._blobs, key) as old,
        ):
            merged = merged_schema(None if old is None else old.schema, schema, table=name)
            parts = merged_tables(
                iter(()) if old is None else _sorted_parts(old, image_id_col),
                _checked(updates, image_id_col, table=name),
                schema=merged,
                column=image_id_col,
                keep_others=keep_others,
            )
            with open_parquet_writer(stream, merged, key=key, sorted_by=image_id_col) as writer:
                for part in regrouped(parts):
                    writer.write_table(part, row_group_size=len(part))
                    written += len(part)
        return written

    def delete(self, name: str) -> bool:
        """Remove a table; returns whether it was there. One that is missing is forgotten."""
        key = self._key(name)
        entry = key.removeprefix(f"{TABLES}/")
        if (
            self._blobs.stat(key) is not None
            or entry in read_inventory(self._blobs, TABLES).entered
        ):
            strike(self._blobs, TABLES, [entry])
        return self._blobs.delete(key)

    def _walk(self, inside: str) -> Iterator[str]:
        listing = self._blobs.list_folder(f"{TABLES}/{inside}".rstrip("/"))
        for file in listing.files:
            name = inside + file.removesuffix(_SUFFIX)
            # What someone copied in by hand may have a name that no table can have.
            if file.endswith(_SUFFIX) and is_valid_name(name, kind="table"):
                yield name
        for folder in listing.folders:
            yield from self._walk(f"{inside}{folder}/")

    def _key(self, name: str) -> str:
        check_name(name, kind="table")
        return f"{TABLES}/{name}{_SUFFIX}"

    @contextmanager
    def _writing(self, name: str) -> Iterator[str]:
        """The key to write a table under; a new table is entered once the block has written it."""
        key = self._key(name)
        if name.lower().startswith(f"{INVENTORY}/"):
            raise InvalidNameError(
                name, kind="table", reason=f"{INVENTORY!r} is a file among the tables"
            )
        there = check_writable(self._blobs, key, inside=TABLES, kind="table")
        yield key
        if not there:
            enter(self._blobs, TABLES, [key.removeprefix(f"{TABLES}/")])


def _checked(updates: Iterable[RowUpdate], column: str, *, table: str) -> Iterator[RowUpdate]:
    for update in updates:
        check_rows(update, column, table=table)
        yield update


def _sorted_parts(table: StoredTable, column: str) -> Iterator[pa.Table]:
    """A table's row groups in order of image; one that is not declared sorted is sorted whole."""
    if table.is_sorted_by(column):
        yield from table.iter_groups()
    else:
        yield table.read().sort_by(column)


def _holds_texts(schema: pa.Schema, column: str) -> bool:
    import pyarrow as pa

    at = schema.get_field_index(column)
    if at < 0:
        return False
    kind = schema.field(at).type
    if isinstance(kind, pa.DictionaryType):
        kind = kind.value_type
    return any(kind.equals(text) for text in (pa.string(), pa.large_string(), pa.string_view()))
