"""The rules of Windows for names and open files, on Linux.

A strict stand-in: it refuses what Windows refuses, and never allows more than Linux does. Empty
`os.supports_dir_fd` before `shutil` is loaded, `impose` the rules, then import `kymflow_zarr`.

- What only POSIX has is not there: ``dir_fd``, ``fcntl``, flags (but for what filelock
  uses, such as ``fchmod`` in its oldest release).
- A file that this process has open is neither replaced nor removed, nor is a folder that holds one.
- `os.rename` replaces nothing, folders cannot be opened, `os.fsync` wants a file open for writing.
- A path has at most 259 characters, no part of it is a device or has a sign that is not allowed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# What is loaded before goes on as on Linux.
import filelock
import numcodecs
import numpy
import pandas
import pyarrow.parquet
import tifffile
import zarr.storage

REFUSED = threading.Event()  # set once an open file was not replaced or removed
LOADED = filelock, numcodecs, numpy, pandas, pyarrow.parquet, tifffile, zarr.storage
_LONGEST_PATH = 259
_LONGEST_FOLDER = 247
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_NOT_ALLOWED = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]$')
_POSIX_ONLY = (
    *("O_DIRECTORY", "O_PATH", "O_TMPFILE"),
    *("chown", "fork", "geteuid", "getuid", "mkfifo", "posix_fallocate", "pread"),
    *("register_at_fork", "sched_getaffinity", "setsid", "statvfs", "sync", "uname"),
)


def impose(root: Path) -> None:
    """Let these rules hold for the files below a folder, and for good in this process."""
    below = f"{root.resolve()}/"

    def concerns(path: object) -> str:
        """The whole path, if it is one of those files, else an empty text."""
        if not isinstance(path, str | os.PathLike):
            return ""
        whole = os.path.abspath(path)  # noqa: PTH100 - links are not followed
        # filelock tries out what a folder can do, on Linux only.
        return whole if whole.startswith(below) and ".filelock-probe" not in whole else ""

    def check(event: str, args: tuple[Any, ...]) -> None:
        if event not in _RULES:
            return
        for path in filter(None, map(concerns, args[:2])):
            _check_path(path, below)
            _RULES[event](path)

    sys.addaudithook(check)
    for name in _POSIX_ONLY:
        delattr(os, name)
    sys.modules["fcntl"] = None  # type: ignore[assignment]
    os.O_BINARY = 0  # type: ignore[attr-defined]
    stat.IO_REPARSE_TAG_MOUNT_POINT = 0xA0000003  # type: ignore[attr-defined]
    sys.platform = "win32"
    _replace_calls(concerns)


def _check_path(path: str, below: str) -> None:
    if len(path) > _LONGEST_PATH:
        raise FileNotFoundError(errno.ENOENT, "the path is too long", path)
    for part in path.removeprefix(below).split("/"):
        if _DEVICE.fullmatch(part) or _NOT_ALLOWED.search(part):
            raise OSError(errno.EINVAL, "not a name on Windows", path)


def _refuse_folder(path: str) -> None:
    if stat.S_ISDIR(_real_mode(path)):
        raise PermissionError(errno.EACCES, "a folder cannot be opened", path)


def _refuse_open(path: str) -> None:
    for held in _open_files():
        if held == path or held.startswith(f"{path}/"):
            REFUSED.set()
            raise PermissionError(errno.EACCES, "another program has it open", held)


def _refuse_long_folder(path: str) -> None:
    if len(path) > _LONGEST_FOLDER:
        raise FileNotFoundError(errno.ENOENT, "the path is too long", path)


_RULES: dict[str, Callable[[str], None]] = {
    "open": _refuse_folder,
    "os.mkdir": _refuse_long_folder,
    "os.remove": _refuse_open,
    "os.rename": _refuse_open,
    "os.rmdir": _refuse_open,
    "os.scandir": lambda _path: None,
    "os.truncate": _refuse_open,
}


def _real_mode(path: str) -> int:
    try:
        return _STAT(path, follow_symlinks=False).st_mode
    except OSError:
        return 0


def _open_files() -> Iterator[str]:
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            if stat.S_ISREG(os.fstat(int(descriptor.name)).st_mode):
                yield str(descriptor.readlink())
        except OSError:  # closed since it was listed
            continue


_STAT, _RENAME, _FSYNC, _SCANDIR = os.stat, os.rename, os.fsync, os.scandir
_GETFL, _FLAGS = fcntl.F_GETFL, fcntl.fcntl


def _replace_calls(concerns: Callable[[object], str]) -> None:
    """Calls that the audit events do not tell apart, or not at all."""

    def without_dir_fd(call: Callable[..., Any]) -> Callable[..., Any]:
        def checked(*args: Any, **options: Any) -> Any:
            for name in ("dir_fd", "src_dir_fd", "dst_dir_fd"):
                if options.pop(name, None) is not None:
                    raise NotImplementedError(f"{name} unavailable on this platform")
            return call(*args, **options)

        return checked

    def rename(old: Any, new: Any) -> None:
        if concerns(new) and os.path.lexists(new):
            raise FileExistsError(errno.EEXIST, "it is there already", str(new))
        _RENAME(old, new)

    def fsync(fd: Any) -> None:
        if _FLAGS(fd, _GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "not open for writing")
        _FSYNC(fd)

    def look(path: Any, *, follow_symlinks: bool = True) -> Any:
        found = _STAT(path, follow_symlinks=follow_symlinks)
        return _with_reparse_tag(found) if concerns(path) else found

    def scan(path: Any = ".") -> Any:
        return _Entries(path) if concerns(path) else _SCANDIR(path)

    os.rename = without_dir_fd(rename)
    os.fsync = fsync
    os.stat = without_dir_fd(look)
    os.scandir = scan
    for name in ("access", "mkdir", "open", "remove", "replace", "rmdir", "unlink"):
        setattr(os, name, without_dir_fd(getattr(os, name)))


def _with_reparse_tag(found: os.stat_result) -> SimpleNamespace:
    names = (name for name in dir(found) if name.startswith("st_"))
    return SimpleNamespace(**{name: getattr(found, name) for name in names}, st_reparse_tag=0)


class _Entries:
    """What `os.scandir` finds, with the time, size and kind of link that it has on Windows."""

    def __init__(self, path: Any) -> None:
        self._entries: Any = _SCANDIR(path)

    def __enter__(self) -> _Entries:
        return self

    def __exit__(self, *_: object) -> None:
        self._entries.close()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        entry = next(self._entries)
        said = {name: getattr(entry, name) for name in dir(entry) if not name.startswith("_")}
        said["stat"] = lambda *, follow_symlinks=True: _with_reparse_tag(
            entry.stat(follow_symlinks=follow_symlinks)
        )
        return SimpleNamespace(**said)
