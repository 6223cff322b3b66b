"""Order names as people do: 2 before 10."""

from __future__ import annotations

import re

__all__ = ["file_key", "natural_key"]

_DIGITS = re.compile(r"([0-9]+)")


def natural_key(text: str) -> tuple[tuple[str | int, ...], str]:
    """A key to sort by: numbers in a text count as numbers, and case does not.

    Args:
        text: A name.
    """
    # Text and digits take turns, so that like is compared with like.
    parts = _DIGITS.split(text.casefold())
    return tuple(int(part) if at % 2 else part for at, part in enumerate(parts)), text


def file_key(name: str) -> tuple[object, ...]:
    """A key to sort files by: a file comes before those whose names go on, such as copies of it.

    Args:
        name: The name of a file.
    """
    stem, dot, ending = name.rpartition(".")
    return natural_key(stem if dot else ending), ending
