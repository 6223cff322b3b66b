"""Finding an image by what people call it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import PurePosixPath

from kymflow_zarr._catalog.sources import SourceRow
from kymflow_zarr.errors import AmbiguousImageError, ImageNotFoundError


def find_image_id(name: str, image_ids: Iterable[str], sources: Iterable[SourceRow]) -> str:
    """The image that a name stands for, as `ZarrDataset.find` explains it; errors are the same."""
    ids = set(image_ids)
    if name in ids:
        return name
    wanted = _parts(name)
    found = {
        row.image_id
        for row in sources
        if row.image_id in ids and _ends_with(_parts(row.source_primary_path), wanted)
    }
    # A file is named in full, so "a" is a.tif, however many ids begin with an a.
    found = found or {one for one in ids if name and one.startswith(name.lower())}
    if not found:
        raise ImageNotFoundError(name)
    if len(found) > 1:
        raise AmbiguousImageError(name, candidates=tuple(sorted(found)))
    return found.pop()


def _parts(path: str) -> list[str]:
    """Folders and file name, whichever system wrote the path."""
    return os.path.normcase(path).replace("\\", "/").split("/")


def _ends_with(parts: list[str], wanted: list[str]) -> bool:
    *folders, file = parts[-len(wanted) :]
    return folders == wanted[:-1] and wanted[-1] in {file, PurePosixPath(file).stem}
