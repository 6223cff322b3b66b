"""In which order indexers run, so that each finds the tables that it depends on."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from kymflow.core.errors import IndexerCycleError
from kymflow.core.kym_dataset.indexer_base import BaseIndexer, DependentIndexer


def run_order(indexers: Iterable[BaseIndexer]) -> list[BaseIndexer]:
    """The indexers, each after those that it depends on.

    A table that none of them makes is taken to be there.

    Raises:
        IndexerCycleError: Some depend on each other.
    """
    named = {indexer.name: indexer for indexer in indexers}
    sorter = TopologicalSorter(
        {
            name: [other for other in _depends_on(indexer) if other in named]
            for name, indexer in named.items()
        }
    )
    try:
        return [named[name] for name in sorter.static_order()]
    except CycleError as error:
        raise IndexerCycleError(error.args[1]) from error


def _depends_on(indexer: BaseIndexer) -> Iterable[str]:
    return indexer.depends_on if isinstance(indexer, DependentIndexer) else ()
