"""Images with time across: if the axes are x, t, the image is turned, so that rows are times."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._readers.image_file import ImageFile


def time_down(
    shape: tuple[int, ...], axes: tuple[str, ...]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Shape and axes of an image as it is stored: ``(…, x, t)`` becomes ``(…, t, x)``."""
    if axes[-2:] != ("x", "t"):
        return shape, axes
    return (*shape[:-2], shape[-1], shape[-2]), (*axes[:-2], "t", "x")


def blocks_down(image: ImageFile, rows: int) -> Iterator[AnyArray]:
    """The pixels of an image with time across, turned, in blocks along the first axis.

    One sheet is held in memory as a whole, since each of its columns becomes a row.
    """
    if len(image.shape) > 2:
        for block in image.iter_blocks(rows):
            yield block.swapaxes(-2, -1)
        return
    turned = image.read().T
    for start in range(0, len(turned), rows):
        yield np.ascontiguousarray(turned[start : start + rows])
