"""The folder that an export is written to: file by file, and only where it differs.

`LocalBlobs` does the writing, with ``.kymflow_export/`` for files that are being written. Beyond
that, equal files are not touched, the manifest marks the export as incomplete from the first change
on, and only files that an earlier export listed, and that are unchanged since, are ever removed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Self

from kymflow_zarr._export.manifest import (
    IMAGES,
    LISTING,
    MANIFEST,
    ExportedFile,
    ExportManifest,
)
from kymflow_zarr._storage.durability import sync_filesystem, sync_folder, sync_tree
from kymflow_zarr._storage.local import LocalBlobs
from kymflow_zarr.errors import CorruptDataError

_WORK: Final = ".kymflow_export"
_READ_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class FileState:
    """What distinguishes one state of a file from another."""

    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, stream: BinaryIO) -> Self:
        """The state of an open file, read in bounded memory."""
        stream.seek(0)
        sha = hashlib.sha256()
        while data := stream.read(_READ_BYTES):
            sha.update(data)
        return cls(stream.tell(), sha.hexdigest())


class _EqualError(Exception):
    """The existing file already holds what would have replaced it."""


class ExportFolder:
    """An export's folder while it is being written, and what became of its files.

    Made by `open`. The counts are those of `ExportReport`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.written = 0
        self.unchanged = 0
        self.removed = 0
        self.kept: list[str] = []
        self._incomplete: ExportManifest | None = None
        self._changed = False
        self._files = LocalBlobs(root, durability="none", work=_WORK)  # `finish` flushes them
        self._durable = LocalBlobs(root, durability="record", work=_WORK)

    @classmethod
    @contextmanager
    def open(cls, root: Path, *, timeout_s: float) -> Iterator[Self]:
        """Lock the folder for the block; what a killed run left half written is removed.

        Raises:
            LockedError: Another process exports into it.
        """
        folder = cls(root)
        with folder._files.lock("export", action=f"export into {root}", timeout_s=timeout_s):
            folder._files.sweep(folder._files.leftovers())
            yield folder

    def begin(self, incomplete: ExportManifest) -> None:
        """Set what the manifest says from the first change to the end."""
        self._incomplete = incomplete
        # Without a manifest, a later run would treat the folder as someone else's.
        if self.read(MANIFEST) is None:
            self._change()

    def read(self, path: str) -> bytes | None:
        """A file's bytes, or None where there is none."""
        return self._files.get(path)

    def is_there(self, path: str) -> bool:
        """Whether a file, a folder or a link is there."""
        try:
            return self._files.stat(path) is not None
        except CorruptDataError:
            return True

    def holds(self, path: str, file: FileState | ExportedFile) -> bool:
        """Whether a file is there with this size and digest; a link is not."""
        try:
            found = self._files.stat(path)
        except CorruptDataError:
            return False
        if found is None or found.size != file.size_bytes:
            return False
        stream = self._files.open_read(path)
        if stream is None:
            return False
        with stream:
            return FileState.of(stream).sha256 == file.sha256

    def put(self, path: str, write: Callable[[BinaryIO], object]) -> FileState:
        """Write a file in one step, unless it holds the same already.

        If `write` raises, an existing file stays.
        """
        with suppress(_EqualError), self._files.open_write(path) as stream:
            write(stream)
            state = FileState.of(stream)
            if self.holds(path, state):
                self.keep()
                raise _EqualError
            self._change()
            self.written += 1
        return state

    def listed_images(self) -> list[str]:
        """The images whose files an earlier export lists, sorted."""
        folders = self._files.folders(IMAGES, holding=LISTING)
        return sorted(image_id for image_id, is_listed in folders.items() if is_listed)

    def keep(self) -> None:
        """Count a file that is known to be unchanged."""
        self.unchanged += 1

    def remove(self, path: str, file: ExportedFile) -> None:
        """Remove a file that an earlier export wrote, unless someone has changed it."""
        if self.holds(path, file):
            self.delete(path)
        elif self.is_there(path):
            self.kept.append(path)

    def delete(self, path: str) -> None:
        """Remove a file, and folders that become empty."""
        self._change()
        self.removed += self._files.delete(path)
        self._files.delete_empty_folders(path.rpartition("/")[0])

    def finish(self, complete: ExportManifest) -> None:
        """Make all that was written durable, then the manifest that says so."""
        data = complete.to_bytes()
        if self.read(MANIFEST) == data:
            self.keep()
            # The run that wrote it may have been killed before this.
            sync_folder(self.root)
            return
        self._change()
        if not sync_filesystem(self.root):
            sync_tree(self.root)
        self._durable.put(MANIFEST, data)
        self.written += 1

    def _change(self) -> None:
        if not self._changed and self._incomplete is not None:
            self._durable.put(MANIFEST, self._incomplete.to_bytes())
        self._changed = True
