"""The folder that an export is written to: changed file by file, each in one step, only if needed.

What is to be written is staged below ``.kymflow_export/`` first and compared with what is there.
Equal files are not touched. Only files that a listing of an earlier export names, and that are
still as it wrote them, are ever removed.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kymflow_zarr._export.manifest import ExportedFile
from kymflow_zarr._storage.durability import (
    make_folders,
    sync_file,
    sync_filesystem,
    sync_folder,
    sync_tree,
)
from kymflow_zarr._storage.locks import hold_file_lock

__all__ = ["ExportFolder", "HashingFile", "Stage", "hash_file"]

_STAGING: Final = ".kymflow_export"
_LOCK: Final = "export"
_READ_BYTES: Final = 2**20


class HashingFile(io.RawIOBase):
    """A file that is written front to back, and knows size and digest of what it holds."""

    def __init__(self, raw: io.BufferedWriter) -> None:
        self._raw = raw
        self._sha = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """Digest of what was written, in hexadecimal."""
        return self._sha.hexdigest()

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Append bytes."""
        self._sha.update(data)
        self._raw.write(data)
        count = memoryview(data).nbytes
        self.size_bytes += count
        return count


@dataclass(slots=True)
class _Counts:
    written: int = 0
    unchanged: int = 0
    removed: int = 0


class ExportFolder:
    """An export's folder while it is being written. Made by `open`.

    Attributes:
        root: The folder.
        counts: How many files were written, found equal, and removed.
        kept: Files that an earlier export wrote, this one does not, and someone has changed since.
    """

    def __init__(self, root: Path, *, before_change: Callable[[], None]) -> None:
        self.root = root
        self.counts = _Counts()
        self.kept: list[str] = []
        self._before_change = before_change
        self._changed = False

    @classmethod
    @contextmanager
    def open(cls, root: Path, *, timeout_s: float) -> Iterator[ExportFolder]:
        """Hold the folder for the block, alone; what a killed run staged is swept.

        Raises:
            LockedError: Another process exports into it.
        """
        staging = root / _STAGING
        make_folders(staging, durable=True)
        with hold_file_lock(staging, _LOCK, action=f"export into {root}", timeout_s=timeout_s):
            folder = cls(root, before_change=lambda: None)
            folder._sweep()
            try:
                yield folder
            finally:
                folder._sweep()

    def announce(self, before_change: Callable[[], None]) -> None:
        """Have something done before the first change."""
        self._before_change = before_change

    @property
    def changed(self) -> bool:
        """Whether anything was changed."""
        return self._changed

    def read(self, path: str) -> bytes | None:
        """A file's bytes, or None where there is none."""
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def put(self, path: str, data: bytes) -> None:
        """Write a file, unless it holds these bytes already."""
        with self.stage() as stage:
            stage.put_bytes(path, data)
            stage.commit()

    def put_durably(self, path: str, data: bytes) -> None:
        """Write a file at the top, unless it holds these bytes already; it survives a power cut."""
        if self.read(path) == data:
            self.counts.unchanged += 1
            # Whoever wrote it may have been killed before this.
            sync_folder(self.root)
        else:
            self._change()
            self.overwrite(path, data)
            self.counts.written += 1

    @contextmanager
    def stage(self) -> Iterator[Stage]:
        """Files that take their places together; staged files that do not are thrown away."""
        folder = self.root / _STAGING / uuid.uuid4().hex
        folder.mkdir()
        try:
            yield Stage(self, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def holds(self, path: str, file: ExportedFile) -> bool:
        """Whether a file is there as a listing describes it; it is read."""
        target = self.root / path
        try:
            if target.stat().st_size != file.size_bytes:
                return False
            return hash_file(target) == file.sha256
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return False

    def remove(self, path: str, file: ExportedFile) -> None:
        """Remove a file that an earlier export wrote, and folders that become empty."""
        if self.holds(path, file):
            self._remove(path)
        elif (self.root / path).exists():
            self.kept.append(path)

    def remove_listing(self, path: str) -> None:
        """Remove a listing, whatever it says."""
        if (self.root / path).exists():
            self._remove(path)

    def overwrite(self, path: str, data: bytes) -> None:
        """Write a file at the top in one step, announcing nothing; it survives a power cut."""
        temporary = self.root / _STAGING / uuid.uuid4().hex
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            sync_file(stream.fileno())
        temporary.replace(self.root / path)
        sync_folder(self.root)

    def sync(self) -> None:
        """Make all that was written durable."""
        if not sync_filesystem(self.root):
            sync_tree(self.root)

    def replace(self, temporary: Path, path: str) -> None:
        """Put a staged file in its place."""
        self._change()
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(target)
        self.counts.written += 1

    def _remove(self, path: str) -> None:
        self._change()
        target = self.root / path
        target.unlink()
        self.counts.removed += 1
        parent = target.parent
        while parent != self.root and not list(parent.iterdir()):
            parent.rmdir()
            parent = parent.parent

    def _change(self) -> None:
        if not self._changed:
            self._changed = True
            self._before_change()

    def _sweep(self) -> None:
        with os.scandir(self.root / _STAGING) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                elif not entry.name.startswith(_LOCK):
                    Path(entry.path).unlink(missing_ok=True)


class Stage:
    """Files on their way into an `ExportFolder`; made by `ExportFolder.stage`."""

    def __init__(self, owner: ExportFolder, folder: Path) -> None:
        self._owner = owner
        self._folder = folder
        self._ready: dict[str, Path] = {}
        self._equal = 0

    def put(self, path: str, write: Callable[[HashingFile], object]) -> HashingFile:
        """Stage one file.

        Args:
            path: Where it will lie, relative to the export's root.
            write: Writes its contents; if it raises, nothing is staged.

        Returns:
            The file, which knows its size and digest.
        """
        temporary = self._folder / uuid.uuid4().hex
        try:
            with temporary.open("wb") as raw:
                file = HashingFile(raw)
                write(file)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        target = self._owner.root / path
        if _is_equal(target, file):
            temporary.unlink()
            self._equal += 1
        else:
            self._ready[path] = temporary
        return file

    def put_bytes(self, path: str, data: bytes) -> str:
        """Stage one file from memory; returns the digest of its bytes, in hexadecimal."""
        if self._owner.read(path) == data:
            self._equal += 1
        else:
            temporary = self._folder / uuid.uuid4().hex
            temporary.write_bytes(data)
            self._ready[path] = temporary
        return hashlib.sha256(data).hexdigest()

    def keep(self) -> None:
        """Count a file that is known to be there as it should."""
        self._equal += 1

    def commit(self) -> None:
        """Put all staged files in their places."""
        for path, temporary in self._ready.items():
            self._owner.replace(temporary, path)
        self._owner.counts.unchanged += self._equal
        self._ready.clear()
        self._equal = 0


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal, in bounded memory."""
    sha = hashlib.sha256()
    with path.open("rb") as stream:
        while data := stream.read(_READ_BYTES):
            sha.update(data)
    return sha.hexdigest()


def _is_equal(target: Path, file: HashingFile) -> bool:
    try:
        return (
            not target.is_symlink()
            and target.stat().st_size == file.size_bytes
            and hash_file(target) == file.sha256
        )
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
