"""Making written files survive a power cut, on the systems where that can be asked for."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

# Those that flush all when asked for it: ext2 to ext4, XFS, Btrfs, F2FS, overlayfs, tmpfs, ramfs.
_HONOUR_SYNCFS = {
    *(0xEF53, 0x58465342, 0x9123683E, 0xF2F52010),
    *(0x794C7630, 0x01021994, 0x858458F6),
}
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
    if sys.platform == "win32":
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
    """Flush the whole filesystem that holds `top` with one call, where that is to be relied on.

    For many small files one ``syncfs`` costs a fraction of an fsync for each. Filesystems in user
    space may answer it without flushing what lies below them.

    Returns:
        Whether it was done; if not, the caller flushes file by file.

    Raises:
        OSError: The system reports that writing back failed.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(top, os.O_RDONLY)
    try:
        if _filesystem_type(libc, fd) not in _HONOUR_SYNCFS:
            return False
        if libc.syncfs(fd) == 0:
            return True
        code = ctypes.get_errno()
        if code == errno.ENOSYS:  # a sandbox that lacks it
            return False
        raise OSError(code, os.strerror(code), str(top))
    except AttributeError:  # an older C library
        return False
    finally:
        os.close(fd)


def _filesystem_type(libc: ctypes.CDLL, fd: int) -> int:
    """The number of <linux/magic.h> that says which filesystem a file is on; 0 if unknown."""
    answer = ctypes.create_string_buffer(512)  # longer than any ``struct statfs``
    if libc.fstatfs(fd, answer) != 0:
        return 0
    return int.from_bytes(answer.raw[: ctypes.sizeof(ctypes.c_long)], sys.byteorder) & 0xFFFFFFFF


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
