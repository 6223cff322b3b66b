"""What each of the programs that write TIFFs says inside them: a file for each."""

from __future__ import annotations

from typing import Final

from kymflow_zarr._readers.facts import Facts
from kymflow_zarr._readers.tiff_metadata import TiffMetadata
from kymflow_zarr._readers.vendors.fluoview import read_fluoview
from kymflow_zarr._readers.vendors.imagej import read_imagej
from kymflow_zarr._readers.vendors.ome import read_ome
from kymflow_zarr._readers.vendors.plain import read_plain
from kymflow_zarr._readers.vendors.scanimage import read_scanimage
from kymflow_zarr._readers.vendors.zeiss_lsm import read_zeiss_lsm

_VENDORS: Final = (read_fluoview, read_scanimage, read_zeiss_lsm, read_ome, read_imagej, read_plain)


def read_vendors(metadata: TiffMetadata) -> tuple[Facts, ...]:
    """What a TIFF's programs say, one entry for each that wrote something of its own."""
    return tuple(facts for read in _VENDORS if (facts := read(metadata)) is not None)
