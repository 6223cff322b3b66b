"""What people call images: the files that they were made of, in the order in which people count."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath, PureWindowsPath


def short_names(paths: Iterable[str | None]) -> dict[str, str]:
    """For each path its file, with as many folders as tell files of the same name apart.

    Args:
        paths: Paths of files; None is left out.
    """
    by_file: dict[str, dict[str, tuple[str, ...]]] = {}
    for path in paths:
        if path:
            parts = _parts(path)
            by_file.setdefault(parts[-1], {})[path] = parts
    names: dict[str, str] = {}
    for same in by_file.values():
        longest = max(map(len, same.values()))
        apart = (n for n in range(1, longest) if len({o[-n:] for o in same.values()}) == len(same))
        length = next(apart, longest)
        names |= {path: PurePath(*own[-length:]).as_posix() for path, own in same.items()}
    return names


def folder_order(path: str) -> tuple[object, ...]:
    """A key to sort files by: folders, then files, 2 before 10, and a file before its copy."""
    from kymflow_zarr.natural_order import file_key, natural_key

    *folders, file = _parts(path) or ("",)
    return natural_key("/".join(folders)), file_key(file)


def _parts(path: str) -> tuple[str, ...]:
    """The folders and the file, whichever system wrote the path."""
    is_windows = "\\" in path and "/" not in path
    return (PureWindowsPath(path) if is_windows else PurePath(path)).parts
