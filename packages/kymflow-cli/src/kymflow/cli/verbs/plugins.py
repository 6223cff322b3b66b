"""List the readers, indexers and analyses of this installation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from kymflow.cli.blocks import Block, Screen, counted, failure_blocks, table_blocks


def plugins() -> PluginListResult:
    """List the installed readers of image files and headers, indexers and analyses.

    Some are built in; others come from other packages.
    """
    items = (*known_readers(), *known_plugins("indexer"), *known_plugins("analysis"))
    return PluginListResult(
        plugins=len(items), broken=sum(item.status == "broken" for item in items), items=items
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginListResult:
    """The readers, indexers and analyses of this installation.

    Attributes:
        verb: ``plugins``, or ``index`` with ``--list``.
        plugins: How many there are.
        broken: How many of them cannot be used.
        items: The plugins.
    """

    streamed: ClassVar[bool] = False
    verb: str = "plugins"
    plugins: int
    broken: int
    items: tuple[Plugin, ...]

    @property
    def ok(self) -> bool:
        """Whether all can be used."""
        return self.broken == 0

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        yield from failure_blocks(
            f"{counted(self.broken, 'plugin')} cannot be used",
            ("plugin", "from", "reason"),
            [(item.name, item.origin, item.reason) for item in self.items if item.reason],
            screen,
        )
        rows = [
            (
                item.kind,
                item.name,
                item.summary,
                " ".join(item.suffixes),
                f"{item.origin} {item.version or ''}".strip(),
            )
            for item in self.items
            if item.status == "ok"
        ]
        yield from table_blocks(("kind", "name", "what it does", "files", "from"), rows, screen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One reader, header reader, indexer or analysis of this installation.

    Attributes:
        kind: Which of them.
        name: Its name.
        origin: The distribution that it comes from.
        version: That distribution's version; None if it is not installed.
        suffixes: Endings of the files that a reader takes; empty for others.
        status: Whether it can be used.
        summary: What it says of itself, in a line.
        reason: Why it cannot be used; None if it can.
    """

    type: ClassVar[str] = "plugin"
    kind: Literal["reader", "header", "indexer", "analysis"]
    name: str
    origin: str
    version: str | None
    suffixes: tuple[str, ...] = ()
    status: Literal["ok", "broken"]
    summary: str
    reason: str | None


def known_plugins(kind: Literal["indexer", "analysis"]) -> tuple[Plugin, ...]:
    """All plugins of a kind, sorted by name, those that are broken with the reason."""
    from kymflow.core import plugins as core
    from kymflow.core.analysis import Analysis
    from kymflow.core.errors import PluginError
    from kymflow.core.indexers import AnalysisTable

    found = core.find_indexers() if kind == "indexer" else core.find_analyses()
    load = core.load_indexer if kind == "indexer" else core.load_analysis
    listed = []
    for name, info in found.items():
        try:
            made = load(name)
            summary = made.doc if isinstance(made, Analysis | AnalysisTable) else _first_line(made)
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
            summary=info.summary.partition(" See ")[0].replace("`", ""),
            reason=info.problem or None,
        )
        for info in find_readers()
    )


def _first_line(made: object) -> str:
    return (type(made).__doc__ or "").strip().partition("\n")[0]
