"""A folder below a dataset's root, held open, and reached without following a link.

A dataset may come from anyone. A link in it (on Windows a junction, too) or a mount could lead
reads, writes and deletions to files outside, so none is followed; the root itself may be a link.
Where files can be named from an open folder, what was checked stays what is used, whatever someone
renames meanwhile. Windows cannot do that: there each part is checked right before a path is used.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from kymflow_zarr._storage.durability import sync_folder
from kymflow_zarr._storage.openat2 import has_openat2, open_without_links
from kymflow_zarr._storage.refusal import is_per_file_error
from kymflow_zarr._storage.sharing import when_released
from kymflow_zarr.errors import CorruptDataError

# How a folder is opened to go on from it, and a file to look at it; what opens no link.
if sys.platform == "linux":
    _LOOK = os.O_PATH | os.O_CLOEXEC
    _FOLDER = os.O_PATH | os.O_CLOEXEC | os.O_DIRECTORY
elif sys.platform != "win32":
    _LOOK = os.O_CLOEXEC
    _FOLDER = os.O_CLOEXEC | os.O_DIRECTORY
if sys.platform == "win32":
    _LOOK, _FOLDER, _NOT_A_LINK = 0, 0, os.O_BINARY
else:
    # Opening a pipe must not wait for a writer.
    _NOT_A_LINK = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

# A writer that had a folder open may have added a file. On FUSE and NFS a file that is removed
# while someone has it open stays until it is closed, under another name: that may take for ever.
_REMOVALS = 20


class InnerFolder:
    """An open folder: its files are named by ``folder.at(name)`` with ``dir_fd=folder.fd``.

    Made by `open_root`, `inner` and `make_inner`; ``with`` closes it.

    Attributes:
        key: Its key, relative to the root; empty for the root.
        path: Its path, for messages and for calls that take no descriptor.
        fd: The descriptor; None where files are named by their paths alone.
    """

    __slots__ = ("_start", "fd", "key", "path")

    def __init__(self, key: str, path: str, fd: int | None) -> None:
        self.key = key
        self.path = path
        self.fd = fd
        self._start = f"{path}/" if fd is None else ""

    def __enter__(self) -> InnerFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor."""
        if self.fd is not None:
            os.close(self.fd)

    def at(self, name: str) -> str:
        """How a call that takes ``dir_fd`` names a file in this folder."""
        return self._start + name

    def key_of(self, name: str) -> str:
        """The key of something in this folder."""
        return f"{self.key}/{name}" if self.key else name

    def is_same(self, other: InnerFolder) -> bool:
        """Whether another one is this very folder; True where folders are known by path alone."""
        if self.fd is None or other.fd is None:
            return True
        return os.path.samestat(os.fstat(self.fd), os.fstat(other.fd))

    def open(self, name: str, flags: int) -> int:
        """Open a file; an opener for the built-in `open`.

        To read one, its name may be a key of several parts where `has_openat2`.

        Raises:
            CorruptDataError: It is a link.
        """
        if self.fd is None:
            found = self.stat(name)
            if found is not None and stat.S_ISDIR(found.st_mode):  # Windows speaks of permission
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self.at(name))
        try:
            if self.fd is not None and not flags & os.O_CREAT and has_openat2():
                return open_without_links(self.fd, name, flags | _NOT_A_LINK)
            return when_released(
                lambda: os.open(self.at(name), flags | _NOT_A_LINK, 0o666, dir_fd=self.fd)
            )
        except OSError as error:
            self._raise_if_link(name, error)
            error.filename = self._path_of(name)
            raise

    def stat(self, name: str) -> os.stat_result | None:
        """Size and times of a file or folder, named as for `open`; None where there is none.

        Raises:
            CorruptDataError: It is a link.
        """
        try:
            if self.fd is None or not has_openat2():
                found = os.stat(self.at(name), dir_fd=self.fd, follow_symlinks=False)
            else:
                fd = open_without_links(self.fd, name, _LOOK)
                try:
                    return os.fstat(fd)
                finally:
                    os.close(fd)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self._raise_if_link(name, error)
            raise
        if _is_link(found):
            raise _linked(self.key_of(name))
        return found

    def has(self, path: str) -> bool:
        """Whether something is there, or may be: a link, or in a folder that cannot be read."""
        if os.access(self.at(path), os.F_OK, dir_fd=self.fd):
            return True
        try:
            os.stat(self.at(path), dir_fd=self.fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            pass
        return True

    def scan(self) -> Iterator[os.DirEntry[str]]:
        """What is directly in it, links included."""
        if self.fd is None:
            with os.scandir(self.path) as entries:
                yield from entries
            return
        fd = os.open(".", os.O_RDONLY, dir_fd=self.fd)  # a descriptor for walking cannot list
        try:
            with os.scandir(fd) as entries:
                yield from entries
        finally:
            os.close(fd)

    def inner(self, key: str) -> InnerFolder:
        """Open a folder in this one, by its key relative to this one.

        Raises:
            CorruptDataError: A part is a link, or a mount.
            FileNotFoundError, NotADirectoryError: There is none.
        """
        if self.fd is not None and has_openat2():
            try:
                fd = open_without_links(self.fd, key, _FOLDER)
            except OSError as error:
                self._raise_if_link(key, error)
                raise
            return InnerFolder(self.key_of(key), f"{self.path}/{key}", fd)
        name, _, rest = key.partition("/")
        folder = self._step(name)
        if not rest:
            return folder
        with folder:
            return folder.inner(rest)

    def make_inner(self, key: str, *, durable: bool) -> InnerFolder:
        """`inner`; what is not there is made, and its entry flushed if `durable`."""
        with suppress(FileNotFoundError):
            return self.inner(key)
        name, _, rest = key.partition("/")
        if self.stat(name) is None:
            with suppress(FileExistsError), self._naming(name):  # made by another writer since
                os.mkdir(self.at(name), dir_fd=self.fd)
            if durable:
                sync_folder(self.at("."), dir_fd=self.fd)
        folder = self.inner(name)
        if not rest:
            return folder
        with folder:
            return folder.make_inner(rest, durable=durable)

    def move(self, name: str, to: InnerFolder, new_name: str, *, replace: bool = True) -> None:
        """Rename a file or folder in one step.

        If `replace`, a file gives way; a folder that holds something never does.
        """
        call = os.replace if replace else os.rename
        old, new = self.at(name), to.at(new_name)
        with to._naming(new_name):
            when_released(lambda: call(old, new, src_dir_fd=self.fd, dst_dir_fd=to.fd))

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that it holds; of a link, the link.

        Raises:
            OSError: Something is left of the folder, as on FUSE while a file in it is open.
        """
        found = os.stat(self.at(name), dir_fd=self.fd, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode) and not _is_link(found):
            self._remove_folder(name)
        else:
            self.unlink(name)

    def unlink(self, name: str) -> None:
        """Remove a file or a link."""
        with self._naming(name):
            when_released(lambda: os.unlink(self.at(name), dir_fd=self.fd))

    def _remove_folder(self, name: str) -> None:
        for left in reversed(range(_REMOVALS)):
            try:
                with self._naming(name):
                    when_released(lambda: shutil.rmtree(self.at(name), dir_fd=self.fd))
                break
            except OSError as error:
                if error.errno != errno.ENOTEMPTY or not left:
                    raise

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """Errors say the whole path, of which a call that takes ``dir_fd`` knows the end only."""
        try:
            yield
        except OSError as error:
            error.filename = self._path_of(name)
            raise

    def _path_of(self, name: str) -> str:
        return f"{self.path}/{name}"

    def links(self) -> Iterator[str]:
        """The keys of all links and mounts in it, sorted, as deep as it can be read."""
        try:
            entries = sorted(self.scan(), key=lambda entry: entry.name)
        except OSError as error:
            if not is_per_file_error(error):
                raise
            return
        for entry in entries:
            if entry.is_symlink() or (
                sys.platform == "win32" and _is_link(entry.stat(follow_symlinks=False))
            ):
                yield self.key_of(entry.name)
            elif entry.is_dir(follow_symlinks=False):
                try:
                    folder = self.inner(entry.name)
                except CorruptDataError as error:
                    yield error.key
                    continue
                except (FileNotFoundError, NotADirectoryError):  # removed since it was listed
                    continue
                with folder:
                    yield from folder.links()

    def _raise_if_link(self, key: str, error: OSError) -> None:
        """Name the part of a key that the system did not follow."""
        if error.errno == errno.EXDEV:
            raise (_outside if ".." in key.split("/") else _linked)(self.key_of(key)) from error
        if error.errno == errno.ELOOP:
            parts = key.split("/")
            for end in range(1, len(parts) + 1):
                part = "/".join(parts[:end])
                found = os.stat(self.at(part), dir_fd=self.fd, follow_symlinks=False)
                if _is_link(found):
                    raise _linked(self.key_of(part)) from error

    def _step(self, name: str) -> InnerFolder:
        if name == "..":
            raise _outside(self.key_of(name))
        path = self._path_of(name)
        found = self.stat(name)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if not stat.S_ISDIR(found.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        if found.st_dev != os.stat(self.at("."), dir_fd=self.fd).st_dev:
            raise _linked(self.key_of(name))
        if sys.platform == "win32":
            return InnerFolder(self.key_of(name), path, None)
        fd = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=self.fd)
        return InnerFolder(self.key_of(name), path, fd)


def open_root(root: str) -> InnerFolder:
    """Open the folder that all keys are relative to.

    Raises:
        FileNotFoundError, NotADirectoryError: There is none.
    """
    if sys.platform == "win32":
        Path(root).stat()
        return InnerFolder("", root, None)
    return InnerFolder("", root, os.open(root, _FOLDER))


def _is_link(found: os.stat_result) -> bool:
    """Whether something that was not followed is a link or a junction."""
    if sys.platform == "win32" and found.st_reparse_tag == stat.IO_REPARSE_TAG_MOUNT_POINT:
        return True
    return stat.S_ISLNK(found.st_mode)


def _outside(key: str) -> CorruptDataError:
    return CorruptDataError(key, "it leads out of its folder, and is never followed")


def _linked(key: str) -> CorruptDataError:
    return CorruptDataError(key, "it is a link or a mount, which is never followed")
