"""Which headers and sidecars lie beside the images of a folder, and how old they are."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from kymflow_zarr._artifacts.registry import split_sidecar
from kymflow_zarr._artifacts.sidecars import group_by_stem, stem_of
from kymflow_zarr._catalog.sources import BesideState
from kymflow_zarr._readers.files import is_text
from kymflow_zarr._readers.protocols import FolderListing
from kymflow_zarr._readers.registry import HEADERS
from kymflow_zarr._storage.open_folder import OpenFolder

__all__ = ["files_beside", "state_beside"]


def files_beside(
    listing: FolderListing, primaries: Iterable[str], images: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """The headers and sidecars of each image in a folder; nothing is opened.

    Args:
        listing: The files of the folder.
        primaries: The names of the images, each that of its first channel's file.
        images: The names of all image files in the folder.

    Returns:
        Name of an image → names of the files beside it, sorted; only images that have some.
    """
    others = [name for name in listing.names if name not in images]
    if not others:  # the usual folder of a microscope that writes one file an image
        return {}
    by_stem = group_by_stem(listing.names, images=images)
    lowered = [name.lower() for name in others]
    known = {suffix for reader in HEADERS.usable() for suffix in reader.suffixes}
    suffixes = [suffix for suffix in known if any(name.endswith(suffix) for name in lowered)]
    found: dict[str, tuple[str, ...]] = {}
    for primary in primaries:
        stem = stem_of(primary)
        endings = {name[len(stem) :].lower(): name for name in by_stem.get(stem, ())}
        names = {name for ending, name in endings.items() if split_sidecar(ending[1:])}
        for suffix in suffixes:
            if suffix in endings:
                names.add(endings[suffix])
            elif header := listing.beside(Path(primary), suffix):  # called in another way
                names.add(header.name)
        if names:
            found[primary] = tuple(sorted(filter(is_text, names)))
    return found


def state_beside(folder: OpenFolder, names: Iterable[str], *, follow_links: bool) -> BesideState:
    """The state of files beside an image; what cannot be looked at has none, and is left out.

    Args:
        folder: Their folder.
        names: Their names.
        follow_links: Whether a symbolic link stands for the file that it leads to.
    """
    states: list[tuple[str, int, int]] = []
    for name in names:
        try:
            found = os.stat(folder.start + name, dir_fd=folder.fd, follow_symlinks=follow_links)
        except OSError:  # removed since it was listed, or a link that leads nowhere
            continue
        states.append((name, found.st_mtime_ns, found.st_size))
    return tuple(states)
