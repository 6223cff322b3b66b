"""The folders that a dataset grows from: those that were ingested, and those of its images."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kymflow.cli.blocks import Block, counted, remark
from kymflow.cli.errors import FolderNotFoundError, OutputFileError
from kymflow.cli.json_values import NOT_IN_JSON
from kymflow.cli.options import DEFAULT_PATTERNS
from kymflow.cli.results import BatchResult
from kymflow.cli.safe_text import command, show
from kymflow.cli.source_names import folder_of

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset

_TABLE: Final = "source_folders"
_EXPORT: Final = "kymflow_export.json"
_ZARR = ("zarr.json", ".zgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFolder:
    """A folder to look for image files in.

    Attributes:
        folder: The folder.
        patterns: Which files; ``**/`` stands for subfolders.
    """

    folder: Path
    patterns: tuple[str, ...]

    @property
    def is_recursive(self) -> bool:
        """Whether subfolders are looked at."""
        return any(pattern.startswith("**/") for pattern in self.patterns)

    @property
    def has_subfolders(self) -> bool:
        """Whether there are any."""
        return any(place.is_dir() for place in self.folder.iterdir())


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenFolders:
    """The folders that a run looks at.

    Attributes:
        there: Those that exist.
        missing: Folders of the dataset's images that are not there now.
        named: Whether they were named, now or when they were ingested, and not only found in the
            dataset.
    """

    there: tuple[SearchFolder, ...]
    missing: tuple[Path, ...] = ()
    named: bool = True

    @property
    def patterns(self) -> tuple[str, ...]:
        """All patterns."""
        return tuple(dict.fromkeys(p for search in self.there for p in search.patterns))


def choose_folders(
    dataset: ZarrDataset, named: Sequence[Path], pattern: tuple[str, ...], *, recursive: bool
) -> ChosenFolders:
    """The folders that were named; if none were, all that the dataset grows from.

    Those that `remember_folders` knows are looked at as they were then, unless a pattern or
    recursion is given.

    Raises:
        FolderNotFoundError: A folder that was named is not there.
    """
    for folder in named:
        require_folder(folder)
    patterns = expand_patterns(pattern, recursive=recursive)
    if named:
        return ChosenFolders(
            there=_topmost(SearchFolder(folder=f, patterns=patterns) for f in named)
        )
    as_before = pattern == DEFAULT_PATTERNS and not recursive
    remembered = _remembered(dataset)
    homes = [Path(folder) for folder in source_folders(dataset)]
    known = [
        *(
            search if as_before else SearchFolder(folder=search.folder, patterns=patterns)
            for search in remembered
        ),
        *(SearchFolder(folder=home, patterns=patterns) for home in homes),
    ]
    missing = {
        search.folder: None
        for search in known
        if not search.folder.is_dir()
        # without images it has moved, and its images were found at the new place
        and any(home.is_relative_to(search.folder) for home in homes)
    }
    return ChosenFolders(
        there=_topmost(search for search in known if search.folder.is_dir()),
        missing=tuple(missing),
        named=bool(remembered),
    )


def remember_folders(dataset: ZarrDataset, searches: Iterable[SearchFolder]) -> None:
    """Keep which folders were ingested, and how, in the table ``source_folders``.

    Args:
        dataset: The dataset, writable.
        searches: The folders.
    """
    known = {search.folder: search.patterns for search in _remembered(dataset)}
    for search in searches:
        place = search.folder.resolve()
        if (place / _EXPORT).is_file():  # it holds a dataset, and changes only with that
            continue
        before = known.get(place, ())
        patterns = tuple(dict.fromkeys((*before, *search.patterns)))
        if patterns != before:
            _remember(dataset, SearchFolder(folder=place, patterns=patterns))


def relocate_folders(dataset: ZarrDataset, old: Path, new: Path) -> None:
    """Store that folders which were ingested have moved.

    Args:
        dataset: The dataset, writable.
        old: Where they were: one of them, or a folder that they were in.
        new: Where that is now.
    """
    was = old.absolute()
    for search in _remembered(dataset):
        if search.folder.is_relative_to(was):
            place = new.resolve() / search.folder.relative_to(was)
            moved = SearchFolder(folder=place, patterns=search.patterns)
            _remember(dataset, moved, instead_of=search.folder)


def _remember(
    dataset: ZarrDataset, search: SearchFolder, *, instead_of: Path | None = None
) -> None:
    import pyarrow as pa

    from kymflow_zarr import RowUpdate

    row = {"folder": str(search.folder), "patterns": json.dumps(search.patterns)}
    schema = pa.schema(dict.fromkeys(row, pa.string()))
    update = RowUpdate(
        image_ids=frozenset({row["folder"], str(instead_of or search.folder)}),
        rows=pa.Table.from_pylist([row], schema=schema),
    )
    dataset.replace_rows(_TABLE, [update], schema=schema, image_id_col="folder")


def _remembered(dataset: ZarrDataset) -> tuple[SearchFolder, ...]:
    if dataset.table_schema(_TABLE) is None:
        return ()
    rows = dataset.load_arrow_table(_TABLE).to_pylist()
    return tuple(
        SearchFolder(folder=Path(row["folder"]), patterns=tuple(json.loads(row["patterns"])))
        for row in rows
    )


def _topmost(searches: Iterable[SearchFolder]) -> tuple[SearchFolder, ...]:
    """Each folder once, without those that a recursive search of another one covers."""
    kept: list[SearchFolder] = []
    for search in sorted(searches, key=lambda s: (s.folder, not s.is_recursive)):
        covered = any(
            search.folder == one.folder
            or (one.is_recursive and search.folder.is_relative_to(one.folder))
            for one in kept
        )
        if not covered:
            kept.append(search)
    return tuple(kept)


def expand_patterns(patterns: Iterable[str], *, recursive: bool) -> tuple[str, ...]:
    """The patterns for the store: those of a recursive search start with ``**/``."""
    return tuple(
        f"**/{pattern}" if recursive and not pattern.startswith("**/") else pattern
        for pattern in patterns
    )


def require_folder(folder: Path) -> None:
    """Refuse a folder that is not there.

    Raises:
        FolderNotFoundError: It is not there, or is a file, or is a dataset.
    """
    if any((folder / name).is_file() for name in _ZARR):
        raise FolderNotFoundError(str(folder), exists=True, is_zarr=True)
    if not folder.is_dir():
        raise FolderNotFoundError(str(folder), exists=folder.exists())


def source_folders(dataset: ZarrDataset) -> tuple[str, ...]:
    """The folders that the dataset's images came from, sorted. They may no longer exist."""
    paths = dataset.sources.load_arrow()["source_primary_path"].to_pylist()
    # As text first: many files lie in few folders.
    one_of_each = {re.sub(r"[^/\\]+$", "", str(path)): str(path) for path in paths}
    return tuple(sorted({folder_of(path) for path in one_of_each.values()}))


