"""One image's folder in an export."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO

import numpy as np

from kymflow_zarr._export.artifact_files import PlainArtifact, iter_artifacts
from kymflow_zarr._export.folder import ExportFolder
from kymflow_zarr._export.manifest import (
    IMAGES,
    LISTING,
    PIXELS,
    SPREADSHEET,
    ExportedFile,
    ImageListing,
    TableFormat,
    file_path,
)
from kymflow_zarr._export.tiff import tiff_facts, write_tiff
from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._records.format1 import find_record_document
from kymflow_zarr._records.pixels import iter_pixels, pixels_key
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._tables.spreadsheet import NotShownError
from kymflow_zarr.errors import (
    CorruptDataError,
    ImageNotFoundError,
    InvalidNameError,
    NotFoundError,
    SchemaValidationError,
)
from kymflow_zarr.record import ZarrImageRecord

logger = logging.getLogger(__name__)


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
    if include_tiff:
        try:
            files[PIXELS], digest = _put_pixels(folder, blobs, record, previous)
        except CorruptDataError as error:
            left_out[error.key] = error.reason
            if PIXELS in old and folder.holds(prefix + PIXELS, old[PIXELS]):
                files[PIXELS] = old[PIXELS]
    artifacts = iter_artifacts(blobs, record, table_format=table_format)
    written, damaged = put_artifacts(folder, prefix, artifacts, old)
    files |= written
    left_out |= damaged
    for key in record.artifacts.unregistered_keys():
        left_out[key] = "its artifact kind is not registered; register it, then export again"
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
    folder.put(prefix + LISTING, lambda stream: stream.write(listing))
    return hashlib.sha256(listing).hexdigest(), left_out


def put_artifacts(
    folder: ExportFolder,
    prefix: str,
    artifacts: Iterable[PlainArtifact],
    old: Mapping[str, ExportedFile],
) -> tuple[dict[str, ExportedFile], dict[str, str]]:
    """Write artifacts, or dataset tables, into a folder; its `prefix` ends with a ``/``.

    Returns:
        The files by path below `prefix`, and what was left out: key → reason. Of the latter, whole
        copies that an earlier export made (`old`) are among the files.
    """
    files: dict[str, ExportedFile] = {}
    left_out: dict[str, str] = {}

    def put(
        kind: str, name: str, write: Callable[[BinaryIO], object], *, axes: tuple[str, ...] = ()
    ) -> None:
        path = file_path(kind, name)
        state = folder.put(prefix + path, write)
        files[path] = ExportedFile(
            kind=kind, name=name, size_bytes=state.size_bytes, sha256=state.sha256, axes=axes
        )

    for artifact in artifacts:
        try:
            put(artifact.kind, artifact.name, artifact.write, axes=artifact.axes)
            if artifact.show is not None:
                put(SPREADSHEET, artifact.name, artifact.show)
        except NotFoundError:  # deleted since it was listed
            continue
        except NotShownError as error:
            logger.info("%r has no CSV: %s", artifact.key, error)
        except (CorruptDataError, InvalidNameError, SchemaValidationError) as error:
            left_out[artifact.key] = (
                str(error) if isinstance(error, SchemaValidationError) else error.reason
            )
            for path, earlier in old.items():
                if artifact.matches(earlier) and folder.holds(prefix + path, earlier):
                    files.setdefault(path, earlier)
    return files, left_out


def remove_image(folder: ExportFolder, image_id: str) -> None:
    """Remove an image that an earlier export wrote; files that were changed since stay."""
    prefix = f"{IMAGES}/{image_id}/"
    listing = read_listing(folder, image_id)
    if listing is None:
        return
    for path, file in listing.files.items():
        folder.remove(prefix + path, file)
    folder.delete(prefix + LISTING)


def read_listing(folder: ExportFolder, image_id: str) -> ImageListing | None:
    """The listing of an image in an earlier export; None if there is none, or it is unreliable."""
    key = f"{IMAGES}/{image_id}/{LISTING}"
    data = folder.read(key)
    if data is None:
        return None
    try:
        listing = ImageListing.from_bytes(data, key=key)
    except CorruptDataError:
        return None
    return listing if listing.image_id == image_id else None


def _put_pixels(
    folder: ExportFolder,
    blobs: BlobStore,
    record: ZarrImageRecord,
    previous: ImageListing | None,
) -> tuple[ExportedFile, str]:
    """Write the pixels, unless the file of an earlier export holds them under the same tags.

    Returns:
        The file, and the digest over the pixels.

    Raises:
        CorruptDataError: The pixels are not what the record's document says.
    """
    path = f"{IMAGES}/{record.image_id}/{PIXELS}"
    facts = tiff_facts(record)
    known = None if previous is None else previous.files.get(PIXELS)
    if (
        previous is not None
        and known is not None
        and record.pixels_digest
        and previous.pixels_digest == record.pixels_digest
        and known.tags_sha256 == facts.sha256
        and folder.holds(path, known)
    ):
        folder.keep()
        return known, record.pixels_digest
    document = find_record_document(blobs, record.image_id)
    if document is None:
        raise ImageNotFoundError(record.image_id)
    parts = iter_pixels(blobs, document)  # before a file is laid out for what a document declares
    sha = hashlib.sha256()

    def blocks() -> Iterator[AnyArray]:
        for block in parts:
            plain = np.ascontiguousarray(block, dtype=record.dtype)
            sha.update(plain.data)
            yield plain

    def write(stream: BinaryIO) -> None:
        write_tiff(stream, blocks(), facts)
        if record.pixels_digest not in {"", f"sha256:{sha.hexdigest()}"}:
            raise CorruptDataError(pixels_key(document), "the digest over all its elements differs")

    state = folder.put(path, write)
    file = ExportedFile(
        kind="pixels",
        name="",
        size_bytes=state.size_bytes,
        sha256=state.sha256,
        tags_sha256=facts.sha256,
    )
    return file, f"sha256:{sha.hexdigest()}"
