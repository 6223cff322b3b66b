"""Scratch folders, ``<work>/staging/<12 hex digits>/``: where a writer keeps what is on its way.

Each holds a lock file for as long as its process lives. So what a killed writer left is told from
what a live one is using, and from what no writer of this package made: that is never removed.
"""

from __future__ import annotations

import os
import re
import sys
import uuid
import weakref
from contextlib import suppress

from filelock import FileLock, Timeout

from kymflow_zarr._storage.inner_folder import InnerFolder

_LOCK_FILE = "writer.lock"
# Windows allows a path 260 characters, so names are short; version 0.1 made longer ones.
_OWN_NAME = re.compile(r"[0-9a-f]{12}|[0-9a-f]{32}")


class Scratch:
    """This process's scratch folder, held open, with the lock that says that it is in use."""

    def __init__(self, staging: InnerFolder) -> None:
        while True:
            self.name = new_name()
            folder = staging.make_inner(self.name, durable=False)
            lock = FileLock(f"{folder.path}/{_LOCK_FILE}", thread_local=False)
            # repair() may look between mkdir and lock, take the folder for a leftover and sweep it.
            with suppress(Timeout, FileNotFoundError):
                lock.acquire(timeout=0)
                if os.path.isdir(folder.path):  # noqa: PTH112 - see `InnerFolder`
                    break
                lock.release()
            folder.close()
        self.folder = folder
        self._pid = os.getpid()
        self.close = weakref.finalize(self, _close, folder, lock, self._pid)

    def usable(self) -> bool:
        """Whether it is still there, and not that of the process which this one was forked from."""
        return self._pid == os.getpid() and os.path.isdir(self.folder.path)  # noqa: PTH112


def new_name() -> str:
    """A name for a scratch folder, or for something in one."""
    return uuid.uuid4().hex[:12]


def is_left_behind(staging: InnerFolder, name: str) -> bool:
    """Whether a killed writer made this folder: its lock is free, and nothing else is in it."""
    if not _OWN_NAME.fullmatch(name):
        return False
    try:
        folder = staging.inner(name)
    except (FileNotFoundError, NotADirectoryError):
        return False  # its writer has just removed it
    with folder:
        if not _holds_only_scratch(folder):
            return False
        if folder.stat(_LOCK_FILE) is None:
            return True  # killed before it could take the lock
        lock = FileLock(f"{folder.path}/{_LOCK_FILE}")
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):  # in use, or on a read-only medium
            return False
        lock.release()
    return True


def sweep(staging: InnerFolder, name: str) -> None:
    """Remove a scratch folder that was left behind; one that has a writer now is left alone."""
    with staging.inner(name) as folder:
        folder.stat(_LOCK_FILE)
        lock = FileLock(f"{folder.path}/{_LOCK_FILE}")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return
        try:
            if not _holds_only_scratch(folder):
                return
            if sys.platform == "win32":  # an open file keeps its folder where it is
                for entry in list(folder.scan()):
                    if entry.name != _LOCK_FILE:
                        folder.remove(entry.name)
            else:
                moved = new_name()
                staging.move(name, staging, moved)
                name = moved
        finally:
            lock.release()
    # With the lock file closed: on FUSE and NFS an open one keeps its folder from being empty.
    with suppress(FileNotFoundError):  # by another repair
        staging.remove(name)


def _holds_only_scratch(folder: InnerFolder) -> bool:
    names = (entry.name for entry in folder.scan())
    ours = all(name == _LOCK_FILE or _OWN_NAME.fullmatch(name) for name in names)
    return ours and next(folder.links(), None) is None


def _close(folder: InnerFolder, lock: FileLock, pid: int) -> None:
    if pid == os.getpid():
        lock.release()
        with suppress(OSError):  # what stays, repair() sweeps
            for entry in list(folder.scan()):
                folder.remove(entry.name)
            os.rmdir(folder.path)  # noqa: PTH106 - see `InnerFolder`
    folder.close()
