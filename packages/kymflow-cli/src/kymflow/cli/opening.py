"""Opening datasets, and finding images by the names that people use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING

from kymflow.cli.errors import UnknownNameError
from kymflow.cli.guesses import guess
from kymflow.cli.options import DEFAULT_WAIT_S, Durability
from kymflow.cli.safe_text import command
from kymflow.cli.source_names import file_order, short_names, source_name, source_path

if TYPE_CHECKING:
    from kymflow_zarr import ManifestEntry, ZarrDataset

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
        name: An image id, the first characters of one, or the end of the path of its source file,
            the ending left out or not.

    Raises:
        UnknownNameError: No image, or more than one, goes by that name.
    """
    from kymflow_zarr import AmbiguousImageError, ImageNotFoundError

    manifest = dataset.load_manifest()
    if name in manifest.damaged:
        return name
    try:
        return dataset.find(name).image_id
    except AmbiguousImageError as error:
        found = error.candidates
        names = short_names(source_of(entry) for entry in manifest.entries.values())
        sources = {one: source_of(manifest.entries.get(one)) or "" for one in found}
        scenes = shared_scenes(dataset, filter(None, map(manifest.entries.get, found)))
        known = sorted(found, key=lambda one: file_order(sources[one], scenes.get(one)))
        # Two images of one file have one name.
        called = [names.get(sources[one], "") for one in known]
        shown = [
            repr(name) if name and called.count(name) == 1 else f"{one} ({name})"
            for one, name in zip(known[:_MOST_NAMED], called, strict=False)
        ]
        more = ["…"] if len(found) > _MOST_NAMED else []
        raise UnknownNameError(
            f"{name!r} matches {len(found)} images: {', '.join([*shown, *more])}",
            hint="give more of the path, or of the id: " + command("ls", dataset.location),
        ) from error
    except ImageNotFoundError as error:
        files = {source_name(path) for one in manifest.entries.values() if (path := source_of(one))}
        raise UnknownNameError(
            f"there is no image {name!r}",
            hint=guess(
                name,
                {*files, *(source_path(file).stem for file in files)},
                otherwise="name it by id, first characters of it, or file: "
                + command("ls", dataset.location),
            ),
        ) from error


def shared_scenes(
    dataset: ZarrDataset,
    entries: Iterable[ManifestEntry],
    *,
    known: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Which of its file's images each is, by image id: of images that share a file.

    Only their records are opened. It is empty for all images of a file that is one image, and for
    one that is damaged, as check and info say.

    Args:
        dataset: The dataset.
        entries: All its images.
        known: What an earlier call found, which stays as it is.
    """
    by_file: dict[str, list[str]] = {}
    for entry in entries:
        if (source := source_of(entry)) is not None:
            by_file.setdefault(source, []).append(entry.image_id)
    shared = chain.from_iterable(ids for ids in by_file.values() if len(ids) > 1)
    if not (unknown := [each for each in shared if each not in known]):
        return dict(known)

    from kymflow.core.metadata import load_source
    from kymflow_zarr import CorruptDataError, ImageNotFoundError

    scenes = dict(known)
    for image_id in unknown:
        try:
            scenes[image_id] = load_source(dataset.record(image_id)).scene or ""
        except (CorruptDataError, ImageNotFoundError):
            scenes[image_id] = ""
    return scenes


def source_of(entry: ManifestEntry | None) -> str | None:
    """The file that an image was made of; None if there is none."""
    if entry is None or entry.source is None:
        return None
    return entry.source.source_primary_path
