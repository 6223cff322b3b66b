"""Pixels in pieces of other sizes than they come in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from kymflow_zarr._pixels.codec import AnyArray


def recut(blocks: Iterable[AnyArray], sizes: Iterable[int]) -> Iterator[bytes]:
    """Cut elements that arrive in C order, in arrays of any shape, into pieces of other sizes.

    Raises:
        ValueError: The blocks end before the last piece does.
    """
    rest = iter(blocks)
    left = memoryview(b"")
    for size in sizes:
        parts: list[memoryview] = []
        missing = size
        while missing:
            if not left:
                block = next(rest, None)
                if block is None:
                    raise ValueError(f"the pixels end {missing} bytes too early")
                left = np.ascontiguousarray(block).reshape(-1).view(np.uint8).data
            parts.append(left[:missing])
            left = left[missing:]
            missing -= len(parts[-1])
        yield b"".join(parts)
