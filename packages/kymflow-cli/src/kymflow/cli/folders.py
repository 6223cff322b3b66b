"""The folders that a dataset grows from, as far as its images tell."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath, PureWindowsPath
from typing import TYPE_CHECKING

from kymflow.cli.errors import OutputFileError

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset

__all__ = ["require_outside", "source_folders", "topmost"]


def source_folders(dataset: ZarrDataset) -> tuple[str, ...]:
    """The folders that the dataset's images came from, sorted. They need not exist any more."""
    found = {
        str(_path(entry.source.source_primary_path).parent)
        for entry in dataset.load_manifest().entries.values()
        if entry.source is not None
    }
    return tuple(sorted(found))


def require_outside(place: Path, dataset: str) -> None:
    """Refuse to write foreign files into a dataset.

    Raises:
        OutputFileError: The place lies inside.
    """
    if "://" not in dataset and place.resolve().is_relative_to(Path(dataset).resolve()):
        raise OutputFileError(
            str(place), "it would lie inside the dataset", hint="name a place outside of it"
        )


def topmost(folders: Iterable[Path]) -> tuple[Path, ...]:
    """Those folders that lie in no other one of them."""
    kept: list[Path] = []
    for folder in sorted(folders):
        if not any(folder.is_relative_to(above) for above in kept):
            kept.append(folder)
    return tuple(kept)


def _path(text: str) -> PurePath:
    # A dataset may have been filled on a system of the other kind.
    return PureWindowsPath(text) if "\\" in text and "/" not in text else PurePath(text)
