"""The one spelling of a path: that of the disk.

Disks of Windows and macOS, and exFAT anywhere, find a file under its name in upper and in lower
case. A file that is known by its path must not be another one for being typed otherwise.
"""

from __future__ import annotations

import os
from pathlib import Path
from unicodedata import normalize


def spelled_on_disk(path: Path) -> Path:
    """A path without links, each part as its folder lists it; what does not exist stays as it is.

    Where the disk tells upper from lower case, no folder is listed.
    """
    place = path.resolve()
    spelled = Path(place.anchor)
    for name in place.parts[1:]:
        spelled /= name_on_disk(spelled, name)
    return spelled


def name_on_disk(folder: Path, name: str) -> str:
    """A file's name as its folder lists it; the name as given if there is none."""
    other = "".join(letter.swapcase() if letter.isascii() else letter for letter in name)
    if other == name or not os.path.lexists(folder / other):
        return name
    # Not by comparing inodes: a filesystem in user space may make them up for each spelling.
    try:
        names = os.listdir(folder)  # noqa: PTH208 - only names are needed
    except OSError:
        return name
    if name in names:
        return name
    return next((listed for listed in names if _folded(listed) == _folded(name)), name)


def _folded(name: str) -> str:
    return normalize("NFC", name).casefold()
