"""The pair of stores that serves a folder of TIFFs, or a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from kymflow_zarr.dataset import ZarrDataset
from kymflow_zarr.experimental_stores.stores.base import ArtifactStore, PixelStore
from kymflow_zarr.experimental_stores.stores.sidecar import SidecarArtifactStore
from kymflow_zarr.experimental_stores.stores.tiff_store import TiffPixelStore
from kymflow_zarr.experimental_stores.stores.zarr_store import ZarrArtifactStore, ZarrPixelStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Where pixels, and where results come from."""

    pixels: PixelStore
    artifacts: ArtifactStore


def open_stores(source: str | PathLike[str] | ZarrDataset) -> Stores:
    """The stores of an open dataset; or of a folder of images, or an image file."""
    if isinstance(source, ZarrDataset):
        return Stores(pixels=ZarrPixelStore(source), artifacts=ZarrArtifactStore(source))
    return Stores(pixels=TiffPixelStore(), artifacts=SidecarArtifactStore())


def open_if_path(dataset: str | PathLike[str] | ZarrDataset) -> ZarrDataset:
    """A dataset that may have to be opened; none is created.

    Raises:
        NotADatasetError: There is none at the path.
    """
    return dataset if isinstance(dataset, ZarrDataset) else ZarrDataset(dataset, "r+")


def open_if_dataset(source: str | PathLike[str] | ZarrDataset) -> Path | ZarrDataset:
    """A dataset, opened if it is the path of one; else the path of a folder, expanded.

    Raises:
        NotADatasetError: It is another Zarr group.
    """
    if isinstance(source, ZarrDataset):
        return source
    folder = Path(source).expanduser()
    is_zarr = any((folder / name).is_file() for name in ("zarr.json", ".zgroup"))
    return open_if_path(folder) if is_zarr else folder
