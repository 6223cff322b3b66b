"""The stored sources index of one dataset, brought in line with its records whenever it is read."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from kymflow_zarr._catalog.listing import committed_ids, published_ids
from kymflow_zarr._catalog.manifest import build_manifest, read_provenance_source
from kymflow_zarr._catalog.manifest_cache import load_cache
from kymflow_zarr._catalog.recent_sources import read_recent
from kymflow_zarr._catalog.sources import (
    SOURCES,
    SourceRow,
    reconcile,
    rows_from_table,
    rows_to_table,
    sources_table,
)
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._tables.tables import Tables
from kymflow_zarr.errors import CorruptDataError, SchemaValidationError, TableNotFoundError

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)


class SourcesIndex:
    """Reads and writes ``tables/sources.parquet``. The caller holds the tables' lock to write."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._tables = Tables(blobs)

    def stored(self) -> list[SourceRow]:
        """The rows as stored, those of images that were ingested since among them.

        Raises:
            CorruptDataError: The table is damaged.
            SchemaValidationError: It is not a sources index.
        """
        return rows_from_table(self._stored_table())

    def stored_or_none(self) -> list[SourceRow] | None:
        """The rows as stored; None if they cannot be used, and the records have to serve."""
        try:
            return self.stored()
        except (CorruptDataError, SchemaValidationError) as error:
            logger.warning("the sources index is not used: %s", error)
            return None

    def current(self) -> list[SourceRow]:
        """The rows of exactly the images that exist and came from a file."""
        return rows_from_table(self.current_table())

    def current_table(self) -> pa.Table:
        """`current` as a table, in any order."""
        return self._reconciled(committed_ids(self._blobs), ())

    def rows_for_refresh(self, *, extra: Iterable[SourceRow] = ()) -> pa.Table:
        """`current_table`, with the rows of images that have lost their commit document.

        A refresh must not make up for damage with a second image, which would not have the results
        of the first: `check` names that one, and a person restores or removes it.

        Args:
            extra: Rows that are known but not stored yet, in place of stored ones of the same
                image; their records need not be read.
        """
        return self._reconciled(published_ids(self._blobs), extra)

    def _reconciled(self, image_ids: Iterable[str], extra: Iterable[SourceRow]) -> pa.Table:
        import pyarrow as pa

        try:
            stored = self._stored_table()
        except (CorruptDataError, SchemaValidationError) as error:
            logger.warning("the sources index is read from the records instead: %s", error)
            stored = rows_to_table([])
        return reconcile(
            pa.concat_tables([stored, rows_to_table(extra)]),  # of several rows the last one holds
            image_ids,
            read_sources=self._read_sources,
        )

    def rows_to_store(self, *, extra: Iterable[SourceRow] = ()) -> list[SourceRow]:
        """The rows that should be stored: of existing images, missing ones read from the records.

        A stored row is not read again from its record: someone may have told the dataset that the
        files have moved, or the record may be too damaged to tell.
        """
        return rows_from_table(self.rows_for_refresh(extra=extra))

    def save(self, rows: Iterable[SourceRow]) -> None:
        """Replace the stored rows."""
        self._tables.save(SOURCES, rows_to_table(rows))

    def _stored_table(self) -> pa.Table:
        """The rows of the table, and of images that were ingested since it was written."""
        import pyarrow as pa

        try:
            table = sources_table(self._tables.load(SOURCES))
        except TableNotFoundError:
            table = rows_to_table([])
        recent = read_recent(self._blobs).added
        if not recent:
            return table
        known = set(table["image_id"].to_pylist())
        added = [image.row for image_id, image in recent.items() if image_id not in known]
        return pa.concat_tables([table, rows_to_table(added)])

    def _read_sources(self, image_ids: Sequence[str]) -> list[SourceRow]:
        # Through the manifest: it knows the images that came from no file, too.
        entries = build_manifest(self._blobs, image_ids, load_cache(self._blobs)).entries
        rows = [entry.source for entry in entries.values()]
        # A record may be damaged elsewhere, or have lost its commit document: its file must not
        # be ingested a second time for that.
        lost = [image_id for image_id in image_ids if image_id not in entries]
        rows += [read_provenance_source(self._blobs, image_id) for image_id in lost]
        return [row for row in rows if row is not None]
