"""Making written files survive a power cut, on the systems where that can be asked for."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

__all__ = ["make_folders", "sync_file", "sync_filesystem", "sync_folder", "sync_tree"]

_F_FULLFSYNC = 51  # <sys/fcntl.h> on macOS, where fsync() alone stops at the drive's cache


def sync_file(fd: int) -> None:
    """Flush one open file to stable storage.

    Raises:
        OSError: The system could not; the file must then be rewritten, never synced again.
    """
    if sys.platform == "darwin":
        import fcntl

        try:
            fcntl.fcntl(fd, _F_FULLFSYNC)
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EINVAL):
                raise
        else:
            return
    os.fsync(fd)


def sync_folder(path: str | Path, *, dir_fd: int | None = None) -> None:
    """Flush a folder's entries, so that names created or renamed in it survive.

    Windows has no such call and orders metadata in its journal: there this does nothing.

    Args:
        path: The folder.
        dir_fd: The open folder that its path starts from.
    """
    if os.name == "nt":
        return
    fd = os.open(path, os.O_RDONLY, dir_fd=dir_fd)
    try:
        sync_file(fd)
    finally:
        os.close(fd)


def sync_tree(top: Path) -> None:
    """Flush every file and folder below `top`, and `top` itself, the deepest first.

    What links lead to is not flushed.
    """
    for folder, _, files in os.walk(top, topdown=False):
        for path in (Path(folder, name) for name in files):
            if path.is_symlink():
                continue
            # Windows flushes only what is open for writing.
            fd = os.open(path, os.O_RDWR)
            try:
                sync_file(fd)
            finally:
                os.close(fd)
        sync_folder(Path(folder))


def sync_filesystem(top: Path) -> bool:
    """Flush the whole filesystem that holds `top` with one call, where the system has it.

    For many small files one ``syncfs`` costs a fraction of an fsync for each.

    Returns:
        Whether it was done; if not, the caller flushes file by file.

    Raises:
        OSError: The system reports that writing back failed.
    """
    if sys.platform != "linux":
        return False
    syncfs = _libc_syncfs()
    if syncfs is None:
        return False
    fd = os.open(top, os.O_RDONLY)
    try:
        if syncfs(fd) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(top))
    finally:
        os.close(fd)
    return True


def _libc_syncfs() -> ctypes._NamedFuncPointer | None:
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        return libc.syncfs
    except AttributeError:
        return None


def make_folders(folder: Path, *, durable: bool) -> None:
    """Create a folder and its parents; if `durable`, flush the entry of each one created."""
    missing: list[Path] = []
    current = folder
    while not current.is_dir():
        missing.append(current)
        current = current.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        if durable:
            sync_folder(path.parent)
