"""The pixels of a region: some rows of each page of a TIFF."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kymflow_zarr._readers.tiff_layout import PageRegion
from kymflow_zarr._readers.tiff_pixels import SeriesPixels


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionPixels:
    """The rows of a region.

    Attributes:
        pages: The pages as a whole, of shape ``(..., rows, columns)``.
        region: The rows of each page.
        shape: The shape of the region, as many pixels.
    """

    pages: SeriesPixels
    region: PageRegion
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype in native byte order."""
        return self.pages.dtype

    def blocks(self, rows: int) -> Iterator[npt.NDArray[Any]]:
        """See `SeriesPixels.blocks`; a file of one page is in memory as a whole."""
        first = self.region.first_row
        chosen = slice(first, first + self.region.rows)
        if len(self.pages.shape) > 2:
            for block in self.pages.blocks(rows):
                region = np.ascontiguousarray(block[..., chosen, :])
                yield region.reshape(len(block), *self.shape[1:])
            return
        (page,) = self.pages.blocks(self.pages.shape[0])
        region = page[chosen].reshape(self.shape)
        for start in range(0, len(region), rows):
            yield region[start : start + rows].copy()
