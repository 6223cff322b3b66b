"""A dataset's tables, as a mapping by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from kymflow_zarr._catalog.listing import published_ids
from kymflow_zarr._catalog.sources import SOURCES
from kymflow_zarr._front.access import Access
from kymflow_zarr._storage.names import is_valid_name
from kymflow_zarr._tables.replace import RowUpdate
from kymflow_zarr._tables.tables import IMAGE_ID, Tables
from kymflow_zarr.errors import InvalidNameError, TableNotFoundError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class DatasetTables(Mapping[str, "pd.DataFrame"]):
    """The tables of a dataset by name. Get them from `ZarrDataset.tables`.

    ``dataset.tables["kym_velocity"]`` is the whole table as a data frame. A table is replaced in
    one step: a reader sees the old one or the new one.

    A name is one or more ``/``-separated segments ``[A-Za-z0-9][A-Za-z0-9._-]{0,119}``. Methods
    that write raise `ReadOnlyError` on a dataset opened with ``mode="r"``, `InvalidNameError` for a
    name that cannot be a file everywhere or is that of the sources index, and `LockedError` if
    another writer is at work.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._tables = Tables(access.blobs)

    def __repr__(self) -> str:
        return f"DatasetTables({list(self)!r})"

    def __getitem__(self, name: str) -> pd.DataFrame:
        try:
            return self.load(name)
        except InvalidNameError as error:  # so that `get` agrees with `in`
            raise TableNotFoundError(f"tables/{name}.parquet", name=name) from error

    def __eq__(self, other: object) -> bool:
        # Not that of mappings, which would read and compare every table.
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __contains__(self, name: object) -> bool:
        return (
            isinstance(name, str)
            and is_valid_name(name, kind="table")
            and self._access.blobs.stat(f"tables/{name}.parquet") is not None
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables.names())

    def __len__(self) -> int:
        return len(self._tables.names())

    def schema(self, name: str) -> pa.Schema | None:
        """The Arrow schema of a table, without reading its rows; None where there is no table."""
        return self._tables.schema(name)

    def row_count(self, name: str) -> int | None:
        """How many rows a table has, without reading its rows; None where there is no table."""
        return self._tables.row_count(name)

    def load(
        self,
        name: str,
        *,
        columns: str | Iterable[str] | None = None,
        image_ids: str | Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Read a table.

        Args:
            name: The table's name.
            columns: Read just these, or this one.
            image_ids: Read just the rows of one image, or of some; of a sorted table, only the
                parts that hold them are read.

        Returns:
            The rows as they were saved: equal values in equal dtypes. Whole numbers of which some
            are missing, because other rows lack the column, are ``Int64``.

        Raises:
            TypeError: An image id is not text.
            TableNotFoundError: There is none (it is a `KeyError` and a `FileNotFoundError`).
            CorruptDataError: It is damaged, or would take far more memory than a file of its size
                can mean.
        """
        from kymflow_zarr._tables.to_pandas import table_to_frame

        return table_to_frame(self.load_arrow(name, columns=columns, image_ids=image_ids))

    def load_arrow(
        self,
        name: str,
        *,
        columns: str | Iterable[str] | None = None,
        image_ids: str | Iterable[str] | None = None,
    ) -> pa.Table:
        """`load` as Arrow: categories are their values, text is ``string``."""
        return self._tables.load(name, columns=_names(columns), image_ids=image_ids)

    def head_arrow(
        self, name: str, rows: int = 5, *, columns: str | Iterable[str] | None = None
    ) -> pa.Table:
        """`load_arrow` for the first rows alone: the others are not read.

        Args:
            name: The table's name.
            rows: How many.
            columns: Read just these.
        """
        return self._tables.head(name, rows, columns=_names(columns))

    def iter_arrow(
        self, name: str, *, columns: str | Iterable[str] | None = None
    ) -> Iterator[pa.Table]:
        """`load_arrow` part by part, for tables of any size.

        The table must not be written to before the last part was read.
        """
        return self._tables.iterate(name, columns=_names(columns))

    def save(self, name: str, df: pd.DataFrame | pa.Table) -> None:
        """Replace a whole table. Rows are kept sorted by ``image_id``.

        Args:
            name: The table's name.
            df: The rows. An index of unnamed whole numbers is dropped.

        Raises:
            TypeError: It is neither a frame nor a table.
            SchemaValidationError: An index would be lost, or a column cannot be kept as it is
                (`ColumnError`): the message names it, what it holds and what to do.
        """
        action = self._require_writable(name)
        with self._access.lock("tables", action):
            self._tables.save(name, df)

    def delete(self, name: str) -> bool:
        """Delete a table; returns whether there was one."""
        action = f"delete the table {name!r}"
        self._access.require_writable(action)
        with self._access.lock("tables", action):
            return self._tables.delete(name)

    def replace_rows_for_image_id(
        self,
        name: str,
        image_id: str,
        df_rows: pd.DataFrame,
        *,
        image_id_col: str = IMAGE_ID,
    ) -> None:
        """Replace one image's rows in a table; a table that is not there is made.

        For many images use `replace_rows`: it costs the same as one.

        Args:
            name: The table's name.
            image_id: The image whose rows go.
            df_rows: Its new rows; none at all is fine. A column without any value fits every other.
            image_id_col: The column with the image id; every new row must hold `image_id` there.

        Raises:
            TypeError: The rows are not a frame.
            SchemaValidationError: The rows name another image, cannot be kept as they are (as for
                `save`), or do not fit the table.
        """
        from kymflow_zarr._tables.from_pandas import frame_to_table

        rows = frame_to_table(df_rows, what=f"rows for table {name!r}")
        update = RowUpdate(image_ids=frozenset({image_id}), rows=rows)
        self.replace_rows(name, [update], schema=rows.schema, image_id_col=image_id_col)

    def replace_rows(
        self,
        name: str,
        updates: Iterable[RowUpdate],
        *,
        schema: pa.Schema,
        keep_others: Collection[str] | None = None,
        drop_gone: bool = False,
        image_id_col: str = IMAGE_ID,
    ) -> int:
        """Replace many images' rows with one streamed rewrite of the table.

        Args:
            name: The table's name; a table that is not there is made.
            updates: New rows, in ascending order: every image id of one before all of the next.
            schema: The columns of the new rows.
            keep_others: Of the images that no update names, those that keep their rows; all if
                None.
            drop_gone: Whether images that do not exist lose their rows. Which ones exist is found
                out while no other writer is active, so rows of an image that was just added stay.
            image_id_col: The column with the image id.

        Returns:
            How many rows the table has now.

        Raises:
            SchemaValidationError: The rows do not fit the table, or are out of order. The old
                table stays as it was.
        """
        action = self._require_writable(name)
        with self._access.lock("tables", action):
            kept = keep_others
            if drop_gone:
                existing = published_ids(self._access.blobs)
                kept = existing if kept is None else set(existing).intersection(kept)
            return self._tables.replace_rows(
                name, updates, schema=schema, keep_others=kept, image_id_col=image_id_col
            )

    def _require_writable(self, name: str) -> str:
        """Refuse to write to a read-only dataset, or the sources index; returns the action."""
        action = f"write the table {name!r}"
        self._access.require_writable(action)
        if name.lower() == SOURCES:  # names that differ only in case clash
            raise InvalidNameError(
                name, kind="table", reason="the sources index is written by save_sources_index()"
            )
        return action


def _names(columns: str | Iterable[str] | None) -> list[str] | None:
    """The columns that a caller named; one text is one column, not one for each letter."""
    return [columns] if isinstance(columns, str) else None if columns is None else list(columns)
