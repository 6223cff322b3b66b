"""A dataset in a folder of a local filesystem.

Every write goes to a scratch folder of this process, ``index/staging/<uuid>/``, and from there to
its place with one rename. The scratch folder holds a lock file for as long as the process lives,
so that `LocalBlobs.leftovers` can tell what a killed writer left from what a live one is using.
An export is written in the same way, with a folder of another name than ``index``.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
import uuid
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from kymflow_zarr._storage.blobs import BlobStat, Durability, FolderListing, is_hidden
from kymflow_zarr._storage.durability import (
    make_folders,
    sync_file,
    sync_filesystem,
    sync_folder,
    sync_tree,
)
from kymflow_zarr._storage.exchange import exchange
from kymflow_zarr._storage.locks import hold_file_lock
from kymflow_zarr._storage.open_folder import open_folder
from kymflow_zarr.errors import AlreadyExistsError

__all__ = ["LocalBlobs"]

_LOCK_FILE = "writer.lock"


class LocalBlobs:
    """A `BlobStore` over a folder.

    Args:
        root: The dataset's folder; it need not exist before the first write.
        durability: Whether what a returned call has written must survive a power cut; with
            ``"batch"`` several folders published together share one flush.
        work: The key of the folder for locks and for what is being written.
    """

    def __init__(self, root: Path, *, durability: Durability, work: str = "index") -> None:
        self._root = root
        self._work = work
        self._staging_key = f"{work}/staging"
        # Keys are read and looked at by the thousand, where a Path costs more than the call.
        self._prefix = f"{root}/"
        self._durability = durability
        self._scratch: _Scratch | None = None
        self._scratch_guard = threading.Lock()

    def __reduce__(self) -> tuple[object, ...]:
        # Each process has a scratch folder of its own.
        return partial(LocalBlobs, durability=self._durability), (self._root,)

    @property
    def location(self) -> str:
        """The folder's path."""
        return str(self._root)

    @property
    def _durable(self) -> bool:
        return self._durability != "none"

    def get(self, key: str) -> bytes | None:
        """The bytes under a key, or None where there are none."""
        try:
            with open(self._prefix + key, "rb") as stream:  # noqa: PTH123 - see `_prefix`
                return stream.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def put(self, key: str, data: bytes) -> None:
        """Replace the bytes under a key in one step."""
        with self.open_write(key) as stream:
            stream.write(data)

    def append_lines(self, key: str, lines: bytes, *, flush: bool) -> None:
        """Add lines behind those under a key; a cut-off line is ended first."""
        path = self._path(key)
        with path.open("a+b") as stream:
            if stream.tell():
                stream.seek(-1, os.SEEK_END)
                lines = lines if stream.read(1) == b"\n" else b"\n" + lines
            stream.write(lines)
            stream.flush()
            if flush and self._durable:
                sync_file(stream.fileno())
        if flush and self._durable:
            sync_folder(path.parent)

    def delete(self, key: str) -> bool:
        """Remove a key; returns whether it was there."""
        path = self._path(key)
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        if self._durable:
            sync_folder(path.parent)
        return True

    def delete_folder(self, key: str) -> bool:
        """Remove a folder: renamed away in one step, then emptied."""
        path = self._path(key)
        doomed = self._open_scratch().new_path()
        try:
            path.rename(doomed)
        except FileNotFoundError:
            return False
        if self._durable:
            sync_folder(path.parent)
        shutil.rmtree(doomed)
        return True

    def list_folder(self, key: str) -> FolderListing:
        """The names directly in a folder; hidden ones and links are left out."""
        files: list[str] = []
        folders: list[str] = []
        try:
            with os.scandir(self._prefix + key) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.name)
                    elif entry.is_file(follow_symlinks=False) and not is_hidden(entry.name):
                        files.append(entry.name)
        except (FileNotFoundError, NotADirectoryError):
            pass
        return FolderListing(files=tuple(sorted(files)), folders=tuple(sorted(folders)))

    def folders(self, parent: str, *, holding: str) -> dict[str, bool]:
        """The folders directly in a folder, and whether each holds a file of a name."""
        try:
            with open_folder(self._path(parent)) as folder:
                return {
                    name: os.access(f"{folder.start}{name}/{holding}", os.F_OK, dir_fd=folder.fd)
                    for name in self.published(parent)
                }
        except (FileNotFoundError, NotADirectoryError):
            return {}

    def published(self, parent: str) -> list[str]:
        """The folders directly in a folder: what is there was renamed there, whole."""
        try:
            with os.scandir(self._path(parent)) as entries:
                return [
                    entry.name
                    for entry in entries
                    if entry.name[0] != "." and entry.is_dir(follow_symlinks=False)
                ]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def stat(self, key: str) -> BlobStat | None:
        """Size and time of a blob, or None where there is none."""
        try:
            found = os.stat(self._prefix + key)  # noqa: PTH116 - see `_prefix`
        except (FileNotFoundError, NotADirectoryError):
            return None
        return BlobStat(size=found.st_size, mtime_ns=found.st_mtime_ns)

    def stamp(self, folder: str) -> str:
        """A text that differs once a file anywhere in a folder does; no file is opened."""
        found = sorted(_file_stamps(self._prefix + folder, ""))
        return hashlib.sha256("\n".join(found).encode("utf-8")).hexdigest() if found else ""

    def open_read(self, key: str) -> BinaryIO | None:
        """A seekable stream over a blob, or None where there is none. The caller closes it."""
        try:
            return open(self._prefix + key, "rb")  # noqa: PTH123 - see `_prefix`
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    @contextmanager
    def open_write(self, key: str) -> Iterator[BinaryIO]:
        """A stream whose contents replace the key in one step when the block ends well."""
        path = self._path(key)
        scratch = self._open_scratch()
        make_folders(path.parent, durable=self._durable)
        temporary = scratch.new_path()
        try:
            with temporary.open("w+b") as stream:
                yield stream
                stream.flush()
                if self._durable:
                    sync_file(stream.fileno())
            temporary.replace(path)
        except BaseException:
            # The first error is the one to report; what stays behind, repair() sweeps.
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        if self._durable:
            sync_folder(path.parent)

    @contextmanager
    def staging(self, parent: str) -> Iterator[_LocalStaging]:
        """Stage folders that will be published directly in the folder `parent`."""
        scratch = self._open_scratch()
        folder = scratch.new_path()
        folder.mkdir()
        try:
            yield _LocalStaging(
                folder=folder,
                parent=self._path(parent),
                parent_key=parent,
                scratch=scratch,
                durability=self._durability,
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def lock(self, name: str, *, action: str, timeout_s: float) -> Iterator[None]:
        """Hold the named writer's lock for the block."""
        folder = self._path(self._work)
        make_folders(folder, durable=False)
        with hold_file_lock(folder, name, action=action, timeout_s=timeout_s):
            yield

    def close(self) -> None:
        """Remove the scratch folder."""
        with self._scratch_guard:
            if self._scratch is not None:
                self._scratch.close()
                self._scratch = None

    def leftovers(self) -> tuple[str, ...]:
        """Scratch folders whose writer is gone."""
        own = None if self._scratch is None else self._scratch.folder.name
        found = self.list_folder(self._staging_key).folders
        return tuple(
            f"{self._staging_key}/{name}"
            for name in found
            if name != own and _writer_is_gone(self._path(f"{self._staging_key}/{name}"))
        )

    def sweep(self, leftover: str) -> None:
        """Remove a scratch folder whose writer is gone; one that has a writer now is let alone."""
        folder = self._path(leftover)
        lock = FileLock(folder / _LOCK_FILE)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return
        try:
            for entry in list(os.scandir(folder)):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                elif entry.name != _LOCK_FILE:
                    Path(entry.path).unlink()
            if os.name != "nt":  # there, what is open cannot be removed
                shutil.rmtree(folder)
        finally:
            lock.release()
        if os.name == "nt":
            shutil.rmtree(folder)

    def _path(self, key: str) -> Path:
        return self._root.joinpath(*key.split("/"))

    def _open_scratch(self) -> _Scratch:
        with self._scratch_guard:
            # A forked child must not share, and later remove, its parent's scratch folder.
            if self._scratch is None or not self._scratch.usable():
                # Nothing can outlast a power cut in a folder whose own entry does not.
                make_folders(self._root, durable=self._durable)
                self._scratch = _Scratch(self._path(self._staging_key))
            return self._scratch


def _file_stamps(folder: str, inside: str) -> Iterator[str]:
    """Name, size, time and number of each file in a folder and those below it."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _file_stamps(entry.path, f"{inside}{entry.name}/")
                else:
                    # Within a tick of the clock, a file that replaces another has another number.
                    now = entry.stat(follow_symlinks=False)
                    yield f"{inside}{entry.name} {now.st_size} {now.st_mtime_ns} {now.st_ino}"
    except (FileNotFoundError, NotADirectoryError):
        return


class _LocalStaging:
    """Folders staged in a scratch folder; see `blobs.Staging`."""

    def __init__(
        self,
        *,
        folder: Path,
        parent: Path,
        parent_key: str,
        scratch: _Scratch,
        durability: Durability,
    ) -> None:
        self._folder = folder
        self._prefix = f"{folder}/"
        self._parent = parent
        self._parent_key = parent_key
        self._scratch = scratch
        self._durability = durability
        self._made = {""}

    def put(self, key: str, data: bytes) -> None:
        folder, _, _ = key.rpartition("/")
        self._make(folder)
        # Plain text, since a Path would cost more than the call that it is for.
        with open(self._prefix + key, "xb") as stream:  # noqa: PTH123
            stream.write(data)

    def publish(self, names: Sequence[str], *, replace: bool = False) -> None:
        durable = self._durability != "none"
        if durable:
            self._flush(names)
        make_folders(self._parent, durable=durable)
        for name in names:
            self._rename(name, replace=replace)
        if durable:
            sync_folder(self._parent)

    def discard(self, name: str) -> None:
        shutil.rmtree(self._folder / name, ignore_errors=True)

    def _make(self, folder: str) -> None:
        """Make a folder and those that it lies in, unless this staging has made them before."""
        if folder in self._made:
            return
        above, _, _ = folder.rpartition("/")
        self._make(above)
        with suppress(FileExistsError):  # by another thread
            os.mkdir(self._prefix + folder)  # noqa: PTH102
        self._made.add(folder)

    def _flush(self, names: Sequence[str]) -> None:
        if self._durability == "batch" and len(names) > 1 and sync_filesystem(self._folder):
            return
        for name in names:
            sync_tree(self._folder / name)

    def _rename(self, name: str, *, replace: bool) -> None:
        if replace and (self._parent / name).exists():
            self._replace(self._folder / name, self._parent / name)
            return
        try:
            os.rename(self._prefix + name, f"{self._parent}/{name}")  # noqa: PTH104
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                raise AlreadyExistsError(f"{self._parent_key}/{name}") from error
            raise

    def _replace(self, new: Path, old: Path) -> None:
        # Afterwards the old one lies in the staging, which is removed.
        if exchange(new, old):
            return
        doomed = self._scratch.new_path()
        old.rename(doomed)
        new.rename(old)
        shutil.rmtree(doomed)


class _Scratch:
    """This process's scratch folder, with the lock that says that it is in use."""

    def __init__(self, parent: Path) -> None:
        while True:
            folder = parent / uuid.uuid4().hex
            folder.mkdir(parents=True)
            lock = FileLock(folder / _LOCK_FILE, thread_local=False)
            # repair() may look between mkdir and lock, take the folder for a leftover and sweep it.
            with suppress(Timeout, FileNotFoundError):
                lock.acquire(timeout=0)
                if folder.is_dir():
                    break
                lock.release()
        self.folder = folder
        self._pid = os.getpid()
        self.close = weakref.finalize(self, _close_scratch, folder, lock, self._pid)

    def usable(self) -> bool:
        return self._pid == os.getpid() and self.folder.is_dir()

    def new_path(self) -> Path:
        return self.folder / uuid.uuid4().hex


def _close_scratch(folder: Path, lock: FileLock, pid: int) -> None:
    if pid == os.getpid():
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)


def _writer_is_gone(scratch: Path) -> bool:
    path = scratch / _LOCK_FILE
    if not path.exists():
        # Killed before it could take the lock; or gone since it was listed, the folder as well.
        return scratch.is_dir()
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):  # in use, or nobody here may tell: on a read-only medium
        return False
    lock.release()
    return True
