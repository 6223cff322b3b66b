"""The views of tables and sources, and the flat names of their methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import wraps
from os import PathLike
from typing import Concatenate, ParamSpec, TypeVar

from kymflow_zarr._catalog.refresh_plan import RefreshMode
from kymflow_zarr._front.access import Access
from kymflow_zarr._front.sources import DatasetSources
from kymflow_zarr._front.tables import DatasetTables
from kymflow_zarr._ingest.outcome import IngestOutcome
from kymflow_zarr.options import IngestOptions

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _of_tables(
    method: Callable[Concatenate[DatasetTables, _P], _R],
) -> Callable[Concatenate[FlatNames, _P], _R]:
    """A method of `ZarrDataset.tables` as one of the dataset."""

    @wraps(method)
    def call(dataset: FlatNames, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return method(dataset.tables, *args, **kwargs)

    call.__doc__ = f"See `{method.__qualname__}`."
    return call


def _of_sources(
    method: Callable[Concatenate[DatasetSources, _P], _R],
) -> Callable[Concatenate[FlatNames, _P], _R]:
    """A method of `ZarrDataset.sources` as one of the dataset."""

    @wraps(method)
    def call(dataset: FlatNames, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return method(dataset.sources, *args, **kwargs)

    call.__doc__ = f"See `{method.__qualname__}`."
    return call


class FlatNames:
    """The part of `ZarrDataset` that leads to its views, and to their methods by flat names."""

    _access: Access

    @property
    def tables(self) -> DatasetTables:
        """The tables over all images, as a mapping by name."""
        return DatasetTables(self._access)

    @property
    def sources(self) -> DatasetSources:
        """The files that the images were made of, and what is new among them."""
        return DatasetSources(self._access)

    def list_table_names(self) -> list[str]:
        """The names of all tables, sorted."""
        return list(self.tables)

    table_schema = _of_tables(DatasetTables.schema)
    table_row_count = _of_tables(DatasetTables.row_count)
    load_table = _of_tables(DatasetTables.load)
    load_arrow_table = _of_tables(DatasetTables.load_arrow)
    iter_table = _of_tables(DatasetTables.iter_arrow)
    save_table = _of_tables(DatasetTables.save)
    delete_table = _of_tables(DatasetTables.delete)
    replace_rows_for_image_id = _of_tables(DatasetTables.replace_rows_for_image_id)
    replace_rows = _of_tables(DatasetTables.replace_rows)
    load_sources_index = _of_sources(DatasetSources.load)
    save_sources_index = _of_sources(DatasetSources.save)
    plan_refresh = _of_sources(DatasetSources.plan)
    refresh_from_folder = _of_sources(DatasetSources.refresh)

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
