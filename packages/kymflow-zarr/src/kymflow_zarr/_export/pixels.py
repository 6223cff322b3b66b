"""An image's pixels in C order, in blocks of bounded size."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr.errors import CorruptDataError

if TYPE_CHECKING:
    import zarr

Region: TypeAlias = tuple[int | slice, ...]

_BLOCK_BYTES = 32 * 2**20


def iter_c_order(
    array: zarr.Array[Any], update: Callable[[memoryview], object], *, key: str
) -> Iterator[AnyArray]:
    """A Zarr array's elements in C order and little-endian, about 32 MiB at a time.

    Each block is given to a digest first.

    Raises:
        CorruptDataError: A chunk is damaged; `key` names the array.
    """
    dtype = array.dtype.newbyteorder("<")
    for region in c_order_regions(array.shape, array.chunks, dtype.itemsize):
        try:
            block = np.ascontiguousarray(array[region], dtype=dtype)
        except CorruptDataError:
            raise
        except (ValueError, RuntimeError, zlib.error) as error:  # format 1 has no checksums
            raise CorruptDataError(key, f"a chunk cannot be decoded ({error})") from error
        update(block.reshape(-1).view(np.uint8).data)
        yield block


def c_order_regions(
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    itemsize: int,
    *,
    block_bytes: int = _BLOCK_BYTES,
) -> Iterator[Region]:
    """Regions that cover an array once, in C order; they end where chunks do if possible."""
    axis = 0
    while axis < len(shape) - 1 and math.prod(shape[axis + 1 :]) * itemsize > block_bytes:
        axis += 1
    step = max(1, block_bytes // (math.prod(shape[axis + 1 :]) * itemsize))
    if step > chunks[axis]:
        step -= step % chunks[axis]
    for lead in product(*(range(length) for length in shape[:axis])):
        for start in range(0, shape[axis], step):
            yield (*lead, slice(start, min(start + step, shape[axis])))


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
