"""The readers, indexers and analyses that can be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from kymflow.cli.errors import UnknownNameError
from kymflow.cli.guesses import guess
from kymflow.cli.results import Plugin

if TYPE_CHECKING:
    from kymflow.core import BaseIndexer
    from kymflow.core.analysis import Analysis

__all__ = [
    "analysis_params",
    "choose_indexers",
    "known_plugins",
    "known_readers",
    "load_analysis",
]

_PARAMETERS: Final = {"window": "window_lines"}
"""Options that have a shorter name than the parameter."""


def known_plugins(kind: Literal["indexer", "analysis"]) -> tuple[Plugin, ...]:
    """All plugins of a kind, sorted by name, those that are broken with the reason."""
    from kymflow.core import plugins as core
    from kymflow.core.analysis import Analysis
    from kymflow.core.errors import PluginError

    found = core.find_indexers() if kind == "indexer" else core.find_analyses()
    load = core.load_indexer if kind == "indexer" else core.load_analysis
    listed = []
    for name, info in found.items():
        try:
            made = load(name)
            summary = made.doc if isinstance(made, Analysis) else _first_line(made)
            reason = None
        except PluginError as error:
            summary, reason = "", error.reason
        listed.append(
            Plugin(
                kind=kind,
                name=name,
                origin=info.origin,
                version=info.version or None,
                status="ok" if reason is None else "broken",
                summary=summary,
                reason=reason,
            )
        )
    return tuple(listed)


def known_readers() -> tuple[Plugin, ...]:
    """All readers of image files and of headers, those that are broken with the reason."""
    from kymflow_zarr.readers import find_readers

    return tuple(
        Plugin(
            kind=info.role,
            name=info.name,
            origin=info.distribution,
            version=info.version or None,
            suffixes=info.suffixes,
            status="broken" if info.problem else "ok",
            summary=info.summary,
            reason=info.problem or None,
        )
        for info in find_readers()
    )


def choose_indexers(names: Sequence[str]) -> list[BaseIndexer]:
    """The indexers of these names, each once; for no name, all that can be used.

    Raises:
        UnknownNameError: There is none of that name.
        kymflow.core.errors.PluginError: One that was named cannot be used.
    """
    from kymflow.core.plugins import find_indexers, load_indexer, load_indexers

    if not names:
        return list(load_indexers().values())
    known = find_indexers()
    for name in names:
        if name not in known:
            raise UnknownNameError(
                f"there is no indexer {name!r}",
                hint=guess(name, known, otherwise=f"there are: {', '.join(known)}"),
            )
    return [load_indexer(name) for name in dict.fromkeys(names)]


def load_analysis(name: str) -> Analysis[Any]:
    """An analysis.

    Raises:
        UnknownNameError: There is none of that name.
        kymflow.core.errors.PluginError: It cannot be used.
    """
    from kymflow.core import plugins as core

    known = core.find_analyses()
    if name not in known:
        raise UnknownNameError(
            f"there is no analysis {name!r}",
            hint=guess(name, known, otherwise=f"there are: {', '.join(known)}"),
        )
    return core.load_analysis(name)


def analysis_params(analysis: Analysis[Any], options: Mapping[str, object]) -> dict[str, object]:
    """The parameters that a person gave, by name.

    Args:
        analysis: The analysis.
        options: Values by option; None where it was not given.

    Raises:
        UnknownNameError: The analysis has no such parameter.
    """
    from kymflow.core.analysis import describe_params

    known = {info.name for info in describe_params(analysis.params)}
    given = {
        _PARAMETERS.get(option, option): value
        for option, value in options.items()
        if value is not None
    }
    missing = [option for option in options if _PARAMETERS.get(option, option) not in known]
    if not known.issuperset(given):
        listed = " and no ".join(f"--{option}" for option in missing)
        raise UnknownNameError(
            f"the analysis {analysis.name!r} has no {listed}", hint="leave them out"
        )
    return given


def _first_line(made: object) -> str:
    return (type(made).__doc__ or "").strip().partition("\n")[0]
