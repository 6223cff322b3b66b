"""Which image files are channels of one image, by their names.

Some microscopes write one file per channel: ``scan_c1.tif`` and ``scan_c2.tif``, ``_ch1``/``_ch2``,
``_C001``/``_C002``. Files whose names differ only in that last number are one image, named after
the file with the lowest number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["MARKED", "group_channels"]

MARKED: Final = re.compile(r"(?<=.)[_-]ch?(\d{1,4})\.[^.]+\Z", re.IGNORECASE)
"""How a name ends that names a channel; something must come before."""


def group_channels(
    names: Iterable[str], marked: re.Pattern[str] | None = MARKED
) -> tuple[tuple[str, ...], ...]:
    """Group the names of one folder into images.

    Everything but the number must be equal, to the letter; so ``a_c1.tif`` and ``a_C2.tif`` are two
    images. Of two names with one number (``a_c1.tif`` and ``a_c01.tif``), the later in order stands
    alone.

    Args:
        names: Names of image files in one folder.
        marked: Finds the channel's number in a name, in its only group; None for no groups.

    Returns:
        For each image the names of its files, lowest channel first; every name is in exactly one
        group. Groups are in the order of their first names.
    """
    ordered = sorted(set(names))
    by_rest: dict[tuple[str, str], dict[int, str]] = {}
    for name in ordered:
        found = None if marked is None else marked.search(name)
        if found is not None and found[1] and found[1].isdecimal():
            rest = name[: found.start(1)], name[found.end(1) :]
            by_rest.setdefault(rest, {}).setdefault(int(found[1]), name)
    if not by_rest:  # the usual folder
        return tuple(zip(ordered, strict=True))
    groups = [
        tuple(channels[number] for number in sorted(channels)) for channels in by_rest.values()
    ]
    grouped = {name for group in groups for name in group}
    alone = [(name,) for name in ordered if name not in grouped]
    return tuple(sorted([*alone, *groups]))
