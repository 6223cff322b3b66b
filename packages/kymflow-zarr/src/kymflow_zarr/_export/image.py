"""One image's folder in an export."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from kymflow_zarr._export.folder import ExportFolder, Stage
from kymflow_zarr._export.image_files import (
    pixels_tags,
    stage_array,
    stage_gzipped_csv,
    stage_json,
    stage_pixels,
    stage_table,
    tags_digest,
)
from kymflow_zarr._export.manifest import (
    IMAGES,
    LISTING,
    PIXELS,
    ExportedFile,
    FileKind,
    ImageListing,
    TableFormat,
    file_path,
)
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr.errors import CorruptDataError, InvalidNameError, NotFoundError
from kymflow_zarr.record import ZarrImageRecord

__all__ = ["export_image", "read_listing", "remove_image"]


@dataclass(frozen=True, slots=True)
class _Item:
    """One artifact to export: its key, the kinds of file that it may become, and how."""

    key: str
    name: str
    kinds: tuple[FileKind, ...]
    stage: Callable[[Stage], ExportedFile]


def export_image(
    folder: ExportFolder,
    blobs: BlobStore,
    record: ZarrImageRecord,
    *,
    include_tiff: bool,
    table_format: TableFormat,
) -> tuple[str, dict[str, str]]:
    """Write one image's files, then the listing that names them.

    Files that an earlier listing names and this one does not are removed. A damaged artifact is
    left out; if an earlier export holds a whole copy of it, that stays.

    Returns:
        The SHA-256 of the listing, and what was left out: key → reason.
    """
    prefix = f"{IMAGES}/{record.image_id}/"
    previous = read_listing(folder, record.image_id)
    old = {} if previous is None else dict(previous.files)
    files: dict[str, ExportedFile] = {}
    left_out: dict[str, str] = {}
    digest = record.pixels_digest
    with folder.stage() as stage:
        if include_tiff:
            try:
                files[PIXELS], digest = _pixels(folder, stage, prefix, record, previous)
            except CorruptDataError as error:
                left_out[error.key] = error.reason
                _keep_old(folder, prefix, (PIXELS,), old, files)
        for item in _items(blobs, record, prefix, table_format, files):
            try:
                file = item.stage(stage)
            except NotFoundError:  # deleted since it was listed
                continue
            except (CorruptDataError, InvalidNameError) as error:
                left_out[item.key] = error.reason
                paths = tuple(file_path(kind, item.name) for kind in item.kinds)
                _keep_old(folder, prefix, paths, old, files)
            else:
                files[file_path(file.kind, file.name)] = file
        stage.commit()
    for path, file in old.items():
        if path not in files:
            folder.remove(prefix + path, file)
    listing = ImageListing(
        image_id=record.image_id,
        created_utc=record.created_utc,
        shape=record.shape,
        dtype=record.dtype.name,
        axes=record.get_axes(),
        pixels_digest=digest,
        files=files,
    ).to_bytes()
    folder.put(prefix + LISTING, listing)
    return hashlib.sha256(listing).hexdigest(), left_out


def remove_image(folder: ExportFolder, image_id: str) -> None:
    """Remove an image that an earlier export wrote; files that were changed since stay."""
    prefix = f"{IMAGES}/{image_id}/"
    listing = read_listing(folder, image_id)
    if listing is None:
        return
    for path, file in listing.files.items():
        folder.remove(prefix + path, file)
    folder.remove_listing(prefix + LISTING)


def read_listing(folder: ExportFolder, image_id: str) -> ImageListing | None:
    """The listing that an earlier export left of an image; None where there is none to rely on."""
    key = f"{IMAGES}/{image_id}/{LISTING}"
    data = folder.read(key)
    if data is None:
        return None
    try:
        listing = ImageListing.from_bytes(data, key=key)
    except CorruptDataError:
        return None
    return listing if listing.image_id == image_id else None


def _pixels(
    folder: ExportFolder,
    stage: Stage,
    prefix: str,
    record: ZarrImageRecord,
    previous: ImageListing | None,
) -> tuple[ExportedFile, str]:
    """Stage the pixels, unless the file of an earlier export holds them under the same tags."""
    tags = pixels_tags(record)
    known = None if previous is None else previous.files.get(PIXELS)
    if (
        previous is not None
        and known is not None
        and record.pixels_digest
        and previous.pixels_digest == record.pixels_digest
        and known.tags_sha256 == tags_digest(tags)
        and folder.holds(prefix + PIXELS, known)
    ):
        stage.keep()
        return known, record.pixels_digest
    return stage_pixels(stage, prefix, record, tags)


def _items(
    blobs: BlobStore,
    record: ZarrImageRecord,
    prefix: str,
    table_format: TableFormat,
    files: dict[str, ExportedFile],
) -> Iterable[_Item]:
    """All artifacts of a record; tables before gzipped CSV, which gives way to them."""
    keys: dict[str, dict[str, str]] = {"json": {}, "table": {}, "csv": {}, "array": {}}
    for artifact in record.artifacts.entries():
        keys[artifact.kind].setdefault(artifact.name, artifact.key)
    for name, key in keys["json"].items():
        stage = partial(stage_json, prefix=prefix, record=record, name=name)
        yield _Item(key, name, ("json",), stage)
    for name, key in keys["table"].items():
        table = partial(
            stage_table, prefix=prefix, blobs=blobs, key=key, name=name, table_format=table_format
        )
        yield _Item(key, name, ("csv", "parquet"), table)
    for name, key in keys["csv"].items():
        taken = file_path("csv", name) in files
        text = partial(
            stage_gzipped_csv, prefix=prefix, blobs=blobs, key=key, name=name, taken=taken
        )
        yield _Item(key, name, ("text_csv", "packed_csv"), text)
    for name, key in keys["array"].items():
        array = partial(stage_array, prefix=prefix, blobs=blobs, record=record, name=name, key=key)
        yield _Item(key, name, ("array",), array)


def _keep_old(
    folder: ExportFolder,
    prefix: str,
    paths: tuple[str, ...],
    old: dict[str, ExportedFile],
    files: dict[str, ExportedFile],
) -> None:
    """Keep what an earlier export holds of an artifact that cannot be read any more."""
    for path in paths:
        if path in old and folder.holds(prefix + path, old[path]):
            files[path] = old[path]
