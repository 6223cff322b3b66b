"""One folder: which of its files are images, and which lie beside one."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kymflow_zarr._artifacts.sidecars import group_by_stem, is_sidecar, stem_of
from kymflow_zarr._readers.protocols import FOLDER_CALIBRATION, FolderListing, ImageReader
from kymflow_zarr._readers.registry import READERS
from kymflow_zarr._readers.translate import said
from kymflow_zarr.errors import PluginWarning, ReaderError

EXPORT_MANIFEST: Final = "kymflow_export.json"
"""Name of the file that makes a folder an export."""


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


def list_folder(
    folder: Path, names: Iterable[str] | None = None, *, follow_links: bool = False
) -> FolderListing:
    """The files of a folder, hidden ones left out; it is not listed if their names are known.

    Raises:
        OSError: It cannot be listed.
    """
    found = os.listdir(folder) if names is None else names  # noqa: PTH208 (only names are needed)
    visible = sorted([name for name in found if name[0] != "."])
    whole = folder.resolve()
    places = (place / FOLDER_CALIBRATION for place in (whole, *whole.parents))
    return FolderListing(
        folder=folder,
        names=tuple(visible),
        follow_links=follow_links,
        calibration=next(filter(os.path.isfile, places), None),
    )


def images_in(listing: FolderListing) -> dict[str, ImageReader]:
    """Which files of a folder are images, each with its reader; of several readers the first.

    A file that belongs to another image as an artifact (``a.scores.npy`` beside ``a.tif``) is none.
    A reader that fails takes no file, with a `PluginWarning`.
    """
    claimed: dict[str, ImageReader] = {}
    for reader in READERS.usable():
        try:
            names = _claims(reader, listing)
        except ReaderError as error:
            message = f"the reader {reader.name!r} takes no files here: {error}"
            warnings.warn(message, PluginWarning, stacklevel=2)
            continue
        for name in names:
            claimed.setdefault(name, reader)
    dotted = [name for name in claimed if name.count(".") > 1]  # as the name of a sidecar
    if dotted:
        stems = set(map(stem_of, claimed))
        for name in dotted:
            if is_sidecar(name, stems=stems):
                del claimed[name]
    return claimed


def _claims(reader: ImageReader, listing: FolderListing) -> list[str]:
    try:
        claimed = set(reader.claims(listing))
        return [name for name in listing.names if name in claimed]
    except Exception as error:
        # Third-party code may raise anything: that makes this reader unusable, and no other.
        reason = f"claims() failed with {type(error).__name__}: {said(error)}"
        raise ReaderError(f"{reason}; update or uninstall its package") from error


def read_folder(folder: Path, *, follow_links: bool = False) -> ImageFolder:
    """List a folder, and sort its files by the image that they belong to.

    Raises:
        OSError: It cannot be listed.
    """
    listing = list_folder(folder, follow_links=follow_links)
    readers = images_in(listing)
    return ImageFolder(
        listing=listing, readers=readers, sidecars=group_by_stem(listing.names, images=readers)
    )
