"""Figures of a report. All have the same margins, so that axes of time stand below each other."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kymflow.core.analysis import Analysis, RegionData
from kymflow.core.errors import FigureError
from kymflow.core.metadata import Roi
from kymflow.core.plotting import KymographPicture, draw_picture, draw_rois
from kymflow.core.result_plot import (
    FIGURE_DPI,
    FIGURE_WIDTH,
    draw_overlay,
    draw_result,
    figure_height,
    panel_axes,
)
from kymflow.core.themes import THEMES, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GREYS = 64
"""As many as an eye can tell apart; noise in more of them fills the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One figure, drawn for both themes.

    Attributes:
        light: A picture (WebP, lossless) as a ``data:`` URI.
        dark: The same for a dark page.
        width: Of the picture, in pixels of the page.
        height: Likewise.
    """

    light: str
    dark: str
    width: int
    height: int


def draw_kymograph(picture: KymographPicture, rois: Sequence[Roi]) -> Drawing:
    """The whole recording, with the boxes of its regions.

    Args:
        picture: The recording.
        rois: Its regions of interest in this channel and slice.
    """

    def draw(axes: Sequence[Axes], theme: Theme) -> None:  # noqa: ARG001
        draw_picture(picture, axes[0], interpolation="nearest", greys=_GREYS)
        draw_rois(rois, picture, axes[0])

    return _drawing((1.5,), draw)


def draw_panels(analysis: Analysis[Any], data: RegionData, picture: KymographPicture) -> Drawing:
    """What an analysis found in a region, on the axis of time of the recording.

    Args:
        analysis: The analysis.
        data: What it found.
        picture: The recording that it is a region of, for the axis of time.

    Raises:
        FigureError: The analysis cannot draw it.
    """

    def draw(axes: Sequence[Axes], theme: Theme) -> None:
        draw_result(analysis, data, axes, theme, time_span=picture.time_span)

    panels = analysis.display.panels
    if panels is None:
        raise FigureError(analysis.name, "it declares no figure")
    return _drawing(panels.heights, draw)


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

    def draw(axes: Sequence[Axes], theme: Theme) -> None:  # noqa: ARG001
        draw_picture(picture, axes[0], interpolation="nearest", greys=_GREYS)
        if over is not None:
            draw_overlay(*over, axes[0], picture)

    return _drawing((1.3,), draw)


def _drawing(heights: Sequence[float], draw: Callable[[Sequence[Axes], Theme], None]) -> Drawing:
    uris = {theme.name: _picture(heights, draw, theme) for theme in THEMES}
    return Drawing(
        light=uris["light"],
        dark=uris["dark"],
        width=round(FIGURE_WIDTH * 100),
        height=round(figure_height(heights) * 100),
    )


def _picture(
    heights: Sequence[float], draw: Callable[[Sequence[Axes], Theme], None], theme: Theme
) -> str:
    from matplotlib import rc_context, rcdefaults
    from matplotlib.figure import Figure

    with rc_context():
        rcdefaults()  # a person's own style must not make a report unreadable
        size = (FIGURE_WIDTH, figure_height(heights))
        figure = Figure(figsize=size, dpi=FIGURE_DPI, facecolor=theme.ground)
        draw(panel_axes(figure, heights, theme), theme)
        stream = io.BytesIO()
        # Agg cannot draw a line of a million points in one go.
        with rc_context({"agg.path.chunksize": 10_000}):
            # Lossless, and half the size of PNG.
            figure.savefig(stream, format="webp", pil_kwargs={"lossless": True})
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
