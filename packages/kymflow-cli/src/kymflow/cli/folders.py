"""The folders that a dataset grows from, as far as its images tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath, PureWindowsPath
from typing import TYPE_CHECKING, Protocol

from kymflow.cli.blocks import Block, remark
from kymflow.cli.errors import OutputFileError
from kymflow.cli.safe_text import command, show

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset

__all__ = ["nothing_matches", "require_outside", "search_remarks", "source_folders", "topmost"]


def source_folders(dataset: ZarrDataset) -> tuple[str, ...]:
    """The folders that the dataset's images came from, sorted. They need not exist any more."""
    found = {
        str(_path(entry.source.source_primary_path).parent)
        for entry in dataset.load_manifest().entries.values()
        if entry.source is not None
    }
    return tuple(sorted(found))


def require_outside(place: Path, dataset: str) -> None:
    """Refuse to write foreign files into a dataset.

    Raises:
        OutputFileError: The place lies inside.
    """
    if "://" not in dataset and place.resolve().is_relative_to(Path(dataset).resolve()):
        raise OutputFileError(
            str(place), "it would lie inside the dataset", hint="name a place outside of it"
        )


def topmost(folders: Iterable[Path]) -> tuple[Path, ...]:
    """Those folders that lie in no other one of them."""
    kept: list[Path] = []
    for folder in sorted(folders):
        if not any(folder.is_relative_to(above) for above in kept):
            kept.append(folder)
    return tuple(kept)


def _path(text: str) -> PurePath:
    # A dataset may have been filled on a system of the other kind.
    return PureWindowsPath(text) if "\\" in text and "/" not in text else PurePath(text)


class Search(Protocol):
    """A result that says where image files were looked for."""

    @property
    def dataset(self) -> str:
        """The dataset."""

    @property
    def missing_folders(self) -> tuple[str, ...]:
        """Folders that images came from and that are not there now."""

    @property
    def patterns(self) -> tuple[str, ...]:
        """Which files were looked for; ``**/`` stands for subfolders."""

    @property
    def named(self) -> bool:
        """Whether the folders were named, and not only found in the dataset."""


def search_remarks(result: Search) -> Iterator[Block]:
    """When no folder was scanned."""
    for folder in result.missing_folders:
        yield remark(f"not there now: {show(folder)}")
    if not result.named and not any(pattern.startswith("**/") for pattern in result.patterns):
        yield remark(
            "only folders that images came from were looked at; for others, and subfolders: "
            + command("refresh", result.dataset, "FOLDER", "--recursive")
        )


def nothing_matches(patterns: Sequence[str]) -> Block:
    """No file at all was found."""
    deeper = (
        "" if any(name.startswith("**/") for name in patterns) else ", in subfolders: --recursive"
    )
    named = ", ".join(show(name) for name in patterns if name not in {"*", "**/*"})
    what = f"no file matches {named}" if named else "no image files here"
    return remark(f"{what}; for others: --pattern{deeper}")
