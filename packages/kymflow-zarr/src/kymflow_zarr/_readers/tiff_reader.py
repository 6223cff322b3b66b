"""The reader of TIFF files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.protocols import SceneReader

if TYPE_CHECKING:
    from kymflow_zarr._readers.tiff import OpenTiff


class TiffReader(SceneReader):
    """Reads TIFF files. See `kymflow_zarr.readers.ImageReader`."""

    name = "tiff"
    suffixes = (".tif", ".tiff", ".lsm", ".btf", ".tf8")

    def open(self, path: Path, *, limits: ReadLimits) -> OpenTiff:
        """Open the first series of a TIFF; its structure is checked, its pixels are not decoded."""
        from kymflow_zarr._readers.tiff import open_tiff

        return open_tiff(path, limits=limits)

    def scenes(self, path: Path, *, limits: ReadLimits) -> tuple[str, ...]:
        """The names of the regions of a ScanImage file; of another TIFF, a few bytes are read."""
        from kymflow_zarr._readers.tiff import may_have_scenes

        if not may_have_scenes(path, limits=limits):
            return ()
        image = self.open(path, limits=limits)
        image.close()
        return image.scenes

    def open_scene(self, path: Path, scene: str, *, limits: ReadLimits) -> OpenTiff:
        """Open one region of a ScanImage file."""
        from kymflow_zarr._readers.tiff import open_tiff

        return open_tiff(path, limits=limits, scene=scene)
