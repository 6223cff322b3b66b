"""Where pixels and results of an image come from.

`base` holds the two protocols, `tiff_store` and `sidecar` serve a folder of TIFFs with result files
beside them, `zarr_store` a dataset; `factory` picks the pair that fits.
"""

from __future__ import annotations

from kymflow_zarr.experimental_stores.stores.base import (
    Artifact,
    ArtifactStore,
    PixelFacts,
    PixelStore,
)
from kymflow_zarr.experimental_stores.stores.factory import Stores, open_stores
from kymflow_zarr.experimental_stores.stores.sidecar import SidecarArtifactStore
from kymflow_zarr.experimental_stores.stores.tiff_store import TiffPixelStore
from kymflow_zarr.experimental_stores.stores.zarr_store import ZarrArtifactStore, ZarrPixelStore

__all__ = [
    "Artifact",
    "ArtifactStore",
    "PixelFacts",
    "PixelStore",
    "SidecarArtifactStore",
    "Stores",
    "TiffPixelStore",
    "ZarrArtifactStore",
    "ZarrPixelStore",
    "open_stores",
]
