"""How the results of an analysis are shown to people: facts, and a figure.

An `Analysis` may declare a `Display`; reports and figure files show any analysis by it. Functions
that draw get matplotlib axes, and import nothing heavy before they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kymflow.core.analysis.regions import Calibration, Region

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kymflow.core.decisions import Mark
    from kymflow.core.plotting import KymographPicture
    from kymflow.core.themes import Theme
    from kymflow_zarr import JsonValue

_SMOOTHED_OVER: Final = 1 / 150
_FEWEST_SMOOTHED: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionData:
    """What an analysis found in one region.

    Attributes:
        region: The region.
        calibration: What is known of its axes.
        values: The summary by column; None where there is no value.
        tables: The region's rows of each table of the analysis; without those that are lost.
        marks: The intervals that people marked in it, if the analysis has a table of intervals.
    """

    region: Region
    calibration: Calibration
    values: Mapping[str, JsonValue]
    tables: Mapping[str, pd.DataFrame]
    marks: tuple[Mark, ...] = ()

    def time(self, lines: ArrayLike) -> NDArray[np.float64]:
        """Lines of the recording in s; in lines where the line period is unknown."""
        period = self.calibration.seconds_per_line or 1.0
        return np.asarray(lines, dtype=np.float64) * period

    @property
    def time_label(self) -> str:
        """What the axis of time shows."""
        return "line" if self.calibration.seconds_per_line is None else "time (s)"


DescribeFunction: TypeAlias = Callable[[RegionData], Mapping[str, str]]
"""The facts of a result by name, in the order in which they are shown."""

DrawFunction: TypeAlias = "Callable[[Sequence[Axes], RegionData, Theme], None]"
"""Draws a result into the axes of its panels, from the top, in the colours of a theme."""

OverlayFunction: TypeAlias = "Callable[[Axes, KymographPicture, RegionData], None]"
"""Draws over a picture of a few lines what the result says of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panels:
    """A figure of one region's result: panels below each other.

    Attributes:
        draw: Draws it.
        heights: The height of each panel in inches, from the top.
        caption: What it shows, in a sentence or two.
        over_time: Whether the horizontal axes are the time of the recording: then they span all of
            it, and stand below those of the kymograph.
    """

    draw: DrawFunction
    heights: tuple[float, ...] = (1.75,)
    caption: str = ""
    over_time: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """What a result says of single lines, to be seen over the pixels themselves.

    Attributes:
        draw: Draws it.
        caption: What it shows; ``{region}`` in it becomes the name of the region.
    """

    draw: OverlayFunction
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """How the results of an analysis are shown to people.

    Attributes:
        describe: The facts of a result; if None, the values of its summary with their units.
        headline: The names of those facts that a list of images shows; the first if empty.
        panels: A figure of the result.
        overlay: What it says of single lines.
    """

    describe: DescribeFunction | None = None
    headline: tuple[str, ...] = ()
    panels: Panels | None = None
    overlay: Overlay | None = None


def smoothed_windows(windows: int) -> int:
    """How many of so many windows the running median is over, an odd number."""
    return max(_FEWEST_SMOOTHED, round(windows * _SMOOTHED_OVER) // 2 * 2 + 1)


def running_median(values: pd.Series[float]) -> pd.Series[float]:
    """The median over about a 150th of the recording; windows without a value are left out."""
    windows = smoothed_windows(len(values))
    return values.rolling(windows, center=True, min_periods=windows // 3 + 1).median()
