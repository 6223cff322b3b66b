"""A dataset, or some of its images, as plain files."""

from __future__ import annotations

from collections.abc import Collection, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from kymflow_zarr._catalog.listing import list_image_ids
from kymflow_zarr._catalog.sources import SOURCES, rows_to_table
from kymflow_zarr._catalog.sources_index import SourcesIndex
from kymflow_zarr._export.folder import ExportFolder
from kymflow_zarr._export.image import export_image, read_listing, remove_image
from kymflow_zarr._export.image_files import stage_rows, stage_table
from kymflow_zarr._export.manifest import (
    IMAGES,
    LISTING,
    MANIFEST,
    TABLES,
    ExportedFile,
    ExportManifest,
    TableFormat,
    file_path,
)
from kymflow_zarr._export.outcome import ExportReport, ImageExport
from kymflow_zarr._progress import ProgressCallback, no_progress
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.json_text import JsonValue
from kymflow_zarr._tables.tables import Tables
from kymflow_zarr.errors import (
    AlreadyExistsError,
    CorruptDataError,
    ExportError,
    ImageNotFoundError,
    NotADatasetError,
    NotFoundError,
    SchemaValidationError,
)
from kymflow_zarr.record import ZarrImageRecord
from kymflow_zarr.schema import DatasetSchema, software_version

__all__ = ["export_folder", "iter_export"]

_LOCK_TIMEOUT_S = 60.0


def export_folder(
    blobs: BlobStore,
    directory: Path,
    *,
    include_tiff: bool = True,
    include_tables: bool = True,
    table_format: TableFormat = "csv",
    image_ids: Collection[str] | None = None,
    lock_timeout_s: float = _LOCK_TIMEOUT_S,
    progress: ProgressCallback = no_progress,
) -> ExportReport:
    """Write a dataset as plain files; `docs/export.md` describes them.

    Afterwards the folder holds exactly what was asked for. Files that are there already with the
    same contents are not touched. Of an earlier export of the same dataset, files that are not
    wanted any more are removed, unless someone has changed them; nothing else ever is. The call may
    be cut off at any time and made again.

    Args:
        blobs: The dataset's key space; only read.
        directory: The folder; made if it is not there.
        include_tiff: Whether pixels are written.
        include_tables: Whether dataset tables are written.
        table_format: How tables are written.
        image_ids: Which images; all if None.
        lock_timeout_s: How long to wait for another export into the same folder.
        progress: Told of the images; tables come after them.

    Returns:
        What was done.

    Raises:
        ExportError: Something is damaged; all that is not was exported, and of what is, a copy that
            an earlier export made stays.
        ImageNotFoundError: One of the images asked for is not there; nothing was written.
        AlreadyExistsError: The folder holds ``images`` or ``tables`` that no export wrote, or the
            export of another dataset. Other files in it are left alone.
        LockedError: Another process exports into the folder.
    """
    steps = iter_export(
        blobs,
        directory,
        include_tiff=include_tiff,
        include_tables=include_tables,
        table_format=table_format,
        image_ids=image_ids,
        lock_timeout_s=lock_timeout_s,
        progress=progress,
    )
    while True:
        try:
            next(steps)
        except StopIteration as end:
            report: ExportReport = end.value
            if report.left_out:
                raise ExportError(report.left_out, report.image_ids) from None
            return report


def iter_export(
    blobs: BlobStore,
    directory: Path,
    *,
    include_tiff: bool = True,
    include_tables: bool = True,
    table_format: TableFormat = "csv",
    image_ids: Collection[str] | None = None,
    lock_timeout_s: float = _LOCK_TIMEOUT_S,
    progress: ProgressCallback = no_progress,
) -> Generator[ImageExport, None, ExportReport]:
    """`export_folder`, telling of each image as it is done.

    The arguments and errors are those of `export_folder`, but damage is told of in the outcomes and
    the report. A caller that stops early leaves an export that says that it is not complete.

    Yields:
        An outcome per image.

    Returns:
        The report, as the generator's value.
    """
    if table_format not in get_args(TableFormat):
        raise ValueError(f"table_format {table_format!r} is neither 'csv' nor 'parquet'")
    existing = list_image_ids(blobs)
    wanted = existing if image_ids is None else sorted(set(image_ids))
    for image_id in sorted(set(wanted).difference(existing)):
        raise ImageNotFoundError(image_id)
    with ExportFolder.open(directory, timeout_s=lock_timeout_s) as folder:
        run = _Run(
            folder=folder,
            dataset=_identity(blobs),
            include_tiff=include_tiff,
            include_tables=include_tables,
            table_format=table_format,
        )
        run.begin()
        progress(0, len(wanted))
        for count, image_id in enumerate(wanted, start=1):
            done = run.export_image(blobs, image_id)
            progress(count, len(wanted))
            if done is not None:
                yield done
        run.export_tables(blobs)
        return run.finish()


def _identity(blobs: BlobStore) -> dict[str, JsonValue]:
    """What tells one dataset from another."""
    schema = DatasetSchema.read(blobs)
    if schema is None:
        raise NotADatasetError(blobs.location, "there is none; check the path")
    return {"created_utc": schema.created_utc, "software": schema.software}


