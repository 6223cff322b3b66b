"""Figures of a report. All have the same margins, so that axes of time stand below each other."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kymflow.cli.report.reading import RegionReading, Stretch, Trace
from kymflow.cli.report.themes import THEMES, Theme
from kymflow.core.metadata import Roi
from kymflow.core.plotting import KymographPicture, draw_picture, draw_rois

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Drawing", "draw_detail", "draw_kymograph", "draw_velocity", "paths_of"]

_DPI = 144
_WIDTH = 10.0
_LEFT = 0.82
_RIGHT = 0.18
_TOP = 0.08
_LEGEND = 0.22
_BOTTOM = 0.5
_GAP = 0.14
_KINDS = ("stall", "transient", "unknown")
_THINNEST_BAND_PX = 1.5
_MOST_PATHS = 6
_POINTS_PER_LINE = 8
"""Of a path: cells that cross the vessel within few lines are still drawn from end to end."""
_GREYS = 64
"""As many as an eye can tell apart; noise in more of them fills the file."""
_SPINE = 72 / _DPI * 2
"""Two whole pixels: sharp, and of one colour."""


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

    def draw(figure: Figure, theme: Theme) -> None:
        (ax,) = _axes(figure, [1.5], theme)
        draw_picture(picture, ax, interpolation="nearest", greys=_GREYS)
        draw_rois(rois, picture, ax)

    return _drawing([1.5], draw)


def draw_velocity(reading: RegionReading, trace: Trace, picture: KymographPicture) -> Drawing:
    """Velocity, under it its evidence, and what happens when, on the axis of the recording.

    Args:
        reading: The region.
        trace: Its velocity.
        picture: The recording that it is a region of, for the axis of time.
    """
    heights = [0.16, 1.75, 0.85]

    def draw(figure: Figure, theme: Theme) -> None:
        strip, velocity, evidence = _axes(figure, heights, theme, top=_TOP + _LEGEND)
        seconds = picture.seconds
        time = trace.line * seconds
        _draw_strip(strip, reading.stretches, seconds, theme)
        for ax in (velocity, evidence):
            _draw_bands(ax, reading.stretches, seconds, theme)
        _draw_trace(velocity, time, trace, theme, smooth_label=_smooth_label(trace, picture))
        velocity.set_ylabel(f"velocity ({trace.unit})")
        velocity.axhline(0.0, color=theme.ink, linewidth=0.7, zorder=1)
        evidence.plot(time, trace.r2adj, ",", color=theme.evidence, alpha=0.5, zorder=2)
        evidence.plot(time, trace.r2adj_smooth, color=theme.evidence, linewidth=1.4, zorder=3)
        evidence.set_ylabel("evidence $r^2_{adj}$")
        evidence.set_ylim(min(0.0, float(np.nanmin(trace.r2adj))), 1.02)
        evidence.set_xlabel("line" if picture.calibration.seconds_per_line is None else "time (s)")
        for ax in (strip, velocity, evidence):
            ax.set_xlim(*picture.time_span)
        for ax in (strip, velocity):
            ax.tick_params(labelbottom=False)
        handles, labels = _legend(velocity, reading.stretches, theme)
        velocity.legend(
            handles,
            labels,
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0 + (heights[0] + _GAP + 0.02) / heights[1]),
            borderaxespad=0.0,
            ncols=6,
            frameon=False,
            fontsize=8.5,
            labelcolor=theme.ink,
            handlelength=1.6,
            columnspacing=1.4,
        )

    return _drawing(heights, draw, top=_TOP + _LEGEND)


def draw_detail(picture: KymographPicture, reading: RegionReading | None) -> Drawing:
    """A few lines, each of them drawn, with the paths that the estimated velocity implies.

    Args:
        picture: These lines.
        reading: The region whose velocity is shown; None for none.
    """

    def draw(figure: Figure, theme: Theme) -> None:
        (ax,) = _axes(figure, [1.3], theme)
        draw_picture(picture, ax, interpolation="nearest", greys=_GREYS)
        if reading is not None and reading.trace is not None and reading.region is not None:
            _draw_paths(ax, picture, reading.trace, reading.region.pixels)

    return _drawing([1.3], draw)


# --- parts ------------------------------------------------------------------------------------


def _draw_trace(
    ax: Axes,
    time: NDArray[np.float64],
    trace: Trace,
    theme: Theme,
    *,
    smooth_label: str,
) -> None:
    sure = ~trace.alias
    ax.plot(
        time[sure],
        trace.velocity[sure],
        ".",
        color=theme.velocity,
        markersize=2.2,
        alpha=0.4,
        markeredgewidth=0,
        zorder=2,
        label="each window",
    )
    if trace.alias.any():
        ax.plot(
            time[trace.alias],
            trace.velocity[trace.alias],
            "x",
            color=theme.alias,
            markersize=2.6,
            markeredgewidth=0.7,
            zorder=2,
            label="perhaps aliased",
        )
    ax.plot(time, trace.smooth, color=theme.velocity, linewidth=1.5, zorder=3, label=smooth_label)
    known = trace.velocity[np.isfinite(trace.velocity)]
    if known.size:
        low, high = (float(value) for value in np.percentile(known, (0.5, 99.5)))
        room = 0.08 * (max(high, 0.0) - min(low, 0.0)) or 1.0
        ax.set_ylim(min(low, 0.0) - room, max(high, 0.0) + room)


def _smooth_label(trace: Trace, picture: KymographPicture) -> str:
    if picture.calibration.seconds_per_line is None:
        return f"median over {trace.smooth_lines:.0f} lines"
    return f"median over {trace.smooth_lines * picture.seconds:.2g} s"


def _draw_strip(ax: Axes, stretches: Sequence[Stretch], seconds: float, theme: Theme) -> None:
    """A bar that says when what is the case; the shortest stretch is still seen."""
    ax.set_facecolor(theme.faint)
    ax.set_yticks([])
    ax.set_ylim(0.0, 1.0)
    ax.tick_params(bottom=False)
    ax.spines[:].set_visible(False)
    for stretch in stretches:
        colour = _colour(stretch.kind, theme)
        ax.axvspan(
            stretch.start * seconds,
            stretch.stop * seconds,
            facecolor=colour,
            edgecolor=colour,
            linewidth=_THINNEST_BAND_PX * 72 / _DPI,
        )


def _draw_bands(ax: Axes, stretches: Sequence[Stretch], seconds: float, theme: Theme) -> None:
    for stretch in stretches:
        ax.axvspan(
            stretch.start * seconds,
            stretch.stop * seconds,
            facecolor=_colour(stretch.kind, theme),
            alpha=0.22,
            linewidth=0,
            zorder=0,
        )


def _colour(kind: str, theme: Theme) -> str:
    return {"stall": theme.stall, "transient": theme.transient}.get(kind, theme.unknown)


def _legend(ax: Axes, stretches: Sequence[Stretch], theme: Theme) -> tuple[list[Artist], list[str]]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Artist] = []
    labels: list[str] = []
    for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
        if isinstance(handle, Line2D) and handle.get_linestyle() == "None":
            mark = Line2D([], [], linestyle="None", color=handle.get_color())
            mark.set_marker("o" if label == "each window" else "x")
            mark.set_markersize(3.5)
            handles.append(mark)
        else:
            handles.append(handle)
        labels.append(str(label))
    there = {stretch.kind for stretch in stretches}
    for kind in _KINDS:
        if kind in there:
            handles.append(Patch(facecolor=_colour(kind, theme)))
            labels.append("no evidence" if kind == "unknown" else kind)
    return handles, labels


def paths_of(
    trace: Trace, lines: tuple[int, int], pixels: tuple[int, int]
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Where cells would be that move as estimated: in at one end, out at the other.

    Args:
        trace: The estimate.
        lines: First line, and the one after the last.
        pixels: First pixel of the region along the line, and the one after the last.

    Returns:
        For each cell the times at which it is in the region, in lines, and its position in pixels;
        times without evidence are left out.
    """
    at = np.arange(lines[0], lines[1], 1 / _POINTS_PER_LINE)
    known = np.isfinite(trace.px_per_line)
    if known.sum() < 2:
        return []
    velocity = np.interp(at, trace.line[known], trace.px_per_line[known])
    unknown = np.interp(at, trace.line, (~known).astype(np.float64)) > 0
    unknown |= (at < trace.line[0]) | (at > trace.line[-1])
    travelled = np.cumsum(velocity) / _POINTS_PER_LINE
    apart = max(float(pixels[1] - pixels[0]), float(np.ptp(travelled)) / _MOST_PATHS)
    start = pixels[0] - float(travelled.max()) - apart / 2.0
    found = []
    while start < pixels[1] - float(travelled.min()):
        position = start + travelled
        seen = (position >= pixels[0] - 0.5) & (position <= pixels[1] - 0.5) & ~unknown
        if seen.sum() > 1:
            found.append((at[seen], position[seen]))
        start += apart
    return found


