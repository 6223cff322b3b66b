"""The pair of stores that serves a folder of TIFFs, or a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kymflow_zarr.dataset import ZarrDataset
from kymflow_zarr.experimental_stores.stores.base import ArtifactStore, PixelStore
from kymflow_zarr.experimental_stores.stores.sidecar import SidecarArtifactStore
from kymflow_zarr.experimental_stores.stores.tiff_store import TiffPixelStore
from kymflow_zarr.experimental_stores.stores.zarr_store import ZarrArtifactStore, ZarrPixelStore

__all__ = ["Stores", "open_stores"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Where pixels, and where results come from."""

    pixels: PixelStore
    artifacts: ArtifactStore


def open_stores(source: str | Path | ZarrDataset) -> Stores:
    """Choose the stores.

    Args:
        source: A dataset; or a folder of TIFFs, or a TIFF.
    """
    if isinstance(source, ZarrDataset):
        return Stores(pixels=ZarrPixelStore(source), artifacts=ZarrArtifactStore(source))
    return Stores(pixels=TiffPixelStore(), artifacts=SidecarArtifactStore())
