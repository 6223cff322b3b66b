"""Ingesting an export.

Images keep their ids, so that rows of tables still name them. An image that the dataset already
has, with the same pixels, is left alone; a different image under its id is an error. The provenance
is kept as it was exported: the file that the image was made of has not changed. When and by what
the new record was made is in the record's own document.

Rows of a dataset table are added for images that have none there yet, so that the next run
completes one that was interrupted between images and tables.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from kymflow_zarr._artifacts.json_kind import JSON
from kymflow_zarr._catalog.listing import IMAGES, list_image_ids
from kymflow_zarr._catalog.refresh_plan import RefreshPlan
from kymflow_zarr._catalog.sources import (
    SOURCES,
    SourceFile,
    SourceRow,
    row_to_json,
    rows_from_table,
    source_from_provenance,
)
from kymflow_zarr._catalog.sources_index import SourcesIndex
from kymflow_zarr._export.merge import merge_table
from kymflow_zarr._export.reader import ExportContents, ExportedImage, read_export
from kymflow_zarr._ingest.batch import in_batches
from kymflow_zarr._ingest.outcome import IngestOutcome, failed
from kymflow_zarr._pixels.layout import check_axes, check_dtype, resolve_chunks
from kymflow_zarr._readers.headers.payload import read_payload_header
from kymflow_zarr._records.build import stage_artifact, stage_record
from kymflow_zarr._records.document import read_record_document
from kymflow_zarr._records.facts import METADATA, PROVENANCE
from kymflow_zarr._storage.blobs import BlobStore, Staging
from kymflow_zarr._storage.json_text import JsonValue
from kymflow_zarr._tables.tables import Tables
from kymflow_zarr.errors import (
    CorruptDataError,
    InvalidNameError,
    SchemaValidationError,
    UnreadableImageError,
)

logger = logging.getLogger(__name__)

PROVENANCE_EXPORTED = "provenance_exported"
"""The JSON artifact that keeps an exported provenance that does not describe this image."""


def plan_ingest_export(blobs: BlobStore, directory: Path) -> RefreshPlan:
    """What `iter_ingest_export` would do: an image of the export stands as a file, its folder."""
    contents = read_export(directory)
    new: list[SourceFile] = []
    unchanged: list[SourceFile] = []
    refused: dict[Path, UnreadableImageError] = {}
    for image_id in contents.image_ids:
        folder = contents.folder(image_id)
        try:
            image, is_new = _open_image(blobs, contents, image_id)
        except UnreadableImageError as error:
            refused[folder] = error
            continue
        file = SourceFile(
            paths=(str(folder),), mtime_ns=folder.stat().st_mtime_ns, size_bytes=image.nbytes
        )
        (new if is_new else unchanged).append(file)
    return RefreshPlan(
        new=tuple(new), changed=(), unchanged_states=tuple(unchanged), gone=(), refused=refused
    )


def _open_image(
    blobs: BlobStore, contents: ExportContents, image_id: str
) -> tuple[ExportedImage, bool]:
    """An image of the export, and whether the dataset lacks it.

    Raises:
        UnreadableImageError: It is damaged, or the dataset has another one under its id.
    """
    with _as_unreadable(contents.folder(image_id)):
        image = contents.image(image_id)
        known = read_record_document(blobs, image_id)
    if known is not None and known.digest != image.listing.pixels_digest:
        raise UnreadableImageError(
            image.pixels_path,
            f"the dataset has other pixels under the image id {image_id!r}; "
            "delete one of the two, or ingest the export into another dataset",
        )
    return image, known is None


@contextmanager
def _as_unreadable(path: Path) -> Iterator[None]:
    """What is wrong inside, as an error that names a file or folder of the export."""
    try:
        yield
    except (SchemaValidationError, CorruptDataError, InvalidNameError) as error:
        raise UnreadableImageError(path, str(error)) from error


def iter_ingest_export(
    blobs: BlobStore, directory: Path, *, one_by_one: bool, lock_timeout_s: float
) -> Iterator[IngestOutcome]:
    """Add an export to a dataset of the current format.

    Returns:
        An outcome per new image once it is published, and one per image, table or edited CSV that
        failed; none for images that the dataset has already.

    Raises:
        UnreadableImageError: It is not an export, or was interrupted.
        UnsupportedFormatError: It was written by a newer version.
        LockedError: Another writer holds the lock.
    """
    contents = read_export(directory)  # before the first outcome is asked for
    return _ingest(blobs, contents, one_by_one=one_by_one, lock_timeout_s=lock_timeout_s)


def _ingest(
    blobs: BlobStore, contents: ExportContents, *, one_by_one: bool, lock_timeout_s: float
) -> Iterator[IngestOutcome]:
    lock = partial(
        blobs.lock, action=f"ingest the export {contents.directory}", timeout_s=lock_timeout_s
    )
    rows = _exported_sources(contents)
    batches = in_batches(
        _new_images(blobs, contents),
        size_of=lambda item: item.nbytes if isinstance(item, ExportedImage) else 0,
        one_by_one=one_by_one,
    )
    done: list[IngestOutcome] | None = []
    while done is not None:
        with lock("ingest"):  # whether an image is new is seen while this is held
            batch = next(batches, None)
            done = None if batch is None else _ingest_batch(blobs, batch, rows)
        yield from done or ()
    with lock("ingest"), lock("tables"):
        added = list(_ingest_tables(blobs, contents, rows))
    yield from added


def _ingest_batch(
    blobs: BlobStore,
    batch: Sequence[ExportedImage | IngestOutcome],
    rows: Mapping[str, SourceRow],
) -> list[IngestOutcome]:
    """Publish a batch, and report what is wrong with files of its images."""
    outcomes = [item for item in batch if isinstance(item, IngestOutcome)]
    images = [item for item in batch if isinstance(item, ExportedImage)]
    with blobs.staging(IMAGES, [image.image_id for image in images]) as staging:
        outcomes += [_ingest_image(staging, image, rows.get(image.image_id)) for image in images]
        staging.publish([done.image_id for done in outcomes if done.error is None])
    for image in images:
        outcomes += map(_edited_file_outcome, image.edited_files())
    return outcomes


def _new_images(
    blobs: BlobStore, contents: ExportContents
) -> Iterator[ExportedImage | IngestOutcome]:
    """The images that the dataset lacks, and outcomes for those that are damaged."""
    for image_id in contents.image_ids:
        try:
            image, is_new = _open_image(blobs, contents, image_id)
        except UnreadableImageError as error:
            yield failed(contents.folder(image_id), error)
        else:
            if is_new:
                yield image


def _ingest_image(staging: Staging, image: ExportedImage, row: SourceRow | None) -> IngestOutcome:
    """Stage one image."""
    try:
        with _as_unreadable(image.folder):
            source = _stage_image(staging, image, row)
    except UnreadableImageError as error:
        staging.discard(image.image_id)
        return failed(image.folder, error)
    return IngestOutcome(path=image.folder, image_id=image.image_id, source=source)


def _edited_file_outcome(path: Path) -> IngestOutcome:
    """The outcome for a file for people that someone has changed."""
    reason = (
        "it was changed after the export, and is not read: another file beside it holds the table; "
        "change the table in a dataset instead, or remove this file"
    )
    return failed(path, UnreadableImageError(path, reason))


def _exported_sources(contents: ExportContents) -> dict[str, SourceRow]:
    """Image id → its row in the exported sources index: all that format 1 knows of its file."""
    if SOURCES not in contents.table_names:
        return {}
    try:
        rows = rows_from_table(contents.load_table(SOURCES))
    except (UnreadableImageError, SchemaValidationError) as error:
        logger.warning("the exported sources index is not used: %s", error)
        return {}
    return {row.image_id: row for row in rows}


def _stage_image(staging: Staging, image: ExportedImage, row: SourceRow | None) -> SourceRow | None:
    """Stage an image with all that belongs to it; returns where it is from."""
    listing = image.listing
    check_axes(listing.axes, listing.shape)
    dtype = check_dtype(_dtype(listing.dtype))
    chunks = resolve_chunks(listing.shape, dtype, None)
    paths, documents = _stage_artifacts(staging, image)
    source = documents.get(PROVENANCE, {}).get("source")
    if not isinstance(source, dict):
        source = None if row is None else row_to_json(row)
    header = documents.get(METADATA, {}).get("header")
    steps = read_payload_header(header, shape=listing.shape).steps
    document = stage_record(
        staging,
        listing.image_id,
        image.iter_pixels(chunks[0], dtype=dtype),
        shape=listing.shape,
        dtype=dtype,
        axes=listing.axes,
        chunks=chunks,
        scale={axis: step.value for axis, step in steps.items()},
        unit={axis: step.unit for axis, step in steps.items()},
        metadata=None,
        source=source,
        artifacts=paths,
    )
    if document.digest != listing.pixels_digest:
        raise UnreadableImageError(
            image.pixels_path,
            "its pixels differ from those that were exported; restore it, or export again",
        )
    return row or source_from_provenance(listing.image_id, {"source": source})


def _dtype(name: str) -> np.dtype[np.generic]:
    try:
        return np.dtype(name)
    except TypeError as error:
        raise SchemaValidationError(f"{name!r} is not a pixel data type; export again") from error


def _stage_artifacts(
    staging: Staging, image: ExportedImage
) -> tuple[list[str], dict[str, dict[str, JsonValue]]]:
    """Stage all artifacts; a provenance that is not of this image under a name of its own.

    Returns:
        Their paths, relative to the record's folder, and those that are JSON objects, by name.
    """
    paths: dict[str, str] = {}
    documents: dict[str, dict[str, JsonValue]] = {}
    for restored in image.iter_artifacts():
        artifact = restored
        if artifact.kind is JSON and isinstance(artifact.value, dict):
            documents[artifact.name] = artifact.value
        if artifact.path == JSON.path(PROVENANCE) and not _describes(image, documents):
            artifact = replace(artifact, name=PROVENANCE_EXPORTED)
        path = artifact.path
        if path.lower() in paths:
            raise InvalidNameError(
                path, kind="artifact", reason="another artifact of the image differs only in case"
            )
        paths[path.lower()] = stage_artifact(
            staging, image.image_id, artifact.kind, artifact.name, artifact.value
        )
    return list(paths.values()), documents


def _describes(image: ExportedImage, documents: Mapping[str, Mapping[str, JsonValue]]) -> bool:
    """Whether the provenance says what the new record's must."""
    provenance = documents.get(PROVENANCE, {})
    subject = provenance.get("image_id"), provenance.get("pixels_digest")
    return subject == (image.image_id, image.listing.pixels_digest)


def _ingest_tables(
    blobs: BlobStore, contents: ExportContents, rows: Mapping[str, SourceRow]
) -> Iterator[IngestOutcome]:
    """Add the rows of dataset tables; outcomes for those that fail."""
    tables = Tables(blobs)
    here = set(list_image_ids(blobs))
    for name in contents.table_names:
        if name == SOURCES:
            continue
        path = contents.table_path(name)
        try:
            with _as_unreadable(path):
                merge_table(tables, name, contents.load_table(name), contents.image_ids, here)
        except UnreadableImageError as error:
            yield failed(path, error)
    yield from map(_edited_file_outcome, contents.edited_tables())
    sources = SourcesIndex(blobs)
    try:
        stored, is_damaged = {row.image_id for row in sources.stored()}, False
    except (CorruptDataError, SchemaValidationError):  # `rows_to_store` logs it
        stored, is_damaged = set(), True
    # The exported index knows of files that moved after they were ingested; provenances do not.
    moved = [row for image_id, row in rows.items() if image_id in here - stored]
    current = sources.rows_to_store(extra=moved)
    if is_damaged or {row.image_id for row in current} != stored:
        sources.save(current)
