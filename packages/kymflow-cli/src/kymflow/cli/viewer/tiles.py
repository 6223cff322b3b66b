"""Tiles of kymographs: means over lines at several levels, made when they are asked for.

A column of level ``n`` is the mean of ``2**n`` lines. Every line counts at every level.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from kymflow.cli.viewer.messages import BadRequestError
from kymflow.core.metadata import image_extent
from kymflow.core.plotting import load_means

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset

TILE_COLUMNS: Final = 1024
_MOST_ROWS: Final = 200
_MOST_LEVEL: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """Which tile of which recording.

    Attributes:
        image_id: The recording; its pixels never change.
        channel: Its channel, from 1.
        z: Its slice, from 0.
        level: Each column is the mean of ``2**level`` lines.
        index: Which tile of the level, from 0.
    """

    image_id: str
    channel: int
    z: int
    level: int
    index: int


def pixels_per_row(pixels: int) -> int:
    """How many pixels along the line a row of a tile is the mean of."""
    return -(-pixels // _MOST_ROWS)


def read_tile(dataset: ZarrDataset, tile: Tile) -> NDArray[np.float32]:
    """Read one tile.

    Returns:
        Means of shape ``(columns, rows)``; NaN where no pixel is finite.

    Raises:
        BadRequestError: The recording has no such tile.
        RegionError: It has no such channel or slice.
        CorruptDataError: Its pixels are damaged.
    """
    record = dataset.record(tile.image_id)
    extent = image_extent(record)
    if tile.level > _MOST_LEVEL:
        raise BadRequestError(f"there is no level {tile.level}")
    lines_per_column = 1 << tile.level
    first = tile.index * TILE_COLUMNS * lines_per_column
    if first >= extent.dim0:
        raise BadRequestError(f"level {tile.level} has no tile {tile.index}")
    means = load_means(
        record,
        channel=tile.channel,
        z=tile.z,
        lines=(first, min(first + TILE_COLUMNS * lines_per_column, extent.dim0)),
        lines_per_column=lines_per_column,
        pixels_per_row=pixels_per_row(extent.dim1),
    )
    return means.astype("<f4")


class TileCache:
    """The tiles that were used last, up to a number of bytes."""

    def __init__(self, *, most_bytes: int = 256 * 2**20) -> None:
        self._most_bytes = most_bytes
        self._tiles = OrderedDict[Tile, bytes]()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, dataset: ZarrDataset, tile: Tile) -> bytes:
        """A tile as little-endian float32 in C order, read if it is not here; see `read_tile`."""
        with self._lock:
            found = self._tiles.get(tile)
            if found is not None:
                self._tiles.move_to_end(tile)
                return found
        data = read_tile(dataset, tile).tobytes()
        with self._lock:
            if tile not in self._tiles:
                self._tiles[tile] = data
                self._bytes += len(data)
            while self._bytes > self._most_bytes:
                _, dropped = self._tiles.popitem(last=False)
                self._bytes -= len(dropped)
        return data
