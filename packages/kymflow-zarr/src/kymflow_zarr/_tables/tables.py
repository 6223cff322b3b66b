"""The dataset's tables by name."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.inventory import INVENTORY, enter, read_inventory, strike
from kymflow_zarr._storage.names import check_name, is_valid_name
from kymflow_zarr._storage.siblings import check_writable
from kymflow_zarr._storage.walk import iter_keys
from kymflow_zarr._tables.columns import (
    columns_without_values,
    merge_schemas,
    plain_schema,
    to_table,
)
from kymflow_zarr._tables.parquet import open_parquet, open_parquet_writer, write_parquet
from kymflow_zarr._tables.replace import (
    RowUpdate,
    check_rows,
    image_id_set,
    merge_rows,
    regroup,
)
from kymflow_zarr._tables.stored_table import StoredTable
from kymflow_zarr.errors import CorruptDataError, InvalidNameError, TableNotFoundError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

logger = logging.getLogger(__name__)

IMAGE_ID = "image_id"
TABLES = "tables"
_SUFFIX = ".parquet"


class Tables:
    """Load, save and update the tables of one dataset. The caller holds the writer's lock.

    Methods that read raise `TableNotFoundError` and `CorruptDataError`.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def names(self) -> list[str]:
        """The names of all tables, sorted."""
        found = map(table_name, iter_keys(self._blobs, TABLES))
        return sorted(name for name in found if name is not None)

    def schema(self, name: str) -> pa.Schema | None:
        """The Arrow schema of a table, or None if there is no table."""
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
        columns: Sequence[str] | None = None,
        image_ids: str | Iterable[str] | None = None,
    ) -> pa.Table:
        """A table, or some of its columns and rows; one text is one image."""
        with self._open(name) as file:
            if image_ids is None:
                return file.read(columns)
            return file.read_where(IMAGE_ID, image_id_set(image_ids), columns=columns)

    def head(self, name: str, rows: int, *, columns: Sequence[str] | None = None) -> pa.Table:
        """The first rows of a table, without reading the others."""
        with self._open(name) as file:
            return file.head(rows, columns)

    def iterate(self, name: str, *, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """A table part by part."""
        with self._open(name) as file:
            yield from file.iter_parts(columns)

    def save(self, name: str, frame: pd.DataFrame | pa.Table) -> None:
        """Replace a whole table; rows are sorted by image id where there is such a column."""
        with self._writing(name) as key:
            rows = to_table(frame, what=f"table {name!r}")
            if names_images(rows.schema):
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
        import pyarrow as pa

        what = f"rows for table {name!r}"
        plain = plain_schema(schema, what=what)
        open_new: frozenset[str] = frozenset()
        if isinstance(updates, Sequence) and updates:  # rows that are to come may hold anything
            open_new = frozenset.intersection(
                *(columns_without_values(one.rows) for one in updates)
            )
        kept = None if keep_others is None else image_id_set(keep_others)
        written = 0
        # The old file is closed before the new one takes its place: Windows insists.
        with (
            self._writing(name) as key,
            self._blobs.open_write(key) as stream,
            open_parquet(self._blobs, key) as old,
        ):
            merged = merge_schemas(
                pa.schema([]) if old is None else old.schema,
                plain,
                column=image_id_col,
                what=what,
                open_old=frozenset() if old is None else old.float_columns_without_values(),
                open_new=open_new,
            )
            parts = merge_rows(
                iter(()) if old is None else _sorted_parts(old, image_id_col),
                (check_rows(update, merged, image_id_col, what=what) for update in updates),
                schema=merged,
                column=image_id_col,
                keep_others=kept,
                what=what,
            )
            with open_parquet_writer(stream, merged, key=key, sorted_by=image_id_col) as writer:
                for part in regroup(parts):
                    writer.write_table(part, row_group_size=len(part))
                    written += len(part)
                if not written:  # Arrow before version 20 reads no file without a row group
                    writer.write_table(merged.empty_table())
        return written

    def forget_image(self, image_id: str, names: Iterable[str]) -> None:
        """Drop the rows of one image from tables; a damaged one is left for `check`."""
        for name in names:
            try:
                with open_parquet(self._blobs, self._key(name)) as file:
                    if file is None or not names_images(schema := file.schema):
                        continue
                    if not len(file.read_where(IMAGE_ID, [image_id], columns=[IMAGE_ID])):
                        continue
                update = RowUpdate(image_ids=frozenset({image_id}), rows=schema.empty_table())
                self.replace_rows(
                    name, [update], schema=schema, keep_others=None, image_id_col=IMAGE_ID
                )
            except CorruptDataError as error:
                logger.warning("rows of image %r may be left in a table: %s", image_id, error)

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

    def _key(self, name: str) -> str:
        check_name(name, kind="table")
        return f"{TABLES}/{name}{_SUFFIX}"

    @contextmanager
    def _open(self, name: str) -> Iterator[StoredTable]:
        key = self._key(name)
        with open_parquet(self._blobs, key) as file:
            if file is None:
                raise TableNotFoundError(key, name=name)
            yield file

    @contextmanager
    def _writing(self, name: str) -> Iterator[str]:
        """The key to write a table under; a new table is entered once the block has written it."""
        key = self._key(name)
        if name.lower().startswith(f"{INVENTORY}/"):
            raise InvalidNameError(
                name, kind="table", reason=f"{INVENTORY!r} is the list of the tables"
            )
        there = check_writable(self._blobs, key, inside=TABLES, kind="table")
        yield key
        if not there:
            enter(self._blobs, TABLES, [key.removeprefix(f"{TABLES}/")])


def names_images(schema: pa.Schema) -> bool:
    """Whether a table has a column of image ids; one of another program may have other values."""
    import pyarrow as pa

    return IMAGE_ID in schema.names and pa.types.is_string(schema.field(IMAGE_ID).type)


def table_name(key: str) -> str | None:
    """The table in a file among the tables; None if a file of this name can be none."""
    name = key.removeprefix(f"{TABLES}/").removesuffix(_SUFFIX)
    return name if key.endswith(_SUFFIX) and is_valid_name(name, kind="table") else None


def _sorted_parts(table: StoredTable, column: str) -> Iterator[pa.Table]:
    """A table's row groups in order of image; one that is not declared sorted is sorted whole."""
    if not table.num_rows:
        return
    if table.is_sorted_by(column):
        yield from table.iter_parts()
    else:
        yield table.read().sort_by(column)
