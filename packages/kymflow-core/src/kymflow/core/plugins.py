"""Find indexers and analyses: those that come along, and those of other distributions.

A distribution offers one by an entry point whose name is that of the indexer or analysis, and
whose target, called without arguments, makes it::

    [project.entry-points."kymflow.indexers"]
    vessel_width = "my_lab.vessel_width:VesselWidth"

Finding reads metadata only; a plugin's code is imported when it is loaded.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from kymflow.core.analysis_base import BaseAnalysis
from kymflow.core.errors import KymflowCoreError, PluginError, PluginWarning, UnknownPluginError
from kymflow.core.kym_dataset.indexer_base import BaseIndexer
from kymflow.core.kym_dataset.table_names import table_name

if TYPE_CHECKING:
    from importlib.metadata import Distribution

__all__ = [
    "PluginInfo",
    "find_analyses",
    "find_indexers",
    "load_analyses",
    "load_analysis",
    "load_indexer",
    "load_indexers",
]

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
    check: Callable[[str, object], T]


def find_indexers() -> dict[str, PluginInfo]:
    """All indexers by name, sorted. A name that is taken already is a `PluginWarning`."""
    return _find(_INDEXERS)


def load_indexer(name: str) -> BaseIndexer:
    """Make an indexer.

    Raises:
        UnknownPluginError: There is none of this name; it lists those that exist.
        PluginError: It cannot be imported or made, or is no indexer.
    """
    return _load(_INDEXERS, name)


def load_indexers() -> dict[str, BaseIndexer]:
    """Make all indexers. One that cannot be used is a `PluginWarning`, and is left out."""
    return _load_all(_INDEXERS)


def find_analyses() -> dict[str, PluginInfo]:
    """All analyses by name, sorted. A name that is taken already is a `PluginWarning`."""
    return _find(_ANALYSES)


def load_analysis(name: str) -> BaseAnalysis:
    """Make an analysis with its default parameters.

    Raises:
        UnknownPluginError: There is none of this name; it lists those that exist.
        PluginError: It cannot be imported or made, or is no analysis.
    """
    return _load(_ANALYSES, name)


def load_analyses() -> dict[str, BaseAnalysis]:
    """Make all analyses. One that cannot be used is a `PluginWarning`, and is left out."""
    return _load_all(_ANALYSES)


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


def _load(kind: _Kind[T], name: str) -> T:
    found = _find(kind)
    if name not in found:
        raise UnknownPluginError(name, kind=kind.title, known=found)
    return _make(kind, found[name])


def _load_all(kind: _Kind[T]) -> dict[str, T]:
    loaded: dict[str, T] = {}
    for name, info in _find(kind).items():
        try:
            loaded[name] = _make(kind, info)
        except PluginError as error:
            _warn(str(error))
    return loaded


def _make(kind: _Kind[T], info: PluginInfo) -> T:
    try:
        made: object = EntryPoint(name=info.name, value=info.target, group=kind.group).load()()
    except Exception as error:
        # It is anyone's code: whatever it raises says that this plugin is broken, and no other.
        raise PluginError(
            info.name, origin=info.origin, reason=f"{type(error).__name__}: {error}"
        ) from error
    try:
        return kind.check(info.name, made)
    except (TypeError, KymflowCoreError) as error:
        raise PluginError(info.name, origin=info.origin, reason=str(error)) from error


def _check_indexer(name: str, made: object) -> BaseIndexer:
    if not isinstance(made, BaseIndexer):
        raise TypeError(f"{made!r} is no indexer: it lacks {_missing(BaseIndexer, made)}")
    table_name(made.name)
    if made.name != name:
        raise TypeError(f"the indexer calls itself {made.name!r}, its entry point {name!r}")
    return made


def _check_analysis(name: str, made: object) -> BaseAnalysis:
    if not isinstance(made, BaseAnalysis):
        raise TypeError(f"{made!r} is no analysis: it lacks {_missing(BaseAnalysis, made)}")
    if made.name != name:
        raise TypeError(f"the analysis calls itself {made.name!r}, its entry point {name!r}")
    return made


def _missing(protocol: type, made: object) -> str:
    return ", ".join(_absent(dir(made), (n for n in vars(protocol) if not n.startswith("_"))))


def _absent(present: Iterable[str], wanted: Iterable[str]) -> list[str]:
    return sorted(set(wanted).difference(present))


def _distribution(distribution: Distribution | None) -> tuple[str, str]:
    return ("unknown", "") if distribution is None else (distribution.name, distribution.version)


def _warn(message: str) -> None:
    warnings.warn(message, PluginWarning, stacklevel=4)


_INDEXERS: Final = _Kind(
    title="indexer",
    group="kymflow.indexers",
    built_in={
        "image_summary": "kymflow.core.indexers.image_summary:ImageSummary",
        "roi": "kymflow.core.indexers.roi_table:RoiTable",
        "velocity": "kymflow.core.indexers.velocity:VelocityTable",
        "velocity_intervals": "kymflow.core.indexers.velocity:VelocityIntervalsTable",
    },
    check=_check_indexer,
)

_ANALYSES: Final = _Kind(
    title="analysis",
    group="kymflow.analyses",
    built_in={"velocity": "kymflow.core.analysis.velocity_analysis:VelocityAnalysis"},
    check=_check_analysis,
)
