"""Figures of a report. All have the same margins, so that axes of time stand below each other.

Each is drawn once: on a dark page, the style inverts what has no brightness of its own.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kymflow.cli.report.frame import PER_INCH, Frame, frame_of
from kymflow.cli.report.png import COMPRESSION, TRANSPARENT, data_uri, grey_png
from kymflow.core.analysis import Analysis, RegionData
from kymflow.core.errors import FigureError
from kymflow.core.metadata import Roi
from kymflow.core.plotting import KymographPicture
from kymflow.core.result_plot import (
    FIGURE_DPI,
    FIGURE_WIDTH,
    draw_overlay,
    draw_result,
    figure_height,
    panel_axes,
)
from kymflow.core.themes import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GREYS = 64
"""As many as an eye can tell apart; noise in more of them fills the file."""
_KYMOGRAPH = 1.5
_DETAIL = 1.3
"""Heights of axes, in inches."""
_SHARP = 1.3
"""A picture has at least as many pixels per pixel of the page: a browser only makes it smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One figure.

    Attributes:
        picture: A PNG as a ``data:`` URI.
        width: Of the figure, in pixels of the page.
        height: Likewise.
        frame: The frame of a picture of pixels; None for a figure that has its own axes.
        overlay: What is drawn over such a picture, a transparent PNG likewise; empty for nothing.
        keeps_colours: Whether its colours stand for values, and stay as they are on a dark page.
    """

    picture: str
    width: int
    height: int
    frame: Frame | None = None
    overlay: str = ""
    keeps_colours: bool = False


def draw_kymograph(picture: KymographPicture, rois: Sequence[Roi]) -> Drawing:
    """The whole recording, with the boxes of its regions.

    Args:
        picture: The recording.
        rois: Its regions of interest in this channel and slice.
    """
    return _framed(picture, frame_of(picture, rois, height=_KYMOGRAPH))


def draw_detail(
    picture: KymographPicture, over: tuple[Analysis[Any], RegionData] | None = None
) -> Drawing:
    """A few lines, each of them drawn, with what an analysis says of them.

    Args:
        picture: These lines.
        over: An analysis with an overlay, and what it found.

    Raises:
        FigureError: The analysis cannot draw it.
    """
    frame = frame_of(picture, (), height=_DETAIL)
    return _framed(picture, frame, overlay="" if over is None else _overlay(picture, frame, *over))


def draw_panels(analysis: Analysis[Any], data: RegionData, picture: KymographPicture) -> Drawing:
    """What an analysis found in a region, on the axis of time of the recording.

    Args:
        analysis: The analysis.
        data: What it found.
        picture: The recording that it is a region of, for the axis of time.

    Raises:
        FigureError: The analysis cannot draw it.
    """
    panels = analysis.display.panels
    if panels is None:
        raise FigureError(analysis.name, "it declares no figure")
    height = figure_height(panels.heights)
    with _new_figure(FIGURE_WIDTH, height) as figure:
        axes = panel_axes(figure, panels.heights, LIGHT)
        for ax in axes:
            ax.set_facecolor("none")
        draw_result(analysis, data, axes, LIGHT, time_span=picture.time_span)
        return Drawing(
            picture=_png_of(figure),
            width=round(FIGURE_WIDTH * PER_INCH),
            height=round(height * PER_INCH),
            keeps_colours=_shows_values(figure.axes),
        )


def _framed(picture: KymographPicture, frame: Frame, *, overlay: str = "") -> Drawing:
    low, high = picture.limits
    known = np.isfinite(picture.values)
    share = np.where(known, (picture.values - low) / (high - low), 0.0)
    grey = np.clip(share * _GREYS, 0, _GREYS - 1).astype(np.uint8) * (254 // (_GREYS - 1))
    grey[~known] = TRANSPARENT
    for axis, length in enumerate((frame.picture_height, frame.picture_width)):
        times = math.ceil(length * _SHARP / grey.shape[axis])
        grey = np.repeat(grey, times, axis=axis)
    return Drawing(
        picture=data_uri(grey_png(grey[::-1])),
        width=round(FIGURE_WIDTH * PER_INCH),
        height=round(frame.full_height),
        frame=frame,
        overlay=overlay,
    )


def _overlay(
    picture: KymographPicture, frame: Frame, analysis: Analysis[Any], data: RegionData
) -> str:
    with _new_figure(frame.width / PER_INCH, frame.height / PER_INCH) as figure:
        ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        ax.set_axis_off()
        ax.set_xlim(*picture.time_span)
        ax.set_ylim(*picture.position_span)
        draw_overlay(analysis, data, ax, picture)
        return _png_of(figure)


@contextmanager
def _new_figure(width: float, height: float) -> Iterator[Figure]:
    """An empty figure; a person's own style of figures must not make a report unreadable."""
    from matplotlib import rc_context, rcdefaults, rcParams
    from matplotlib.figure import Figure

    with rc_context():
        rcdefaults()
        # Agg cannot draw a line of a million points in one go.
        rcParams["agg.path.chunksize"] = 10_000
        yield Figure(figsize=(width, height), dpi=FIGURE_DPI, facecolor="none")


def _png_of(figure: Figure) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", pil_kwargs={"compress_level": COMPRESSION})
    return data_uri(stream.getvalue())


def _shows_values(axes: Sequence[Axes]) -> bool:
    """Whether something is coloured by its values."""
    drawn = (artist for ax in axes for artist in (*ax.images, *ax.collections))
    return any(artist.get_array() is not None for artist in drawn)