def require_outside(place: Path, dataset: str) -> None:
    """Refuse to write foreign files into a dataset.

    Raises:
        OutputFileError: The place lies inside.
    """
    if "://" not in dataset and place.resolve().is_relative_to(Path(dataset).resolve()):
        raise OutputFileError(
            str(place), "it would lie inside the dataset", hint="name a place outside it"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSearch(BatchResult):
    """What was found in the folders of a dataset: the part that several results have in common.

    Attributes:
        folders: The folders that were looked at.
        missing_folders: Folders that images came from and that are not there now.
        patterns: Which files were looked for; ``**/`` stands for subfolders.
        named: Whether the folders were named, now or before. Not in the JSON.
        unchanged: How many files are in the dataset as they are.
        changed: How many differ from when they were ingested.
        waiting: How many are still being written, and are left for a later run.
        gone: How many known files are no longer in these folders; their images stay.
        in_subfolders: How many new files lie in subfolders that were not looked at.
    """

    folders: tuple[str, ...]
    missing_folders: tuple[str, ...]
    patterns: tuple[str, ...]
    named: bool = field(metadata=NOT_IN_JSON)
    unchanged: int
    changed: int
    waiting: int
    gone: int
    in_subfolders: int


def search_remarks(result: FolderSearch) -> Iterator[Block]:
    """When no folder was scanned."""
    for folder in result.missing_folders:
        yield remark(f"not found now: {show(folder)}")
    if not result.named and not any(pattern.startswith("**/") for pattern in result.patterns):
        yield remark(
            "only folders that images came from were looked at; for others, and subfolders: "
            + command("refresh", result.dataset, "FOLDER", "--recursive")
        )


def subfolder_remark(files: int, typed: str = "--recursive") -> Block:
    """New image files lie in subfolders that were not looked at.

    Args:
        files: How many.
        typed: What to type to ingest them.
    """
    lie = "lies" if files == 1 else "lie"
    return remark(f"{counted(files, 'new image file')} {lie} in subfolders; to ingest: {typed}")


def nothing_matches(patterns: Sequence[str]) -> Block:
    """No file at all was found."""
    named = ", ".join(show(name) for name in patterns if name not in {"*", "**/*"})
    what = f"no file matches {named}" if named else "no image files here"
    return remark(f"{what}; for others: --pattern")
