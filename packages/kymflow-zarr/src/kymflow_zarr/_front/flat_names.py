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
_View = TypeVar("_View")


def _flat(
    view: Callable[[Access], _View], method: Callable[Concatenate[_View, _P], _R]
) -> Callable[Concatenate[FlatNames, _P], _R]:
    """A method of a view as one of the dataset."""

    @wraps(method)
    def call(self: FlatNames, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return method(view(self._access), *args, **kwargs)

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

    table_schema = _flat(DatasetTables, DatasetTables.schema)
    table_row_count = _flat(DatasetTables, DatasetTables.row_count)
    load_table = _flat(DatasetTables, DatasetTables.load)
    load_arrow_table = _flat(DatasetTables, DatasetTables.load_arrow)
    iter_table = _flat(DatasetTables, DatasetTables.iter_arrow)
    save_table = _flat(DatasetTables, DatasetTables.save)
    delete_table = _flat(DatasetTables, DatasetTables.delete)
    replace_rows_for_image_id = _flat(DatasetTables, DatasetTables.replace_rows_for_image_id)
    replace_rows = _flat(DatasetTables, DatasetTables.replace_rows)
    load_sources_index = _flat(DatasetSources, DatasetSources.load)
    save_sources_index = _flat(DatasetSources, DatasetSources.save)
    plan_refresh = _flat(DatasetSources, DatasetSources.plan)
    refresh_from_folder = _flat(DatasetSources, DatasetSources.refresh)

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
