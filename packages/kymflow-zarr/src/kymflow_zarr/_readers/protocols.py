"""What a plug-in provides to read image files, or headers beside them."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable
from unicodedata import normalize

import numpy as np
import numpy.typing as npt

from kymflow_zarr._readers.channels import shared_stem
from kymflow_zarr._readers.facts import Facts
from kymflow_zarr._readers.files import read_bounded
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.vendor_text import decode_vendor_text

FOLDER_CALIBRATION: Final = ".kymflow.toml"
"""Name of the file in which a person calibrates all images of a folder, and of those below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderListing:
    """The files of one folder.

    Attributes:
        folder: The folder.
        names: The names of its files, sorted; hidden files and subfolders are left out.
        follow_links: Whether `read_bytes` reads a symbolic link as the file that it leads to.
        calibration: The nearest ``.kymflow.toml``, of the folder or one above it, or None.
    """

    folder: Path
    names: tuple[str, ...]
    follow_links: bool = False
    calibration: Path | None = None

    def with_suffix(self, suffixes: Sequence[str]) -> list[str]:
        """The names with one of these endings, which may be in capitals."""
        endings = tuple(suffixes)
        last = tuple(ending.rpartition(".")[2] for ending in endings)
        return sorted(
            name
            for shared, names in _by_ending(self.names).items()
            if shared.endswith(last)
            for name in names
            if name.lower().endswith(endings)
        )

    def own(self, name: str, suffix: str) -> Path | None:
        """The file with exactly an image's stem and another ending, such as ``".txt"``, or None."""
        return self._called(name.rpartition(".")[0], suffix)

    def beside(self, path: Path, suffix: str) -> Path | None:
        """The file beside an image that has another ending, such as ``".txt"``, or None.

        It has the image's stem, for ``scan.ome.tif`` also ``scan``. For a channel's file such as
        ``scan_C001.tif``, ``scan`` serves, too, unless that is the stem of another image's header.
        """
        stem, _, ending = path.name.rpartition(".")
        found = self._called(stem, suffix)
        if found is None and stem.lower().endswith(".ome"):
            found = self._called(stem[: -len(".ome")], suffix)
        if found is not None:
            return found
        shared = shared_stem(path.name)
        if shared and self._called(shared, f".{ending.lower()}") is None:
            return self._called(shared, suffix)
        return None

    def name_of(self, path: Path) -> str:
        """The name of a file as seen from the folder: ``../.kymflow.toml`` of one above it."""
        if path != self.calibration:
            return path.name
        return os.path.relpath(path, self.folder.resolve()).replace(os.sep, "/")

    def named(self, name: str) -> Path | None:
        """The file of this name, also if its ending is in capitals, or None."""
        stem, _, ending = name.rpartition(".")
        return self._called(stem, f".{ending.lower()}")

    def _called(self, stem: str, suffix: str) -> Path | None:
        """A stem's file; a Mac may have written an accent in it as a separate character."""
        forms = [stem]
        if not stem.isascii():
            forms += [normalize("NFC", stem), normalize("NFD", stem)]
        for form in forms:
            start = f"{form}."
            for number in range(bisect_left(self.names, start), len(self.names)):
                name = self.names[number]
                if not name.startswith(start):
                    break
                if name[len(form) :].lower() == suffix:
                    return self.folder / name
        return None

    def read_bytes(self, path: Path, *, max_bytes: int) -> bytes:
        """A whole file of the folder: a regular one, of bounded size, links only where allowed.

        Raises:
            UnreadableImageError: It cannot be read, is larger, or changed meanwhile.
        """
        return read_bounded(path, limit=max_bytes, follow_symlinks=self.follow_links)

    def read_text(self, path: Path, *, limits: ReadLimits) -> str:
        """`read_bytes` as text, in whatever encoding the vendor's computer had.

        UTF-8 and UTF-16 are recognized, with and without a mark; other text is Windows-1252.

        Raises:
            UnreadableImageError: It cannot be read, or exceeds ``limits.max_vendor_text_bytes``.
        """
        return decode_vendor_text(self.read_bytes(path, max_bytes=limits.max_vendor_text_bytes))


