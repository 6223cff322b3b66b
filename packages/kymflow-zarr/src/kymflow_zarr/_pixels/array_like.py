"""Pixels that a caller hands over: arrays, lists, and lazy arrays that are read part by part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr.errors import SchemaValidationError


@runtime_checkable
class LazyArray(Protocol):
    """An array of dask, zarr, xarray, h5py, …: slices of it become NumPy arrays."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""

    @property
    def dtype(self) -> Any:
        """Its NumPy data type."""

    def __getitem__(self, region: Any, /) -> Any:
        """A part of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """Pixels to be stored.

    Attributes:
        shape: Their shape.
        dtype: Their data type.
        source: What they are read from.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    source: LazyArray

    def blocks(self, rows: int) -> Iterator[AnyArray]:
        """Consecutive parts along the first axis; only one of them is in memory at a time.

        Raises:
            SchemaValidationError: A part has another data type than was declared.
        """
        for start in range(0, self.shape[0], rows):
            block: AnyArray = np.asarray(self.source[start : start + rows])
            if block.dtype != self.dtype:
                raise SchemaValidationError(
                    f"a part of the array holds {block.dtype.name!r}, its dtype says "
                    f"{self.dtype.name!r}; convert it with astype()"
                )
            yield block


def as_pixels(array: ArrayLike | LazyArray) -> Pixels:
    """Take what a caller hands over, without reading what is lazy.

    Raises:
        SchemaValidationError: It is not an array: rows differ in length, or a mask would be lost.
    """
    if isinstance(array, np.ma.MaskedArray):
        raise SchemaValidationError(
            "the mask of a masked array would be lost; fill it in with .filled()"
        )
    if isinstance(array, LazyArray) and isinstance(array.dtype, np.dtype):
        return Pixels(shape=tuple(array.shape), dtype=array.dtype, source=array)
    try:
        plain: AnyArray = np.asarray(array)
    except ValueError as error:
        raise SchemaValidationError(
            f"the pixels do not form an array ({error}); give rows of equal length"
        ) from error
    return Pixels(shape=plain.shape, dtype=plain.dtype, source=plain)
