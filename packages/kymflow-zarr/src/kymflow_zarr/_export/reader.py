"""What an export holds, read and checked file by file."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kymflow_zarr._artifacts.array_kind import ARRAY
from kymflow_zarr._export.cells import unescape_csv_text
from kymflow_zarr._export.csv_tables import bare_schema, read_csv
from kymflow_zarr._export.manifest import (
    IMAGES,
    LISTING,
    MANIFEST,
    PIXELS,
    ExportedFile,
    ExportManifest,
    ImageListing,
    file_path,
)
from kymflow_zarr._export.pixels import reblocked
from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._readers.files import read_bounded
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.tiff import open_tiff
from kymflow_zarr._readers.translate import translated
from kymflow_zarr._storage.json_text import MAX_BYTES, JsonValue, loads
from kymflow_zarr.errors import CorruptDataError, UnreadableImageError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ExportContents", "ExportedImage", "is_export", "read_export"]

_BLOCK_BYTES = 32 * 2**20
_ALTERED = "it is not the file that was exported; restore it, or export again"


def is_export(directory: Path) -> bool:
    """Whether a folder is an export: it holds ``kymflow_export.json``."""
    return (directory / MANIFEST).is_file()


def read_export(directory: Path) -> ExportContents:
    """Open an export.

    Args:
        directory: Its folder.

    Returns:
        What it holds; nothing but the manifest is read yet.

    Raises:
        UnreadableImageError: There is no manifest, it is damaged, or the export was cut off.
        UnsupportedFormatError: It was written by a newer version.
    """
    path = directory / MANIFEST
    data = read_bounded(path, limit=MAX_BYTES)
    try:
        manifest = ExportManifest.from_bytes(data, key=MANIFEST)
    except CorruptDataError as error:
        raise UnreadableImageError(path, f"{error.reason}; export again") from error
    if not manifest.complete:
        raise UnreadableImageError(path, "the export was cut off; let it finish by exporting again")
    return ExportContents(directory=directory, manifest=manifest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportContents:
    """An export.

    Attributes:
        directory: Its folder.
        manifest: What it says of itself.
    """

    directory: Path
    manifest: ExportManifest

    @property
    def image_ids(self) -> tuple[str, ...]:
        """The images in it, sorted."""
        return tuple(sorted(self.manifest.images))

    @property
    def table_names(self) -> tuple[str, ...]:
        """The dataset tables in it, sorted."""
        return tuple(sorted(file.name for file in self.manifest.tables.values()))

    def folder(self, image_id: str) -> Path:
        """The folder of an image."""
        return self.directory / IMAGES / image_id

    def image(self, image_id: str) -> ExportedImage:
        """One image.

        Raises:
            UnreadableImageError: Its listing is not the one that the manifest names.
        """
        path = self.folder(image_id) / LISTING
        data = read_bounded(path, limit=MAX_BYTES)
        if hashlib.sha256(data).hexdigest() != self.manifest.images[image_id]:
            raise UnreadableImageError(path, _ALTERED)
        try:
            listing = ImageListing.from_bytes(data, key=LISTING)
        except CorruptDataError as error:
            raise UnreadableImageError(path, f"{error.reason}; export again") from error
        if listing.image_id != image_id:
            raise UnreadableImageError(path, f"it lists the files of {listing.image_id!r}")
        return ExportedImage(folder=path.parent, listing=listing)

    def iter_images(self) -> Iterator[ExportedImage]:
        """All images, sorted by id.

        Raises:
            UnreadableImageError: See `image`.
        """
        return map(self.image, self.image_ids)

    def table_path(self, name: str) -> Path:
        """The file of a dataset table."""
        return self.directory / self._table(name)[0]

    def load_table(self, name: str) -> pa.Table:
        """A dataset table.

        Raises:
            UnreadableImageError: Its file is not the one that was exported.
        """
        path, file = self._table(name)
        return _load_table(self.directory / path, file)

    def _table(self, name: str) -> tuple[str, ExportedFile]:
        (found,) = ((at, file) for at, file in self.manifest.tables.items() if file.name == name)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedImage:
    """One image of an export. Every file is compared with its digest before it is used.

    Attributes:
        folder: Its folder.
        listing: What the folder holds.
    """

    folder: Path
    listing: ImageListing

    @property
    def image_id(self) -> str:
        """The id that it had in the dataset."""
        return self.listing.image_id

    @property
    def pixels_path(self) -> Path:
        """Its TIFF."""
        return self.folder / PIXELS

    def iter_pixels(self, rows: int, *, dtype: np.dtype[np.generic]) -> Iterator[AnyArray]:
        """The pixels, in bounded memory.

        The caller compares them with the listing's digest.

        Args:
            rows: Entries along the first axis of each block but the last.
            dtype: The type that they are to have, which the listing names.

        Yields:
            Arrays of shape ``(n, *shape[1:])``.

        Raises:
            UnreadableImageError: There are none, or the TIFF holds others than the listing says.
        """
        path, listing = self.pixels_path, self.listing
        if PIXELS not in listing.files:
            raise UnreadableImageError(path, "the export holds no pixels; export with them")
        # Its own pages and pixels are many only where those of the image are.
        usual = ReadLimits()
        limits = ReadLimits(
            max_pages=max(usual.max_pages, math.prod(listing.shape[:-1])),
            max_pixel_bytes=max(usual.max_pixel_bytes, math.prod(listing.shape) * dtype.itemsize),
        )
        with open_tiff(path, limits=limits) as tiff:
            stored = np.dtype(np.uint8) if dtype.kind == "b" else dtype
            if math.prod(tiff.shape) != math.prod(listing.shape) or tiff.dtype != stored:
                raise UnreadableImageError(path, _ALTERED)
            tiff_rows = max(1, _BLOCK_BYTES // (tiff.nbytes // tiff.shape[0]))
            blocks = tiff.iter_blocks(tiff_rows)
            yield from reblocked(blocks, shape=listing.shape, rows=rows, dtype=dtype)

    def iter_json(self) -> Iterator[tuple[str, JsonValue]]:
        """The JSON artifacts by name, the metadata payload and the provenance among them.

        Raises:
            UnreadableImageError: One is not the file that was exported.
        """
        for file, path in self._files("json"):
            data = _read(path, file)
            try:
                yield file.name, loads(data, key=path.name)
            except CorruptDataError as error:
                raise UnreadableImageError(path, error.reason) from error

    def iter_tables(self) -> Iterator[tuple[str, pa.Table]]:
        """The table artifacts by name.

        Raises:
            UnreadableImageError: One is not the file that was exported.
        """
        for file, path in (*self._files("csv"), *self._files("parquet")):
            yield file.name, _load_table(path, file)

    def iter_gzipped_csv(self) -> Iterator[tuple[str, bytes | str]]:
        """The artifacts that the dataset keeps as gzipped CSV by name: bytes if packed, else text.

        Raises:
            UnreadableImageError: One is not the file that was exported.
        """
        for file, path in self._files("packed_csv"):
            yield file.name, _read(path, file)
        for file, path in self._files("text_csv"):
            data = _read(path, file)
            with translated(path):
                text = data.decode("utf-8")
                text = unescape_csv_text(text) if file.escaped else text
            yield file.name, text

    def iter_arrays(self) -> Iterator[tuple[str, tuple[str, ...], AnyArray]]:
        """The array artifacts: name, names of the dimensions, contents.

        Raises:
            UnreadableImageError: One is not the file that was exported.
        """
        for file, path in self._files("array"):
            _read(path, file)
            array = ARRAY.read_file(path)
            axes = file.axes or tuple(f"dim_{number}" for number in range(array.ndim))
            yield file.name, axes, array

    def _files(self, kind: str) -> list[tuple[ExportedFile, Path]]:
        return [
            (file, self.folder / file_path(file.kind, file.name))
            for _, file in sorted(self.listing.files.items())
            if file.kind == kind
        ]


def _read(path: Path, file: ExportedFile) -> bytes:
    data = read_bounded(path, limit=max(file.size_bytes, 1))
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise UnreadableImageError(path, _ALTERED)
    return data


def _load_table(path: Path, file: ExportedFile) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = _read(path, file)
    with translated(path):
        if file.kind == "csv":
            return read_csv(data, arrow_schema=file.arrow_schema, categories=file.categories)
        with pq.ParquetFile(
            pa.BufferReader(data), page_checksum_verification=True, pre_buffer=False
        ) as parquet:
            table = parquet.read(use_threads=False)
            return table.replace_schema_metadata(bare_schema(table.schema).metadata)
