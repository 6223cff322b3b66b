"""Turning a dataset into plain files, or into the current format."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING

from kymflow_zarr._catalog.sources_index import SourcesIndex
from kymflow_zarr._front.access import Access
from kymflow_zarr._progress import ProgressCallback, no_progress
from kymflow_zarr._storage.open import from_home
from kymflow_zarr.schema import DatasetSchema

if TYPE_CHECKING:
    from kymflow_zarr._export.manifest import TableFormat
    from kymflow_zarr._export.outcome import ExportReport


class Conversion:
    """The part of `ZarrDataset` that exports and upgrades."""

    _access: Access

    def export_legacy_folder(
        self,
        dir: str | PathLike[str],  # noqa: A002 - the name that callers know
        *,
        include_tiff: bool = True,
        include_tables: bool = True,
        table_format: TableFormat = "csv",
        image_ids: Collection[str] | None = None,
        progress: ProgressCallback = no_progress,
    ) -> ExportReport:
        """Write the dataset as plain files: TIFF, JSON, CSV or Parquet, NPY.

        `docs/export.md` describes them. The call may be interrupted and repeated, and writes
        only what differs. `DatasetSources.refresh` ingests such a folder again.

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
            SourceFolderError: The folder contains recordings, or is among them.
            NotADirectoryError: A file is in its place.
            ValueError: The folder is in the dataset itself.
            AlreadyExistsError: The folder holds ``images`` or ``tables`` that no export wrote, or
                another dataset's export. Other files in it are left alone.
        """
        from kymflow_zarr._export.export import export_folder

        return export_folder(
            self._access.blobs,
            from_home(dir),
            include_tiff=include_tiff,
            include_tables=include_tables,
            table_format=table_format,
            image_ids=image_ids,
            lock_timeout_s=self._access.lock_timeout_s,
            progress=progress,
        )

    def upgrade(self) -> list[str]:
        """Bring a dataset of format 1 to the current format; any other is left as it is.

        Images are upgraded one by one, in place. If the call is interrupted, the dataset still
        opens and reads, and the next call continues. Legacy ``.json.gz`` artifacts stay readable.

        Returns:
            The ids of the images that were upgraded.

        Raises:
            CorruptDataError: An image cannot be read; those before it are upgraded.
        """
        from kymflow_zarr._upgrade.format1 import upgrade_dataset

        self._access.require_writable("upgrade")
        blobs = self._access.blobs
        with self._access.lock("ingest", "upgrade"), self._access.lock("tables", "upgrade"):
            rows = {row.image_id: row for row in SourcesIndex(blobs).stored()}
            done = list(upgrade_dataset(blobs, self._access.schema, rows))
        schema = DatasetSchema.read(blobs) or self._access.schema
        self._access = replace(self._access, schema=schema)
        return done
