"""What a refresh would do: a folder compared with the sources index, and nothing written."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from kymflow_zarr._catalog.failed_sources import FailedSource
from kymflow_zarr._catalog.sources import (
    BesideState,
    FileState,
    FolderScan,
    SourceFile,
    SourceRow,
    beside_from_text,
    rows_from_table,
)
from kymflow_zarr.errors import UnreadableImageError

if TYPE_CHECKING:
    import pyarrow as pa

RefreshMode: TypeAlias = Literal["skip", "reingest_if_changed"]

BesideLookup: TypeAlias = Callable[[Collection[str]], Mapping[str, str | None]]
"""For images what lay beside their files when they were ingested, as `beside_to_text` gives it;
None where it is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshPlan:
    """What a refresh finds, and so would do.

    Attributes:
        new: Files that no image has been made of.
        changed: Files that differ from when they were ingested, in size, time, number of channels
            or in a header or sidecar beside them, each with the id of its image.
        unchanged_states: The files of `unchanged` as bare tuples.
        gone: Paths in the index whose folder was looked at, and that are not in it.
        refused: What matches but is not a regular file, with the reason.
        waiting: New and changed files that have not been at rest for long enough.
        failed: Files that could not be ingested and have not changed since.
    """

    new: tuple[SourceFile, ...]
    changed: tuple[tuple[SourceFile, str], ...]
    unchanged_states: tuple[FileState, ...]
    gone: tuple[str, ...]
    refused: Mapping[Path, UnreadableImageError]
    waiting: tuple[SourceFile, ...] = ()
    failed: tuple[FailedSource, ...] = ()

    @property
    def unchanged(self) -> tuple[SourceFile, ...]:
        """Files that are in the dataset as they are; also those that changed back."""
        return tuple(map(SourceFile._make, self.unchanged_states))

    def to_ingest(self, mode: RefreshMode) -> tuple[tuple[SourceFile, str | None], ...]:
        """The files to ingest, each with the id of the image that it supersedes."""
        fresh: tuple[tuple[SourceFile, str | None], ...] = tuple((file, None) for file in self.new)
        return fresh if mode == "skip" else (*fresh, *self.changed)


def plan_refresh(
    scan: FolderScan,
    known: pa.Table,
    *,
    beside_of: BesideLookup,
    failures: Mapping[str, FailedSource],
    unsettled_ns: range = range(0),
) -> RefreshPlan:
    """Compare what a folder holds with the sources index.

    Args:
        scan: What the folder holds.
        known: The index, as `sources_table` returns it.
        beside_of: Finds what lay beside images when they were ingested.
        failures: Files that are not to be tried again until they change, by path.
        unsettled_ns: Files that changed at one of these times, ns since 1970, wait.
    """
    # Nearly all files are exactly as a row says. Comparing columns takes half the time that it
    # takes to make the rows.
    paths: list[Any] = known["source_primary_path"].to_pylist()
    times, sizes = known["source_mtime_ns"].to_pylist(), known["source_size_bytes"].to_pylist()
    image_ids: list[Any] = known["image_id"].to_pylist()
    owners = dict(zip(zip(paths, times, sizes, strict=True), image_ids, strict=True))
    same, differing = _split(scan.states, owners, beside_of)
    new: list[SourceFile] = []
    changed: list[tuple[SourceFile, str]] = []
    if differing:
        new, changed, more = _compare(differing, rows_from_table(known), beside_of)
        same = sorted([*same, *more]) if more else same
    not_found: set[str] = set()
    if len(same) < len(paths):
        not_found = set(paths).difference([found[0][0] for found in scan.states])
    failed, waiting = _failed_and_waiting(
        [*new, *(file for file, _ in changed)], failures, unsettled_ns
    )
    later = {*waiting, *failed}
    return RefreshPlan(
        new=tuple(file for file in new if file not in later),
        changed=tuple((file, image_id) for file, image_id in changed if file not in later),
        unchanged_states=tuple(same),
        gone=tuple(sorted(missing_paths(not_found, scan.listings))),
        refused=scan.refused,
        waiting=tuple(waiting),
        failed=tuple(failed.values()),
    )


