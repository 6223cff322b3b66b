"""The images that failed, as a table for stderr."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from kymflow.cli.blocks import Block, Screen, counted, failure_blocks
from kymflow.cli.source_names import short_names


class ImageOutcome(Protocol):
    """What became of one image."""

    @property
    def image_id(self) -> str:
        """The image."""

    @property
    def source(self) -> str | None:
        """The file that it was made of; None if there is none."""

    @property
    def reason(self) -> str | None:
        """Why it failed; None if it did not."""


def image_failures(what: str, items: Iterable[ImageOutcome], screen: Screen) -> Iterator[Block]:
    """The images of some that failed, and why; nothing if none did.

    Args:
        what: What became of them, such as "could not be analyzed".
        items: The images.
        screen: How wide the streams are.
    """
    failed = [item for item in items if item.reason is not None]
    names = short_names(item.source for item in failed)
    rows = [(item.image_id, names.get(item.source or "", ""), item.reason) for item in failed]
    title = f"{counted(len(rows), 'image')} {what}"
    yield from failure_blocks(title, ("image", "file", "reason"), rows, screen)