@dataclass(slots=True, kw_only=True)
class _Run:
    """One export while it goes on."""

    folder: ExportFolder
    dataset: dict[str, JsonValue]
    include_tiff: bool
    include_tables: bool
    table_format: TableFormat
    images: dict[str, str] = field(default_factory=dict)
    tables: dict[str, ExportedFile] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    previous: ExportManifest | None = None

    def begin(self) -> None:
        """Look at what is there.

        Raises:
            AlreadyExistsError: Something that no export of this dataset wrote.
        """
        root = self.folder.root
        data = self.folder.read(MANIFEST)
        if data is None:
            for name in (IMAGES, TABLES):
                if (root / name).exists():
                    raise AlreadyExistsError(str(root / name))
        else:
            self.previous = ExportManifest.from_bytes(data, key=MANIFEST)
            if self.previous.dataset.get("created_utc") != self.dataset["created_utc"]:
                raise AlreadyExistsError(str(root / MANIFEST))
        self.folder.announce(self._say_incomplete)

    def export_image(self, blobs: BlobStore, image_id: str) -> ImageExport | None:
        """Export one image; None if it was deleted meanwhile."""
        try:
            record = ZarrImageRecord.open(blobs, image_id, writable=False)
            digest, left_out = export_image(
                self.folder,
                blobs,
                record,
                include_tiff=self.include_tiff,
                table_format=self.table_format,
            )
        except ImageNotFoundError:
            return None
        except CorruptDataError as error:
            left_out = {error.key: error.reason}
            digest = self._earlier(image_id)
        if digest:
            self.images[image_id] = digest
        self.left_out.update(left_out)
        return ImageExport(image_id=image_id, left_out=left_out)

    def export_tables(self, blobs: BlobStore) -> None:
        """Export the dataset's tables; the sources index as it should be."""
        if not self.include_tables:
            return
        tables = Tables(blobs)
        prefix = f"{TABLES}/"
        for name in tables.names():
            key = f"{TABLES}/{name}.parquet"
            try:
                with self.folder.stage() as stage:
                    if name == SOURCES:
                        rows = rows_to_table(SourcesIndex(blobs, tables).current())
                        file = stage_rows(stage, prefix, rows, name, self.table_format)
                    else:
                        file = stage_table(stage, prefix, blobs, key, name, self.table_format)
                    stage.commit()
            except NotFoundError:  # deleted since it was listed
                continue
            except (CorruptDataError, SchemaValidationError) as error:
                reason = error.reason if isinstance(error, CorruptDataError) else str(error)
                self.left_out[key] = reason
                self._keep_table(name)
            else:
                self.tables[prefix + file_path(file.kind, name)] = file

    def finish(self) -> ExportReport:
        """Remove what is not wanted any more, and say that the export is complete."""
        folder = self.folder
        for image_id in self._image_folders():
            if image_id not in self.images:
                remove_image(folder, image_id)
        for path, file in ({} if self.previous is None else self.previous.tables).items():
            if path not in self.tables:
                folder.remove(path, file)
        if folder.changed:
            folder.sync()
        folder.put_durably(MANIFEST, self._manifest(complete=True).to_bytes())
        return ExportReport(
            directory=folder.root,
            image_ids=tuple(sorted(self.images)),
            table_names=tuple(sorted(file.name for file in self.tables.values())),
            files_written=folder.counts.written,
            files_unchanged=folder.counts.unchanged,
            files_removed=folder.counts.removed,
            files_kept=tuple(sorted(folder.kept)),
            left_out=dict(self.left_out),
        )

    def _say_incomplete(self) -> None:
        """From the first change to the end, the manifest says that the export is not whole."""
        earlier = self.previous
        manifest = self._manifest(complete=False)
        if earlier is not None:
            if not earlier.complete:
                return
            manifest = ExportManifest(
                complete=False,
                dataset=self.dataset,
                software=software_version(),
                include_tiff=self.include_tiff,
                include_tables=self.include_tables,
                table_format=self.table_format,
                images=earlier.images,
                tables=earlier.tables,
                left_out=earlier.left_out,
            )
        self.folder.overwrite(MANIFEST, manifest.to_bytes())

    def _manifest(self, *, complete: bool) -> ExportManifest:
        return ExportManifest(
            complete=complete,
            dataset=self.dataset,
            software=software_version(),
            include_tiff=self.include_tiff,
            include_tables=self.include_tables,
            table_format=self.table_format,
            images=self.images,
            tables=self.tables,
            left_out=self.left_out,
        )

    def _earlier(self, image_id: str) -> str:
        """The digest of an earlier export's listing of an image; empty if there is none."""
        known = "" if self.previous is None else self.previous.images.get(image_id, "")
        return known if read_listing(self.folder, image_id) is not None else ""

    def _keep_table(self, name: str) -> None:
        for path, file in ({} if self.previous is None else self.previous.tables).items():
            if file.name == name and self.folder.holds(path, file):
                self.tables[path] = file

    def _image_folders(self) -> list[str]:
        """The images that this or an earlier run wrote a listing of."""
        images = self.folder.root / IMAGES
        if not images.is_dir():
            return []
        return sorted(path.name for path in images.iterdir() if (path / LISTING).is_file())
