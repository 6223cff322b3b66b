"""The folder that a file lay in, whichever system wrote its path."""

from __future__ import annotations

from pathlib import PurePath, PureWindowsPath


def folder_of(path: str | None) -> str:
    """The folder of a source file; empty if there is no file."""
    if not path:
        return ""
    windows = "\\" in path and "/" not in path
    return str((PureWindowsPath if windows else PurePath)(path).parent)
