"""Tables as Parquet: typed columns, a checksum for each page and for the whole file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Final

from kymflow_zarr._artifacts.kind import MAX_CSV_BYTES, MAX_FILE_BYTES, ArtifactKind, not_stored
from kymflow_zarr._problems import Problem, damage_problem
from kymflow_zarr._storage.blobs import BlobStore, PutFile
from kymflow_zarr._storage.gunzip import gunzip_bounded
from kymflow_zarr._tables.columns import plain_table, to_table
from kymflow_zarr._tables.csv_text import frame_to_csv, read_csv
from kymflow_zarr._tables.parquet import (
    open_parquet,
    read_parquet,
    table_from_bytes,
    table_to_bytes,
    verify_parquet,
)
from kymflow_zarr._tables.spreadsheet import write_csv
from kymflow_zarr._tables.to_pandas import table_to_frame
from kymflow_zarr.errors import CorruptDataError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class TableKind(ArtifactKind):
    """Data frames, or Arrow tables. A file beside an image may be Parquet, CSV or gzipped CSV."""

    name = "table"
    suffixes = (".parquet",)
    sidecar_suffixes = (".parquet", ".csv", ".csv.gz")  # Parquet keeps types, CSV does not
    has_spreadsheet = True

    def accepts(self, value: object) -> bool:
        """Data frames and Arrow tables."""
        # A value cannot come from a library that was never imported.
        pandas, pyarrow = sys.modules.get("pandas"), sys.modules.get("pyarrow")
        return (pandas is not None and isinstance(value, pandas.DataFrame)) or (
            pyarrow is not None and isinstance(value, pyarrow.Table)
        )

    def encode(self, value: pd.DataFrame | pa.Table) -> bytes:
        """Parquet that names no key; an index of unnamed whole numbers is dropped."""
        return table_to_bytes(to_table(value, what="the table"))

    def decode(self, data: bytes, *, key: str) -> pd.DataFrame:
        """A data frame, from the form that the key's suffix names."""
        return self.decode_file(data, key=key, max_bytes=MAX_FILE_BYTES)

    def write(self, value: pd.DataFrame | pa.Table, *, key: str, put: PutFile) -> None:
        """Store a table as Parquet that names its key."""
        put(key, table_to_bytes(to_table(value, what=repr(key)), key=key))

    def read(self, blobs: BlobStore, key: str) -> pd.DataFrame:
        """The stored table, every page checked."""
        table = read_parquet(blobs, key)
        if table is None:
            raise not_stored(key)
        return table_to_frame(table)

    def check(self, blobs: BlobStore, key: str, *, deep: bool) -> Iterator[Problem]:
        """Whether the file opens and, if `deep`, whether each page holds what was written."""
        try:
            verify_parquet(blobs, key, deep=deep)
        except CorruptDataError as error:
            yield damage_problem(error)

    def decode_file(self, data: bytes, *, key: str, max_bytes: int) -> pd.DataFrame:
        """A data frame, from a file in the form that its suffix names.

        CSV has a header. It is read as other programs write it, or refused: see `read_csv`.
        """
        suffix = key.lower()
        if suffix.endswith(".parquet"):
            table = table_from_bytes(data, key=key, max_bytes=max_bytes)
            return table_to_frame(plain_table(table, what=repr(key)))
        limit = min(max_bytes, MAX_CSV_BYTES)
        if suffix.endswith(".gz"):
            data = gunzip_bounded(data, key=key, limit=limit)
        if len(data) > limit:
            raise CorruptDataError(
                key, f"it has {len(data)} bytes, but the limit for CSV is {limit}"
            )
        return table_to_frame(read_csv(data, key=key))

    def encode_file(self, value: pd.DataFrame, suffix: str) -> bytes:
        """Parquet, or CSV that opens anywhere."""
        if suffix != ".csv":
            return self.encode(value)
        return frame_to_csv(value, what="the table")

    def show(self, blobs: BlobStore, key: str, stream: BinaryIO) -> None:
        """The rows, one row group at a time."""
        with open_parquet(blobs, key) as table:
            if table is None:
                raise not_stored(key)
            write_csv(stream, table.schema, table.iter_parts())

    def restore(self, data: bytes, *, key: str, axes: tuple[str, ...] = ()) -> pa.Table:
        """An Arrow table, with types that a data frame lacks."""
        return table_from_bytes(data, key=key)


TABLE: Final = TableKind()
