"""What an export holds, read and checked file by file.

A file that is not the one that was exported is an `UnreadableImageError`.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kymflow_zarr._export.artifact_files import RestoredArtifact, restore
from kymflow_zarr._export.manifest import (
    IMAGES,
    LISTING,
    MANIFEST,
    PIXELS,
    TABLES,
    ExportedFile,
    ExportManifest,
    ImageListing,
)
from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._readers.files import read_bounded
from kymflow_zarr._readers.image_file import open_image
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.recut import recut
from kymflow_zarr._readers.tiff_reader import TiffReader
from kymflow_zarr._readers.translate import translated
from kymflow_zarr._storage.inner_folder import open_root
from kymflow_zarr._storage.json_text import MAX_BYTES
from kymflow_zarr.errors import CorruptDataError, UnreadableImageError

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_BYTES = 32 * 2**20
_ALTERED = "it is not the file that was exported; restore it, or export again"


def is_export(directory: Path) -> bool:
    """Whether a folder is an export: it holds ``kymflow_export.json``."""
    return (directory / MANIFEST).is_file()


def read_export(directory: Path) -> ExportContents:
    """Open an export; nothing but its manifest is read yet.

    Raises:
        UnreadableImageError: There is no manifest, it is damaged, or the export was interrupted.
        UnsupportedFormatError: It was written by a newer version.
    """
    path = directory / MANIFEST
    data = read_bounded(path, limit=MAX_BYTES)  # does not follow links
    try:
        manifest = ExportManifest.from_bytes(data, key=MANIFEST)
    except CorruptDataError as error:
        raise UnreadableImageError(path, f"{error.reason}; export again") from error
    if not manifest.complete:
        raise UnreadableImageError(path, "the export was interrupted; finish it by exporting again")
    return ExportContents(directory=directory, manifest=manifest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportContents:
    """An export: its folder, and what it says of itself."""

    directory: Path
    manifest: ExportManifest

    @property
    def image_ids(self) -> tuple[str, ...]:
        """The images in it, sorted."""
        return tuple(sorted(self.manifest.images))

    @property
    def table_names(self) -> tuple[str, ...]:
        """The dataset tables in it, sorted."""
        return tuple(sorted(self._tables))

    def folder(self, image_id: str) -> Path:
        """The folder of an image."""
        return self.directory / IMAGES / image_id

    def image(self, image_id: str) -> ExportedImage:
        """One image."""
        path = self.folder(image_id) / LISTING
        _check_inside(self.directory, path.parent)
        data = read_bounded(path, limit=MAX_BYTES)
        if hashlib.sha256(data).hexdigest() != self.manifest.images[image_id]:
            raise UnreadableImageError(path, _ALTERED)
        try:
            listing = ImageListing.from_bytes(data, key=LISTING)
        except CorruptDataError as error:
            raise UnreadableImageError(path, f"{error.reason}; export again") from error
        if listing.image_id != image_id:
            raise UnreadableImageError(path, f"it lists the files of {listing.image_id!r}")
        for file in listing.files.values():
            _check_inside(self.directory, (path.parent / file.path).parent)
        return ExportedImage(folder=path.parent, listing=listing)

    def table_path(self, name: str) -> Path:
        """The file that a dataset table is read back from."""
        return self.directory / TABLES / self._tables[name].path

    def load_table(self, name: str) -> pa.Table:
        """A dataset table."""
        path, file = self.table_path(name), self._tables[name]
        _check_inside(self.directory, path.parent)
        data = _read(path, file)
        with translated(path):
            table: pa.Table = restore(file, data).value
        return table

    def edited_tables(self) -> list[Path]:
        """Files of dataset tables for people that someone has changed."""
        return _find_edited(self.directory, self.directory / TABLES, self.manifest.tables.values())

    @property
    def _tables(self) -> dict[str, ExportedFile]:
        files = self.manifest.tables.values()
        return {file.name: file for file in files if not file.is_for_people}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedImage:
    """One image of an export. Every file is compared with its digest before it is used."""

    folder: Path
    listing: ImageListing

    @property
    def image_id(self) -> str:
        """The id that it had in the dataset."""
        return self.listing.image_id

    @property
    def nbytes(self) -> int:
        """The size of its files."""
        return sum(file.size_bytes for file in self.listing.files.values())

    @property
    def pixels_path(self) -> Path:
        """Its TIFF."""
        return self.folder / PIXELS

    def iter_pixels(self, rows: int, *, dtype: np.dtype[np.generic]) -> Iterator[AnyArray]:
        """The pixels, some rows at a time; the caller compares them with the listing's digest.

        Raises:
            UnreadableImageError: There are none, or the TIFF holds others than the listing says.
        """
        path, listing = self.pixels_path, self.listing
        if PIXELS not in listing.files:
            raise UnreadableImageError(
                path, "the export holds no pixels; export again with include_tiff=True"
            )
        # It may have as many pages and pixels as the image has, and no more.
        usual = ReadLimits()
        limits = ReadLimits(
            max_pages=max(usual.max_pages, math.prod(listing.shape[:-1])),
            max_pixel_bytes=max(usual.max_pixel_bytes, math.prod(listing.shape) * dtype.itemsize),
        )
        with open_image(path, TiffReader(), limits=limits) as tiff:
            stored = np.dtype(np.uint8) if dtype.kind == "b" else dtype
            if math.prod(tiff.shape) != math.prod(listing.shape) or tiff.dtype != stored:
                raise UnreadableImageError(path, _ALTERED)
            each = math.prod(tiff.shape[1:]) * tiff.dtype.itemsize
            blocks = tiff.iter_blocks(max(1, _BLOCK_BYTES // each))
            length, row = listing.shape[0], math.prod(listing.shape[1:])
            sizes = (min(rows, length - start) * row for start in range(0, length, rows))
            for part in recut(blocks, sizes, stored):
                yield part.view(dtype).reshape(-1, *listing.shape[1:])

    def iter_artifacts(self) -> Iterator[RestoredArtifact]:
        """All artifacts."""
        for file in self.listing.files.values():
            if file.is_artifact:
                path = self.folder / file.path
                data = _read(path, file)
                with translated(path):
                    restored = restore(file, data)
                yield restored

    def edited_files(self) -> list[Path]:
        """Files for people that someone has changed."""
        return _find_edited(self.folder.parents[1], self.folder, self.listing.files.values())


def _check_inside(directory: Path, folder: Path) -> None:
    """Refuse a folder of an export that is reached through a link."""
    try:
        with (
            open_root(str(directory)) as root,
            root.inner(folder.relative_to(directory).as_posix()),
        ):
            pass
    except CorruptDataError as error:
        raise UnreadableImageError(directory / error.key, error.reason) from error
    except (FileNotFoundError, NotADirectoryError):
        return  # reading the file reports it


def _read(path: Path, file: ExportedFile) -> bytes:
    """A file of an export; refused if it is not the one that was exported."""
    if path.is_file() and path.stat().st_size != file.size_bytes:
        raise UnreadableImageError(path, _ALTERED)
    data = read_bounded(path, limit=file.size_bytes)
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise UnreadableImageError(path, _ALTERED)
    return data


def _find_edited(directory: Path, folder: Path, files: Iterable[ExportedFile]) -> list[Path]:
    found = []
    for file in files:
        path = folder / file.path
        if file.is_for_people:
            try:
                _check_inside(directory, path.parent)
                if os.path.lexists(path):  # removing it is not an edit
                    _read(path, file)
            except UnreadableImageError:
                found.append(path)
    return found
