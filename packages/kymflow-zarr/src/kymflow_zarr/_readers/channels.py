"""Which image files are channels of one image, by their names.

Some microscopes write one file per channel: ``scan_c1.tif`` and ``scan_c2.tif``, ``_ch1``/``_ch2``,
``_C001``/``_C002``. Files whose names differ only in that last number are one image, named after
the file with the lowest number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["channel_number", "group_channels"]

_MARKED: Final = re.compile(r"[_-]ch?(?P<number>\d{1,4})(?P<suffix>\.[^.]+)\Z", re.IGNORECASE)
"""How a name ends that names a channel; something must come before."""


def channel_number(name: str) -> int | None:
    """Return the channel that an image file's name ends with.

    Args:
        name: The file's name, like ``scan_c2.tif``.

    Returns:
        The number, here 2; None when the name ends with no channel.
    """
    match = _MARKED.search(name, 1)
    return None if match is None else int(match["number"])


def group_channels(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Group the names of one folder into images.

    Everything but the number must be equal, to the letter; so ``a_c1.tif`` and ``a_C2.tif`` are two
    images. Of two names with one number (``a_c1.tif`` and ``a_c01.tif``), the later in order stands
    alone.

    Args:
        names: Names of files in one folder.

    Returns:
        For each image the names of its files, lowest channel first; every name is in exactly one
        group. Groups are in the order of their first names.
    """
    ordered = sorted(set(names))
    by_head: dict[tuple[str, str], dict[int, str]] = {}
    for match in [found for name in ordered if (found := _MARKED.search(name, 1))]:
        head = match.string[: match.start("number")]
        channels = by_head.setdefault((head, match["suffix"]), {})
        channels.setdefault(int(match["number"]), match.string)
    if not by_head:  # the usual folder
        return tuple(zip(ordered, strict=True))
    groups = [
        tuple(channels[number] for number in sorted(channels)) for channels in by_head.values()
    ]
    grouped = {name for group in groups for name in group}
    alone = [(name,) for name in ordered if name not in grouped]
    return tuple(sorted([*alone, *groups]))
