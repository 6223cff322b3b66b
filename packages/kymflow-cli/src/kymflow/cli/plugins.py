"""The readers, indexers and analyses that can be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from kymflow.cli.errors import UnknownNameError
from kymflow.cli.guesses import guess
from kymflow.cli.results import Plugin

if TYPE_CHECKING:
    from kymflow.core import BaseIndexer
    from kymflow.core.analysis_base import BaseAnalysis

__all__ = ["choose_indexers", "known_plugins", "known_readers", "load_analysis"]


def known_plugins(kind: Literal["indexer", "analysis"]) -> tuple[Plugin, ...]:
    """All plugins of a kind, sorted by name, those that are broken with the reason."""
    from kymflow.core import plugins as core
    from kymflow.core.errors import PluginError

    found = core.find_indexers() if kind == "indexer" else core.find_analyses()
    load = core.load_indexer if kind == "indexer" else core.load_analysis
    listed = []
    for name, info in found.items():
        try:
            summary, reason = _first_line(load(name)), None
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


def load_analysis(
    name: str, *, missing: bool, window: int | None, method: Literal["shear", "radon"] | None
) -> BaseAnalysis:
    """An analysis with the parameters that were given.

    Args:
        name: Its name.
        missing: Whether to leave alone what has results of these parameters.
        window: Lines per window, for velocity; None for what is usual.
        method: How to estimate velocity; None for what is usual.

    Raises:
        UnknownNameError: There is none of that name, or it has no such parameter.
        kymflow.core.errors.PluginError: It cannot be used.
    """
    from kymflow.core import plugins as core
    from kymflow.core.analysis.velocity_analysis import VelocityAnalysis, VelocityParams

    if name == VelocityAnalysis.name:
        usual = VelocityParams()
        params = VelocityParams(
            window_lines=usual.window_lines if window is None else window,
            method=usual.method if method is None else method,
        )
        return VelocityAnalysis(params=params, only_missing=missing)
    known = core.find_analyses()
    if name not in known:
        names = sorted({VelocityAnalysis.name, *known})
        raise UnknownNameError(
            f"there is no analysis {name!r}",
            hint=guess(name, names, otherwise=f"there are: {', '.join(names)}"),
        )
    if window is not None or method is not None:
        raise UnknownNameError(
            f"the analysis {name!r} has no --window and no --method", hint="leave them out"
        )
    return core.load_analysis(name)


def _first_line(made: object) -> str:
    return (type(made).__doc__ or "").strip().partition("\n")[0]
