"""One dataset: images, tables over all of them, and the folder of files that it grows from."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from kymflow_zarr._catalog.listing import IMAGES, list_image_ids
from kymflow_zarr._catalog.manifest import Manifest, build_manifest
from kymflow_zarr._catalog.manifest_cache import load_cache, save_cache
from kymflow_zarr._catalog.order import Missing, OrderBy, ordered_ids
from kymflow_zarr._catalog.sources import (
    SOURCES,
    FolderScan,
    RefreshMode,
    RefreshPlan,
    SourceFile,
    SourceRow,
    plan_refresh,
    rows_from_table,
)
from kymflow_zarr._catalog.sources_index import SourcesIndex
from kymflow_zarr._check.dataset import iter_problems, repair
from kymflow_zarr._check.image import check_image
from kymflow_zarr._ingest.outcome import IngestJob, IngestOutcome
from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._pixels.layout import check_axes, check_dtype, resolve_chunks
from kymflow_zarr._pixels.writer import slabs
from kymflow_zarr._problems import Problem, Repair
from kymflow_zarr._progress import ProgressCallback, no_progress
from kymflow_zarr._records.build import stage_record
from kymflow_zarr._records.document import image_folder
from kymflow_zarr._storage.blobs import Durability
from kymflow_zarr._storage.local import LocalBlobs
from kymflow_zarr._storage.names import check_segment
from kymflow_zarr._storage.open import open_blobs
from kymflow_zarr._tables.replace import RowUpdate
from kymflow_zarr._tables.tables import IMAGE_ID, Tables
from kymflow_zarr._views.html import dataset_html
from kymflow_zarr.errors import (
    CorruptDataError,
    ImageNotFoundError,
    IngestError,
    InvalidNameError,
    NotADatasetError,
    ReadOnlyError,
    SchemaValidationError,
    UnsupportedFormatError,
)
from kymflow_zarr.options import IngestOptions
from kymflow_zarr.record import ZarrImageRecord
from kymflow_zarr.schema import DatasetSchema

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from zarr.abc.store import Store

    from kymflow_zarr._export.manifest import TableFormat
    from kymflow_zarr._export.outcome import ExportReport

__all__ = ["Mode", "ZarrDataset"]

Mode: TypeAlias = Literal["r", "r+", "a"]

DEFAULT_LOCK_TIMEOUT_S = 60.0


class ZarrDataset:
    """A folder, or any other place for bytes, that holds images, their results and tables.

    Args:
        store_or_path: A path, a URL (object stores need the extra ``cloud``), or an open Zarr store
            (`zarr.storage.MemoryStore` for tests).
        mode: ``"a"`` creates the dataset where there is none, ``"r+"`` needs one, ``"r"`` needs one
            and writes nothing.
        durability: What a returned call promises on a local disk. ``"batch"`` and ``"record"``:
            what it wrote survives a power cut; ``"batch"`` lets the images of a bulk call share one
            flush, ``"record"`` flushes and shows each on its own. ``"none"``: written, not flushed.
        lock_timeout_s: How long a writer waits for another one before it gives up.

    Raises:
        NotADatasetError: There is none at that place, or something else.
        UnsupportedFormatError: It was written by a newer version.
        CorruptDataError: Its root document is damaged.
    """

    def __init__(
        self,
        store_or_path: str | Path | Store,
        mode: Mode = "a",
        *,
        durability: Durability = "batch",
        lock_timeout_s: float = DEFAULT_LOCK_TIMEOUT_S,
    ) -> None:
        _check_choice("mode", mode, Mode)
        _check_choice("durability", durability, Durability)
        self._place = store_or_path
        self._blobs = open_blobs(store_or_path, durability=durability)
        self._mode: Mode = mode
        self._durability: Durability = durability
        self._lock_timeout_s = lock_timeout_s
        self._tables = Tables(self._blobs)
        self._sources = SourcesIndex(self._blobs, self._tables)
        self._schema = self._open_or_create()

    def __repr__(self) -> str:
        return f"ZarrDataset({self.location!r}, mode={self._mode!r})"

    def _repr_html_(self) -> str:
        return dataset_html(
            location=self.location,
            mode=self.mode,
            version=self.schema.version,
            images=len(self.list_image_ids()),
            tables=self.list_table_names(),
        )

    def __reduce__(self) -> tuple[object, ...]:
        # Workers in other processes open the dataset anew; contents in memory cannot follow them.
        if isinstance(self._blobs, LocalBlobs):
            place = self.location  # absolute: a worker may be in another folder
        elif isinstance(self._place, str):
            place = self._place
        else:
            raise TypeError(
                f"{self!r} was opened from a store object and cannot be sent to another process; "
                "open it by its path or URL"
            )
        # What is not found there must be an error: a worker makes no datasets.
        mode = "r+" if self._mode == "a" else self._mode
        return _reopen, (place, mode, self._durability, self._lock_timeout_s)

    # --- the dataset itself -------------------------------------------------------------------

    @property
    def location(self) -> str:
        """The path or URL."""
        return self._blobs.location

    @property
    def mode(self) -> Mode:
        """How the dataset was opened."""
        return self._mode

    def as_read_only(self) -> ZarrDataset:
        """The same dataset, through which nothing can be written."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self), _mode="r")
        return twin

    @property
    def schema(self) -> DatasetSchema:
        """Format version, creation time and software."""
        return self._schema

    def _open_or_create(self) -> DatasetSchema:
        found = DatasetSchema.read(self._blobs)
        if found is not None:
            return found
        if self._mode != "a":
            raise NotADatasetError(
                self.location, "there is none; check the path, or ingest a folder into it first"
            )
        listing = self._blobs.list_folder("")
        if not listing.files and set(listing.folders) <= {"index"}:
            schema = DatasetSchema.new()
            schema.write(self._blobs)
            return schema
        # Perhaps another process has made the dataset since we looked.
        found = DatasetSchema.read(self._blobs)
        if found is None:
            raise NotADatasetError(
                self.location, "it is a folder with other contents; name a new or an empty one"
            )
        return found

    # --- images -------------------------------------------------------------------------------

    def list_image_ids(self) -> list[str]:
        """The ids of all images, sorted. The store itself is asked, never a cache."""
        return list_image_ids(self._blobs)

    def record(self, image_id: str) -> ZarrImageRecord:
        """Open one image.

        Raises:
            ImageNotFoundError: There is none with this id (it is a `KeyError`).
        """
        return ZarrImageRecord.open(self._blobs, image_id, writable=self._mode != "r")

    def iter_records(
        self,
        order_by: OrderBy = "image_id",
        *,
        missing: Missing = "last",
    ) -> Iterator[ZarrImageRecord]:
        """All images in order.

        Args:
            order_by: By id, by time of creation, or by time of acquisition.
            missing: Where images go that lack the value to sort by.
        """
        _check_choice("order_by", order_by, OrderBy)
        _check_choice("missing", missing, Missing)
        if order_by == "image_id":
            ids = self.list_image_ids()
        else:
            ids = ordered_ids(self.load_manifest(), order_by, missing)
        return self._existing_records(ids)

    def _existing_records(self, image_ids: Iterable[str]) -> Iterator[ZarrImageRecord]:
        for image_id in image_ids:
            try:
                yield self.record(image_id)
            except ImageNotFoundError:  # deleted since it was listed
                continue

    def add_image(
        self,
        arr: AnyArray,
        *,
        axes: Sequence[str],
        chunks: Sequence[int] | None = None,
    ) -> ZarrImageRecord:
        """Add an image from memory.

        Args:
            arr: Pixels: booleans, integers or floats.
            axes: A name for each dimension; ``("t", "x")`` for a kymograph ``(time, space)``.
            chunks: A chunk shape; chosen if None.

        Returns:
            The new record, whole and visible.

        Raises:
            SchemaValidationError: Axes, shape or type cannot be stored.
        """
        self._require_current_format("add an image")
        check_axes(tuple(axes), arr.shape)
        dtype = check_dtype(arr.dtype)
        chunk_shape = resolve_chunks(arr.shape, dtype, None if chunks is None else tuple(chunks))
        image_id = str(uuid.uuid4())
        with self._blobs.staging(IMAGES) as staging:
            stage_record(
                staging,
                image_id,
                slabs(arr, chunk_shape[0]),
                shape=arr.shape,
                dtype=dtype,
                axes=tuple(axes),
                chunks=chunk_shape,
                scale={},
                unit={},
                metadata=None,
                source=None,
            )
            staging.publish([image_id])
        return self.record(image_id)

    def delete_image(self, image_id: str) -> None:
        """Delete an image with all its artifacts and its row in the sources index.

        A file that the image was made of, if it still lies in its folder, counts as new again.

        Raises:
            ImageNotFoundError: There is none with this id.
        """
        self._require_writable("delete an image")
        with suppress(CorruptDataError):  # what is damaged can be deleted, too
            self.record(image_id)
        with self._lock("tables", "delete an image"):
            if not self._blobs.delete_folder(image_folder(image_id)):
                raise ImageNotFoundError(image_id)
            self._sources.forget(image_id)

    # --- taking files in ----------------------------------------------------------------------

    def ingest_image(
        self, src: str | Path, *, options: IngestOptions | None = None
    ) -> ZarrImageRecord:
        """Take one image file in, with its sidecars, whether or not it was taken in before.

        Args:
            src: An image file; the files of further channels beside it come along.
            options: Limits, links, channel files and sidecars, where the defaults do not fit.

        Raises:
            UnreadableImageError: The file cannot be taken in.
        """
        from kymflow_zarr._ingest.scan import scan_file

        self._require_current_format("ingest an image")
        with self._lock("ingest", "ingest an image"):
            options = options or IngestOptions()
            job = (scan_file(Path(src), options=options), None)
            (outcome,) = self._ingest([job], workers=1, options=options)
        if outcome.error is not None:
            raise outcome.error
        return self.record(outcome.image_id)

    def plan_refresh(
        self,
        folder: str | Path,
        pattern: str | Sequence[str] | None = None,
        *,
        options: IngestOptions | None = None,
    ) -> RefreshPlan:
        """What `refresh_from_folder` would find: new, changed, unchanged and gone files.

        Nothing is written, so this works with ``mode="r"`` too. In a folder that
        `export_legacy_folder` wrote, the folder of each image stands for its file.

        Raises:
            NotADirectoryError: There is no such folder.
            UnreadableImageError: It is an export that was cut off.
        """
        from kymflow_zarr._export.ingest import plan_ingest_export
        from kymflow_zarr._export.reader import is_export
        from kymflow_zarr._ingest.scan import scan_folder

        if is_export(Path(folder)):
            return plan_ingest_export(self._blobs, Path(folder))
        return self._plan(scan_folder(Path(folder), pattern, options=options or IngestOptions()))

    def refresh_from_folder(
        self,
        folder: str | Path,
        pattern: str | Sequence[str] | None = None,
        *,
        mode: RefreshMode = "skip",
        workers: int = 1,
        options: IngestOptions | None = None,
    ) -> list[str]:
        """Take in what is new in a folder.

        Args:
            folder: The folder with image files, each perhaps with sidecars.
            pattern: Which files; ``"**/*.tif"`` looks into subfolders, too. None stands for all
                files that an installed reader takes.
            mode: ``"skip"`` leaves files alone whose path is known. ``"reingest_if_changed"`` takes
                a file in again, as a new image, if its size or time differs; the old image stays.
            workers: How many files are read and compressed at a time.
            options: Limits, links, channel files and sidecars, where the defaults do not fit.

        Returns:
            The ids of the new images.

        Raises:
            NotADirectoryError: There is no such folder.
            IngestError: Some files could not be taken in; all others were. It lists both.
            LockedError: Another process is taking files in.
        """
        return _image_ids(
            self.iter_refresh(folder, pattern, mode=mode, workers=workers, options=options)
        )

    def iter_refresh(
        self,
        folder: str | Path,
        pattern: str | Sequence[str] | None = None,
        *,
        mode: RefreshMode = "skip",
        workers: int = 1,
        include_sidecars: bool = True,
        options: IngestOptions | None = None,
    ) -> Iterator[IngestOutcome]:
        """Take in what is new in a folder, telling of each file as its batch is committed.

        The arguments and errors are those of `refresh_from_folder`, but a file that fails is an
        outcome here, not an error. If the caller stops early, what was told of stays. A folder that
        `export_legacy_folder` wrote is taken in as what it is: images keep their ids and results.
        """
        from kymflow_zarr._export.ingest import iter_ingest_export
        from kymflow_zarr._export.reader import is_export
        from kymflow_zarr._ingest.scan import scan_folder

        _check_choice("mode", mode, RefreshMode)
        if workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers}; give a positive number")
        self._require_current_format("take files in")
        if is_export(Path(folder)):
            return iter_ingest_export(
                self._blobs,
                Path(folder),
                one_by_one=self._durability == "record",
                lock_timeout_s=self._lock_timeout_s,
            )
        options = options or IngestOptions()
        options = replace(options, sidecars=options.sidecars and include_sidecars)
        scan = scan_folder(Path(folder), pattern, options=options)
        return self._refresh(scan, mode=mode, workers=workers, options=options)

    def ingest_legacy_folder(
        self,
        root: str | Path,
        *,
        pattern: str | Sequence[str] | None = None,
        include_sidecars: bool = True,
        options: IngestOptions | None = None,
    ) -> list[str]:
        """Take a folder of plain files in: images, and the results that lie beside them.

        It is `refresh_from_folder` with a choice about sidecars.

        Returns:
            The ids of the new images.

        Raises:
            IngestError: Some files could not be taken in; all others were.
        """
        return _image_ids(
            self.iter_refresh(root, pattern, include_sidecars=include_sidecars, options=options)
        )

    def export_legacy_folder(
        self,
        dir: str | Path,  # noqa: A002 - the name that callers know
        *,
        include_tiff: bool = True,
        include_tables: bool = True,
        table_format: TableFormat = "csv",
        image_ids: Collection[str] | None = None,
        progress: ProgressCallback = no_progress,
    ) -> ExportReport:
        """Write the dataset as plain files: TIFF, JSON, CSV or Parquet, NPY.

        `docs/export.md` describes them. The call may be cut off and made again, and writes only
        what differs. `iter_refresh` and its kin take such a folder in again.

        Args:
            dir: The folder; made if it is not there.
            include_tiff: Whether pixels are written.
            include_tables: Whether dataset tables are written.
            table_format: ``"parquet"`` writes tables as Parquet alone, ``"csv"`` as CSV for people
                beside it.
            image_ids: Which images; all if None.
            progress: Called with images done and total; tables come after them.

        Returns:
            What was done.

        Raises:
            ExportError: Something is damaged; all that is not was exported.
            AlreadyExistsError: The folder holds ``images`` or ``tables`` that no export wrote, or
                another dataset's export. Other files in it are left alone.
        """
        from kymflow_zarr._export.export import export_folder

        return export_folder(
            self._blobs,
            Path(dir),
            include_tiff=include_tiff,
            include_tables=include_tables,
            table_format=table_format,
            image_ids=image_ids,
            lock_timeout_s=self._lock_timeout_s,
            progress=progress,
        )

    def _refresh(
        self, scan: FolderScan, *, mode: RefreshMode, workers: int, options: IngestOptions
    ) -> Iterator[IngestOutcome]:
        with self._lock("ingest", f"take in {scan.folder}"):
            jobs = self._plan(scan).to_ingest(mode)
            for path, error in scan.refused.items():
                yield IngestOutcome(path=path, image_id="", error=error)
            yield from self._ingest(jobs, workers=workers, options=options)

    def _plan(self, scan: FolderScan) -> RefreshPlan:
        return plan_refresh(scan, self._sources.taken_in())

    def _ingest(
        self,
        files: Iterable[tuple[SourceFile, str | None]],
        *,
        workers: int,
        options: IngestOptions,
    ) -> Iterator[IngestOutcome]:
        from kymflow_zarr._ingest.batch import ingest_jobs

        jobs = [
            IngestJob(image_id=str(uuid.uuid4()), file=file, supersedes=old) for file, old in files
        ]
        fresh: list[SourceRow] = []
        try:
            for outcome in ingest_jobs(
                self._blobs,
                jobs,
                options=options,
                workers=workers,
                one_by_one=self._durability == "record",
            ):
                if outcome.source is not None:
                    fresh.append(outcome.source)
                yield outcome
        finally:
            # Once per call, not per batch: after a crash the rows come back from the records.
            if fresh:
                with self._lock("tables", "update the sources index"):
                    self._sources.save(rows_from_table(self._sources.taken_in(extra=fresh)))

    # --- the sources index --------------------------------------------------------------------

    def load_sources_index(self) -> pd.DataFrame:
        """Which file each image was made of; one row per image that came from a file.

        Returns:
            Columns ``source_primary_path``, ``image_id`` (text), ``source_mtime_ns``,
            ``source_size_bytes``, ``ingested_epoch_ns`` (int64). Rows that the stored table lacks
            are read from the records.
        """
        frame: pd.DataFrame = self._sources.current_table().sort_by(IMAGE_ID).to_pandas()
        return frame

    def save_sources_index(self, df: pd.DataFrame) -> None:
        """Replace the stored sources index.

        Raises:
            SchemaValidationError: Columns are missing, of another type, or hold nulls.
        """
        from kymflow_zarr._tables.frames import frame_to_table

        self._require_writable("write the sources index")
        rows = rows_from_table(frame_to_table(df, what="the sources index"))
        with self._lock("tables", "write the sources index"):
            self._sources.save(rows)

    # --- the manifest -------------------------------------------------------------------------

    def load_manifest(self) -> Manifest:
        """What each image says of itself, without opening those that have not changed.

        It is current: images added a moment ago are in it, deleted ones are not. Nothing is
        written.
        """
        return build_manifest(self._blobs, self.list_image_ids(), load_cache(self._blobs))

    def update_manifest(self) -> Manifest:
        """`load_manifest`, kept for the next time."""
        self._require_writable("update the manifest")
        manifest = self.load_manifest()
        self._store_manifest(manifest)
        return manifest

    def rebuild_manifest(self) -> Manifest:
        """Read every image anew, and keep what they say."""
        self._require_writable("rebuild the manifest")
        manifest = build_manifest(self._blobs, self.list_image_ids(), {})
        self._store_manifest(manifest)
        return manifest

    def _store_manifest(self, manifest: Manifest) -> None:
        with self._lock("tables", "write the manifest"):
            save_cache(self._blobs, manifest)

    # --- tables -------------------------------------------------------------------------------

    def list_table_names(self) -> list[str]:
        """The names of all tables, sorted."""
        return self._tables.names()

    def table_schema(self, name: str) -> pa.Schema | None:
        """The Arrow schema of a table, without reading its rows; None where there is no table."""
        return self._tables.schema(name)

    def table_row_count(self, name: str) -> int | None:
        """How many rows a table has, without reading its rows; None where there is no table."""
        return self._tables.row_count(name)

    def load_table(
        self,
        name: str,
        *,
        columns: Sequence[str] | None = None,
        image_ids: str | Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Read a table.

        Args:
            name: The table's name.
            columns: Read just these.
            image_ids: Read just the rows of one image, or of some; of a sorted table, only the
                parts that hold them are read.

        Returns:
            The rows as they were saved: equal values in equal dtypes. Whole numbers of which some
            are missing, because other rows lack the column, are ``Int64``.

        Raises:
            TypeError: An image id is not text.
            TableNotFoundError: There is none (it is a `FileNotFoundError`).
            CorruptDataError: It is damaged.
        """
        from kymflow_zarr._tables.frames import table_to_frame

        return table_to_frame(self.load_arrow_table(name, columns=columns, image_ids=image_ids))

    def load_arrow_table(
        self,
        name: str,
        *,
        columns: Sequence[str] | None = None,
        image_ids: str | Iterable[str] | None = None,
    ) -> pa.Table:
        """`load_table` as Arrow: categories are their values, text is ``string``."""
        return self._tables.load(
            name, columns=None if columns is None else list(columns), image_ids=image_ids
        )

    def iter_table(self, name: str, *, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """`load_arrow_table` part by part, for tables larger than memory.

        The table must not be written to before the last part was read.
        """
        return self._tables.iterate(name, columns=None if columns is None else list(columns))

    def save_table(self, name: str, df: pd.DataFrame | pa.Table) -> None:
        """Replace a whole table in one step. Rows are kept sorted by ``image_id``.

        Args:
            name: One or more ``/``-separated segments ``[A-Za-z0-9][A-Za-z0-9._-]{0,119}``.
            df: The rows. An index of unnamed whole numbers is dropped.

        Raises:
            TypeError: It is neither a frame nor a table.
            SchemaValidationError: An index would be lost, or a column cannot be kept as it is
                (`ColumnError`): the message names it, what it holds and what to do.
            InvalidNameError: The name cannot be a file everywhere, or is that of the sources index.
        """
        self._require_writable(f"write the table {name!r}")
        _refuse_sources(name)
        with self._lock("tables", f"write the table {name!r}"):
            self._tables.save(name, df)

    def delete_table(self, name: str) -> bool:
        """Delete a table; returns whether there was one."""
        self._require_writable(f"delete the table {name!r}")
        with self._lock("tables", f"delete the table {name!r}"):
            return self._tables.delete(name)

    def replace_rows_for_image_id(
        self,
        name: str,
        image_id: str,
        df_rows: pd.DataFrame,
        *,
        image_id_col: str = IMAGE_ID,
    ) -> None:
        """Replace one image's rows in a table; a table that is not there is made.

        For many images use `replace_rows`: it costs the same as one.

        Args:
            name: The table's name.
            image_id: The image whose rows go.
            df_rows: Its new rows; none at all is fine. A column without any value fits every other.
            image_id_col: The column with the image id; every new row must hold `image_id` there.

        Raises:
            TypeError: The rows are not a frame.
            SchemaValidationError: The rows name another image, cannot be kept as they are (as for
                `save_table`), or do not fit the table.
        """
        from kymflow_zarr._tables.frames import frame_to_table

        rows = frame_to_table(df_rows, what=f"rows for table {name!r}")
        update = RowUpdate(image_ids=frozenset({image_id}), rows=rows)
        self.replace_rows(name, [update], schema=rows.schema, image_id_col=image_id_col)

    def replace_rows(
        self,
        name: str,
        updates: Iterable[RowUpdate],
        *,
        schema: pa.Schema,
        keep_others: Collection[str] | None = None,
        image_id_col: str = IMAGE_ID,
    ) -> int:
        """Replace many images' rows with one streamed rewrite of the table.

        Args:
            name: The table's name; a table that is not there is made.
            updates: New rows, in ascending order: every image id of one before all of the next.
            schema: The columns of the new rows.
            keep_others: Of the images that no update names, those that keep their rows; all if
                None.
            image_id_col: The column with the image id.

        Returns:
            How many rows the table has now.

        Raises:
            SchemaValidationError: The rows do not fit the table, or are out of order. The old
                table stays as it was.
            InvalidNameError: As for `save_table`.
            LockedError: Another writer is at work.
        """
        self._require_writable(f"write the table {name!r}")
        _refuse_sources(name)
        with self._lock("tables", f"write the table {name!r}"):
            return self._tables.replace_rows(
                name, updates, schema=schema, keep_others=keep_others, image_id_col=image_id_col
            )

    # --- health -------------------------------------------------------------------------------

    def check(self, *, deep: bool = False) -> list[Problem]:
        """Look for everything that is wrong; nothing is changed.

        Args:
            deep: Also read every chunk and Parquet page and compare its checksum.

        Returns:
            One `Problem` ``(location, kind, message)`` for each thing; none if all is well.
        """
        return list(self.iter_problems(deep=deep))

    def iter_problems(
        self, *, deep: bool = False, progress: ProgressCallback = no_progress
    ) -> Iterator[Problem]:
        """`check`, each problem as it is found.

        Args:
            deep: As for `check`.
            progress: Called with images done and total; tables come after them.
        """
        return iter_problems(self._blobs, self._tables, self._sources, deep=deep, progress=progress)

    def repair(self, *, forget_gone: bool = False) -> list[Repair]:
        """Mend what can be mended without guessing.

        The sources index, the manifest and table rows of images that are gone are derived data and
        are brought in line with the records, inventories with what is there; what killed writers
        left behind is removed, but never what a live one is using. Damaged pixels and artifacts are
        not touched: `check` names them.

        Args:
            forget_gone: Whether artifacts and tables that someone removed, and that shall not come
                back, stop being a problem.

        Returns:
            What was done.
        """
        self._require_writable("repair")
        with self._lock("ingest", "repair"), self._lock("tables", "repair"):
            done = repair(self._blobs, self._tables, self._sources, forget_gone=forget_gone)
            return list(done)

    def validate_image(self, image_id: str) -> None:
        """Refuse an image whose documents, chunks or artifacts break the format's rules.

        Raises:
            ImageNotFoundError: There is none with this id.
            SchemaValidationError: Something is wrong; the message lists it.
        """
        check_segment(image_id, kind="image")
        if image_folder(image_id) not in self._image_folders():
            raise ImageNotFoundError(image_id)
        _refuse(check_image(self._blobs, image_id, deep=False))

    def validate(self) -> None:
        """Refuse a dataset in which `check` finds anything but repairable problems.

        Raises:
            SchemaValidationError: Something is wrong; the message lists it.
        """
        _refuse(problem for problem in self.iter_problems() if not problem.repairable)

    def _image_folders(self) -> set[str]:
        return {image_folder(name) for name in self._blobs.list_folder(IMAGES).folders}

    def upgrade(self) -> list[str]:
        """Bring a dataset of format 1 to the current format; one that has it is left as it is.

        Images are upgraded one by one, in place. If the call is cut off, the dataset still opens
        and reads, and the next call goes on. Legacy ``.json.gz`` artifacts stay and are read.

        Returns:
            The ids of the images that were upgraded.

        Raises:
            CorruptDataError: An image cannot be read; those before it are upgraded.
        """
        from kymflow_zarr._upgrade.format1 import upgrade_dataset

        self._require_writable("upgrade")
        with self._lock("ingest", "upgrade"), self._lock("tables", "upgrade"):
            rows = {row.image_id: row for row in self._sources.stored()}
            done = list(upgrade_dataset(self._blobs, self._schema, rows))
        self._schema = DatasetSchema.read(self._blobs) or self._schema
        return done

    # --- rules --------------------------------------------------------------------------------

    def _lock(self, name: str, action: str) -> AbstractContextManager[None]:
        return self._blobs.lock(name, action=action, timeout_s=self._lock_timeout_s)

    def _require_writable(self, action: str) -> None:
        if self._mode == "r":
            raise ReadOnlyError(action)

    def _require_current_format(self, action: str) -> None:
        self._require_writable(action)
        if self._schema.version != DatasetSchema.CURRENT:
            raise UnsupportedFormatError(
                self.location,
                found=self._schema.version,
                supported=(DatasetSchema.CURRENT,),
                hint=f"call upgrade() first, then {action}",
            )


def _check_choice(argument: str, value: str, choices: object) -> None:
    """Refuse a value that is not one of a literal type's."""
    allowed = get_args(choices)
    if value not in allowed:
        listed = ", ".join(map(repr, allowed))
        raise ValueError(f"{argument} {value!r} is none of {listed}; choose one of them")


def _refuse_sources(name: str) -> None:
    """Refuse the sources index as a table; in another case its name would be in its way."""
    if name.lower() == SOURCES:
        raise InvalidNameError(
            name, kind="table", reason="the sources index is written by save_sources_index()"
        )


def _refuse(problems: Iterable[Problem]) -> None:
    found = [f"{problem.location}: {problem.message}" for problem in problems]
    if found:
        raise SchemaValidationError(
            f"{len(found)} problem(s): {'; '.join(found)}; "
            "restore what is damaged from a copy, or delete and ingest those images again"
        )


def _image_ids(outcomes: Iterable[IngestOutcome]) -> list[str]:
    """The new images, once all files were tried; one error for those that failed."""
    done = list(outcomes)
    image_ids = [item.image_id for item in done if item.error is None]
    failures = {item.path: item.error.reason for item in done if item.error is not None}
    if failures:
        raise IngestError(failures, tuple(image_ids))
    return image_ids


def _reopen(place: str, mode: Mode, durability: Durability, lock_timeout_s: float) -> ZarrDataset:
    return ZarrDataset(place, mode, durability=durability, lock_timeout_s=lock_timeout_s)
