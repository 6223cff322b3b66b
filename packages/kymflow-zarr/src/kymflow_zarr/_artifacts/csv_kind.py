"""Tables as gzipped CSV, which prototypes wrote: it keeps no column types."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, Final

from kymflow_zarr._artifacts.kind import MAX_FILE_BYTES, ArtifactKind
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.gunzip import gunzip_bounded
from kymflow_zarr._tables.spreadsheet import harmless_csv
from kymflow_zarr.errors import NotFoundError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CSV"]


class CsvKind(ArtifactKind):
    """Data frames as gzipped CSV. A ``.csv`` beside an image is taken in as a table instead."""

    name = "csv"
    suffixes = (".csv.gz",)
    has_spreadsheet = True

    def encode(self, value: pd.DataFrame | bytes) -> bytes:
        """One gzip member; the index is dropped. Bytes are one already."""
        if isinstance(value, bytes):
            return value
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

    def show(self, blobs: BlobStore, key: str, stream: BinaryIO) -> None:
        """The CSV with its cells made harmless."""
        packed = blobs.get(key)
        if packed is None:
            raise NotFoundError(key, f"no table is stored under {key!r}; check the name")
        stream.write(harmless_csv(gunzip_bounded(packed, key=key, limit=MAX_FILE_BYTES)))

    def restore(self, data: bytes, *, key: str, axes: tuple[str, ...] = ()) -> bytes:
        """The file as it is: it has no types, so that what is read of it would be written anew."""
        self.decode(data, key=key)
        return data


CSV: Final = CsvKind()
