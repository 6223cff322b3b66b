"""Names for the images of one file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def unique_names(images: Iterable[tuple[str, T]]) -> dict[str, T]:
    """Images by name; of equal names, later ones get a number."""
    found: dict[str, T] = {}
    for name, image in images:
        number, unique = 1, name
        while unique in found:
            number += 1
            unique = f"{name} ({number})"
        found[unique] = image
    return found