def _draw_paths(ax: Axes, picture: KymographPicture, trace: Trace, pixels: tuple[int, int]) -> None:
    for lines, positions in paths_of(trace, picture.lines, pixels):
        # Not across a gap.
        gaps = np.flatnonzero(np.diff(lines) > 1.5 / _POINTS_PER_LINE) + 1
        ax.plot(
            np.insert(lines, gaps, np.nan) * picture.seconds,
            np.insert(positions, gaps, np.nan) * picture.um,
            color="#ffb000",
            linewidth=1.3,
        )


# --- the figure -------------------------------------------------------------------------------


def _axes(
    figure: Figure, heights: Sequence[float], theme: Theme, *, top: float = _TOP
) -> list[Axes]:
    """Axes below each other, heights in inches, the same margins in every figure."""
    _, total = figure.get_size_inches()
    made: list[Axes] = []
    upper = float(total) - top
    for height in heights:
        ax = figure.add_axes(
            (
                _LEFT / _WIDTH,
                (upper - height) / float(total),
                (_WIDTH - _LEFT - _RIGHT) / _WIDTH,
                height / float(total),
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


def _drawing(
    heights: Sequence[float], draw: Callable[[Figure, Theme], None], *, top: float = _TOP
) -> Drawing:
    total = top + sum(heights) + _GAP * (len(heights) - 1) + _BOTTOM
    uris = {theme.name: _picture(total, draw, theme) for theme in THEMES}
    return Drawing(
        light=uris["light"],
        dark=uris["dark"],
        width=round(_WIDTH * 100),
        height=round(total * 100),
    )


def _picture(height: float, draw: Callable[[Figure, Theme], None], theme: Theme) -> str:
    from matplotlib import rc_context, rcdefaults
    from matplotlib.figure import Figure as NewFigure

    with rc_context():
        rcdefaults()  # a person's own style must not make a report unreadable
        figure = NewFigure(figsize=(_WIDTH, height), dpi=_DPI, facecolor=theme.ground)
        draw(figure, theme)
        stream = io.BytesIO()
        # Agg cannot draw a line of a million points in one go.
        with rc_context({"agg.path.chunksize": 10_000}):
            # Lossless, and half the size of PNG.
            figure.savefig(stream, format="webp", pil_kwargs={"lossless": True})
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
