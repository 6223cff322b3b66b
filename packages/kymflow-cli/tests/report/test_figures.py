"""The figures: axes of time that agree, pictures of the pixels, bands where something is so."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.typing import NDArray

from kymflow.cli.opening import find_image
from kymflow.cli.report.figures import Drawing, draw_detail, draw_kymograph, draw_panels
from kymflow.cli.report.reading import ImageReading, RegionReading, read_image
from kymflow.core.analysis import Display, Panels, RegionData
from kymflow.core.analysis.velocity import VELOCITY
from kymflow.core.metadata import Roi
from kymflow.core.plotting import array_picture
from kymflow.core.themes import LIGHT, THEMES, Theme
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
    is_near = (np.abs(pixels[..., :3].astype(int) - rgb(colour)) <= 2).all(axis=-1)
    return np.asarray(is_near & (pixels[..., 3] == 255))


def axis_ends(pixels: NDArray[np.uint8]) -> tuple[int, int]:
    """The column of the axis of velocity, and that in which the axis of time ends."""
    ink = of_colour(pixels, LIGHT.ink)
    below = ink[int(ink.sum(axis=1).argmax())]
    return int(ink.sum(axis=0).argmax()), int(np.flatnonzero(below)[-1])


def test_axes_of_time_stand_below_each_other(stall: ImageReading, decode: Decode) -> None:
    (picture,) = stall.pictures.values()
    above, below = draw_kymograph(picture, ()), velocity_of(stall)
    assert above.frame is not None
    pixels = decode(below.picture)
    ends = np.array([above.frame.x, above.frame.x + above.frame.width]) / above.width
    assert np.array(axis_ends(pixels)) / pixels.shape[1] == pytest.approx(ends, abs=0.002)
    (first, *_, last) = above.frame.time_ticks
    assert (first.label, last.label) == ("0.0", "3.0")
    assert [first.at, last.at] == pytest.approx(
        [82 + 900 * (0.5 / 3500), 82 + 900 * (3000.5 / 3500)]
    )


def test_the_picture_is_what_was_recorded(stall: ImageReading, decode: Decode) -> None:
    (picture,) = stall.pictures.values()
    drawing = draw_kymograph(picture, ())
    assert drawing.frame is not None
    pixels = decode(drawing.picture)
    rows, columns = picture.values.shape
    times = pixels.shape[0] // rows, pixels.shape[1] // columns
    assert pixels.shape[:2] == (rows * times[0], columns * times[1])
    low, high = picture.limits
    expected = np.clip((picture.values - low) / (high - low), 0, 1)[::-1]
    drawn = pixels[:: times[0], :: times[1], 0] / 254
    assert drawn == pytest.approx(expected, abs=2 / 64)
    # The last column is the mean of fewer lines: what is too wide exceeds the axes.
    share = columns * picture.lines_per_column / 3500
    assert drawing.frame.picture_width == pytest.approx(drawing.frame.width * share)
    assert drawing.frame.picture_width > drawing.frame.width


def test_what_is_not_finite_is_not_drawn(decode: Decode) -> None:
    pixels = np.arange(12.0).reshape(4, 3)
    pixels[1, 2] = np.nan
    drawn = decode(draw_kymograph(array_picture(pixels), ()).picture)
    assert drawn.shape[-1] == 4
    clear = drawn[..., 3] == 0
    rows, columns = clear.shape
    assert clear[: rows // 3, columns // 4 : columns // 2].all()
    assert clear.sum() == rows // 3 * (columns // 4)


def test_regions_have_boxes_where_they_are() -> None:
    picture = array_picture(np.zeros((100, 50)) + np.arange(50))
    rois = [
        Roi(id=number, channel=1, z=0, dim0_start=10, dim0_stop=60, dim1_start=5, dim1_stop=25)
        for number in (1, 4)
    ]
    frame = draw_kymograph(picture, rois).frame
    assert frame is not None
    (box,) = frame.boxes
    assert box.label == "ROI 1, 4"
    assert (box.x, box.width) == pytest.approx((82 + 90, 450))
    assert (box.y + box.height, box.height) == pytest.approx((frame.bottom - 15, 60))


def test_the_bar_shows_the_stall_when_it_is(stall: ImageReading, decode: Decode) -> None:
    (region,) = stall.regions
    intervals = data_of(region).tables["intervals"]
    found = intervals[intervals["kind"] == "stall"].iloc[0]
    assert (found.start_line, found.stop_line) == pytest.approx((1200, 2700), abs=60)
    pixels = decode(velocity_of(stall).picture)
    marked = of_colour(pixels, LIGHT.vermilion)
    rows = np.flatnonzero(marked.sum(axis=1) > 100)
    columns = np.flatnonzero(marked[rows].any(axis=0))
    left, right = axis_ends(pixels)
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
    plain = draw_detail(detail)
    with_paths = draw_detail(detail, (VELOCITY, data_of(region)))
    assert plain.overlay == ""
    assert plain.picture == with_paths.picture
    # The middle of this recording stands still: paths run along the axis of time.
    paths = of_colour(decode(with_paths.overlay), "#ffb000")
    assert not paths.any() or paths.any(axis=0).sum() > 10 * paths.any(axis=1).sum()


def test_colours_that_stand_for_values_stay_as_they_are(stall: ImageReading) -> None:
    def draw_map(axes: Sequence[Axes], data: RegionData, theme: Theme) -> None:
        axes[0].imshow(np.eye(3))

    (picture,) = stall.pictures.values()
    (region,) = stall.regions
    shown = dataclasses.replace(VELOCITY, display=Display(panels=Panels(draw=draw_map)))
    assert draw_panels(shown, data_of(region), picture).keeps_colours
    assert not velocity_of(stall).keeps_colours


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

    before = velocity_of(stall)
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 30, "image.cmap": "jet"}):
        assert velocity_of(stall) == before
        assert mpl.rcParams["font.size"] == 30
