"""A dataset in a folder of a local filesystem.

Every write goes to a scratch folder of this process, see `scratch`, and from there to its place
with one rename. No key is followed through a link, see `inner_folder`. An export is written in the
same way, with a folder of another name than ``index``.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

from kymflow_zarr._storage.blobs import BlobStat, Durability, FolderListing, is_hidden
from kymflow_zarr._storage.durability import make_folders, sync_file, sync_folder
from kymflow_zarr._storage.inner_folder import InnerFolder, open_root
from kymflow_zarr._storage.local_staging import LocalStaging
from kymflow_zarr._storage.locks import hold_file_lock
from kymflow_zarr._storage.openat2 import has_openat2
from kymflow_zarr._storage.refusal import is_per_file_error
from kymflow_zarr._storage.scratch import Scratch, is_left_behind, new_name, sweep
from kymflow_zarr.errors import CorruptDataError

_T = TypeVar("_T")
_NOT_THERE = (FileNotFoundError, NotADirectoryError)


class LocalBlobs:
    """A `BlobStore` over a folder.

    Methods raise `CorruptDataError` for a key that leads through a link or a mount.

    Args:
        root: The dataset's folder; it need not exist before the first write. It may be a link.
        durability: Whether what a returned call has written must survive a power cut; with
            ``"batch"`` several folders published together share one flush.
        work: The key of the folder for locks and for what is being written.
    """

    at_once = 1

    def __init__(self, root: Path, *, durability: Durability, work: str = "index") -> None:
        self._root = root
        self._work = work
        self._staging_key = f"{work}/staging"
        self._path = str(root)
        self._durability = durability
        self._scratch: Scratch | None = None
        self._scratch_guard = threading.Lock()

    def __reduce__(self) -> tuple[object, ...]:
        # Each process has its own scratch folder.
        return partial(LocalBlobs, durability=self._durability), (self._root,)

    @property
    def location(self) -> str:
        """The folder's path."""
        return self._path

    @property
    def _durable(self) -> bool:
        return self._durability != "none"

    def why_read_only(self) -> str:
        """Nothing: what cannot be written says so when it is written."""
        return ""

    def get(self, key: str) -> bytes | None:
        """The bytes under a key, or None where there are none."""
        return self._find(key, _read)

    def put(self, key: str, data: bytes, *, inside: str = "") -> None:
        """Replace the bytes under a key in one step."""
        with self._write(key, inside=inside) as stream:
            stream.write(data)

    def append_lines(self, key: str, lines: bytes, *, flush: bool, inside: str = "") -> None:  # noqa: ARG002 - its folder must be there in any case
        """Append lines to a key; a cut-off line is ended first."""
        parent, _, name = key.rpartition("/")
        with self._open(parent) as folder:
            with open(name, "a+b", opener=folder.open) as stream:
                if stream.tell():
                    stream.seek(-1, os.SEEK_END)
                    lines = lines if stream.read(1) == b"\n" else b"\n" + lines
                stream.write(lines)
                stream.flush()
                if flush and self._durable:
                    sync_file(stream.fileno())
            if flush:
                self._sync(folder)

    def delete(self, key: str) -> bool:
        """Remove a key; returns whether it was there."""
        parent, _, name = key.rpartition("/")
        try:
            with self._open(parent) as folder:
                folder.unlink(name)
                self._sync(folder)
        except _NOT_THERE:
            return False
        return True

    def delete_folder(self, key: str) -> bool:
        """Remove a folder, or a link to one: renamed away in one step, then emptied."""
        parent, _, name = key.rpartition("/")
        scratch, to_delete = self._open_scratch().folder, new_name()
        try:
            with self._open(parent) as folder:
                with suppress(CorruptDataError):  # a link is removed, not what it leads to
                    found = folder.stat(name)
                    if found is None or not stat.S_ISDIR(found.st_mode):
                        return False
                folder.move(name, scratch, to_delete)
                self._sync(folder)
        except _NOT_THERE:
            return False
        with suppress(OSError):  # what stays, repair() sweeps
            scratch.remove(to_delete)
        return True

    def delete_empty_folders(self, key: str) -> None:
        """Remove a folder and those above it, up to the first that holds something."""
        while key:
            key, _, name = key.rpartition("/")
            with self._open(key) as folder:
                try:
                    os.rmdir(folder.at(name), dir_fd=folder.fd)
                except OSError as error:
                    if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                        return
                    raise

    def list_folder(self, key: str) -> FolderListing:
        """The names directly in a folder; hidden ones and links are left out."""
        files: list[str] = []
        folders: list[str] = []
        for entry in self._entries(key):
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            elif entry.is_file(follow_symlinks=False) and not is_hidden(entry.name):
                files.append(entry.name)
        return FolderListing(files=tuple(sorted(files)), folders=tuple(sorted(folders)))

    def folders(self, parent: str, *, holding: str) -> dict[str, bool]:
        """The folders directly in a folder, and whether each holds a file of a name."""
        names = self.published(parent)
        if not names:
            return {}
        with self._open(parent) as folder:
            return {name: folder.has(f"{name}/{holding}") for name in names}

    def published(self, parent: str) -> list[str]:
        """The folders directly in a folder: each was renamed into place as a whole."""
        return [
            entry.name
            for entry in self._entries(parent)
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
        ]

    def links(self, folder: str) -> Iterator[str]:
        """The keys of all links and mounts in a folder, at any depth."""
        with suppress(*_NOT_THERE), self._open(folder) as opened:
            yield from opened.links()

    def stat(self, key: str) -> BlobStat | None:
        """Size and time of a blob, or None where there is none."""
        found = self._find(key, InnerFolder.stat)
        if found is None:
            return None
        return BlobStat(size=found.st_size, version=found.st_mtime_ns)

    def stamp(self, folder: str) -> str:
        """A text that differs once a file anywhere in a folder does; no file is opened."""
        try:
            with self._open(folder) as opened:
                found = sorted(_file_stamps(opened, ""))
        except _NOT_THERE:
            return ""
        except OSError as error:
            raise _refusal(folder, error) from error
        return hashlib.sha256("\n".join(found).encode("utf-8")).hexdigest() if found else ""

    def stamps(self, parent: str, names: Sequence[str], files: Sequence[str]) -> dict[str, int]:
        """For each folder in a folder a number that differs once some of its files do."""
        return {name: self._stamp([f"{parent}/{name}/{file}" for file in files]) for name in names}

    def _stamp(self, keys: Sequence[str]) -> int:
        """A number made of size, time and number of files; 0 if one cannot be looked at."""
        try:
            found = [self._find(key, InnerFolder.stat) for key in keys]
        except (OSError, CorruptDataError):
            return 0
        return hash(tuple((it.st_size, it.st_mtime_ns, it.st_ino) if it else () for it in found))

    def open_read(self, key: str) -> BinaryIO | None:
        """A seekable stream over a blob, or None where there is none. The caller closes it."""
        return self._find(key, _open_stream)

    def open_write(self, key: str) -> AbstractContextManager[BinaryIO]:
        """A stream whose contents replace the key in one step when the block ends well."""
        return self._write(key, inside="")

    @contextmanager
    def _write(self, key: str, *, inside: str) -> Iterator[BinaryIO]:
        parent, _, name = key.rpartition("/")
        scratch, temporary = self._open_scratch().folder, new_name()
        with self._make(parent, inside=inside) as folder:
            try:
                with open(temporary, "w+b", opener=scratch.open) as stream:
                    yield stream
                    stream.flush()
                    if self._durable:
                        sync_file(stream.fileno())
                scratch.move(temporary, folder, name)
            except BaseException:
                # The first error is the one to report; what stays behind, repair() sweeps.
                with suppress(OSError):
                    scratch.remove(temporary)
                raise
            self._sync(folder)

    @contextmanager
    def staging(
        self,
        parent: str,
        names: Sequence[str],  # noqa: ARG002 - what is staged lies elsewhere
        *,
        inside: str = "",
    ) -> Iterator[LocalStaging]:
        """Stage folders that will be published directly in the folder `parent`."""
        scratch, name = self._open_scratch().folder, new_name()
        with scratch.make_inner(name, durable=False) as folder:
            try:
                yield LocalStaging(
                    folder,
                    parent=parent,
                    make_parent=partial(self._make, parent, inside=inside),
                    scratch=scratch,
                    durability=self._durability,
                )
            finally:
                shutil.rmtree(scratch.at(name), ignore_errors=True, dir_fd=scratch.fd)

    @contextmanager
    def lock(self, name: str, *, action: str, timeout_s: float) -> Iterator[None]:
        """Hold the named writer's lock for the block."""
        with (
            self._make(self._work, durable=False) as folder,
            hold_file_lock(folder, name, action=action, timeout_s=timeout_s),
        ):
            yield

    def unlock(self) -> list[str]:
        """Nothing: the system frees the lock of a holder that is gone."""
        return []

    def close(self) -> None:
        """Remove the scratch folder."""
        with self._scratch_guard:
            if self._scratch is not None:
                self._scratch.close()
                self._scratch = None

    def claimed(self) -> set[str]:
        """Nothing: folders that are not published lie elsewhere."""
        return set()

    def leftovers(self) -> tuple[str, ...]:
        """Scratch folders whose writer is gone."""
        own = None if self._scratch is None else self._scratch.name
        names = self.list_folder(self._staging_key).folders
        with suppress(*_NOT_THERE), self._open(self._staging_key) as staging:
            return tuple(
                f"{self._staging_key}/{name}"
                for name in names
                if name != own and is_left_behind(staging, name)
            )
        return ()

    def sweep(self, leftovers: Sequence[str]) -> None:
        """Remove scratch folders whose writers are gone; one that has a writer now stays."""
        if not leftovers:
            return
        with self._open(self._staging_key) as staging:
            for leftover in leftovers:
                sweep(staging, leftover.removeprefix(f"{self._staging_key}/"))

    def _find(self, key: str, look: Callable[[InnerFolder, str], _T | None]) -> _T | None:
        """What a function finds under a key, or None where there is nothing."""
        try:
            if has_openat2():
                with open_root(self._path) as root:
                    return look(root, key)
            return self._find_in_steps(key, look)
        except (*_NOT_THERE, IsADirectoryError):
            return None
        except OSError as error:
            raise _refusal(key, error) from error

    def _find_in_steps(self, key: str, look: Callable[[InnerFolder, str], _T | None]) -> _T | None:
        parent, _, name = key.rpartition("/")
        while True:
            with self._open(parent) as folder:
                with suppress(*_NOT_THERE):
                    found = look(folder, name)
                    if found is not None:
                        return found
                # Another folder may have taken its place since it was opened.
                with self._open(parent) as now:
                    if folder.is_same(now):
                        return None

    def _open(self, key: str) -> InnerFolder:
        """A folder that is there."""
        root = open_root(self._path)
        if not key:
            return root
        with root:
            return root.inner(key)

    def _entries(self, key: str) -> Iterator[os.DirEntry[str]]:
        """What is directly in a folder, if it is there."""
        try:
            with self._open(key) as folder:
                yield from folder.scan()
        except _NOT_THERE:
            return
        except OSError as error:
            raise _refusal(key, error) from error

    def _make(self, key: str, *, inside: str = "", durable: bool | None = None) -> InnerFolder:
        """A folder, made where it is not there; `inside` and what is above it must be there."""
        if durable is None:
            durable = self._durable
        if not inside:
            with suppress(FileNotFoundError):
                return self._open(key)
            make_folders(self._root, durable=durable)
        folder = self._open(inside)
        rest = key.removeprefix(inside).strip("/")
        if not rest:
            return folder
        with folder:
            return folder.make_inner(rest, durable=durable)

    def _sync(self, folder: InnerFolder) -> None:
        if self._durable:
            sync_folder(folder.at("."), dir_fd=folder.fd)

    def _open_scratch(self) -> Scratch:
        with self._scratch_guard:
            # A forked child must not share, and later remove, its parent's scratch folder.
            if self._scratch is None or not self._scratch.usable():
                # Nothing can outlast a power cut in a folder whose own entry does not.
                make_folders(self._root, durable=self._durable)
                with self._make(self._staging_key, durable=False) as staging:
                    self._scratch = Scratch(staging)
            return self._scratch


def _read(folder: InnerFolder, name: str) -> bytes:
    with open(name, "rb", buffering=0, opener=folder.open) as stream:
        return stream.readall()


def _open_stream(folder: InnerFolder, name: str) -> BinaryIO:
    return open(name, "rb", opener=folder.open)


def _refusal(key: str, error: OSError) -> Exception:
    """What to raise: if the system refuses this one key, it is damaged, and all others are not."""
    if not is_per_file_error(error):
        return error
    return CorruptDataError(key, f"the system refuses to read it ({error}); check its permissions")


def _file_stamps(folder: InnerFolder, inside: str) -> Iterator[str]:
    """Name, size, time and number of each file in a folder and those below it."""
    for entry in folder.scan():
        try:
            if entry.is_dir(follow_symlinks=False):
                with folder.inner(entry.name) as inner:
                    yield from _file_stamps(inner, f"{inside}{entry.name}/")
            else:
                # Within a tick of the clock, a file that replaces another has another number.
                now = entry.stat(follow_symlinks=False)
                yield f"{inside}{entry.name} {now.st_size} {now.st_mtime_ns} {now.st_ino}"
        except _NOT_THERE:  # removed since it was listed
            continue
