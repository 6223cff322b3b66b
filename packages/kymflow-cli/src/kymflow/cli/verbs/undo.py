"""Take the latest decision back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from kymflow.cli.blocks import Block, Screen, counted
from kymflow.cli.opening import find_image, open_writer
from kymflow.cli.results import DatasetResult
from kymflow.cli.safe_text import show


def undo(dataset: str, image: str | None = None, /) -> UndoResult:
    """Take the latest decision back.

    What one command decided on many images is undone at once. A decision is everything that
    kymflow log lists except runs: exclusions, notes, marks, regions, calibrations, metadata.
    Results and tables change with the next kymflow update.

    Args:
        dataset: Path or URL of the dataset.
        image: Just on this image: its id, the first characters of it, or its source file.

    Raises:
        kymflow.core.errors.NothingToUndoError: No decision is left.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    from kymflow.core import decisions

    opened = open_writer(dataset)
    target = opened if image is None else opened.record(find_image(opened, image))
    undone = decisions.undo(target)
    return UndoResult(
        dataset=dataset,
        undone=len(undone),
        items=tuple(
            UndoneAct(kind=act.kind, author=act.author, at=act.at, details=dict(act.details))
            for act in undone
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoResult(DatasetResult):
    """What was undone.

    Attributes:
        undone: How many decisions, each on one image.
        items: These decisions.
    """

    verb: ClassVar[str] = "undo"
    undone: int
    items: tuple[UndoneAct, ...]

    def as_text(self, screen: Screen) -> Iterator[Block]:  # noqa: ARG002
        """See `Result`."""
        kinds = ", ".join(sorted({item.kind.replace("_", " ") for item in self.items}))
        yield Block(lines=[f"undone: {counted(self.undone, 'decision')} ({show(kinds)})"])


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoneAct:
    """A decision that was undone.

    Attributes:
        kind: What was decided.
        author: Who decided it.
        at: When, ISO 8601 in UTC.
        details: What exactly.
    """

    type: ClassVar[str] = "act"
    kind: str
    author: str
    at: str
    details: dict[str, object]
