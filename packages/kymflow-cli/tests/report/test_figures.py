"""The figures, by their pixels: axes of time that agree, and bands where something is the case."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kymflow.cli.opening import find_image
from kymflow.cli.report.figures import Drawing, draw_detail, draw_kymograph, draw_panels
from kymflow.cli.report.reading import ImageReading, RegionReading, read_image
from kymflow.core.analysis import RegionData
from kymflow.core.analysis.velocity import VELOCITY
from kymflow.core.themes import DARK, LIGHT, THEMES, Theme
from kymflow_zarr import ZarrDataset

Decode = Callable[[str], NDArray[np.uint8]]


@pytest.fixture(scope="module")
def stall(lab: Path) -> ImageReading:
    opened = ZarrDataset(lab, mode="r")
    stall = find_image(opened, "stall")
    return read_image(opened, stall, source="stall.tif", name="stall.tif", analyses=(VELOCITY,))


def data_of(region: RegionReading) -> RegionData:
    assert region.data is not None
    return region.data


def velocity_of(reading: ImageReading) -> Drawing:
    (picture,) = reading.pictures.values()
    (region,) = reading.regions
    return draw_panels(VELOCITY, data_of(region), picture)


def rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def of_colour(pixels: NDArray[np.uint8], colour: str) -> NDArray[np.bool_]:
    return np.asarray((np.abs(pixels.astype(int) - rgb(colour)) <= 2).all(axis=-1))


def axis_ends(pixels: NDArray[np.uint8], theme: Theme) -> tuple[int, int]:
    """The column of the axis of position, and that in which the axis of time ends."""
    ink = of_colour(pixels, theme.ink)
    below = ink[int(ink.sum(axis=1).argmax())]
    return int(ink.sum(axis=0).argmax()), int(np.flatnonzero(below)[-1])


def test_axes_of_time_stand_below_each_other(stall: ImageReading, decode: Decode) -> None:
    (picture,) = stall.pictures.values()
    drawings = [draw_kymograph(picture, ()), velocity_of(stall)]
    for name, theme in (("light", LIGHT), ("dark", DARK)):
        ends = {axis_ends(decode(getattr(drawing, name)), theme) for drawing in drawings}
        lefts, rights = zip(*ends, strict=True)
        assert max(lefts) - min(lefts) <= 1
        assert max(rights) - min(rights) <= 1


def test_the_bar_shows_the_stall_when_it_is(stall: ImageReading, decode: Decode) -> None:
    (region,) = stall.regions
    intervals = data_of(region).tables["intervals"]
    found = intervals[intervals["kind"] == "stall"].iloc[0]
    assert (found.start_line, found.stop_line) == pytest.approx((1200, 2700), abs=60)
    drawing = velocity_of(stall)
    for uri, theme in ((drawing.light, LIGHT), (drawing.dark, DARK)):
        pixels = decode(uri)
        marked = of_colour(pixels, theme.vermilion)
        rows = np.flatnonzero(marked.sum(axis=1) > 100)
        columns = np.flatnonzero(marked[rows].any(axis=0))
        left, right = axis_ends(pixels, theme)
        in_bar = columns[np.flatnonzero(marked[rows[len(rows) // 2]][columns])]
        share = (in_bar[[0, -1]] - left) / (right - left) * 3500
        assert share == pytest.approx((found.start_line, found.stop_line), abs=25)


def test_a_detail_shows_each_line_and_the_paths_of_the_estimate(
    stall: ImageReading, decode: Decode
) -> None:
    (detail,) = stall.details.values()
    (region,) = stall.regions
    assert detail.lines_per_column == 1
    assert detail.lines == (1630, 1870)
    plain = decode(draw_detail(detail).light)
    with_paths = decode(draw_detail(detail, (VELOCITY, data_of(region))).light)
    assert not of_colour(plain, "#ffb000").any()
    # The middle of this recording stands still: paths run along the axis of time.
    paths = of_colour(with_paths, "#ffb000")
    assert not paths.any() or paths.any(axis=0).sum() > 10 * paths.any(axis=1).sum()


@pytest.mark.parametrize("theme", THEMES, ids=[theme.name for theme in THEMES])
def test_colours_stand_out_from_the_ground(theme: Theme) -> None:
    def luminance(colour: str) -> float:
        """Relative luminance as WCAG 2 defines it."""
        linear = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
            for part in (value / 255 for value in rgb(colour))
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(colour: str) -> float:
        low, high = sorted((luminance(colour), luminance(theme.ground)))
        return (high + 0.05) / (low + 0.05)

    assert contrast(theme.ink) > 7.0
    for colour in (theme.blue, theme.green):
        assert contrast(colour) > 4.5
    for colour in (theme.vermilion, theme.grey):
        assert contrast(colour) > 3.0
    for colour in (theme.purple, theme.orange):
        assert contrast(colour) > 2.0


def test_a_persons_own_style_changes_nothing(stall: ImageReading) -> None:
    import matplotlib as mpl

    (picture,) = stall.pictures.values()
    before: Any = draw_kymograph(picture, ())
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 30, "image.cmap": "jet"}):
        assert draw_kymograph(picture, ()) == before
        assert mpl.rcParams["font.size"] == 30
