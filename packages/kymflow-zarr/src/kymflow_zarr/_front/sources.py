"""The files that a dataset grows from: which are in it, which are new, and taking them in."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from kymflow_zarr._catalog.sources import (
    FolderScan,
    RefreshMode,
    RefreshPlan,
    SourceFile,
    SourceRow,
    plan_refresh,
    rows_from_table,
)
from kymflow_zarr._catalog.sources_index import SourcesIndex
from kymflow_zarr._front.access import Access, check_choice
from kymflow_zarr._ingest.outcome import IngestJob, IngestOutcome
from kymflow_zarr._tables.tables import IMAGE_ID, Tables
from kymflow_zarr.errors import IngestError
from kymflow_zarr.options import IngestOptions

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DatasetSources"]


class DatasetSources:
    """Which file each image was made of, and what is new. Get it from `ZarrDataset.sources`.

    Files are ingested by one process at a time: methods that do so raise `LockedError` if another
    one is at work, and `ReadOnlyError` on a dataset opened with ``mode="r"``.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._index = SourcesIndex(access.blobs, Tables(access.blobs))

    def __repr__(self) -> str:
        return f"DatasetSources({self._access.blobs.location!r})"

    def load(self) -> pd.DataFrame:
        """One row per image that came from a file, sorted by image.

        Returns:
            Columns ``source_primary_path``, ``image_id`` (text), ``source_mtime_ns``,
            ``source_size_bytes``, ``ingested_epoch_ns`` (int64). Rows that the stored table lacks
            are read from the records.
        """
        frame: pd.DataFrame = self._index.current_table().sort_by(IMAGE_ID).to_pandas()
        return frame

    def save(self, df: pd.DataFrame) -> None:
        """Replace the stored rows.

        Raises:
            SchemaValidationError: Columns are missing, of another type, or hold nulls.
        """
        from kymflow_zarr._tables.frames import frame_to_table

        self._access.require_writable("write the sources index")
        rows = rows_from_table(frame_to_table(df, what="the sources index"))
        with self._access.lock("tables", "write the sources index"):
            self._index.save(rows)

    def plan(
        self,
        folder: str | PathLike[str],
        pattern: str | Sequence[str] | None = None,
        *,
        options: IngestOptions | None = None,
    ) -> RefreshPlan:
        """What `refresh` would find: new, changed, unchanged and gone files.

        Nothing is written, so this works with ``mode="r"`` too. In a folder that
        `export_legacy_folder` wrote, the folder of each image stands for its file.

        Args:
            folder: The folder.
            pattern: As for `refresh`.
            options: As for `refresh`.

        Raises:
            NotADirectoryError: There is no such folder.
            UnreadableImageError: It is an export that was cut off.
        """
        from kymflow_zarr._export.ingest import plan_ingest_export
        from kymflow_zarr._export.reader import is_export
        from kymflow_zarr._ingest.scan import scan_folder

        place = Path(folder).expanduser()
        if is_export(place):
            return plan_ingest_export(self._access.blobs, place)
        return self._plan(scan_folder(place, pattern, options=options or IngestOptions()))

    def refresh(
        self,
        folder: str | PathLike[str],
        pattern: str | Sequence[str] | None = None,
        *,
        mode: RefreshMode = "skip",
        workers: int = 1,
        options: IngestOptions | None = None,
    ) -> list[str]:
        """Ingest what is new in a folder.

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
            IngestError: Some files could not be ingested; all others were. It lists both.
        """
        done = list(self.iter_refresh(folder, pattern, mode=mode, workers=workers, options=options))
        image_ids = [item.image_id for item in done if item.error is None]
        failures = {item.path: item.error.reason for item in done if item.error is not None}
        if failures:
            raise IngestError(failures, tuple(image_ids))
        return image_ids

    def iter_refresh(
        self,
        folder: str | PathLike[str],
        pattern: str | Sequence[str] | None = None,
        *,
        mode: RefreshMode = "skip",
        workers: int = 1,
        options: IngestOptions | None = None,
    ) -> Iterator[IngestOutcome]:
        """`refresh`, with an outcome for each file as its batch is committed.

        A file that fails is an outcome here, not an error. If the caller stops early, the images
        reported so far stay. A folder that `export_legacy_folder` wrote is ingested as what it is:
        images keep their ids and results.
        """
        from kymflow_zarr._export.ingest import iter_ingest_export
        from kymflow_zarr._export.reader import is_export
        from kymflow_zarr._ingest.scan import scan_folder

        check_choice("mode", mode, RefreshMode)
        if workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers}; give a positive number")
        self._access.require_current_format("ingest files")
        place = Path(folder).expanduser()
        if is_export(place):
            return iter_ingest_export(
                self._access.blobs,
                place,
                one_by_one=self._access.durability == "record",
                lock_timeout_s=self._access.lock_timeout_s,
            )
        options = options or IngestOptions()
        scan = scan_folder(place, pattern, options=options)
        return self._refresh(scan, mode=mode, workers=workers, options=options)

    def ingest_file(
        self, path: str | PathLike[str], *, options: IngestOptions | None = None
    ) -> str:
        """Ingest one image file with its sidecars, whether or not it was ingested before.

        Args:
            path: The file; the files of further channels beside it come along.
            options: As for `refresh`.

        Returns:
            The id of the new image.

        Raises:
            UnreadableImageError: The file cannot be ingested.
        """
        from kymflow_zarr._ingest.scan import scan_file

        self._access.require_current_format("ingest an image")
        options = options or IngestOptions()
        with self._access.lock("ingest", "ingest an image"):
            file = scan_file(Path(path).expanduser(), options=options)
            (outcome,) = self._ingest([(file, None)], workers=1, options=options)
        if outcome.error is not None:
            raise outcome.error
        return outcome.image_id

    def _refresh(
        self, scan: FolderScan, *, mode: RefreshMode, workers: int, options: IngestOptions
    ) -> Iterator[IngestOutcome]:
        with self._access.lock("ingest", f"ingest {scan.folder}"):
            jobs = self._plan(scan).to_ingest(mode)
            for path, error in scan.refused.items():
                yield IngestOutcome(path=path, image_id="", error=error)
            yield from self._ingest(jobs, workers=workers, options=options)

    def _plan(self, scan: FolderScan) -> RefreshPlan:
        return plan_refresh(scan, self._index.taken_in())

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
                self._access.blobs,
                jobs,
                options=options,
                workers=workers,
                one_by_one=self._access.durability == "record",
            ):
                if outcome.source is not None:
                    fresh.append(outcome.source)
                yield outcome
        finally:
            # Once per call, not per batch: after a crash the rows come back from the records.
            if fresh:
                with self._access.lock("tables", "update the sources index"):
                    self._index.save(rows_from_table(self._index.taken_in(extra=fresh)))
