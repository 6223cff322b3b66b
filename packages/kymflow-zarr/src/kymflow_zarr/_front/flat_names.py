"""The views of tables and sources, and the flat names for what they do, each a call of one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING

from kymflow_zarr._catalog.refresh_plan import RefreshMode, RefreshPlan
from kymflow_zarr._front.access import Access
from kymflow_zarr._front.sources import DatasetSources
from kymflow_zarr._front.tables import DatasetTables
from kymflow_zarr._ingest.outcome import IngestOutcome
from kymflow_zarr._tables.replace import RowUpdate
from kymflow_zarr._tables.tables import IMAGE_ID
from kymflow_zarr.options import IngestOptions

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["FlatNames"]


class FlatNames:
    """The part of `ZarrDataset` that leads to its views, and their methods by flat names."""

    _access: Access

    @property
    def tables(self) -> DatasetTables:
        """The tables over all images, as a mapping by name."""
        return DatasetTables(self._access)

    @property
    def sources(self) -> DatasetSources:
        """The files that the images were made of, and what is new among them."""
        return DatasetSources(self._access)

    # --- tables -------------------------------------------------------------------------------

    def list_table_names(self) -> list[str]:
        """The names of all tables, sorted."""
        return list(self.tables)

    def table_schema(self, name: str) -> pa.Schema | None:
        """See `DatasetTables.schema`."""
        return self.tables.schema(name)

    def table_row_count(self, name: str) -> int | None:
        """See `DatasetTables.row_count`."""
        return self.tables.row_count(name)

    def load_table(
        self,
        name: str,
        *,
        columns: Sequence[str] | None = None,
        image_ids: str | Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """See `DatasetTables.load`."""
        return self.tables.load(name, columns=columns, image_ids=image_ids)

    def load_arrow_table(
        self,
        name: str,
        *,
        columns: Sequence[str] | None = None,
        image_ids: str | Iterable[str] | None = None,
    ) -> pa.Table:
        """See `DatasetTables.load_arrow`."""
        return self.tables.load_arrow(name, columns=columns, image_ids=image_ids)

    def iter_table(self, name: str, *, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """See `DatasetTables.iter_arrow`."""
        return self.tables.iter_arrow(name, columns=columns)

    def save_table(self, name: str, df: pd.DataFrame | pa.Table) -> None:
        """See `DatasetTables.save`."""
        self.tables.save(name, df)

    def delete_table(self, name: str) -> bool:
        """See `DatasetTables.delete`."""
        return self.tables.delete(name)

    def replace_rows_for_image_id(
        self, name: str, image_id: str, df_rows: pd.DataFrame, *, image_id_col: str = IMAGE_ID
    ) -> None:
        """See `DatasetTables.replace_rows_for_image_id`."""
        self.tables.replace_rows_for_image_id(name, image_id, df_rows, image_id_col=image_id_col)

    def replace_rows(
        self,
        name: str,
        updates: Iterable[RowUpdate],
        *,
        schema: pa.Schema,
        keep_others: Collection[str] | None = None,
        drop_gone: bool = False,
        image_id_col: str = IMAGE_ID,
    ) -> int:
        """See `DatasetTables.replace_rows`."""
        return self.tables.replace_rows(
            name,
            updates,
            schema=schema,
            keep_others=keep_others,
            drop_gone=drop_gone,
            image_id_col=image_id_col,
        )

    # --- sources ------------------------------------------------------------------------------

    def load_sources_index(self) -> pd.DataFrame:
        """See `DatasetSources.load`."""
        return self.sources.load()

    def save_sources_index(self, df: pd.DataFrame) -> None:
        """See `DatasetSources.save`."""
        self.sources.save(df)

    def plan_refresh(
        self,
        folder: str | PathLike[str],
        pattern: str | Sequence[str] | None = None,
        *,
        options: IngestOptions | None = None,
    ) -> RefreshPlan:
        """See `DatasetSources.plan`."""
        return self.sources.plan(folder, pattern, options=options)

    def refresh_from_folder(
        self,
        folder: str | PathLike[str],
        pattern: str | Sequence[str] | None = None,
        *,
        mode: RefreshMode = "skip",
        workers: int = 1,
        options: IngestOptions | None = None,
    ) -> list[str]:
        """See `DatasetSources.refresh`."""
        return self.sources.refresh(folder, pattern, mode=mode, workers=workers, options=options)

    def iter_refresh(
        self,
        folder: str | PathLike[str],
        pattern: str | Sequence[str] | None = None,
        *,
        mode: RefreshMode = "skip",
        workers: int = 1,
        include_sidecars: bool = True,
        options: IngestOptions | None = None,
    ) -> Iterator[IngestOutcome]:
        """See `DatasetSources.iter_refresh`; sidecars can be left out by either argument."""
        return self.sources.iter_refresh(
            folder,
            pattern,
            mode=mode,
            workers=workers,
            options=_with_sidecars(options, include_sidecars),
        )

    def ingest_legacy_folder(
        self,
        root: str | PathLike[str],
        *,
        pattern: str | Sequence[str] | None = None,
        include_sidecars: bool = True,
        options: IngestOptions | None = None,
    ) -> list[str]:
        """See `DatasetSources.refresh`, which also ingests an export."""
        return self.sources.refresh(
            root, pattern, options=_with_sidecars(options, include_sidecars)
        )


def _with_sidecars(options: IngestOptions | None, include: bool) -> IngestOptions:
    options = options or IngestOptions()
    return replace(options, sidecars=options.sidecars and include)
