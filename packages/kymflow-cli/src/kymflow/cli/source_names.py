"""What people call images: the files that they were made of, in the order in which people count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePath, PureWindowsPath

__all__ = ["folder_order", "short_names"]


def short_names(paths: Iterable[str | None]) -> dict[str, str]:
    """For each path the shortest end of it that no other one has, at least the name of the file.

    Args:
        paths: Paths of files; None is left out.
    """
    parts = {path: _parts(path) for path in paths if path}
    ends = Counter(own[-n:] for own in parts.values() for n in range(1, len(own) + 1))

    def shortest(own: tuple[str, ...]) -> str:
        unique = (n for n in range(1, len(own)) if ends[own[-n:]] == 1)
        return PurePath(*own[-next(unique, len(own)) :]).as_posix()

    return {path: shortest(own) for path, own in parts.items()}


def folder_order(path: str) -> tuple[object, ...]:
    """A key to sort files by: folders, then files, 2 before 10, and a file before its copy."""
    from kymflow.core.natural_order import file_key, natural_key

    *folders, file = _parts(path) or ("",)
    return natural_key("/".join(folders)), file_key(file)


def _parts(path: str) -> tuple[str, ...]:
    """The folders and the file, whichever system wrote the path."""
    is_windows = "\\" in path and "/" not in path
    return (PureWindowsPath(path) if is_windows else PurePath(path)).parts
