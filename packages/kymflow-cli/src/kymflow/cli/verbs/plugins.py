"""List the readers, indexers and analyses of this installation."""

from __future__ import annotations

from kymflow.cli.plugins import known_plugins, known_readers
from kymflow.cli.results import PluginListResult

__all__ = ["plugins"]


def plugins() -> PluginListResult:
    """List the readers of image files and headers, the indexers and the analyses that there are.

    Some are built in, others come from other packages.

    Returns:
        The plugins, also those that cannot be used, with the reason.
    """
    items = (*known_readers(), *known_plugins("indexer"), *known_plugins("analysis"))
    return PluginListResult(
        plugins=len(items), broken=sum(item.status == "broken" for item in items), items=items
    )