@lru_cache(maxsize=1)
def _by_ending(names: tuple[str, ...]) -> dict[str, list[str]]:
    """Names by what follows their last dot, in lower case: each reader wants those of a few."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.rpartition(".")[2].lower(), []).append(name)
    return found


class OpenImage(Protocol):
    """One image in an open file.

    Any exception raised here is reported as a fault of this file, and stops only this file.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """The image's shape, without what other files hold."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Booleans, integers or floats, in native byte order."""

    @property
    def facts(self) -> Sequence[Facts]:
        """What the file says about itself, one entry for each source in it."""

    def iter_blocks(self, rows: int) -> Iterator[npt.NDArray[Any]]:
        """The pixels, in order along the first axis.

        Args:
            rows: Entries along that axis in each block but the last. Memory should be bounded by
                one block.

        Yields:
            Arrays of shape ``(rows, *shape[1:])`` and type `dtype`; the last may be shorter.
        """

    def close(self) -> None:
        """Close the file; nothing is asked afterwards."""


@runtime_checkable
class ImageReader(Protocol):
    """Reads the image files of one format."""

    @property
    def name(self) -> str:
        """Its name, unique among readers."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The endings of its files in lower case, such as ``(".npy",)``."""

    def claims(self, listing: FolderListing) -> Collection[str]:
        """Which files of a folder this reader opens as images; no file is opened for this.

        A reader that names `ImageReader` as its base class claims those with its suffixes.
        """
        return listing.with_suffix(self.suffixes)

    def open(self, path: Path, *, limits: ReadLimits) -> OpenImage:
        """Open an image file.

        Args:
            path: A regular file that `claims` names.
            limits: Bounds on what the file may ask for. The size of the pixels is checked by the
                caller; a reader checks what it decodes before that.
        """


@runtime_checkable
class SceneReader(ImageReader, Protocol):
    """Reads files that may hold several images, or scenes: each becomes an image of its own.

    `ImageReader.open` opens the first of them, with a warning that names the others.
    """

    def scenes(self, path: Path, *, limits: ReadLimits) -> Sequence[str]:
        """The names of a file's images, each once, line scans first.

        Args:
            path: A regular file that `claims` names.
            limits: As for `ImageReader.open`.
        """

    def open_scene(self, path: Path, scene: str, *, limits: ReadLimits) -> OpenImage:
        """Open one of the images that `scenes` names."""


@runtime_checkable
class HeaderReader(Protocol):
    """Reads what a file beside an image, or one for its whole folder, says about it."""

    @property
    def name(self) -> str:
        """Its name, unique among header readers."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The endings of the files that it reads.

        Of two channels' files that each have one of these beside them, each is an image.
        """

    def find(self, path: Path, listing: FolderListing) -> Path | None:
        """The file that says something about an image, by the names alone; None if there is none.

        Where it changes or comes later, a refresh says so.
        """

    def read(
        self, path: Path, listing: FolderListing, *, shape: tuple[int, ...], limits: ReadLimits
    ) -> Facts | None:
        """What is said about an image.

        Args:
            path: The image file.
            listing: The files of its folder.
            shape: The image's shape.
            limits: Bounds on what a file may ask for.

        Returns:
            The facts; None if `find` finds no file, or it is of another kind.

        Raises:
            UnreadableImageError: There is one that cannot be read.
        """


@dataclass(frozen=True, slots=True)
class ArrayImage:
    """An `OpenImage` over anything with a shape and a dtype that can be sliced, such as a memmap.

    Attributes:
        array: The pixels.
        facts: What the file says about itself.
    """

    array: npt.NDArray[Any]
    facts: tuple[Facts, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype in native byte order."""
        return self.array.dtype.newbyteorder("=")

    def iter_blocks(self, rows: int) -> Iterator[npt.NDArray[Any]]:
        """See `OpenImage.iter_blocks`."""
        for start in range(0, len(self.array), rows):
            yield np.asarray(self.array[start : start + rows], dtype=self.dtype)

    def close(self) -> None:
        """Nothing to close: the array's memory goes with it."""
