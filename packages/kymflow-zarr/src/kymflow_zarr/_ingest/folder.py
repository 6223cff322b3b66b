"""One folder: which of its files are images, and which lie beside one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kymflow_zarr._artifacts.sidecars import group_by_stem, is_sidecar, stem_of
from kymflow_zarr._readers.protocols import FolderListing, ImageReader
from kymflow_zarr._readers.registry import READERS

__all__ = ["ImageFolder", "images_in", "list_folder", "look_at_folder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFolder:
    """A folder whose images are to be read.

    Attributes:
        listing: Its files.
        readers: Names of images, each with the reader that claims it.
        sidecars: Stems of images, each with the names of the files beside it.
    """

    listing: FolderListing
    readers: Mapping[str, ImageReader]
    sidecars: Mapping[str, tuple[str, ...]]


def list_folder(folder: Path, names: Iterable[str] | None = None) -> FolderListing:
    """The files of a folder, hidden ones left out.

    Args:
        folder: The folder.
        names: The names of its files, where they are known; else the folder is listed.

    Raises:
        OSError: It cannot be listed.
    """
    found = os.listdir(folder) if names is None else names  # noqa: PTH208 (only names are needed)
    visible = sorted(name for name in found if name[0] != ".")
    return FolderListing(folder=folder, names=tuple(visible))


def images_in(listing: FolderListing) -> dict[str, ImageReader]:
    """Which files of a folder are images, each with its reader; of several readers the first.

    A file that belongs to another image as an artifact (``a.scores.npy`` beside ``a.tif``) is none.
    """
    claimed: dict[str, ImageReader] = {}
    for reader in READERS.usable():
        for name in reader.claims(listing):
            claimed.setdefault(name, reader)
    stems = {stem_of(name) for name in claimed}
    return {name: reader for name, reader in claimed.items() if not is_sidecar(name, stems=stems)}


def look_at_folder(folder: Path) -> ImageFolder:
    """List a folder, and sort its files by the image that they belong to.

    Raises:
        OSError: It cannot be listed.
    """
    listing = list_folder(folder)
    readers = images_in(listing)
    return ImageFolder(
        listing=listing, readers=readers, sidecars=group_by_stem(listing.names, images=readers)
    )
