"""Files that images were made of, after they have moved."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

from kymflow_zarr._catalog.recorded_source import SourceFacts
from kymflow_zarr._catalog.sources import SourceRow, row_to_json


def relocated_rows(rows: Iterable[SourceRow], old: str, new: Path) -> list[SourceRow]:
    """The rows of the sources index whose files have moved, with the paths that they have now.

    `old` is the folder, or the file itself, as it was called, on this system or on another one;
    `new` is where that is now, absolute.
    """
    places = [_relocated(row.source_primary_path, old, new) for row in rows]
    return [
        row._replace(source_primary_path=place)
        for row, place in zip(rows, places, strict=True)
        if place is not None
    ]


def relocated_source(source: SourceFacts, row: SourceRow, old: str, new: Path) -> SourceFacts:
    """What a record says of its file after that has moved.

    `row` is as `relocated_rows` returned it, for the same `old` and `new`.
    """
    files = source.get("files")
    others = (
        [path for path in files[1:] if isinstance(path, str)] if isinstance(files, list) else []
    )
    return {
        **row_to_json(row),
        **source,
        "primary_path": row.source_primary_path,
        "files": [row.source_primary_path, *(_relocated(it, old, new) or it for it in others)],
    }


def _relocated(path: str, old: str, new: Path) -> str | None:
    """Where a file is now; None if it was not in what has moved."""
    was = _pure(path)
    for name in {old, os.path.abspath(old)}:  # noqa: PTH100 - resolving needs the folder there
        folder = type(was)(name)
        if was.is_relative_to(folder):
            return str(new.joinpath(*was.relative_to(folder).parts))
    return None


def _pure(path: str) -> PurePath:
    """A path by the rules of the system that it is from."""
    return PurePosixPath(path) if path.startswith("/") else PureWindowsPath(path)
