"""The indexers that can be run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kymflow.cli.errors import UnknownNameError
from kymflow.cli.results import KnownIndexer

if TYPE_CHECKING:
    from kymflow.core import BaseIndexer

__all__ = ["choose_indexers", "known_indexers"]


def known_indexers() -> tuple[KnownIndexer, ...]:
    """What can be run, sorted by name."""
    return tuple(
        KnownIndexer(
            name=name,
            table=f"kym_{name}",
            origin="kymflow-core",
            summary=(type(indexer).__doc__ or "").strip().partition("\n")[0],
        )
        for name, indexer in sorted(_all().items())
    )


def choose_indexers(names: Sequence[str]) -> list[BaseIndexer]:
    """The indexers of these names, each once; all that there are for no name.

    Raises:
        UnknownNameError: There is none of that name.
    """
    known = _all()
    for name in names:
        if name not in known:
            raise UnknownNameError(
                f"there is no indexer {name!r}", hint=f"there are: {', '.join(sorted(known))}"
            )
    return [known[name] for name in dict.fromkeys(names or sorted(known))]


def _all() -> dict[str, BaseIndexer]:
    from kymflow.core.indexers import ImageSummary

    return {indexer.name: indexer for indexer in (ImageSummary(),)}
