"""Find indexers and analyses: the built-in ones, and those of other distributions.

A distribution offers one by an entry point of its name. The target of an analysis is the
`Analysis`; that of an indexer, called without arguments, makes it::

    [project.entry-points."kymflow.analyses"]
    brightness = "my_lab.brightness:BRIGHTNESS"

    [project.entry-points."kymflow.indexers"]
    vessel_width = "my_lab.vessel_width:VesselWidth"

Each analysis brings an indexer for each of its tables. An indexer's code is imported when it is
loaded, an analysis' already when it is found, since it names its tables.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from kymflow.core.analysis.definition import Analysis
from kymflow.core.errors import KymflowCoreError, PluginError, PluginWarning, UnknownKeyError
from kymflow.core.indexers.analysis_table import AnalysisTable, analysis_tables
from kymflow.core.kym_dataset.indexer_base import BaseIndexer
from kymflow.core.kym_dataset.table_names import table_name

if TYPE_CHECKING:
    from importlib.metadata import Distribution


T = TypeVar("T")

_OWN: Final = "kymflow-core"


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """What is known of an indexer or analysis before its code is imported.

    Attributes:
        name: Its name.
        origin: The distribution that it comes from.
        version: That distribution's version; "" if it is not installed but on the path.
        target: Where its code is: ``module:object``.
    """

    name: str
    origin: str
    version: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind(Generic[T]):
    """One kind of plugin: where it is announced, and what it must be."""

    title: str
    group: str
    built_in: Mapping[str, str]
    make: Callable[[str, Any], T]


def find_indexers() -> dict[str, PluginInfo]:
    """All indexers by name, sorted. A name that is taken already is a `PluginWarning`."""
    found = _find(_INDEXERS)
    for name, (_, info) in _tables(found).items():
        found[name] = info
    return dict(sorted(found.items()))


def load_indexer(name: str) -> BaseIndexer:
    """Make an indexer.

    Raises:
        UnknownKeyError: There is none of this name; it lists those that exist.
        PluginError: It cannot be imported or made, or is not an indexer.
    """
    found = _find(_INDEXERS)
    if name in found:
        return _make(_INDEXERS, found[name])
    tables = _tables(found)
    if name not in tables:
        raise UnknownKeyError(_INDEXERS.title, name, sorted({*found, *tables}))
    return tables[name][0]


def load_indexers() -> dict[str, BaseIndexer]:
    """Make all indexers. One that cannot be used is a `PluginWarning`, and is left out."""
    found = _find(_INDEXERS)
    loaded: dict[str, BaseIndexer] = _load_all(_INDEXERS, found)
    loaded |= {name: table for name, (table, _) in _tables(found).items()}
    return dict(sorted(loaded.items()))


def find_analyses() -> dict[str, PluginInfo]:
    """All analyses by name, sorted. A name that is taken already is a `PluginWarning`."""
    return _find(_ANALYSES)


def load_analysis(name: str) -> Analysis[Any]:
    """Import an analysis.

    Raises:
        UnknownKeyError: There is none of this name; it lists those that exist.
        PluginError: It cannot be imported, or is not an `Analysis`.
    """
    found = _find(_ANALYSES)
    if name not in found:
        raise UnknownKeyError(_ANALYSES.title, name, found)
    return _make(_ANALYSES, found[name])


def load_analyses() -> dict[str, Analysis[Any]]:
    """Import all analyses. One that cannot be used is a `PluginWarning`, and is left out.

    Each comes after those that it builds on, and those first that most others build on.
    """
    loaded = _load_all(_ANALYSES, _find(_ANALYSES))
    uses = Counter(needed.analysis.name for each in loaded.values() for needed in each.inputs)
    return dict(sorted(loaded.items(), key=lambda item: (_depth(item[1]), -uses[item[0]])))


def _depth(analysis: Analysis[Any]) -> int:
    """How many analyses an analysis builds on, one upon the other."""
    return max((1 + _depth(needed.analysis) for needed in analysis.inputs), default=0)


def _tables(found: Collection[str]) -> dict[str, tuple[AnalysisTable, PluginInfo]]:
    """The indexers that the analyses bring, but for names that other indexers have."""
    analyses = _find(_ANALYSES)
    tables: dict[str, tuple[AnalysisTable, PluginInfo]] = {}
    for name, analysis in _load_all(_ANALYSES, analyses).items():
        for table in analysis_tables(analysis):
            if table.name in found or table.name in tables:
                _warn(
                    f"the table {table.name!r} of analysis {name!r} is not used: another indexer "
                    "has this name; rename one of them, or uninstall what you do not need"
                )
            else:
                tables[table.name] = table, replace(analyses[name], name=table.name)
    return tables


def _find(kind: _Kind[T]) -> dict[str, PluginInfo]:
    found = {
        name: PluginInfo(name=name, origin=_OWN, version="", target=target)
        for name, target in kind.built_in.items()
    }
    announced = sorted(entry_points(group=kind.group), key=lambda point: (point.name, point.value))
    for point in announced:
        origin, version = _distribution(point.dist)
        new = PluginInfo(name=point.name, origin=origin, version=version, target=point.value)
        there = found.get(point.name)
        if there is None or there.target == new.target:
            found[point.name] = new
        else:
            _warn(
                f"{kind.title} {point.name!r} of {origin!r} is not used: {there.origin!r} has one "
                "of this name; rename one of them, or uninstall what you do not need"
            )
    return dict(sorted(found.items()))


def _load_all(kind: _Kind[T], found: Mapping[str, PluginInfo]) -> dict[str, T]:
    loaded: dict[str, T] = {}
    for name, info in found.items():
        try:
            loaded[name] = _make(kind, info)
        except PluginError as error:
            _warn(str(error))
    return loaded


def _make(kind: _Kind[T], info: PluginInfo) -> T:
    try:
        target: object = EntryPoint(name=info.name, value=info.target, group=kind.group).load()
        return kind.make(info.name, target)
    except Exception as error:
        # Third-party code may raise anything: that makes this plugin unusable, and no other.
        reason = str(error) if isinstance(error, _MisfitError | KymflowCoreError) else ""
        raise PluginError(
            info.name, origin=info.origin, reason=reason or f"{type(error).__name__}: {error}"
        ) from error


class _MisfitError(TypeError):
    """A plugin is something else than it should be."""


def _make_indexer(name: str, target: Callable[[], object]) -> BaseIndexer:
    made = target()
    if not isinstance(made, BaseIndexer):
        wanted = {name for name in vars(BaseIndexer) if not name.startswith("_")}
        lacks = ", ".join(sorted(wanted.difference(dir(made))))
        raise _MisfitError(f"{made!r} is not an indexer: it lacks {lacks}")
    table_name(made.name)
    if made.name != name:
        raise _MisfitError(f"the indexer calls itself {made.name!r}, its entry point {name!r}")
    return made


def _check_analysis(name: str, target: object) -> Analysis[Any]:
    if not isinstance(target, Analysis):
        raise _MisfitError(f"{target!r} is not a kymflow.core.analysis.Analysis")
    if target.name != name:
        raise _MisfitError(f"the analysis calls itself {target.name!r}, its entry point {name!r}")
    for table in analysis_tables(target):
        table_name(table.name)
    return target


def _distribution(distribution: Distribution | None) -> tuple[str, str]:
    return ("unknown", "") if distribution is None else (distribution.name, distribution.version)


def _warn(message: str) -> None:
    warnings.warn(message, PluginWarning, stacklevel=4)


_INDEXERS: Final = _Kind(
    title="indexer",
    group="kymflow.indexers",
    built_in={
        "image_summary": "kymflow.core.indexers.image_summary:ImageSummary",
        "images": "kymflow.core.indexers.image_table:ImageTable",
        "roi": "kymflow.core.indexers.roi_table:RoiTable",
    },
    make=_make_indexer,
)

_ANALYSES: Final = _Kind(
    title="analysis",
    group="kymflow.analyses",
    built_in={
        "cells": "kymflow.core.analysis.cells:CELLS",
        "diameter": "kymflow.core.analysis.diameter:DIAMETER",
        "flow": "kymflow.core.analysis.flow:FLOW",
        "pulse": "kymflow.core.analysis.pulse:PULSE",
        "velocity": "kymflow.core.analysis.velocity:VELOCITY",
    },
    make=_check_analysis,
)
