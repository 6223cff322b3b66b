"""A folder held open while many files in it are looked at, on systems that support it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFolder:
    """How to name a file in a folder: as ``start + name``, with ``dir_fd=fd``.

    All is text: it is joined for each file there is, and a Path would cost more than a stat.

    Attributes:
        path: The folder's path, to be followed by a name, for messages.
        start: What comes before a name: nothing if there is an `fd`, else the path.
        fd: The open folder; None where files are named by their paths alone.
    """

    path: str
    start: str
    fd: int | None


def by_path(folder: Path) -> OpenFolder:
    """A folder that is not opened: its files are named by their paths."""
    path = os.path.join(folder, "")  # noqa: PTH118 - see `OpenFolder`
    return OpenFolder(path=path, start=path, fd=None)


@contextmanager
def open_folder(folder: Path) -> Iterator[OpenFolder]:
    """Hold a folder open, so that the system need not walk its whole path for each file in it.

    With 10,000 files five folders down this saves a tenth of each stat, a fifth of each `os.access`
    of a file one folder further.

    Raises:
        OSError: There is no such folder, or reading it is not allowed.
    """
    if not _can_look_from_a_folder():
        yield by_path(folder)
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        yield OpenFolder(path=by_path(folder).path, start="", fd=fd)
    finally:
        os.close(fd)


def _can_look_from_a_folder() -> bool:
    """Whether the system has the calls; Windows does not."""
    return {os.stat, os.access} <= os.supports_dir_fd
