"""The frame of a picture: axes with ticks and labels, boxes of regions, in pixels of the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from kymflow.core.metadata import Roi
from kymflow.core.plotting import KymographPicture
from kymflow.core.result_plot import (
    FIGURE_BOTTOM,
    FIGURE_LEFT,
    FIGURE_RIGHT,
    FIGURE_TOP,
    FIGURE_WIDTH,
)

PER_INCH: Final = 100
"""Pixels of the page per inch of a figure."""

_MOST_INTERVALS = (9, 4)
"""Between the ticks of the axes of time and of position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A tick of an axis: where it is on the page, and its number."""

    at: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiBox:
    """The box of a region, or of several with the same borders; `y` is its upper end."""

    x: float
    y: float
    width: float
    height: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The frame of a picture.

    Attributes:
        x: The left end of the axes.
        y: Their upper end.
        width: Their width.
        height: Their height.
        picture_width: How wide the picture is; what exceeds the axes is not seen.
        picture_height: Its height, from the lower end of the axes up, likewise.
        time_ticks: Ticks of the axis of time.
        position_ticks: Ticks of the axis of position.
        time_label: What the axis of time shows.
        position_label: What the axis of position shows.
        boxes: The boxes of regions.
    """

    x: float
    y: float
    width: float
    height: float
    picture_width: float
    picture_height: float
    time_ticks: tuple[Tick, ...]
    position_ticks: tuple[Tick, ...]
    time_label: str
    position_label: str
    boxes: tuple[RoiBox, ...]

    @property
    def bottom(self) -> float:
        """The lower end of the axes."""
        return self.y + self.height

    @property
    def full_height(self) -> float:
        """The height with ticks and labels."""
        return self.bottom + FIGURE_BOTTOM * PER_INCH


def frame_of(picture: KymographPicture, rois: Sequence[Roi], *, height: float) -> Frame:
    """The frame of a picture.

    Args:
        picture: The picture.
        rois: Regions of its channel and slice.
        height: The height of the axes, in inches.
    """
    x, y = FIGURE_LEFT * PER_INCH, FIGURE_TOP * PER_INCH
    width, height = (FIGURE_WIDTH - FIGURE_LEFT - FIGURE_RIGHT) * PER_INCH, height * PER_INCH
    rows, columns = picture.values.shape
    lines, pixels = (stop - first for first, stop in (picture.lines, picture.pixels))
    per_line, per_pixel = width / lines, height / pixels
    seconds, um = picture.time_span, picture.position_span

    def time_at(value: float) -> float:
        return x + (value - seconds[0]) / (seconds[1] - seconds[0]) * width

    def position_at(value: float) -> float:
        return y + height - (value - um[0]) / (um[1] - um[0]) * height

    numbers: dict[tuple[int, int, int, int], list[int]] = {}
    for roi in rois:
        borders = roi.dim0_start, roi.dim0_stop, roi.dim1_start, roi.dim1_stop
        numbers.setdefault(borders, []).append(roi.id)
    return Frame(
        x=x,
        y=y,
        width=width,
        height=height,
        picture_width=columns * picture.lines_per_column * per_line,
        picture_height=rows * picture.pixels_per_row * per_pixel,
        time_ticks=tuple(
            Tick(at=time_at(value), label=label)
            for value, label in _ticks(*seconds, _MOST_INTERVALS[0])
        ),
        position_ticks=tuple(
            Tick(at=position_at(value), label=label)
            for value, label in _ticks(*um, _MOST_INTERVALS[1])
        ),
        time_label=picture.time_label,
        position_label=picture.position_label,
        boxes=tuple(
            RoiBox(
                x=x + (first - picture.lines[0]) * per_line,
                y=y + (picture.pixels[1] - upper) * per_pixel,
                width=(stop - first) * per_line,
                height=(upper - lower) * per_pixel,
                label=f"ROI {', '.join(str(number) for number in ids)}",
            )
            for (first, stop, lower, upper), ids in numbers.items()
        ),
    )


def _ticks(low: float, high: float, most_intervals: int) -> Iterable[tuple[float, str]]:
    """Round numbers between two ends, with their texts."""
    from matplotlib.ticker import MaxNLocator

    locator = MaxNLocator(nbins=most_intervals, steps=[1, 2, 2.5, 5, 10])
    values = [float(value) for value in locator.tick_values(low, high)]
    step = values[1] - values[0]
    decimals = next((n for n in range(12) if abs(round(step, n) - step) < step * 1e-6), 12)
    for value in values:
        if low <= value <= high:
            text = f"{abs(value):.{decimals}f}"
            is_negative = value < 0 and float(text) != 0
            yield value, f"\N{MINUS SIGN}{text}" if is_negative else text
