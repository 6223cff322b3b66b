"""Tables as gzipped CSV, which prototypes wrote: it keeps no column types."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from kymflow_zarr._artifacts.kind import MAX_FILE_BYTES, ArtifactKind
from kymflow_zarr._storage.gunzip import gunzip_bounded

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CSV"]


class CsvKind(ArtifactKind):
    """Data frames as gzipped CSV. A ``.csv`` beside an image is taken in as a table instead."""

    name = "csv"
    suffixes = (".csv.gz",)

    def encode(self, value: pd.DataFrame) -> bytes:
        """One gzip member; the index is dropped."""
        stream = io.BytesIO()
        value.to_csv(stream, index=False, compression={"method": "gzip", "mtime": 0})
        return stream.getvalue()

    def decode(self, data: bytes, *, key: str) -> pd.DataFrame:
        """A data frame whose types are what pandas infers."""
        import pandas as pd

        text = gunzip_bounded(data, key=key, limit=MAX_FILE_BYTES, one_member=True)
        if not text.strip():  # a table without columns
            return pd.DataFrame()
        return pd.read_csv(io.BytesIO(text))


CSV: Final = CsvKind()
