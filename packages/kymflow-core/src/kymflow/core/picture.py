"""Kymographs reduced to a size that can be drawn.

A long recording has more lines than a screen has columns. It is reduced by means over blocks, never
by leaving lines out, and the labels of the axes say so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.regions import UNCALIBRATED, Calibration, calibration_of
from kymflow.core.errors import InvalidKymographError, RegionError
from kymflow.core.metadata import ImageExtent, image_extent, load_metadata, picture_axes
from kymflow_zarr import ZarrImageRecord

_SLAB_VALUES = 2**24
"""How many pixels are held in memory at a time."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KymographPicture:
    """A stretch of one channel of a kymograph, small enough to draw.

    Line ``i`` happens at ``i`` line periods, so its column reaches from ``i - 0.5`` to ``i + 0.5``;
    pixels along the line likewise.

    Attributes:
        values: Means over blocks, float64, of shape ``(rows, columns)``: position by time. NaN
            where a block has no finite pixel.
        lines: First line, and the one after the last.
        pixels: First pixel along the line, and the one after the last.
        lines_per_column: How many lines each column is the mean of; the last may have fewer.
        pixels_per_row: How many pixels along the line each row is the mean of, likewise.
        calibration: What is known of the axes.
        limits: The values that are drawn black and white.
    """

    values: NDArray[np.float64]
    lines: tuple[int, int]
    pixels: tuple[int, int]
    lines_per_column: int
    pixels_per_row: int
    calibration: Calibration
    limits: tuple[float, float]

    @property
    def seconds(self) -> float:
        """Seconds per line; 1 where they are unknown, and the axis is in lines."""
        return self.calibration.seconds_per_line or 1.0

    @property
    def um(self) -> float:
        """µm per pixel; 1 where they are unknown, and the axis is in pixels."""
        return self.calibration.um_per_pixel or 1.0

    @property
    def time_label(self) -> str:
        """What the axis of time shows, and how far it is reduced."""
        unit = "line" if self.calibration.seconds_per_line is None else "time (s)"
        if self.lines_per_column == 1:
            return unit
        return f"{unit}, each column the mean of {self.lines_per_column} lines"

    @property
    def position_label(self) -> str:
        """What the axis of position shows, and how far it is reduced."""
        unit = "pixel" if self.calibration.um_per_pixel is None else "position (µm)"
        if self.pixels_per_row == 1:
            return unit
        return f"{unit}, mean of {self.pixels_per_row}"

    @property
    def time_span(self) -> tuple[float, float]:
        """From the beginning of the first line to the end of the last, in units of the axis."""
        return (self.lines[0] - 0.5) * self.seconds, (self.lines[1] - 0.5) * self.seconds

    @property
    def position_span(self) -> tuple[float, float]:
        """From the edge of the first pixel to that of the last, in units of the axis."""
        return (self.pixels[0] - 0.5) * self.um, (self.pixels[1] - 0.5) * self.um


def load_picture(
    rec: ZarrImageRecord,
    *,
    channel: int = 1,
    z: int = 0,
    lines: tuple[int, int] | None = None,
    max_columns: int = 1500,
    max_rows: int = 400,
    percentiles: tuple[float, float] = (1.0, 99.5),
) -> KymographPicture:
    """Read a stretch of a kymograph, reduced to a size that can be drawn.

    However long the recording is, only a part of it is in memory at a time.

    Args:
        rec: The image.
        channel: Its channel, from 1.
        z: Its slice, from 0.
        lines: First line, and the one after the last; all if None.
        max_columns: How many columns the picture may have.
        max_rows: How many rows it may have.
        percentiles: Of the values drawn: what is black, and what is white.

    Raises:
        RegionError: The image has no lines and pixels, or not this channel, slice or stretch.
        CorruptDataError: Its pixels or metadata are damaged.
        MetadataError: A field of its metadata is malformed.
    """
    extent = _checked_extent(rec, channel=channel, z=z, lines=lines)
    calibration = calibration_of(rec, load_metadata(rec))
    first, stop = lines or (0, extent.dim0)
    lines_per_column = math.ceil((stop - first) / max_columns)
    pixels_per_row = math.ceil(extent.dim1 / max_rows)
    values = load_means(
        rec,
        channel=channel,
        z=z,
        lines=(first, stop),
        lines_per_column=lines_per_column,
        pixels_per_row=pixels_per_row,
    )
    return KymographPicture(
        values=np.ascontiguousarray(values.T),
        lines=(first, stop),
        pixels=(0, extent.dim1),
        lines_per_column=lines_per_column,
        pixels_per_row=pixels_per_row,
        calibration=calibration,
        limits=_limits(values, percentiles),
    )


