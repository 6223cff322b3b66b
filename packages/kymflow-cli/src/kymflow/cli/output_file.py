"""A file that is written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kymflow.cli.errors import OutputFileError


def require_writable(target: Path) -> None:
    """Refuse a path that cannot be written to, before hours of work.

    Raises:
        OutputFileError: It is a folder, or its folder is not there or cannot be written to.
    """
    if target.is_dir():
        raise OutputFileError(str(target), "it is a folder", hint="name a file in it")
    folder = target.parent
    if not folder.is_dir():
        raise OutputFileError(
            str(target), f"there is no folder {str(folder)!r}", hint="make that folder first"
        )
    # If the permission is lost meanwhile, the system reports it.
    if not os.access(folder, os.W_OK):
        raise OutputFileError(
            str(target), "its folder cannot be written to", hint="name a file in another folder"
        )


@contextmanager
def replaced(target: Path, *, survives_power_cut: bool = True) -> Iterator[Path]:
    """A file beside a target to write to, which takes its place at the end.

    Args:
        target: The file to replace.
        survives_power_cut: Whether to wait for the disk, which takes its time for each file.

    Raises:
        OutputFileError: Nothing can be written to that place.
    """
    require_writable(target)
    # Not the tempfile module: its files are private, whatever the folder's permissions are.
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        yield unfinished
        if survives_power_cut:
            with unfinished.open("rb+") as file:
                os.fsync(file.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
