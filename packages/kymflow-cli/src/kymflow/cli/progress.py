"""How a verb reports its progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from kymflow.cli.results import Item


class Progress(Protocol):
    """A listener for one verb's work. Verbs get it as their parameter ``progress``."""

    def begin(self, activity: str, total: int | None) -> None:
        """A stretch of work begins.

        Args:
            activity: What is done, as in "ingesting".
            total: How many steps it has; None if that is unknown.
        """

    def step(self, done: int = 1) -> None:
        """Some steps are done."""

    def tell(self, item: Item) -> None:
        """One item of the result is final, before all the others are."""

    def note(self, lines: Iterable[str]) -> None:
        """Lines that a person needs right now."""


class _Silent:
    def begin(self, activity: str, total: int | None) -> None:
        """Ignored."""

    def step(self, done: int = 1) -> None:
        """Ignored."""

    def tell(self, item: Item) -> None:
        """Ignored."""

    def note(self, lines: Iterable[str]) -> None:
        """Ignored."""


SILENT: Progress = _Silent()
"""Reports nothing."""


def followed(progress: Progress, activity: str) -> Callable[[int, int], None]:
    """A progress callback for the packages below: called with the images done and their total.

    Args:
        progress: Who listens.
        activity: What is done, as in "indexing".
    """
    seen = 0

    def follow(done: int, total: int) -> None:
        nonlocal seen
        if done == 0:
            progress.begin(activity, total)
        progress.step(done - seen)
        seen = done

    return follow
