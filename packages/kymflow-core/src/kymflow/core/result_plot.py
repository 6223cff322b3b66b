"""Figures of what an analysis found, by what it declares (extra ``plot``: matplotlib)."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from kymflow.core.analysis.region_data import load_region_data
from kymflow.core.errors import FigureError, MissingExtraError, ResultNotFoundError
from kymflow.core.metadata import load_metadata
from kymflow.core.plotting import KymographPicture, draw_picture, draw_rois, load_picture
from kymflow.core.themes import LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

    from kymflow.core.analysis import Analysis
    from kymflow.core.analysis.display import RegionData
    from kymflow_zarr import ZarrImageRecord

__all__ = [
    "FIGURE_BOTTOM",
    "FIGURE_DPI",
    "FIGURE_LEFT",
    "FIGURE_RIGHT",
    "FIGURE_TOP",
    "FIGURE_WIDTH",
    "draw_overlay",
    "draw_result",
    "figure_height",
    "panel_axes",
    "plot_result",
]

FIGURE_WIDTH: Final = 10.0
"""Of every figure, in inches, so that axes of time stand below each other."""

FIGURE_DPI: Final = 144

FIGURE_LEFT: Final = 0.82
FIGURE_RIGHT: Final = 0.18
FIGURE_TOP: Final = 0.3
FIGURE_BOTTOM: Final = 0.5
"""The margins of every figure, in inches; above there is room for a legend."""

_GAP = 0.14
_SPINE = 72 / FIGURE_DPI * 2
"""Two whole pixels: sharp, and of one colour."""
_KYMOGRAPH = 1.5


def figure_height(heights: Sequence[float]) -> float:
    """The height of a figure with panels of these heights, in inches."""
    return FIGURE_TOP + sum(heights) + _GAP * (len(heights) - 1) + FIGURE_BOTTOM


def panel_axes(figure: FigureBase, heights: Sequence[float], theme: Theme) -> list[Axes]:
    """Axes below each other, with the same margins in every figure.

    Args:
        figure: A figure, or a part of one, of `FIGURE_WIDTH` and `figure_height`.
        heights: Their heights in inches, from the top.
        theme: Its colours.
    """
    total = figure_height(heights)
    made: list[Axes] = []
    upper = total - FIGURE_TOP
    for height in heights:
        ax = figure.add_axes(
            (
                FIGURE_LEFT / FIGURE_WIDTH,
                (upper - height) / total,
                (FIGURE_WIDTH - FIGURE_LEFT - FIGURE_RIGHT) / FIGURE_WIDTH,
                height / total,
            )
        )
        ax.set_facecolor(theme.ground)
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[:].set(color=theme.ink, linewidth=_SPINE)
        ax.tick_params(colors=theme.ink, labelsize=9)
        for label in (ax.xaxis.label, ax.yaxis.label):
            label.set_color(theme.ink)
            label.set_fontsize(9.5)
        made.append(ax)
        upper -= height + _GAP
    return made


def draw_result(
    analysis: Analysis[Any],
    data: RegionData,
    axes: Sequence[Axes],
    theme: Theme,
    *,
    time_span: tuple[float, float],
) -> None:
    """Draw the panels that an analysis declares; marks of people are dashed boxes over them.

    Args:
        analysis: The analysis.
        data: What it found.
        axes: Axes for its panels.
        theme: The colours.
        time_span: Beginning and end of the recording, in units of the axis.

    Raises:
        FigureError: The analysis declares no panels, or cannot draw this result.
    """
    panels = analysis.display.panels
    if panels is None:
        raise FigureError(analysis.name, "it declares no figure")
    with _as_figure_error(analysis):
        panels.draw(axes, data, theme)
    if not panels.over_time:
        return
    axes[-1].set_xlabel(data.time_label)
    for mark in data.marks:
        start, stop = data.time([mark.start_line, mark.stop_line])
        for ax in axes:
            ax.axvspan(start, stop, facecolor="none", edgecolor=theme.ink, linestyle="--")
    for ax in axes:
        ax.set_xlim(*time_span)
        ax.tick_params(labelbottom=ax is axes[-1])


def draw_overlay(
    analysis: Analysis[Any], data: RegionData, ax: Axes, picture: KymographPicture
) -> None:
    """Draw over a picture of a few lines what an analysis says of them, if it declares that.

    Args:
        analysis: The analysis.
        data: What it found.
        ax: Where the picture was drawn.
        picture: The picture.

    Raises:
        FigureError: The analysis cannot draw it.
    """
    if analysis.display.overlay is not None:
        with _as_figure_error(analysis):
            analysis.display.overlay.draw(ax, picture, data)


@contextmanager
def _as_figure_error(analysis: Analysis[Any]) -> Iterator[None]:
    """Third-party code may raise anything: that spoils this figure, and nothing else."""
    try:
        yield
    except Exception as error:
        raise FigureError(analysis.name, f"{type(error).__name__}: {error}") from error


def plot_result(
    rec: ZarrImageRecord,
    analysis: Analysis[Any],
    *,
    channel: int = 1,
    roi_id: int | None = None,
    label: str = "",
    lines: tuple[int, int] | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Plot what an analysis found in one region, under the kymograph.

    Args:
        rec: The image.
        analysis: The analysis.
        channel: Its channel, from 1.
        roi_id: The ROI; the first one with a result if None.
        label: The label of the result; "" for none.
        lines: First line of the recording to show, and the one after the last; all if None.
        theme: The colours.

    Returns:
        The figure; it belongs to no window.

    Raises:
        ResultNotFoundError: This region has no result.
        RegionError: The recording has no such lines.
        FigureError: The analysis declares no figure, or cannot draw this result.
        MissingExtraError: matplotlib is not installed.
        CorruptDataError: Pixels, metadata or results are damaged.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plot", "plotting a result")
    from matplotlib.figure import Figure

    found = [
        data
        for data in load_region_data(rec, analysis, label=label)
        if data.region.channel == channel and roi_id in {None, data.region.roi_id}
    ]
    if not found:
        raise ResultNotFoundError(rec.image_id, analysis.name, label)
    data = found[0]
    panels = analysis.display.panels
    parts = ((_KYMOGRAPH,), () if panels is None else panels.heights)
    each = [figure_height(heights) for heights in parts]
    figure = Figure(figsize=(FIGURE_WIDTH, sum(each)), dpi=FIGURE_DPI, facecolor=theme.ground)
    grid = figure.add_gridspec(2, 1, height_ratios=each, hspace=0.0)
    (above,), below = (
        panel_axes(figure.add_subfigure(grid[row]), heights, theme)
        for row, heights in enumerate(parts)
    )
    picture = load_picture(rec, channel=channel, z=data.region.z, lines=lines)
    draw_result(analysis, data, below, theme, time_span=picture.time_span)
    draw_picture(picture, above)
    here = (channel, data.region.z)
    draw_rois([r for r in load_metadata(rec).rois if (r.channel, r.z) == here], picture, above)
    return figure
