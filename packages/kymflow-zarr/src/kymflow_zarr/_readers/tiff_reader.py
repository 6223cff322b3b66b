"""The reader of TIFF files."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.protocols import FolderListing

if TYPE_CHECKING:
    from kymflow_zarr._readers.tiff import OpenTiff


class TiffReader:
    """Reads TIFF files. See `kymflow_zarr.readers.ImageReader`."""

    name = "tiff"
    suffixes = (".tif", ".tiff", ".lsm", ".btf", ".tf8")

    def claims(self, listing: FolderListing) -> Collection[str]:
        """The files whose name ends like a TIFF's."""
        return listing.with_suffix(self.suffixes)

    def open(self, path: Path, *, limits: ReadLimits) -> OpenTiff:
        """Open the first series of a TIFF; its structure is checked, its pixels are not decoded."""
        from kymflow_zarr._readers.tiff import open_tiff

        return open_tiff(path, limits=limits)
