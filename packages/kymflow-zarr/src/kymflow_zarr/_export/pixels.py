"""An image's pixels in C order, in blocks of bounded size."""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Iterable, Iterator
from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr.errors import CorruptDataError

if TYPE_CHECKING:
    import zarr

__all__ = ["PixelDigest", "c_order_regions", "iter_c_order", "reblocked"]

Region: TypeAlias = tuple[int | slice, ...]

_BLOCK_BYTES = 32 * 2**20


class PixelDigest:
    """The digest over pixels that pass by, as a record's document names it."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    @property
    def text(self) -> str:
        """``"sha256:<hex>"`` of what has passed so far."""
        return f"sha256:{self._sha.hexdigest()}"

    def passing(self, blocks: Iterable[AnyArray]) -> Iterator[AnyArray]:
        """The same blocks, little-endian and C-contiguous, each added to the digest."""
        for block in blocks:
            plain = np.ascontiguousarray(block, dtype=block.dtype.newbyteorder("<"))
            self._sha.update(plain.reshape(-1).view(np.uint8).data)
            yield plain


def iter_c_order(array: zarr.Array[Any], *, key: str) -> Iterator[AnyArray]:
    """A Zarr array's elements in C order, about 32 MiB at a time.

    Raises:
        CorruptDataError: A chunk is damaged; `key` names the array.
    """
    for region in c_order_regions(array.shape, array.chunks, array.dtype.itemsize):
        try:
            block = np.asarray(array[region])
        except CorruptDataError:
            raise
        except (ValueError, RuntimeError, zlib.error) as error:  # format 1 has no checksums
            raise CorruptDataError(key, f"a chunk cannot be decoded ({error})") from error
        yield block


def c_order_regions(
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    itemsize: int,
    *,
    block_bytes: int = _BLOCK_BYTES,
) -> Iterator[Region]:
    """Regions that cover an array once, in C order.

    Args:
        shape: The array's shape.
        chunks: Its chunk shape: a region's border falls on a chunk's where that is possible.
        itemsize: Bytes per element.
        block_bytes: The size that a region should not exceed.
    """
    axis = 0
    while axis < len(shape) - 1 and math.prod(shape[axis + 1 :]) * itemsize > block_bytes:
        axis += 1
    step = max(1, block_bytes // (math.prod(shape[axis + 1 :]) * itemsize))
    if step > chunks[axis]:
        step -= step % chunks[axis]
    for lead in product(*(range(length) for length in shape[:axis])):
        for start in range(0, shape[axis], step):
            yield (*lead, slice(start, min(start + step, shape[axis])))


def reblocked(
    blocks: Iterable[AnyArray], *, shape: tuple[int, ...], rows: int, dtype: np.dtype[Any]
) -> Iterator[AnyArray]:
    """Elements that arrive in C order, as consecutive parts of an array along its first axis.

    Args:
        blocks: Arrays of any shape.
        shape: The array's shape.
        rows: Entries along the first axis of each part but the last.
        dtype: The array's type; blocks of bytes are taken for booleans where that is asked for.

    Yields:
        Arrays of shape ``(n, *shape[1:])``, also beyond ``shape[0]`` if more elements arrive.

    Raises:
        ValueError: The elements end within a row.
    """
    row_items = math.prod(shape[1:])
    part = np.empty((rows * row_items,), dtype=dtype)
    filled = 0
    for block in blocks:
        flat = block.reshape(-1)
        used = 0
        while used < flat.size:
            take = min(part.size - filled, flat.size - used)
            part[filled : filled + take] = flat[used : used + take]
            filled += take
            used += take
            if filled == part.size:
                yield part.reshape((rows, *shape[1:]))
                part = np.empty_like(part)
                filled = 0
    whole = filled // row_items
    if whole:
        yield part[: whole * row_items].reshape((whole, *shape[1:]))
    if filled % row_items:
        raise ValueError("the pixels end within a row")
