"""A dataset, or some of its images, as plain files."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args

from kymflow_zarr._artifacts.table_kind import TABLE
from kymflow_zarr._catalog.listing import list_image_ids
from kymflow_zarr._catalog.sources import SOURCES, SourceRow, rows_to_table
from kymflow_zarr._catalog.sources_index import SourcesIndex
from kymflow_zarr._export.artifact_files import PlainArtifact, plain_artifact
from kymflow_zarr._export.folder import ExportFolder
from kymflow_zarr._export.image import export_image, put_artifacts, read_listing, remove_image
from kymflow_zarr._export.manifest import (
    IMAGES,
    MANIFEST,
    TABLES,
    ExportedFile,
    ExportManifest,
    TableFormat,
)
from kymflow_zarr._export.outcome import ExportReport
from kymflow_zarr._progress import ProgressCallback
from kymflow_zarr._records.artifacts import StoredArtifact
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.json_text import JsonValue
from kymflow_zarr._storage.spelling import spelled_on_disk
from kymflow_zarr._tables.parquet import table_to_bytes
from kymflow_zarr._tables.spreadsheet import write_csv
from kymflow_zarr._tables.tables import Tables
from kymflow_zarr.errors import (
    AlreadyExistsError,
    CorruptDataError,
    ExportError,
    ImageNotFoundError,
    NotADatasetError,
    SourceFolderError,
)
from kymflow_zarr.record import open_record
from kymflow_zarr.schema import DatasetSchema, software_version


def export_folder(
    blobs: BlobStore,
    directory: Path,
    *,
    include_tiff: bool,
    include_tables: bool,
    table_format: TableFormat,
    image_ids: Collection[str] | None,
    lock_timeout_s: float,
    progress: ProgressCallback,
) -> ExportReport:
    """Write a dataset as plain files. Arguments and errors: `ZarrDataset.export_legacy_folder`.

    Afterwards the folder holds exactly what was asked for. Files that already have the same
    contents are left untouched. Files of an earlier export of the same dataset that are no longer
    wanted are removed, unless someone has changed them; nothing else is ever removed. The call may
    be interrupted at any time and repeated.
    """
    if table_format not in get_args(TableFormat):
        raise ValueError(f"table_format {table_format!r} is neither 'csv' nor 'parquet'")
    _check_place(directory, SourcesIndex(blobs).current(), dataset=blobs.location)
    existing = list_image_ids(blobs)
    wanted = existing if image_ids is None else sorted(set(image_ids))
    for image_id in sorted(set(wanted).difference(existing)):
        raise ImageNotFoundError(image_id)
    identity = _identity(blobs)
    with ExportFolder.open(directory, timeout_s=lock_timeout_s) as folder:
        earlier = _earlier_manifest(folder, identity)
        incomplete = ExportManifest(
            complete=False,
            dataset=identity,
            software=software_version(),
            include_tiff=include_tiff,
            include_tables=include_tables,
            table_format=table_format,
        )
        if earlier is not None:
            incomplete = replace(
                incomplete, images=earlier.images, tables=earlier.tables, left_out=earlier.left_out
            )
        folder.begin(incomplete)
        images: dict[str, str] = {}
        left_out: dict[str, str] = {}
        progress(0, len(wanted))
        for count, image_id in enumerate(wanted, start=1):
            digest, damaged = _export_image(folder, blobs, image_id, incomplete)
            if digest:
                images[image_id] = digest
            left_out |= damaged
            progress(count, len(wanted))
        tables: dict[str, ExportedFile] = {}
        if include_tables:
            prefix = f"{TABLES}/"
            old = {file.path: file for file in incomplete.tables.values()}
            files, damaged = put_artifacts(folder, prefix, _tables(blobs, table_format), old)
            tables = {prefix + path: file for path, file in files.items()}
            left_out |= damaged
        _remove_unwanted(folder, incomplete, images=images, tables=tables)
        folder.finish(
            replace(incomplete, complete=True, images=images, tables=tables, left_out=left_out)
        )
    if left_out:
        raise ExportError(left_out, tuple(sorted(images)))
    return ExportReport(
        directory=folder.root,
        image_ids=tuple(sorted(images)),
        table_names=tuple(sorted({file.name for file in tables.values()})),
        files_written=folder.written,
        files_unchanged=folder.unchanged,
        files_removed=folder.removed,
        files_kept=tuple(sorted(folder.kept)),
    )


def _check_place(directory: Path, rows: Iterable[SourceRow], *, dataset: str) -> None:
    """Refuse a folder that holds files that images were made of, or is above or below such a one.

    A refresh of that folder would ingest the export, and miss new recordings around it. In the
    dataset's own folder, it would be taken for damage.

    Raises:
        SourceFolderError: The folder is refused.
        ValueError: The folder is in the dataset.
        NotADirectoryError: A file is in its place.
    """
    place = spelled_on_disk(directory)
    there = next(filter(os.path.lexists, (place, *place.parents)))
    if not there.is_dir():
        raise NotADirectoryError(f"{str(there)!r} is not a folder; choose another place")
    if "://" not in dataset and place.is_relative_to(spelled_on_disk(Path(dataset))):
        raise ValueError(f"{str(place)!r} is in the dataset itself; choose another place")
    near: dict[str, bool] = {}
    for row in rows:
        folder, _ = os.path.split(row.source_primary_path)
        if folder not in near:
            source = Path(folder)
            near[folder] = place.is_relative_to(source) or source.is_relative_to(place)
        if near[folder] and os.path.lexists(row.source_primary_path):
            raise SourceFolderError(place, sources=Path(folder))


def _identity(blobs: BlobStore) -> dict[str, JsonValue]:
    """What distinguishes one dataset from another."""
    schema = DatasetSchema.read(blobs)
    if schema is None:
        raise NotADatasetError(blobs.location, "no dataset was found there", hint="check the path")
    return {"created_utc": schema.created_utc, "software": schema.software}


def _earlier_manifest(
    folder: ExportFolder, identity: Mapping[str, JsonValue]
) -> ExportManifest | None:
    """What an earlier export into a folder says of itself; None where there was none.

    Raises:
        AlreadyExistsError: Something that no export of this dataset wrote.
    """
    data = folder.read(MANIFEST)
    if data is None:
        for name in (IMAGES, TABLES):
            if folder.is_there(name):
                raise AlreadyExistsError(str(folder.root / name))
        return None
    earlier = ExportManifest.from_bytes(data, key=MANIFEST)
    if earlier.dataset.get("created_utc") != identity["created_utc"]:
        raise AlreadyExistsError(str(folder.root / MANIFEST))
    return earlier


def _export_image(
    folder: ExportFolder, blobs: BlobStore, image_id: str, options: ExportManifest
) -> tuple[str, dict[str, str]]:
    """Export one image: the digest of its listing, empty if it has none; and what was left out."""
    try:
        record = open_record(blobs, image_id, writable=False)
        return export_image(
            folder,
            blobs,
            record,
            include_tiff=options.include_tiff,
            table_format=options.table_format,
        )
    except ImageNotFoundError:  # deleted since it was listed
        return "", {}
    except CorruptDataError as error:
        kept = read_listing(folder, image_id) is not None
        return options.images.get(image_id, "") if kept else "", {error.key: error.reason}


def _tables(blobs: BlobStore, table_format: TableFormat) -> Iterator[PlainArtifact]:
    """The dataset's tables."""
    for name in Tables(blobs).names():
        table = StoredArtifact(name=name, kind=TABLE.name, key=f"{TABLES}/{name}.parquet")
        plain = plain_artifact(blobs, table)
        if name == SOURCES:
            plain = _current_sources(blobs, plain)
        yield plain if table_format == "csv" else replace(plain, show=None)


def _current_sources(blobs: BlobStore, sources: PlainArtifact) -> PlainArtifact:
    """The sources index, made of the records' provenances where it is out of date."""
    rows = cache(lambda: rows_to_table(SourcesIndex(blobs).current()))
    return replace(
        sources,
        write=lambda stream: stream.write(table_to_bytes(rows())),
        show=lambda stream: write_csv(stream, rows().schema, [rows()]),
    )


def _remove_unwanted(
    folder: ExportFolder,
    earlier: ExportManifest,
    *,
    images: Collection[str],
    tables: Collection[str],
) -> None:
    """Remove images and tables that this or an earlier run wrote and that are not wanted."""
    for image_id in folder.listed_images():
        if image_id not in images:
            remove_image(folder, image_id)
    for path, file in earlier.tables.items():
        if path not in tables:
            folder.remove(path, file)
