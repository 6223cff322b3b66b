"""Pixels that a caller hands over: arrays, lists, and lazy arrays that are read part by part."""

from __future__ import annotations

from collections.abc import Iterator
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


def iter_parts(array: LazyArray, rows: int) -> Iterator[AnyArray]:
    """Consecutive parts along the first axis; only one of them is in memory at a time.

    Raises:
        SchemaValidationError: A part has another data type than was declared.
    """
    for start in range(0, array.shape[0], rows):
        part: AnyArray = np.asarray(array[start : start + rows])
        if part.dtype != array.dtype:
            raise SchemaValidationError(
                f"a part of the array holds {part.dtype.name!r}, its dtype says "
                f"{array.dtype.name!r}; convert it with astype()"
            )
        yield part


def as_pixels(array: ArrayLike | LazyArray) -> LazyArray:
    """Take what a caller hands over, without reading what is lazy.

    Raises:
        SchemaValidationError: It is not an array: rows differ in length, or a mask would be lost.
    """
    if isinstance(array, np.ma.MaskedArray):
        raise SchemaValidationError(
            "the mask of a masked array would be lost; fill it in with .filled()"
        )
    if isinstance(array, LazyArray) and isinstance(array.dtype, np.dtype):
        return array
    try:
        return np.asarray(array)
    except ValueError as error:
        raise SchemaValidationError(
            f"the pixels do not form an array ({error}); give rows of equal length"
        ) from error
