"""Readers of image files, and of headers beside them: how to add a format.

A reader is a class with a name, the suffixes of its files, `ImageReader.claims` and
`ImageReader.open`; a distribution offers it by an entry point of the group
``kymflow_zarr.readers``. What is beside image files is read by a `HeaderReader`, of the group
``kymflow_zarr.headers``. Both say what they found as `Facts`.
"""

from __future__ import annotations

from kymflow_zarr._readers.facts import Channel, Facts, Rank
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.protocols import (
    ArrayImage,
    FolderListing,
    HeaderReader,
    ImageReader,
    OpenImage,
    SceneReader,
)
from kymflow_zarr._readers.registry import HEADERS, READERS, ReaderInfo, ReaderRole
from kymflow_zarr._readers.units import Quantity, quantity

__all__ = [
    "ArrayImage",
    "Channel",
    "Facts",
    "FolderListing",
    "HeaderReader",
    "ImageReader",
    "OpenImage",
    "Quantity",
    "Rank",
    "ReadLimits",
    "ReaderInfo",
    "ReaderRole",
    "SceneReader",
    "find_readers",
    "quantity",
    "register_header",
    "register_reader",
    "unregister",
]


def find_readers() -> tuple[ReaderInfo, ...]:
    """All readers of images and headers, also those that cannot be used, with the reason."""
    return (*READERS.infos(), *HEADERS.infos())


def register_reader(reader: ImageReader) -> None:
    """Add a reader of image files for this process; plug-ins use an entry point instead.

    Raises:
        ReaderError: It lacks a part of `ImageReader`, or its name is in use.
    """
    READERS.register(reader)


def register_header(reader: HeaderReader) -> None:
    """Add a reader of headers for this process; plug-ins use an entry point instead.

    Raises:
        ReaderError: It lacks a part of `HeaderReader`, or its name is in use.
    """
    HEADERS.register(reader)


def unregister(name: str) -> None:
    """Remove a reader that was registered in this process; those of distributions stay."""
    READERS.unregister(name)
    HEADERS.unregister(name)
