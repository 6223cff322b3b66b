"""Which files of a folder are one image: by their names, their headers and their shapes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kymflow_zarr._artifacts.sidecars import stem_of
from kymflow_zarr._catalog.sources import BesideState, FileState
from kymflow_zarr._ingest.beside import state_beside
from kymflow_zarr._readers.channels import CHANNEL_NAMES, channel_number, group_channels
from kymflow_zarr._readers.files import stat_regular_file
from kymflow_zarr._readers.header import Header
from kymflow_zarr._readers.image_file import open_image
from kymflow_zarr._readers.protocols import FolderListing, ImageReader
from kymflow_zarr._readers.registry import HEADERS
from kymflow_zarr._storage.open_folder import OpenFolder
from kymflow_zarr.errors import UnreadableImageError
from kymflow_zarr.options import IngestOptions


def group_files(
    listing: FolderListing, images: Mapping[str, ImageReader], options: IngestOptions
) -> tuple[tuple[str, ...], ...]:
    """Group images by their names and, unless options say otherwise, by the headers beside them.

    Returns:
        For each image the names of its files, lowest channel first.
    """
    if isinstance(options.channels, re.Pattern):
        return group_channels(images, [options.channels])
    if options.channels == "off":
        return group_channels(images, ())
    suffixes = [suffix for reader in HEADERS.usable() for suffix in reader.suffixes]
    return group_channels(
        images,
        CHANNEL_NAMES,
        has_header=lambda name: any(listing.own(name, suffix) for suffix in suffixes),
    )


def states_of(
    folder: OpenFolder,
    channels: tuple[str, ...],
    images: Mapping[str, ImageReader],
    beside: Mapping[str, tuple[str, ...]],
    options: IngestOptions,
) -> list[FileState]:
    """What a refresh compares: one state for the files of one image, from `group_files`.

    Files that differ in size are opened, and are an image each where their shapes or types differ,
    unless a person said what channels are. Some have headers and sidecars beside them.

    Raises:
        UnreadableImageError: One is not a regular file.
    """
    alone: list[FileState] = []
    for name in channels:
        found = stat_regular_file(folder, name, follow_links=options.follow_links)
        around: BesideState | None = None
        if options.sidecars:
            others = beside.get(name)
            around = (
                state_beside(folder, others, follow_links=options.follow_links) if others else ()
            )
        alone.append(((folder.path + name,), found.st_mtime_ns, found.st_size, around))
    if len(alone) == 1 or (
        options.channels == "auto" and _are_separate_images(alone, images, options)
    ):
        return alone
    paths, times, sizes, arounds = zip(*alone, strict=True)
    return [(tuple(path for (path,) in paths), max(times), sum(sizes), arounds[0])]


def _are_separate_images(
    states: list[FileState], images: Mapping[str, ImageReader], options: IngestOptions
) -> bool:
    """Whether files are not channels of one image; ingest reports those that cannot be opened."""
    if len({size for _, _, size, _ in states}) == 1:
        return False
    forms: set[tuple[tuple[int, ...], str]] = set()
    for (path,), *_ in states:
        try:
            with open_image(
                Path(path),
                images.get(os.path.basename(path)),  # noqa: PTH119 - paths are text here
                limits=options.limits,
                follow_links=options.follow_links,
            ) as image:
                forms.add((image.shape, image.dtype.name))
        except UnreadableImageError:
            return False
    return len(forms) > 1


def header_of_channels(
    header: Header, files: Sequence[Path], beside: Mapping[str, Sequence[str]]
) -> Header:
    """What was read with the first channel's file, for the files that make the image.

    Of a header that describes more channels than there are files, those count whose numbers are in
    the names: ``scan_C002.tif`` alone is the second. Files beside those of further channels, by the
    stems of these, are not ingested, and named in a warning.
    """
    channels, warnings = header.channels, header.warnings
    if len(channels) > len(files) and "c" not in header.axes:
        numbers = [channel_number(path.name) or 0 for path in files]
        if min(numbers) >= 1 and max(numbers) <= len(channels):
            channels = tuple(channels[number - 1] for number in numbers)
    left = [name for path in files[1:] for name in beside.get(stem_of(path.name), ())]
    if left:
        text = f"{', '.join(map(repr, left))} belong to further channels and are not ingested"
        warnings = (*warnings, f"{text}; with channels='off' each channel is an image of its own")
    if channels is header.channels and not left:
        return header
    return replace(header, channels=channels, warnings=warnings)
