"""Which headers and sidecars lie beside the images of a folder, and how old they are."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from kymflow_zarr._artifacts.registry import split_sidecar
from kymflow_zarr._artifacts.sidecars import group_by_stem, stem_of
from kymflow_zarr._catalog.sources import BesideState
from kymflow_zarr._readers.protocols import FolderListing, HeaderReader
from kymflow_zarr._readers.registry import HEADERS
from kymflow_zarr._readers.translate import translated
from kymflow_zarr._storage.json_text import is_unicode
from kymflow_zarr._storage.open_folder import OpenFolder
from kymflow_zarr.errors import UnreadableImageError


def files_beside(
    listing: FolderListing, primaries: Iterable[str], images: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """The headers and sidecars of each image in a folder; nothing is opened.

    Of an image of several channels, the name of the first one's file is among the `primaries`, and
    all are among the `images`.

    Returns:
        Name of an image → names of the files beside it, sorted; only images that have some.
    """
    others = [name for name in listing.names if name not in images]
    if not others and listing.calibration is None:
        return {}  # the usual folder of a microscope that writes one file per image
    by_stem = group_by_stem(listing.names, images=images)
    readers = [
        reader
        for reader in HEADERS.usable()
        if listing.calibration is not None or listing.with_suffix(reader.suffixes)
    ]
    found: dict[str, tuple[str, ...]] = {}
    for primary in primaries:
        stem, path = stem_of(primary), Path(primary)
        names = {listing.name_of(header) for header in _headers(readers, path, listing)}
        names.update(
            name for name in by_stem.get(stem, ()) if split_sidecar(name[len(stem) + 1 :].lower())
        )
        if names:
            found[primary] = tuple(sorted(filter(is_unicode, names)))
    return found


def _headers(readers: Sequence[HeaderReader], path: Path, listing: FolderListing) -> list[Path]:
    """The headers that readers would read; if one fails, reading the image reports that."""
    try:
        with translated(path):
            found = [reader.find(path, listing) for reader in readers]
    except UnreadableImageError:
        if len(readers) == 1:
            return []
        return [header for reader in readers for header in _headers([reader], path, listing)]
    return [header for header in found if header is not None]


def state_beside(folder: OpenFolder, names: Iterable[str], *, follow_links: bool) -> BesideState:
    """The state of files beside an image; what cannot be looked at has none, and is left out."""
    states: list[tuple[str, int, int]] = []
    for name in names:
        try:
            found = os.stat(folder.start + name, dir_fd=folder.fd, follow_symlinks=follow_links)
        except OSError:  # removed since it was listed, or a link that leads nowhere
            continue
        states.append((name, found.st_mtime_ns, found.st_size))
    return tuple(states)
