"""Which image files a folder holds: one listing per folder, nothing opened."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from operator import attrgetter
from pathlib import Path

from kymflow_zarr._catalog.sources import FolderScan, SourceFile
from kymflow_zarr._readers import group_channels, stat_regular_file
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
    files: list[SourceFile] = []
    refused: dict[Path, UnreadableImageError] = {}
    listings: dict[Path, frozenset[str]] = {}
    for inner, names in _walk(top, recursive=bool(deep)):
        listings[inner] = frozenset(names)
        matches = _one_pattern([*flat, *deep] if inner == top else deep).fullmatch
        prefix = _prefix(inner)
        for channels in group_channels([name for name in names if matches(name.lower())]):
            try:
                files.append(_source_file(prefix, channels))
            except UnreadableImageError as error:
                refused[error.path] = error
    return FolderScan(
        folder=top,
        files=tuple(sorted(files, key=attrgetter("paths"))),
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
    return _source_file(_prefix(folder), siblings)


def _prefix(folder: Path) -> str:
    """A folder's path, to be followed by names: as text, since a Path costs more than a stat."""
    return os.path.join(folder, "")  # noqa: PTH118


def _source_file(folder: str, names: Sequence[str]) -> SourceFile:
    paths = tuple([folder + name for name in names])
    if len(paths) == 1:
        size_bytes, mtime_ns = stat_regular_file(paths[0])
        return SourceFile(paths, mtime_ns, size_bytes)
    facts = [stat_regular_file(path) for path in paths]
    return SourceFile(
        paths=paths,
        mtime_ns=max(fact.mtime_ns for fact in facts),
        size_bytes=sum(fact.size_bytes for fact in facts),
    )


def _walk(top: Path, *, recursive: bool) -> Iterator[tuple[Path, list[str]]]:
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        names: list[str] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if not entry.is_dir(follow_symlinks=False):
                    names.append(entry.name)
                elif recursive:
                    waiting.append(folder / entry.name)
        yield folder, sorted(names)


def _one_pattern(patterns: list[str]) -> re.Pattern[str]:
    """One expression for shell patterns, to be held against names in lower case."""
    return re.compile(
        "|".join(fnmatch.translate(pattern.lower()) for pattern in patterns) or "(?!)"
    )
