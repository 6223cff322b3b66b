"""Which image files a folder holds: one listing per folder, no pixels read."""

from __future__ import annotations

import fnmatch
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from kymflow_zarr._artifacts.sidecars import is_sidecar, stem_of
from kymflow_zarr._catalog.sources import FileState, FolderScan, SourceFile
from kymflow_zarr._ingest.beside import files_beside
from kymflow_zarr._ingest.channel_files import group_files, states_of
from kymflow_zarr._ingest.folder import EXPORT_MANIFEST, images_in, list_folder
from kymflow_zarr._readers.files import os_reason
from kymflow_zarr._readers.image_file import no_reader_reason
from kymflow_zarr._readers.protocols import ImageReader
from kymflow_zarr._storage.open_folder import by_path, open_folder
from kymflow_zarr._storage.spelling import name_on_disk, spelled_on_disk
from kymflow_zarr.errors import UnreadableImageError
from kymflow_zarr.options import IngestOptions

logger = logging.getLogger(__name__)

_RECURSIVE = "**/"
_PLANES = ".oif.files"  # the folder of an OIF's planes, which its reader reads


def scan_folder(
    folder: Path, pattern: str | Sequence[str] | None, *, options: IngestOptions
) -> FolderScan:
    """List the image files in a folder.

    Upper and lower case in endings do not matter. Hidden files, and folders that are links, are
    left out. Files of further channels (``_c2``, ``_ch2``, …) belong to the file of the first one.
    Patterns are as for `DatasetSources.refresh`.

    Raises:
        NotADirectoryError: There is no such folder.
    """
    patterns = ["*"] if pattern is None else [pattern] if isinstance(pattern, str) else [*pattern]
    if not folder.is_dir():
        raise NotADirectoryError(f"{str(folder)!r} is not a folder; check the path")
    top = spelled_on_disk(folder)
    deep = [part.removeprefix(_RECURSIVE) for part in patterns if part.startswith(_RECURSIVE)]
    flat = [part for part in patterns if not part.startswith(_RECURSIVE)]
    found: list[FileState] = []
    refused: dict[Path, UnreadableImageError] = {}
    listings: dict[Path, Sequence[str]] = {}
    for inner, names in _walk(top, recursive=bool(deep), refused=refused):
        listings[inner] = names
        asked = [*flat, *deep] if inner == top else deep
        listing = list_folder(inner, names)
        images = images_in(listing)
        chosen = images
        if asked != ["*"]:
            matches = _one_pattern(asked).fullmatch
            chosen = {name: reader for name, reader in images.items() if matches(name.lower())}
        refused.update(_without_reader(inner, asked, names, images))
        beside = files_beside(listing, chosen, images)
        with open_folder(inner) as opened:
            for channels in group_files(listing, chosen, options):
                try:
                    found += states_of(opened, channels, chosen, beside, options)
                except UnreadableImageError as error:
                    refused[error.path] = error
    return FolderScan(
        folder=top,
        states=tuple(sorted(found)),
        refused=refused,
        listings=listings,
    )


def scan_file(path: Path, *, options: IngestOptions) -> SourceFile:
    """One image file and the files of its further channels.

    Raises:
        UnreadableImageError: It is not there, or not a regular file.
    """
    folder = spelled_on_disk(path.parent)
    name = name_on_disk(folder, path.name)
    channels: tuple[str, ...] = (name,)
    images: dict[str, ImageReader] = {}
    beside: Mapping[str, tuple[str, ...]] = {}
    if folder.is_dir():
        listing = list_folder(folder)
        images = images_in(listing)
        groups = {group[0]: group for group in group_files(listing, images, options)}
        channels = groups.get(name, channels)
        beside = files_beside(listing, [name], images)
    return SourceFile._make(states_of(by_path(folder), channels, images, beside, options)[0])


def _without_reader(
    folder: Path, patterns: Iterable[str], names: Iterable[str], images: Mapping[str, ImageReader]
) -> dict[Path, UnreadableImageError]:
    """The files that a pattern asks for by their suffix, such as ``*.czi``, and no reader takes."""
    by_suffix = [part for part in patterns if not set(part.rpartition(".")[2]) & set("*?[")]
    if not by_suffix:
        return {}
    matches = _one_pattern(by_suffix).fullmatch
    stems = {stem_of(name) for name in images}
    return {
        folder / name: UnreadableImageError(folder / name, no_reader_reason(name))
        for name in names
        if name not in images and matches(name.lower()) and not is_sidecar(name, stems=stems)
    }


def _walk(
    top: Path, *, recursive: bool, refused: dict[Path, UnreadableImageError]
) -> Iterator[tuple[Path, list[str]]]:
    """Each folder with the names of its files; inner folders that cannot be listed are refused.

    An export that lies among recordings holds copies of them, and is passed over.
    """
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        names: list[str] = []
        folders: list[str] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name[0] != ".":
                        is_folder = entry.is_dir(follow_symlinks=False)
                        (folders if is_folder else names).append(entry.name)
        except OSError as error:
            if folder == top:
                raise
            refused[folder] = UnreadableImageError(folder, os_reason(error))
            continue
        if folder != top and EXPORT_MANIFEST in names:
            logger.warning("the export %r is skipped; name it to ingest it", str(folder))
            continue
        yield folder, names
        if recursive:
            waiting += [folder / name for name in folders if not name.lower().endswith(_PLANES)]


def _one_pattern(patterns: list[str]) -> re.Pattern[str]:
    """One expression for shell patterns, to be held against names in lower case."""
    return re.compile(
        "|".join(fnmatch.translate(pattern.lower()) for pattern in patterns) or "(?!)"
    )
