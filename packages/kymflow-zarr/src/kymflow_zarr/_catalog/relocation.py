"""Rows of the sources index after their files have moved."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

from kymflow_zarr._catalog.sources import SourceRow

__all__ = ["relocated"]


def relocated(rows: Iterable[SourceRow], old: str, new: Path) -> list[SourceRow]:
    """The rows whose files were in a folder, with the paths that they have in another one.

    Args:
        rows: The index.
        old: The folder, or a single file, as it was called: on this system or on another one.
        new: Where it is now, absolute.

    Returns:
        The rows that change.
    """
    names = {old, os.path.abspath(old)}  # noqa: PTH100 - resolving needs the folder to be there
    moved: list[SourceRow] = []
    for row in rows:
        path = _pure(row.source_primary_path)
        for name in names:
            folder = type(path)(name)
            if path.is_relative_to(folder):
                place = new.joinpath(*path.relative_to(folder).parts)
                moved.append(row._replace(source_primary_path=str(place)))
                break
    return moved


def _pure(path: str) -> PurePath:
    """A path by the rules of the system that it is from."""
    return PurePosixPath(path) if path.startswith("/") else PureWindowsPath(path)
