"""Opening datasets, and finding images by the names that people use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath, PureWindowsPath
from typing import TYPE_CHECKING

from kymflow.cli.errors import UnknownNameError
from kymflow.cli.guesses import guess
from kymflow.cli.options import DEFAULT_WAIT_S, Durability
from kymflow.cli.safe_text import command

if TYPE_CHECKING:
    from kymflow_zarr import ManifestEntry, ZarrDataset

__all__ = ["find_image", "open_reader", "open_writer", "source_name", "source_of"]

_SHORTEST_PREFIX = 4
_MOST_NAMED = 5


def open_reader(dataset: str, *, wait_s: float = DEFAULT_WAIT_S) -> ZarrDataset:
    """Open a dataset that exists, to look at it.

    Args:
        dataset: Its path or URL.
        wait_s: How long to wait for another process, where that matters.

    Raises:
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    from kymflow_zarr import ZarrDataset

    return ZarrDataset(dataset, mode="r", lock_timeout_s=wait_s)


def open_writer(
    dataset: str, *, wait_s: float = DEFAULT_WAIT_S, durability: Durability = "batch"
) -> ZarrDataset:
    """Open a dataset that exists, to change it.

    Args:
        dataset: Its path or URL.
        wait_s: How long to wait for another writer.
        durability: What survives a power cut.

    Raises:
        kymflow_zarr.NotADatasetError: There is none, and none is created.
    """
    from kymflow_zarr import ZarrDataset

    return ZarrDataset(dataset, mode="r+", durability=durability, lock_timeout_s=wait_s)


def find_image(dataset: ZarrDataset, name: str) -> str:
    """The id of the image that a person means.

    Args:
        dataset: The dataset.
        name: An image id, the first few characters of one, or a source file: its name, with or
            without ending, or its path.

    Raises:
        UnknownNameError: No image, or more than one, goes by that name.
    """
    manifest = dataset.load_manifest()
    entries = manifest.entries
    if name in entries or name in manifest.damaged:
        return name
    from_file = [image_id for image_id, entry in entries.items() if _is_source(entry, name)]
    if len(from_file) == 1:
        return from_file[0]
    if len(from_file) > 1:
        raise UnknownNameError(
            f"{name!r} is the source of {len(from_file)} images: {_some(from_file)}",
            hint="name one of them by its id",
        )
    by_id: list[str] = []
    if len(name) >= _SHORTEST_PREFIX:
        by_id = [image_id for image_id in entries if image_id.startswith(name.lower())]
    if len(by_id) == 1:
        return by_id[0]
    if by_id:
        raise UnknownNameError(
            f"{name!r} begins the ids of {len(by_id)} images: {_some(by_id)}",
            hint="give more of the id",
        )
    raise UnknownNameError(f"there is no image {name!r}", hint=_hint(dataset, entries, name))


def _hint(dataset: ZarrDataset, entries: Mapping[str, ManifestEntry], name: str) -> str:
    files = {source_name(path) for entry in entries.values() if (path := source_of(entry))}
    otherwise = "name it by id, first characters of it, or file: " + command("ls", dataset.location)
    return guess(name, {*files, *(PurePath(file).stem for file in files)}, otherwise=otherwise)


def source_name(path: str) -> str:
    """The file name at the end of a path, whichever system wrote it."""
    if "\\" in path and "/" not in path:
        return PureWindowsPath(path).name
    return PurePath(path).name


def source_of(entry: ManifestEntry | None) -> str | None:
    """The file that an image was made of; None if there is none."""
    if entry is None or entry.source is None:
        return None
    return entry.source.source_primary_path


def _is_source(entry: ManifestEntry, name: str) -> bool:
    path = source_of(entry)
    if path is None:
        return False
    file = source_name(path)
    return name in (path, file, PurePath(file).stem)


def _some(image_ids: list[str]) -> str:
    named = ", ".join(image_ids[:_MOST_NAMED])
    return f"{named}, …" if len(image_ids) > _MOST_NAMED else named
