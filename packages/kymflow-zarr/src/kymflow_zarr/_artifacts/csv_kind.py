"""Tables as gzipped CSV, which prototypes wrote: it keeps no column types."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Final

from kymflow_zarr._artifacts.kind import MAX_FILE_BYTES, ArtifactKind
from kymflow_zarr._storage.gunzip import gunzip_bounded
from kymflow_zarr._tables.csv_text import read_csv, write_csv
from kymflow_zarr._tables.frames import table_to_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CSV"]


class CsvKind(ArtifactKind):
    """Data frames as gzipped CSV. A ``.csv`` beside an image is taken in as a table instead."""

    name = "csv"
    suffixes = (".csv.gz",)

    def encode(self, value: pd.DataFrame) -> bytes:
        """One gzip member; an index of unnamed whole numbers is dropped."""
        return gzip.compress(write_csv(value, what="the table", delimiter=","), mtime=0)

    def decode(self, data: bytes, *, key: str) -> pd.DataFrame:
        """A data frame: columns of text, whole numbers, floats and booleans."""
        text = gunzip_bounded(data, key=key, limit=MAX_FILE_BYTES, one_member=True)
        return table_to_frame(read_csv(text, key=key, delimiter=","))


CSV: Final = CsvKind()
