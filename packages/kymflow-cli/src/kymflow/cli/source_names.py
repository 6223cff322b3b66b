"""What people call images: the files that they were made of, in the order in which people count."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath, PureWindowsPath


def source_path(path: str) -> PurePath:
    """The path of a file by the rules of the system that wrote it, which may be another one."""
    return PureWindowsPath(path) if "\\" in path and "/" not in path else PurePath(path)


def source_name(path: str) -> str:
    """The name of the file at the end of a path."""
    return source_path(path).name


def folder_of(path: str | None) -> str:
    """The folder of a source file; empty if there is no file."""
    return str(source_path(path).parent) if path else ""


def short_names(paths: Iterable[str | None]) -> dict[str, str]:
    """For each path its file, with as many folders as tell files of the same name apart.

    Args:
        paths: Paths of files; None is left out.
    """
    by_file: dict[str, dict[str, tuple[str, ...]]] = {}
    for path in paths:
        if path:
            parts = source_path(path).parts
            by_file.setdefault(parts[-1], {})[path] = parts
    names: dict[str, str] = {}
    for same in by_file.values():
        longest = max(map(len, same.values()))
        apart = (n for n in range(1, longest) if len({o[-n:] for o in same.values()}) == len(same))
        length = next(apart, longest)
        names |= {path: PurePath(*own[-length:]).as_posix() for path, own in same.items()}
    return names


def with_scene(name: str, scene: str | None) -> str:
    """What an image is called: its file, and which of the file's images it is.

    Args:
        name: The file's name; empty for none.
        scene: Which of the file's images it is; empty if the file is one image.
    """
    return f"{name} ({scene})" if name and scene else name


def file_order(path: str | None, scene: str | None = None) -> tuple[object, ...]:
    """A key to sort images by: folders, then files, 2 before 10, and a file before its copy.

    Images of no file come last.

    Args:
        path: The image's file.
        scene: Which of the file's images it is.
    """
    from kymflow_zarr.natural_order import file_key, natural_key

    *folders, file = source_path(path or "").parts or ("",)
    return not path, natural_key("/".join(folders)), file_key(file), natural_key(scene or "")
