"""The reader of TIFF files, and what each of the programs that write them says inside."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from kymflow_zarr._readers.facts import Facts, Rank
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.protocols import FolderListing
from kymflow_zarr._readers.vendors.fluoview import read_fluoview
from kymflow_zarr._readers.vendors.imagej import read_imagej
from kymflow_zarr._readers.vendors.ome import read_ome
from kymflow_zarr._readers.vendors.plain import read_plain
from kymflow_zarr._readers.vendors.scanimage import read_scanimage
from kymflow_zarr._readers.vendors.zeiss_lsm import read_zeiss_lsm

if TYPE_CHECKING:
    from kymflow_zarr._readers.tiff import TiffImage

_VENDORS: Final = (read_fluoview, read_scanimage, read_zeiss_lsm, read_ome, read_imagej, read_plain)

# Who names the axes of a series that is of a program's own kind.
_AXES: Final = {
    "fluoview": ("vendor_tiff", Rank.IMAGE_FILE),
    "lsm": ("vendor_tiff", Rank.IMAGE_FILE),
    "scanimage": ("vendor_tiff", Rank.IMAGE_FILE),
    "ome": ("ome", Rank.OME),
    "imagej": ("imagej", Rank.IMAGEJ),
}


class TiffReader:
    """Reads TIFF files. See `kymflow_zarr.readers.ImageReader`."""

    name = "tiff"
    suffixes = (".tif", ".tiff", ".lsm", ".btf", ".tf8")

    def claims(self, listing: FolderListing) -> Collection[str]:
        """The files whose name ends like a TIFF's."""
        return listing.with_suffix(self.suffixes)

    def open(self, path: Path, *, limits: ReadLimits) -> _OpenTiff:
        """Open the first series of a TIFF; its structure is checked, its pixels are not decoded.

        Raises:
            UnreadableImageError: It is not a TIFF, is damaged or cut short, or exceeds a limit.
        """
        from kymflow_zarr._readers.tiff import open_tiff

        with ExitStack() as stack:
            tiff = stack.enter_context(open_tiff(path, limits=limits))
            opened = _OpenTiff(tiff, shape=tiff.shape, dtype=tiff.dtype, facts=_facts(tiff))
            stack.pop_all()
        return opened


@dataclass(frozen=True, slots=True)
class _OpenTiff:
    """See `kymflow_zarr.readers.OpenImage`."""

    _tiff: TiffImage
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    facts: tuple[Facts, ...]

    def iter_blocks(self, rows: int) -> Iterator[npt.NDArray[Any]]:
        return self._tiff.iter_blocks(rows)

    def close(self) -> None:
        self._tiff.close()


def _facts(tiff: TiffImage) -> tuple[Facts, ...]:
    """What the file's programs say, then what its structure does."""
    metadata = tiff.metadata
    found = [facts for read in _VENDORS if (facts := read(metadata)) is not None]
    source, rank = "default", Rank.DEFAULT
    if metadata.axes_known:
        source, rank = _AXES.get(metadata.kind, ("tiff", Rank.GENERIC))
    warnings = [] if metadata.layout is None else [*metadata.layout.warnings]
    if metadata.series_count > 1 and metadata.kind != "lsm":  # its second one is of thumbnails
        warnings.append(
            f"the file holds {metadata.series_count} series of images, of which the first is read; "
            "export each to a file of its own"
        )
    own = Facts(source=source, rank=rank, axes=tiff.axes, warnings=tuple(warnings))
    return (*found, own)
