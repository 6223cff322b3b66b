"""Text of `plugins` and `completion`."""

from __future__ import annotations

from collections.abc import Iterator

from kymflow.cli.results import CompletionResult, PluginListResult
from kymflow.cli.views.base import Block, Screen, view
from kymflow.cli.views.parts import counted, failure_blocks, table_blocks


@view.register
def _plugins(result: PluginListResult, screen: Screen) -> Iterator[Block]:
    yield from failure_blocks(
        f"{counted(result.broken, 'plugin')} cannot be used",
        ("plugin", "from", "reason"),
        [(item.name, item.origin, item.reason) for item in result.items if item.reason],
        screen,
    )
    rows = [
        (
            item.kind,
            item.name,
            f"{item.origin} {item.version or ''}".strip(),
            " ".join(item.suffixes),
            item.summary,
        )
        for item in result.items
        if item.status == "ok"
    ]
    yield from table_blocks(("kind", "name", "from", "files", "what it does"), rows, screen)


@view.register
def _completion(result: CompletionResult, screen: Screen) -> Iterator[Block]:  # noqa: ARG001
    yield Block(lines=result.script.splitlines())
