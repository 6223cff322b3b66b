"""What `demo` and `completion` answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from kymflow.cli.results.base import Item
from kymflow.cli.results.look import Row

__all__ = [
    "CompletionResult",
    "DemoResult",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What the demo made.

    Attributes:
        folder: The folder of it all.
        dataset: The dataset.
        images_folder: The folder with the TIFF files.
        taken_in: How many images were ingested by this run.
        images: How many images the dataset has.
        table: The table whose rows follow.
        columns: Its columns.
        items: Its rows.
    """

    streamed: ClassVar[bool] = False
    verb: ClassVar[str] = "demo"
    ok: ClassVar[bool] = True
    folder: str
    dataset: str
    images_folder: str
    taken_in: int
    images: int
    table: str
    columns: tuple[str, ...]
    items: Sequence[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionResult:
    """A script for a shell.

    Attributes:
        shell: The shell.
        script: The script.
        items: Always empty.
    """

    streamed: ClassVar[bool] = False
    verb: ClassVar[str] = "completion"
    ok: ClassVar[bool] = True
    shell: str
    script: str
    items: tuple[Item, ...] = ()
