"""Regular files only: opened without following links or waiting for a FIFO, and watched for change.

A folder that people share may hold anything under the name ``*.tif``. Opening a FIFO blocks for
ever, a link may lead out of the folder, and a file that is still being written gives half an image.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeVar

from kymflow_zarr._storage.open_folder import OpenFolder
from kymflow_zarr.errors import IncompleteImageError, UnreadableImageError

# Windows has neither: there the comparison of lstat with fstat catches a link that was swapped in.
_NOFOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0)
_NONBLOCK: Final[int] = getattr(os, "O_NONBLOCK", 0)
_BINARY: Final[int] = getattr(os, "O_BINARY", 0)
_CLOEXEC: Final[int] = getattr(os, "O_CLOEXEC", 0)

CHANGED: Final = "it changed while it was read; try again when nothing writes to it"
"""Why a file that is still being written is not read."""
_NOT_FETCHED: Final = "it is a link to a file that is not there; fetch that, or remove the link"


class _Closes(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=_Closes)


class FileFacts(NamedTuple):
    """What tells one state of a file from another."""

    size_bytes: int
    mtime_ns: int


def stat_regular_file(
    folder: OpenFolder, name: str, *, follow_links: bool = False
) -> os.stat_result:
    """Look at a regular file without opening it; a link is refused, or followed if `follow_links`.

    What the system says is returned as it is: there is one for each file.

    Raises:
        UnreadableImageError: There is no such file, or it is a link, folder, FIFO or device.
    """
    try:
        found = os.stat(folder.start + name, dir_fd=folder.fd, follow_symlinks=follow_links)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        path = Path(folder.path + name)
        reason = _NOT_FETCHED if follow_links and path.is_symlink() else os_reason(error)
        raise UnreadableImageError(path, reason) from error
    if not stat.S_ISREG(found.st_mode):
        raise UnreadableImageError(Path(folder.path + name), _irregular_reason(found))
    return found


def regular_file_state(path: Path, *, follow_links: bool) -> FileFacts:
    """The state of a regular file, to be compared with a later one.

    Raises:
        UnreadableImageError: There is no such file, or it is a link that is not followed, a folder,
            FIFO or device.
    """
    return _facts(_look(path, follow_links=follow_links))


def _look(path: Path, *, follow_links: bool) -> os.stat_result:
    try:
        found = os.stat(path, follow_symlinks=follow_links)  # noqa: PTH116 - half the cost
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UnreadableImageError(path, os_reason(error)) from error
    if not stat.S_ISREG(found.st_mode):
        raise UnreadableImageError(path, _irregular_reason(found))
    return found


def open_regular_file(path: Path, *, follow_symlinks: bool = False) -> tuple[io.FileIO, FileFacts]:
    """Open a regular file for reading, unbuffered; with it come its facts at that time.

    Raises:
        UnreadableImageError: There is no such file, it is a link, folder, FIFO or device, or it
            must not be read.
    """
    before = _look(path, follow_links=follow_symlinks)
    flags = os.O_RDONLY | _NONBLOCK | _BINARY | _CLOEXEC
    if not follow_symlinks:
        flags |= _NOFOLLOW
    try:
        file = io.FileIO(path, opener=lambda name, _: os.open(name, flags))
    except OSError as error:
        raise UnreadableImageError(path, os_reason(error)) from error
    with closed_on_error(file):
        opened = os.fstat(file.fileno())
        if not stat.S_ISREG(opened.st_mode) or not os.path.samestat(before, opened):
            raise IncompleteImageError(
                path, "it was replaced while it was opened; try again when nothing writes to it"
            )
        return file, _facts(opened)


@contextmanager
def closed_on_error(file: T) -> Iterator[T]:
    """A file that stays open, unless the block raises."""
    try:
        yield file
    except BaseException:
        file.close()
        raise


def read_bounded(path: Path, *, limit: int, follow_symlinks: bool = False) -> bytes:
    """Read a whole regular file of bounded size.

    Raises:
        UnreadableImageError: It cannot be opened or read, is larger than ``limit``, or changed.
    """
    file, facts = open_regular_file(path, follow_symlinks=follow_symlinks)
    with io.BufferedReader(file) as buffered:
        if facts.size_bytes > limit:
            raise UnreadableImageError(
                path,
                f"it has {facts.size_bytes} bytes, but the limit is {limit}; "
                "make it smaller, or raise the limit in ReadLimits if it is sound",
            )
        try:
            data = buffered.read(limit + 1)
        except OSError as error:
            raise UnreadableImageError(path, os_reason(error)) from error
        if _facts(os.fstat(file.fileno())) != facts:
            raise IncompleteImageError(path, CHANGED)
    return data


def _irregular_reason(found: os.stat_result) -> str:
    if stat.S_ISLNK(found.st_mode):
        return (
            "it is a symbolic link, which is not followed; name the file that it leads to, "
            "or follow links: IngestOptions(follow_links=True), --follow-links for the command"
        )
    if stat.S_ISDIR(found.st_mode):
        return "it is a folder; rename it or leave it out"
    return "it is not a regular file but a device, socket or FIFO; remove it from the folder"


def _facts(found: os.stat_result) -> FileFacts:
    return FileFacts(size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)


def os_reason(error: OSError | ValueError) -> str:
    """What the system says of a file or folder, in words that end with what to do."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file; check the path"
    if isinstance(error, PermissionError):
        return "access is denied; change its permissions"
    detail = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"the system says {detail!r}; check the file and the disk that it is on"