def _split(
    found: Iterable[FileState], owners: Mapping[Any, str], beside_of: BesideLookup
) -> tuple[list[FileState], list[FileState]]:
    """The files that are as they were when they were ingested, and all others."""
    same: list[FileState] = []
    differing: list[FileState] = []
    to_look_at: list[tuple[FileState, str]] = []
    for state in found:
        owner = owners.get((state[0][0], state[1], state[2]))
        if owner is None:
            differing.append(state)
        elif state[3]:
            to_look_at.append((state, owner))
        else:
            same.append(state)
    if to_look_at:
        stored = beside_of([owner for _, owner in to_look_at])
        for state, owner in to_look_at:
            (same if _is_same_state(stored.get(owner), state[3]) else differing).append(state)
        same.sort()
    return same, differing


def _is_same_state(stored: str | None, found: BesideState | None) -> bool:
    """Whether the files beside an image are those that were there when it was ingested."""
    return stored is None or not found or set(found) <= set(beside_from_text(stored))


def _compare(
    found: Iterable[FileState], known: Iterable[SourceRow], beside_of: BesideLookup
) -> tuple[list[SourceFile], list[tuple[SourceFile, str]], list[FileState]]:
    """Which files are new, changed (with the image that was made of them last), unchanged."""
    latest: dict[str, str] = {}
    # Not only the latest state: a clock that was set back makes an earlier one look like it, and
    # the file would be ingested again by each refresh.
    owners: dict[tuple[str, int, int], str] = {}
    for row in sorted(known, key=attrgetter("ingested_epoch_ns")):
        path = normalized(row.source_primary_path)
        latest[path] = row.image_id
        owners[path, row.source_mtime_ns, row.source_size_bytes] = row.image_id
    new: list[SourceFile] = []
    changed: list[tuple[SourceFile, str]] = []
    unchanged: list[FileState] = []
    for file in map(SourceFile._make, found):
        # A lower channel that came later is the first file of an image that has another's name.
        known_path = next((path for path in map(normalized, file.paths) if path in latest), None)
        if known_path is None:
            new.append(file)
            continue
        owner = owners.get((normalized(file.paths[0]), file.held_mtime_ns, file.size_bytes))
        if owner is not None and _is_same_state(beside_of([owner]).get(owner), file.beside):
            unchanged.append(file)
        else:
            changed.append((file, latest[known_path]))
    return new, changed, unchanged


def _failed_and_waiting(
    files: Iterable[SourceFile], failures: Mapping[str, FailedSource], unsettled_ns: range
) -> tuple[dict[SourceFile, FailedSource], list[SourceFile]]:
    """The files that failed as they are now, and those that changed a moment ago."""
    failed: dict[SourceFile, FailedSource] = {}
    waiting: list[SourceFile] = []
    for file in files:
        failure = failures.get(file.paths[0])
        if failure is not None and failure.is_of(file):
            failed[file] = failure
        elif any(time in unsettled_ns for time in file.times_ns):
            waiting.append(file)
    return failed, waiting


def missing_paths(paths: Collection[str], listings: Mapping[Path, Iterable[str]]) -> Iterator[str]:
    """The paths whose folder was listed, and that are not in it."""
    if not paths:  # as usual: the names of all files are not worth looking at
        return
    listed = {
        normalized(str(folder)): set(map(normalized, names)) for folder, names in listings.items()
    }
    for path in paths:
        folder, name = os.path.split(normalized(path))
        if folder in listed and name not in listed[folder]:
            yield path


def normalized(path: str) -> str:
    """A path as text that is equal for all spellings of one file on a system that ignores case."""
    return os.path.normcase(path)
