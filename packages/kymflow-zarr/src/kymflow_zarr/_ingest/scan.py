"""Which image files a folder holds: one listing per folder, nothing opened."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from kymflow_zarr._catalog.sources import FileState, FolderScan, SourceFile
from kymflow_zarr._readers import group_channels, stat_regular_file
from kymflow_zarr._readers.files import os_reason
from kymflow_zarr._storage.open_folder import OpenFolder, by_path, open_folder
from kymflow_zarr.errors import UnreadableImageError

__all__ = ["scan_file", "scan_folder"]

_RECURSIVE = "**/"


def scan_folder(folder: Path, pattern: str | Sequence[str]) -> FolderScan:
    """List the image files in a folder.

    Upper and lower case in endings do not matter. Hidden files, and folders that are links, are
    left out. Files of further channels (``_c2``, ``_ch2``, …) belong to the file of the first one.

    Args:
        folder: The folder.
        pattern: Shell patterns such as ``"*.tif"``; one that starts with ``**/`` also looks into
            subfolders.

    Raises:
        NotADirectoryError: There is no such folder.
    """
    patterns = [pattern] if isinstance(pattern, str) else list(pattern)
    if not folder.is_dir():
        raise NotADirectoryError(f"{str(folder)!r} is no folder; check the path")
    top = folder.resolve()
    deep = [part.removeprefix(_RECURSIVE) for part in patterns if part.startswith(_RECURSIVE)]
    flat = [part for part in patterns if not part.startswith(_RECURSIVE)]
    found: list[FileState] = []
    refused: dict[Path, UnreadableImageError] = {}
    listings: dict[Path, Sequence[str]] = {}
    for inner, names in _walk(top, recursive=bool(deep), refused=refused):
        listings[inner] = names
        matches = _one_pattern([*flat, *deep] if inner == top else deep).fullmatch
        with open_folder(inner) as opened:
            for channels in group_channels([name for name in names if matches(name.lower())]):
                try:
                    found.append(_look_at(opened, channels))
                except UnreadableImageError as error:
                    refused[error.path] = error
    return FolderScan(
        folder=top,
        states=tuple(sorted(found)),
        refused=refused,
        listings=listings,
    )


def scan_file(path: Path) -> SourceFile:
    """One image file and the files of its further channels.

    Raises:
        UnreadableImageError: It is not there, or no regular file.
    """
    folder = path.parent.resolve()
    siblings: tuple[str, ...] = (path.name,)
    if folder.is_dir():
        for channels in group_channels([entry.name for entry in os.scandir(folder)]):
            if channels[0] == path.name:
                siblings = channels
    return SourceFile._make(_look_at(by_path(folder), siblings))


def _look_at(folder: OpenFolder, names: Sequence[str]) -> FileState:
    if len(names) == 1:
        found = stat_regular_file(folder, names[0])
        return (folder.path + names[0],), found.st_mtime_ns, found.st_size
    facts = [stat_regular_file(folder, name) for name in names]
    return (
        tuple([folder.path + name for name in names]),
        max(fact.st_mtime_ns for fact in facts),
        sum(fact.st_size for fact in facts),
    )


def _walk(
    top: Path, *, recursive: bool, refused: dict[Path, UnreadableImageError]
) -> Iterator[tuple[Path, list[str]]]:
    """Each folder with the names of its files; inner folders that cannot be listed are refused."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                shown = [entry for entry in entries if entry.name[0] != "."]
        except OSError as error:
            if folder == top:
                raise
            refused[folder] = UnreadableImageError(folder, os_reason(error))
            continue
        yield folder, [entry.name for entry in shown if not entry.is_dir(follow_symlinks=False)]
        if recursive:
            waiting += [
                folder / entry.name for entry in shown if entry.is_dir(follow_symlinks=False)
            ]


def _one_pattern(patterns: list[str]) -> re.Pattern[str]:
    """One expression for shell patterns, to be held against names in lower case."""
    return re.compile(
        "|".join(fnmatch.translate(pattern.lower()) for pattern in patterns) or "(?!)"
    )
