"""What is logged and warned of while a verb runs, as lines on the terminal."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from kymflow.cli.safe_text import show
from kymflow.cli.terminal import LogHandler, Terminal


@contextmanager
def shown_messages(terminal: Terminal, *, verbose: bool, debug: bool) -> Iterator[None]:
    """Show what is logged, and warnings, while a verb runs.

    Args:
        terminal: Where to.
        verbose: Whether to show more than warnings.
        debug: Whether to show all.
    """
    handler = LogHandler(terminal)
    level = logging.WARNING
    if verbose:
        level = logging.INFO
    if debug:
        level = logging.DEBUG
    levels = {logging.getLogger(name): level for name in ("kymflow", "kymflow_zarr")}
    # Where tifffile finds damage, kymflow reports an error.
    levels[logging.getLogger("tifffile")] = level if debug else logging.CRITICAL
    before = {logger: logger.level for logger in levels}
    root = logging.getLogger()
    root.addHandler(handler)
    for logger, shown in levels.items():
        logger.setLevel(shown)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = partial(_show_warning, terminal, is_verbose=verbose or debug)
            yield
    finally:
        root.removeHandler(handler)
        for logger, earlier in before.items():
            logger.setLevel(earlier)


def _show_warning(
    terminal: Terminal,
    message: Warning | str,
    category: type[Warning],
    *place: object,
    is_verbose: bool,
) -> None:
    """Our own warnings are for users, those of libraries for programmers."""
    if category.__module__.startswith("kymflow"):
        terminal.labelled("warning", show(str(message)), style="yellow")
    elif is_verbose:
        text = f"{category.__name__}: {message} ({place[0]}, line {place[1]})"
        terminal.labelled("warning", show(text), style="yellow")
