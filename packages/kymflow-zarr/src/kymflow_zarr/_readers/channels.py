"""Which image files are channels of one image: one rule, by their names alone.

Microscopes that write one file per channel put its number, or letter, into the name, at one of the
places in `CHANNEL_NAMES`. Files whose names differ in nothing else are one image, named after the
file with the lowest number. Two files that each have their own headers beside them are two
recordings, whatever they are called. The page ``docs/howto/channels.md`` has examples.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final

CHANNEL_NAMES: Final = (
    # FluoView scan_C001T001 and scan_C001Z001T001, Leica scan_ch00, ZEN scan_c1, NIS scan_t1c1
    re.compile(
        r"[_-](?<=..)(?:[tz]\d{1,4}){0,2}ch?(\d{1,4})(?:[tz]\d{1,4}){0,2}\.[^.]+\Z", re.IGNORECASE
    ),
    # Fiji's Bio-Formats importer scan - C=0.tif
    re.compile(r"(?<=.) - C=(\d{1,4})\.[^.]+\Z"),
    # Prairie View LineScan-07222025-1213-001_Cycle00001_Ch1_000001.ome.tif
    re.compile(r"_Ch(\d{1,2})_\d{6}(?:\.ome)?\.tiff?\Z"),
    # Fiji's Split Channels C1-scan.tif
    re.compile(r"\AC(\d{1,2})-(?=.)"),
    # ThorImage ChanA_0001_0001_0001_0001.tif
    re.compile(r"\AChan([A-Z])_\d"),
    # MetaMorph scan_w1GFP.TIF, scan_w2RFP_s1_t1.TIF
    re.compile(r"[_-](?<=..)w(\d)(?P<dye>[a-z][^_.]*)(?:_s\d+)?(?:_t\d+)?\.tiff?\Z", re.IGNORECASE),
)
"""Where a name has its channel's number or letter: the first group; a second one is its dye."""


def group_channels(
    names: Iterable[str],
    marked: Sequence[re.Pattern[str]] = CHANNEL_NAMES,
    *,
    has_header: Callable[[str], bool] | None = None,
) -> tuple[tuple[str, ...], ...]:
    """Group the names of one folder into images.

    Everything but the number, or number and dye, must be equal, to the letter; so ``a_c1.tif`` and
    ``a_C2.tif`` are two images. Of two names with one number (``a_c1.tif`` and ``a_c01.tif``), the
    later in order stands alone.

    Args:
        names: Names of image files in one folder.
        marked: Find the channel's number in a name; none for no groups.
        has_header: Whether a file has its own header beside it; files that have are never
            grouped with one another. Not asked if None.

    Returns:
        For each image the names of its files, lowest channel first; every name is in exactly one
        group. Groups are in the order of their first names.
    """
    ordered = sorted(set(names))
    by_rest: dict[tuple[str, str], dict[int, str]] = {}
    for name in ordered:
        found = _mark(name, marked)
        if found is not None:
            rest = name[: found.start(1)], name[found.end(found.re.groups) :]
            by_rest.setdefault(rest, {}).setdefault(_number(found[1]), name)
    groups: list[tuple[str, ...]] = []
    for channels in by_rest.values():
        group = tuple(channels[number] for number in sorted(channels))
        own = 0 if has_header is None or len(group) == 1 else sum(map(has_header, group))
        groups += [(name,) for name in group] if own > 1 else [group]
    if not groups:  # the usual folder
        return tuple(zip(ordered, strict=True))
    grouped = {name for group in groups for name in group}
    alone = [(name,) for name in ordered if name not in grouped]
    return tuple(sorted([*alone, *groups]))


def channel_number(name: str) -> int | None:
    """The number in a file's name that says which channel it is, ``A`` as 1; None without one."""
    found = _mark(name, CHANNEL_NAMES)
    return None if found is None else _number(found[1])


@lru_cache(maxsize=16)  # each reader of headers asks for the same image
def shared_stem(name: str) -> str | None:
    """What the names of all channels have in common: ``scan`` of ``scan_C001T001.tif``.

    A header for all of them is called so. None for a name that names no channel.
    """
    found = _mark(name, CHANNEL_NAMES)
    if found is None:
        return None
    return name[: found.start()] or name[found.end() :].rpartition(".")[0]


def _mark(name: str, marked: Iterable[re.Pattern[str]]) -> re.Match[str] | None:
    for expression in marked:
        found = expression.search(name)
        if found is not None and found[1] and (found[1].isdecimal() or len(found[1]) == 1):
            return found
    return None


def _number(mark: str) -> int:
    return int(mark) if mark.isdecimal() else ord(mark.upper()) - ord("A") + 1
