"""Tables as gzipped CSV, which prototypes wrote: it keeps no column types."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, BinaryIO, Final

from kymflow_zarr._artifacts.kind import MAX_CSV_BYTES, ArtifactKind, not_stored
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.gunzip import gunzip_bounded
from kymflow_zarr._tables.csv_text import frame_to_csv, read_csv
from kymflow_zarr._tables.spreadsheet import harmless_csv
from kymflow_zarr._tables.to_pandas import table_to_frame
from kymflow_zarr.errors import SchemaValidationError

if TYPE_CHECKING:
    import pandas as pd


class CsvKind(ArtifactKind):
    """Data frames as gzipped CSV. A ``.csv`` beside an image is ingested as a table instead."""

    name = "csv"
    suffixes = (".csv.gz",)
    has_spreadsheet = True

    def encode(self, value: pd.DataFrame | bytes) -> bytes:
        """One gzip member; an index of unnamed whole numbers is dropped. Bytes are one already."""
        if isinstance(value, bytes):
            return value
        text = frame_to_csv(value, what="the table", delimiter=",")
        if len(text) > MAX_CSV_BYTES:
            raise SchemaValidationError(
                f"the table has {len(text)} bytes as CSV, but the limit is {MAX_CSV_BYTES}; "
                "save it as a table, in Parquet"
            )
        return gzip.compress(text, mtime=0)

    def decode(self, data: bytes, *, key: str) -> pd.DataFrame:
        """A data frame: columns of text, whole numbers, floats and booleans."""
        text = gunzip_bounded(data, key=key, limit=MAX_CSV_BYTES, one_member=True)
        return table_to_frame(read_csv(text, key=key, delimiter=","))

    def show(self, blobs: BlobStore, key: str, stream: BinaryIO) -> None:
        """The CSV with its cells made harmless."""
        packed = blobs.get(key)
        if packed is None:
            raise not_stored(key)
        stream.write(harmless_csv(gunzip_bounded(packed, key=key, limit=MAX_CSV_BYTES)))

    def restore(self, data: bytes, *, key: str, axes: tuple[str, ...] = ()) -> bytes:
        """The file as it is: a table read from it, without types, might be written differently."""
        self.decode(data, key=key)
        return data


CSV: Final = CsvKind()
