"""Pixels in pieces of other sizes than they come in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt


def recut(
    parts: Iterable[npt.NDArray[Any]], sizes: Iterable[int], dtype: np.dtype[Any]
) -> Iterator[npt.NDArray[Any]]:
    """Cut pixels that arrive in C order, in arrays of any shape, into flat arrays of other sizes.

    Yields:
        Arrays of so many pixels and of type `dtype`, each its own memory.

    Raises:
        ValueError: The parts end before the last piece does.
    """
    rest = iter(parts)
    part = np.empty(0, dtype)
    for size in sizes:
        piece = np.empty(size, dtype)
        left = piece
        while left.size:
            if not part.size:
                following = next(rest, None)
                if following is None:
                    raise ValueError(f"the pixels end {left.size} too early")
                part = following.reshape(-1)
            count = min(left.size, part.size)
            left[:count] = part[:count]
            left, part = left[count:], part[count:]
        yield piece