def load_means(
    rec: ZarrImageRecord,
    *,
    channel: int = 1,
    z: int = 0,
    lines: tuple[int, int],
    lines_per_column: int,
    pixels_per_row: int = 1,
) -> NDArray[np.float64]:
    """Read a stretch of a kymograph as means over blocks, in which every line counts.

    However long the stretch is, only a part of it is in memory at a time.

    Args:
        rec: The image.
        channel: Its channel, from 1.
        z: Its slice, from 0.
        lines: First line, and the one after the last.
        lines_per_column: Lines of a block; the last block may have fewer.
        pixels_per_row: Its pixels along the line, likewise.

    Returns:
        Means of the finite values, of shape ``(columns, rows)``: time by position. NaN where there
        is none.

    Raises:
        RegionError: The image has no lines and pixels, or not this channel, slice or stretch.
        CorruptDataError: Its pixels are damaged.
    """
    extent = _checked_extent(rec, channel=channel, z=z, lines=lines)
    pixels = rec.open_array()
    where = {"c": channel - 1, "z": z}
    columns_at_once = max(1, _SLAB_VALUES // (extent.dim1 * lines_per_column))
    parts = []
    for start in range(*lines, columns_at_once * lines_per_column):
        slab = slice(start, min(start + columns_at_once * lines_per_column, lines[1]))
        line_axis_seen = False
        index: list[int | slice] = []
        for axis in rec.get_axes():
            if axis in where:
                index.append(where[axis])
            elif line_axis_seen:
                index.append(slice(None))
            else:
                index.append(slab)
                line_axis_seen = True
        values = np.asarray(pixels[tuple(index)], dtype=np.float64)
        values = np.where(np.isfinite(values), values, np.nan)
        parts.append(_block_means(_block_means(values, lines_per_column).T, pixels_per_row).T)
    return np.concatenate(parts)


def array_picture(
    pixels: NDArray[Any],
    *,
    lines: tuple[int, int] | None = None,
    calibration: Calibration = UNCALIBRATED,
    max_columns: int = 1500,
    max_rows: int = 400,
    percentiles: tuple[float, float] = (1.0, 99.5),
) -> KymographPicture:
    """`load_picture` of an array.

    Args:
        pixels: A kymograph ``(time, space)``, of numbers.
        lines: First line, and the one after the last; all if None.
        calibration: What is known of its axes.
        max_columns: How many columns the picture may have.
        max_rows: How many rows it may have.
        percentiles: Of the values drawn: what is black, and what is white.

    Raises:
        InvalidKymographError: It has no lines and pixels, or not this stretch.
    """
    if pixels.ndim != 2 or not pixels.size:
        raise InvalidKymographError(
            f"its shape is {pixels.shape}; give an array with axes (time, space)"
        )
    first, stop = lines or (0, len(pixels))
    if not 0 <= first < stop <= len(pixels):
        raise InvalidKymographError(
            f"it has no lines {first} to {stop}; give a stretch within 0 to {len(pixels)}"
        )
    lines_per_column = math.ceil((stop - first) / max_columns)
    pixels_per_row = math.ceil(pixels.shape[1] / max_rows)
    stretch = pixels[first:stop].astype(np.float64)
    finite = np.where(np.isfinite(stretch), stretch, np.nan)
    values = _block_means(_block_means(finite, lines_per_column).T, pixels_per_row)
    return KymographPicture(
        values=values,
        lines=(first, stop),
        pixels=(0, pixels.shape[1]),
        lines_per_column=lines_per_column,
        pixels_per_row=pixels_per_row,
        calibration=calibration,
        limits=_limits(values, percentiles),
    )


def _checked_extent(
    rec: ZarrImageRecord, *, channel: int, z: int, lines: tuple[int, int] | None
) -> ImageExtent:
    """The extent of a kymograph, if it has this channel, slice and stretch."""
    if len(picture_axes(rec)) != 2:
        raise RegionError(
            rec.image_id, f"its axes are {rec.get_axes()!r}; a kymograph has lines and pixels"
        )
    extent = image_extent(rec)
    if not 1 <= channel <= extent.channels:
        raise RegionError(
            rec.image_id, f"it has no channel {channel}; give one from 1 to {extent.channels}"
        )
    if not 0 <= z < extent.slices:
        raise RegionError(
            rec.image_id, f"it has no slice {z}; give one from 0 to {extent.slices - 1}"
        )
    if lines is not None and not 0 <= lines[0] < lines[1] <= extent.dim0:
        raise RegionError(
            rec.image_id,
            f"it has no lines {lines[0]} to {lines[1]}; give a stretch within 0 to {extent.dim0}",
        )
    return extent


def _block_means(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Means of the finite values over blocks along the first axis; the last may be smaller."""
    if size == 1:
        return values
    starts = np.arange(0, len(values), size)
    finite = np.isfinite(values)
    sums = np.add.reduceat(np.where(finite, values, 0.0), starts, axis=0)
    counts = np.add.reduceat(finite, starts, axis=0, dtype=np.int64)
    means = np.full(sums.shape, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


def _limits(values: NDArray[np.float64], percentiles: tuple[float, float]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(finite, percentiles))
    return (low, high) if high > low else (low, low + 1.0)
