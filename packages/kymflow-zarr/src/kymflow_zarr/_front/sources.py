"""The files that a dataset grows from: which are in it, which are new, and ingesting them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING

from kymflow_zarr._catalog.failed_sources import FailedSource, load_failures
from kymflow_zarr._catalog.listing import published_ids
from kymflow_zarr._catalog.recorded_source import renew_source
from kymflow_zarr._catalog.refresh_plan import RefreshMode, RefreshPlan
from kymflow_zarr._catalog.relocation import relocated_rows, relocated_source
from kymflow_zarr._catalog.source_details import SourceDetails
from kymflow_zarr._catalog.source_issue import SourceIssue
from kymflow_zarr._catalog.sources import rows_from_table
from kymflow_zarr._catalog.sources_index import SourcesIndex
from kymflow_zarr._front.access import Access, check_choice
from kymflow_zarr._front.ingesting import ingest_one, plan, refresh
from kymflow_zarr._ingest.outcome import IngestOutcome
from kymflow_zarr._ingest.report import log_outcomes
from kymflow_zarr._storage.open import from_home
from kymflow_zarr._storage.spelling import spelled_on_disk
from kymflow_zarr._tables.tables import IMAGE_ID
from kymflow_zarr.errors import IngestError
from kymflow_zarr.options import IngestOptions

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

logger = logging.getLogger(__name__)


class DatasetSources:
    """Which file each image was made of, and what is new. Get it from `ZarrDataset.sources`.

    Several processes may ingest files: they take turns, batch by batch, and ingest each file once.
    Methods that do so raise `LockedError` if it is not their turn for as long as the dataset's
    ``lock_timeout_s``, and `ReadOnlyError` on a dataset opened with ``mode="r"``.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._index = SourcesIndex(access.blobs)

    def __repr__(self) -> str:
        return f"DatasetSources({self._access.blobs.location!r})"

    def load(self) -> pd.DataFrame:
        """One row per image that came from a file, sorted by image.

        Returns:
            Columns ``source_primary_path``, ``image_id`` (text), ``source_mtime_ns``,
            ``source_size_bytes``, ``ingested_epoch_ns`` (int64). Rows that the stored table lacks
            are read from the records.
        """
        frame: pd.DataFrame = self.load_arrow().to_pandas()
        return frame

    def load_arrow(self) -> pa.Table:
        """`load`, as an Arrow table."""
        return self._index.current_table().sort_by(IMAGE_ID)

    def save(self, df: pd.DataFrame) -> None:
        """Replace the stored rows.

        Rows of images that do not exist are left out, with a warning in the log: another process
        may have deleted some since the rows were loaded.

        Raises:
            SchemaValidationError: Columns are missing, of another type, or hold nulls.
        """
        from kymflow_zarr._tables.from_pandas import frame_to_table

        self._access.require_writable("write the sources index")
        rows = rows_from_table(frame_to_table(df, what="the sources index"))
        with self._access.lock("tables", "write the sources index"):
            existing = set(published_ids(self._access.blobs))
            missing = sorted({row.image_id for row in rows} - existing)
            if missing:
                logger.warning("rows of images that do not exist are left out: %s", missing)
            self._index.save(row for row in rows if row.image_id in existing)

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
            UnreadableImageError: It is an export that was interrupted.
        """
        from kymflow_zarr._export.ingest import plan_ingest_export
        from kymflow_zarr._export.reader import is_export
        from kymflow_zarr._ingest.scan import scan_folder

        place = from_home(folder)
        if is_export(place):
            return plan_ingest_export(self._access.blobs, place)
        options = options or IngestOptions()
        return plan(self._access, scan_folder(place, pattern, options=options), options)

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
            mode: ``"skip"`` leaves files alone whose path is known, and reports those that have
                changed. ``"reingest_if_changed"`` reads those again: other pixels become a new
                image, and the old one stays; to the image of equal pixels, metadata and sidecars
                that are new are added, and artifacts that are still as they were ingested are
                replaced by sidecars that have changed.
            workers: How many files are read and compressed at a time.
            options: Limits, links, channel files and sidecars, where the defaults do not fit.

        Returns:
            The ids of the new images.

        Raises:
            NotADirectoryError: There is no such folder.
            IngestError: Some files could not be ingested; all others were. It lists both.
        """
        done = list(self.iter_refresh(folder, pattern, mode=mode, workers=workers, options=options))
        image_ids = [item.image_id for item in done if item.status == "ingested"]
        failures = {
            item.path: item.error.reason
            for item in done
            if item.error is not None and item.status == "failed"
        }
        log_outcomes(done)
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

        A file that fails is an outcome here, not an error, and so is one that waits for the next
        run or has changed since it was ingested. If the caller stops early, the images reported so
        far stay; one who waits between two outcomes keeps no other writer waiting. A folder that
        `export_legacy_folder` wrote is ingested as what it is: images keep their ids and results.
        """
        from kymflow_zarr._export.ingest import iter_ingest_export
        from kymflow_zarr._export.reader import is_export
        from kymflow_zarr._ingest.scan import scan_folder

        check_choice("mode", mode, RefreshMode)
        if workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers}; give a positive number")
        self._access.require_current_format("ingest files")
        place = from_home(folder)
        if is_export(place):
            return iter_ingest_export(
                self._access.blobs,
                place,
                one_by_one=self._access.durability == "record",
                lock_timeout_s=self._access.lock_timeout_s,
            )
        options = options or IngestOptions()
        scan = scan_folder(place, pattern, options=options)
        return refresh(self._access, scan, mode=mode, workers=workers, options=options)

    def ingest_file(
        self, path: str | PathLike[str], *, options: IngestOptions | None = None
    ) -> str:
        """Ingest one image file with its sidecars, whether or not it was ingested before.

        If another process ingests the file while this call waits for it, that is the image.

        Args:
            path: The file; the files of further channels beside it belong to it.
            options: As for `refresh`.

        Returns:
            The id of the new image; of a file of several images, all are ingested and this is the
            first.

        Raises:
            UnreadableImageError: The file cannot be ingested.
        """
        self._access.require_current_format("ingest an image")
        outcome = ingest_one(self._access, from_home(path), options or IngestOptions())
        log_outcomes([outcome])
        if outcome.error is not None:
            raise outcome.error
        return outcome.image_id

    def relocate(self, old: str | PathLike[str], new: str | PathLike[str]) -> int:
        """Tell the dataset that the files of images have moved.

        Args:
            old: The folder, or the file, where they were: as it was called then, on this system or
                on another one.
            new: Where they are now.

        Returns:
            How many images were made of files there.

        Raises:
            FileNotFoundError: `new` does not exist, or holds none of the files.
        """
        self._access.require_writable("relocate sources")
        place = from_home(new)
        if not place.exists():
            raise FileNotFoundError(f"there is no {str(place)!r}; check the path")
        with (
            self._access.lock("ingest", "relocate sources"),
            self._access.lock("tables", "relocate sources"),
        ):
            was = str(from_home(old))
            now = spelled_on_disk(place)
            moved = relocated_rows(self._index.rows_to_store(), was, now)
            paths = [row.source_primary_path for row in moved]
            if moved and not any(os.path.lexists(it) and not os.path.isdir(it) for it in paths):  # noqa: PTH112 - paths are text here
                raise FileNotFoundError(
                    f"none of the files that came from {was!r} is in {str(now)!r}; check the path"
                )
            for row in moved:
                renew_source(
                    self._access.blobs,
                    row.image_id,
                    partial(relocated_source, row=row, old=was, new=now),
                )
            if moved:
                self._index.save(self._index.rows_to_store(extra=moved))
        return len(moved)

    # --- what is worth knowing about them -----------------------------------------------------

    def duplicates(self) -> list[tuple[str, ...]]:
        """The ids of images with equal pixels that were made of different files, in groups."""
        rows = rows_from_table(self._index.current_table())
        details = SourceDetails(self._access.blobs).of([row.image_id for row in rows])
        found: dict[str, list[str]] = {}
        for row in sorted(rows):
            digest = details[row.image_id].pixels_digest
            if digest:
                found.setdefault(digest, []).append(row.image_id)
        return [tuple(image_ids) for image_ids in found.values() if len(image_ids) > 1]

    def issues(self) -> dict[str, tuple[SourceIssue, ...]]:
        """What was left out of images, or is doubtful, as reported at their ingest, by image."""
        image_ids = [row.image_id for row in rows_from_table(self._index.current_table())]
        details = SourceDetails(self._access.blobs).of(image_ids)
        found = {image_id: details[image_id].to_issues() for image_id in sorted(image_ids)}
        return {image_id: issues for image_id, issues in found.items() if issues}

    def failures(self) -> tuple[FailedSource, ...]:
        """The files that could not be ingested, as they were then, sorted by path."""
        return tuple(failure for _, failure in sorted(load_failures(self._access.blobs).items()))
