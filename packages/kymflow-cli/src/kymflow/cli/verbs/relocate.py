"""Tell a dataset that its image files have moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kymflow.cli.blocks import Block, Screen, counted, remark
from kymflow.cli.folders import relocate_folders
from kymflow.cli.opening import open_writer
from kymflow.cli.options import DEFAULT_WAIT_S, Wait
from kymflow.cli.results import DatasetResult
from kymflow.cli.safe_text import command, show


def relocate(dataset: str, old: str, new: str, /, *, wait: Wait = DEFAULT_WAIT_S) -> RelocateResult:
    """Tell a dataset where its image files are now.

    Only what the dataset remembers of them changes; no file is moved or read.

    Args:
        dataset: Path or URL of the dataset.
        old: The folder, or the file, where they were; it need not exist any longer.
        new: The folder, or the file, where they are now.
        wait: How many seconds to wait for another writer.

    Raises:
        FileNotFoundError: The new place does not exist.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    opened = open_writer(dataset, wait_s=wait)
    relocated = opened.sources.relocate(old, new)
    relocate_folders(opened, Path(old).expanduser(), Path(new).expanduser())
    return RelocateResult(dataset=dataset, old=old, new=new, relocated=relocated)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelocateResult(DatasetResult):
    """What a relocation changed.

    Attributes:
        old: Where files were.
        new: Where they are now.
        relocated: How many images were made of files there.
    """

    verb: ClassVar[str] = "relocate"
    items: ClassVar[tuple[()]] = ()
    old: str
    new: str
    relocated: int

    @property
    def ok(self) -> bool:
        """Whether the dataset has images from the old place."""
        return self.relocated > 0

    def as_text(self, screen: Screen) -> Iterator[Block]:  # noqa: ARG002
        """See `Result`."""
        images = counted(self.relocated, "image")
        yield Block(lines=[f"{images} of {show(self.dataset)} relocated to {show(self.new)}"])
        if not self.relocated:
            yield remark(
                f"no image came from {show(self.old)}; to see where they came from: "
                + command("status", self.dataset)
            )
