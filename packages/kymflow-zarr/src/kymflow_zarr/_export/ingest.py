"""An export taken into a dataset.

Images keep their ids, so that rows of tables still name them. An image that the dataset has, with
the same pixels, is left alone; another image under its id is an error. The provenance is kept as it
was exported: it says which file the image was once made of, and that has not changed. When and by
what the new record was made stands in the record's own document.

Rows of a dataset table are taken in for images that have none there yet, so that a run that was cut
off between images and tables is made good by the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kymflow_zarr._artifacts.json_kind import JSON
from kymflow_zarr._catalog.listing import IMAGES, list_image_ids
from kymflow_zarr._catalog.sources import (
    SOURCES,
    RefreshPlan,
    SourceFile,
    SourceRow,
    row_to_json,
    rows_from_table,
    source_from_provenance,
)
from kymflow_zarr._catalog.sources_index import SourcesIndex
from kymflow_zarr._export.artifact_files import RestoredArtifact
from kymflow_zarr._export.reader import ExportContents, ExportedImage, read_export
from kymflow_zarr._ingest.batch import in_batches
from kymflow_zarr._ingest.outcome import IngestOutcome, failed
from kymflow_zarr._pixels.layout import check_axes, check_dtype, resolve_chunks
from kymflow_zarr._readers.headers.payload import read_payload_header
from kymflow_zarr._records.build import stage_record
from kymflow_zarr._records.document import read_record_document
from kymflow_zarr._records.facts import METADATA, PROVENANCE
from kymflow_zarr._storage.blobs import BlobStore, Staging
from kymflow_zarr._storage.json_text import JsonValue
from kymflow_zarr._tables.replace import RowUpdate
from kymflow_zarr._tables.tables import IMAGE_ID, Tables
from kymflow_zarr.errors import (
    CorruptDataError,
    InvalidNameError,
    SchemaValidationError,
    UnreadableImageError,
)

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["PROVENANCE_EXPORTED", "iter_ingest_export", "plan_ingest_export"]

logger = logging.getLogger(__name__)

PROVENANCE_EXPORTED = "provenance_exported"
"""The JSON artifact that keeps an exported provenance which is none of this image."""


def plan_ingest_export(blobs: BlobStore, directory: Path) -> RefreshPlan:
    """What `iter_ingest_export` would do: an image of the export stands as a file, its folder.

    Args:
        blobs: The dataset's key space.
        directory: The export.

    Raises:
        UnreadableImageError: It is no export, or one that was cut off.
        UnsupportedFormatError: It was written by a newer version.
    """
    contents = read_export(directory)
    new: list[SourceFile] = []
    unchanged: list[SourceFile] = []
    refused: dict[Path, UnreadableImageError] = {}
    for image_id in contents.image_ids:
        folder = contents.folder(image_id)
        try:
            image = contents.image(image_id)
            known = _is_known(blobs, image)
        except UnreadableImageError as error:
            refused[folder] = error
        except CorruptDataError as error:
            refused[folder] = UnreadableImageError(folder, str(error))
        else:
            file = SourceFile(
                paths=(str(folder),),
                mtime_ns=folder.stat().st_mtime_ns,
                size_bytes=image.nbytes,
            )
            (unchanged if known else new).append(file)
    return RefreshPlan(
        new=tuple(new), changed=(), unchanged_states=tuple(unchanged), gone=(), refused=refused
    )


def _is_known(blobs: BlobStore, image: ExportedImage) -> bool:
    """Whether the dataset has an image, with the same pixels.

    Raises:
        UnreadableImageError: It has another one under that id.
        CorruptDataError: The one that it has is damaged.
    """
    known = read_record_document(blobs, image.image_id)
    if known is None:
        return False
    if known.digest != image.listing.pixels_digest:
        raise UnreadableImageError(
            image.pixels_path,
            f"the dataset has other pixels under the image id {image.image_id!r}; "
            "delete one of the two, or take the export into another dataset",
        )
    return True


def iter_ingest_export(
    blobs: BlobStore,
    directory: Path,
    *,
    one_by_one: bool = False,
    lock_timeout_s: float = 60.0,
) -> Iterator[IngestOutcome]:
    """Take an export into a dataset of the current format.

    Args:
        blobs: The dataset's key space.
        directory: The export.
        one_by_one: Publish each image on its own instead of in batches.
        lock_timeout_s: How long to wait for another writer.

    Returns:
        An outcome per new image once it is published, and one per image or table that failed; none
        for images that the dataset has already.

    Raises:
        UnreadableImageError: It is no export, or one that was cut off.
        UnsupportedFormatError: It was written by a newer version.
        LockedError: Another writer is at work.
    """
    contents = read_export(directory)
    return _ingest(blobs, contents, one_by_one=one_by_one, lock_timeout_s=lock_timeout_s)


def _ingest(
    blobs: BlobStore, contents: ExportContents, *, one_by_one: bool, lock_timeout_s: float
) -> Iterator[IngestOutcome]:
    action = f"take in {contents.directory}"
    with blobs.lock("ingest", action=action, timeout_s=lock_timeout_s):
        yield from _ingest_images(blobs, contents, one_by_one=one_by_one)
        with blobs.lock("tables", action=action, timeout_s=lock_timeout_s):
            yield from _ingest_tables(blobs, contents)


def _ingest_images(
    blobs: BlobStore, contents: ExportContents, *, one_by_one: bool
) -> Iterator[IngestOutcome]:
    rows = _exported_sources(contents)
    found = (_find_new(blobs, contents, image_id) for image_id in contents.image_ids)
    new = (item for item in found if item is not None)
    for batch in in_batches(new, size_of=_size_of, one_by_one=one_by_one):
        with blobs.staging(IMAGES) as staging:
            outcomes = [
                _ingest_image(staging, item, rows.get(item.image_id))
                if isinstance(item, ExportedImage)
                else item
                for item in batch
            ]
            staging.publish([done.image_id for done in outcomes if done.error is None])
        yield from outcomes
        for item in batch:
            if isinstance(item, ExportedImage):
                yield from map(_edited, item.edited_files())


def _find_new(
    blobs: BlobStore, contents: ExportContents, image_id: str
) -> ExportedImage | IngestOutcome | None:
    """An image that the dataset lacks, or what is wrong with it; None if it is there already."""
    folder = contents.folder(image_id)
    try:
        image = contents.image(image_id)
        return None if _is_known(blobs, image) else image
    except UnreadableImageError as error:
        return failed(folder, error)
    except CorruptDataError as error:
        return failed(folder, UnreadableImageError(folder, str(error)))


def _size_of(item: ExportedImage | IngestOutcome) -> int:
    return item.nbytes if isinstance(item, ExportedImage) else 0


def _ingest_image(staging: Staging, image: ExportedImage, row: SourceRow | None) -> IngestOutcome:
    """Stage one image."""
    try:
        source = _stage_image(staging, image, row)
    except (SchemaValidationError, CorruptDataError, InvalidNameError) as error:
        staging.discard(image.image_id)
        return failed(image.folder, UnreadableImageError(image.folder, str(error)))
    except UnreadableImageError as error:
        staging.discard(image.image_id)
        return failed(image.folder, error)
    return IngestOutcome(path=image.folder, image_id=image.image_id, source=source)


def _edited(path: Path) -> IngestOutcome:
    """What is said of a file for people that someone has changed."""
    reason = (
        "it was changed after the export, and is not read: another file beside it holds the table; "
        "change the table in a dataset instead, or remove this file"
    )
    return IngestOutcome(path=path, image_id="", error=UnreadableImageError(path, reason))


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
    artifacts = _artifacts(image)
    provenance = _document(artifacts, PROVENANCE)
    source = provenance.get("source")
    if not isinstance(source, dict):
        source = None if row is None else row_to_json(row)
    header = _document(artifacts, METADATA).get("header")
    steps = read_payload_header(
        header if isinstance(header, dict) else {}, shape=listing.shape
    ).steps
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
        artifacts=[artifact.stage(staging, listing.image_id) for artifact in artifacts.values()],
    )
    if document.digest != listing.pixels_digest:
        raise UnreadableImageError(
            image.pixels_path,
            "its pixels are not those that were exported; restore it, or export again",
        )
    return source_from_provenance(listing.image_id, {"source": source})


def _dtype(name: str) -> np.dtype[np.generic]:
    try:
        return np.dtype(name)
    except TypeError as error:
        raise SchemaValidationError(f"{name!r} is not a type of pixels; export again") from error


def _artifacts(image: ExportedImage) -> dict[str, RestoredArtifact]:
    """All artifacts by path in lower case; a provenance that is not of this image under its own.

    Raises:
        InvalidNameError: Two names differ only in case.
    """
    found: dict[str, RestoredArtifact] = {}
    for artifact in image.iter_artifacts():
        if artifact.path.lower() in found:
            raise InvalidNameError(
                artifact.path,
                kind="artifact",
                reason="another one of the image differs only in case",
            )
        found[artifact.path.lower()] = artifact
    provenance = _document(found, PROVENANCE)
    said = provenance.get("image_id"), provenance.get("pixels_digest")
    elsewhere = found.get(JSON.path(PROVENANCE))
    if elsewhere is not None and said != (image.image_id, image.listing.pixels_digest):
        del found[JSON.path(PROVENANCE)]
        found[JSON.path(PROVENANCE_EXPORTED)] = replace(elsewhere, name=PROVENANCE_EXPORTED)
    return found


def _document(artifacts: Mapping[str, RestoredArtifact], name: str) -> dict[str, JsonValue]:
    """A JSON artifact that is an object; an empty one where there is none."""
    artifact = artifacts.get(JSON.path(name))
    return artifact.value if artifact and isinstance(artifact.value, dict) else {}


def _ingest_tables(blobs: BlobStore, contents: ExportContents) -> Iterator[IngestOutcome]:
    """Take dataset tables in; outcomes for those that fail."""
    tables = Tables(blobs)
    here = set(list_image_ids(blobs))
    for name in contents.table_names:
        if name == SOURCES:  # derived: the provenances hold the same
            continue
        path = contents.table_path(name)
        try:
            _merge_table(tables, name, contents.load_table(name), contents.image_ids, here)
        except UnreadableImageError as error:
            yield IngestOutcome(path=path, image_id="", error=error)
        except (SchemaValidationError, CorruptDataError, InvalidNameError) as error:
            refused = UnreadableImageError(path, str(error))
            yield IngestOutcome(path=path, image_id="", error=refused)
    yield from map(_edited, contents.edited_tables())
    sources = SourcesIndex(blobs, tables)
    current = sources.rows_to_store()
    try:
        up_to_date = {row.image_id for row in sources.stored()} == {row.image_id for row in current}
    except (CorruptDataError, SchemaValidationError):  # `rows_to_store` has logged it
        up_to_date = False
    if not up_to_date:
        sources.save(current)


def _merge_table(
    tables: Tables, name: str, rows: pa.Table, exported: Iterable[str], here: set[str]
) -> None:
    """Bring a table's rows in for images that have none in the dataset's table.

    Raises:
        SchemaValidationError: They do not fit the dataset's table.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    keyed = IMAGE_ID in rows.schema.names and pa.types.is_string(rows.schema.field(IMAGE_ID).type)
    schema = tables.schema(name)
    if schema is None:
        if keyed:  # not those of images that could not be taken in
            gone = pa.array(sorted(set(exported) - here), pa.string())
            rows = rows.filter(pc.invert(pc.is_in(rows[IMAGE_ID], value_set=gone)))
        tables.save(name, rows)
        return
    if not keyed or IMAGE_ID not in schema.names:
        if not tables.load(name).equals(rows):
            raise SchemaValidationError(
                f"the dataset has another table {name!r}, and its rows name no images; "
                "rename or delete one of the two"
            )
        return
    candidates = sorted(here.intersection(exported))
    present = tables.load(name, columns=[IMAGE_ID], image_ids=candidates)
    missing = sorted(set(candidates).difference(present[IMAGE_ID].to_pylist()))
    fresh = rows.filter(pc.is_in(rows[IMAGE_ID], value_set=pa.array(missing, pa.string())))
    if len(fresh):
        update = RowUpdate(image_ids=frozenset(missing), rows=fresh)
        tables.replace_rows(
            name, [update], schema=rows.schema, keep_others=None, image_id_col=IMAGE_ID
        )
