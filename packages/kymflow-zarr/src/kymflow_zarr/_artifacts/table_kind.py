"""Tables as Parquet: typed columns, a checksum for each page and for the whole file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from kymflow_zarr._artifacts.kind import MAX_FILE_BYTES, ArtifactKind
from kymflow_zarr._problems import Problem, unreadable
from kymflow_zarr._storage.blobs import BlobStore, PutFile
from kymflow_zarr._storage.gunzip import gunzip_bounded
from kymflow_zarr._tables.columns import plain_table, to_table
from kymflow_zarr._tables.csv_text import read_csv, write_csv
from kymflow_zarr._tables.frames import table_to_frame
from kymflow_zarr._tables.parquet import read_parquet, table_to_bytes, verify_parquet
from kymflow_zarr.errors import CorruptDataError, NotFoundError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["TABLE"]

_MAX_COLUMNS: Final = 10_000
_BYTES_PER_CELL: Final = 8


class TableKind(ArtifactKind):
    """Data frames, or Arrow tables. A file beside an image may be Parquet, CSV or gzipped CSV."""

    name = "table"
    suffixes = (".parquet",)
    sidecar_suffixes = (".parquet", ".csv", ".csv.gz")  # Parquet keeps types, CSV does not

    def accepts(self, value: object) -> bool:
        """Data frames and Arrow tables."""
        # A library that was not imported made no value, either.
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
            raise NotFoundError(key, f"no table is stored under {key!r}; check the name")
        return table_to_frame(table)

    def check(self, blobs: BlobStore, key: str, *, deep: bool) -> Iterator[Problem]:
        """Whether the file opens and, if `deep`, whether each page holds what was written."""
        try:
            verify_parquet(blobs, key, deep=deep)
        except CorruptDataError as error:
            yield unreadable(error)

    def decode_file(self, data: bytes, *, key: str, max_bytes: int) -> pd.DataFrame:
        """A data frame, from the form that the suffix of its name says.

        CSV has a header. It is read as other programs write it, or refused: see `read_csv`.
        """
        suffix = key.lower()
        if suffix.endswith(".parquet"):
            return _from_parquet(data, key=key, max_bytes=max_bytes)
        if suffix.endswith(".gz"):
            data = gunzip_bounded(data, key=key, limit=max_bytes)
        return table_to_frame(read_csv(data, key=key))

    def encode_file(self, value: pd.DataFrame, suffix: str) -> bytes:
        """Parquet, or CSV that opens anywhere."""
        if suffix != ".csv":
            return self.encode(value)
        return write_csv(value, what="the table")


def _from_parquet(data: bytes, *, key: str, max_bytes: int) -> pd.DataFrame:
    """A data frame from Parquet of any program; what it declares is looked at before it is read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(
        pa.BufferReader(data), page_checksum_verification=True, pre_buffer=False
    ) as file:
        metadata = file.metadata
        groups = range(metadata.num_row_groups)
        declared = max(
            sum(metadata.row_group(index).total_byte_size for index in groups),
            metadata.num_rows * metadata.num_columns * _BYTES_PER_CELL,
        )
        if metadata.num_columns > _MAX_COLUMNS or declared > max_bytes:
            raise CorruptDataError(
                key,
                f"it declares {metadata.num_rows} rows of {metadata.num_columns} columns, "
                f"{declared} bytes, the limit is {max_bytes}",
            )
        return table_to_frame(plain_table(file.read(use_threads=False), what=repr(key)))


TABLE: Final = TableKind()
