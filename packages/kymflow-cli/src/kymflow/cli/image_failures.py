"""The images that failed, as a table for stderr."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from kymflow.cli.blocks import Block, Screen, counted, failure_blocks
from kymflow.cli.source_names import short_names


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOutcome:
    """What became of one image.

    Attributes:
        image_id: The image.
        source: The file that it was made of; None if there is none.
        reason: Why it failed or was left out; None if neither.
    """

    type: ClassVar[str] = "image"
    image_id: str
    source: str | None
    reason: str | None


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
