"""An export must not be written among the files that images were made of."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from kymflow_zarr._catalog.sources import SourceRow
from kymflow_zarr.errors import SourceFolderError


def check_place(directory: Path, rows: Iterable[SourceRow]) -> None:
    """Refuse a folder that is a source's, or is above or below one.

    A refresh of that folder would ingest the export, and miss new recordings around it.

    Args:
        directory: The folder of the export; need not exist.
        rows: The sources index.

    Raises:
        SourceFolderError: The folder is refused.
    """
    place = directory.resolve()
    near: dict[str, bool] = {}
    for row in rows:
        folder, _ = os.path.split(row.source_primary_path)
        if folder not in near:
            source = Path(folder)
            near[folder] = place.is_relative_to(source) or source.is_relative_to(place)
        if near[folder] and os.path.lexists(row.source_primary_path):
            raise SourceFolderError(place, sources=Path(folder))
