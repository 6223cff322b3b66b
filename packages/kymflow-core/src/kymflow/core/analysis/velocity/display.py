"""How velocity is shown: its facts, the figure with its evidence, and the paths of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.display import (
    Display,
    Overlay,
    Panels,
    RegionData,
    running_median,
    smoothed_windows,
)
from kymflow.core.wording import ABSENT, number, percent, quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kymflow.core.plotting import KymographPicture
    from kymflow.core.themes import Theme

_KINDS: Final = ("stall", "transient", "unknown")
_THINNEST_BAND: Final = 0.75
"""In points: the shortest interval is still seen."""
_MOST_PATHS = 6
_POINTS_PER_LINE = 8
"""Of a path: cells that cross the vessel within few lines are still drawn from end to end."""
_PATH_COLOUR = "#ffb000"


def _describe(data: RegionData) -> Mapping[str, str]:
    values = data.values
    suffix, unit = _unit(values, "median")
    low, high = (quantity(number(values, f"{name}_{suffix}")) for name in ("p5", "p95"))
    direction = values.get("direction")
    windows = number(values, "n_windows")
    return {
        "median": quantity(number(values, f"median_{suffix}"), unit),
        "mean": quantity(number(values, f"mean_{suffix}"), unit),
        "standard error": quantity(number(values, f"standard_error_{suffix}"), unit),
        "5 to 95 %": f"{low} to {high} {unit}",
        "direction": direction if isinstance(direction, str) else ABSENT,
        "no evidence": percent(number(values, "share_unknown")),
        "perhaps aliased": percent(number(values, "share_alias")),
        "standing still": percent(number(values, "share_stalled")),
        "stalls": _counts(data),
        "median evidence": quantity(number(values, "median_r2adj")),
        "windows": ABSENT if windows is None else f"{windows:,.0f}",
    }


def _unit(values: Mapping[str, object], name: str) -> tuple[str, str]:
    """The suffix of columns with a value, and their unit."""
    calibrated = number(values, f"{name}_mm_s") is not None
    return ("mm_s", "mm/s") if calibrated else ("px_per_line", "px/line")


def _counts(data: RegionData) -> str:
    if number(data.values, "share_stalled") is None:  # the rule for them is in seconds
        return "not searched without a line period"
    if "intervals" not in data.tables:
        return ABSENT
    kinds = list(data.tables["intervals"]["kind"])
    stalls, transients = kinds.count("stall"), kinds.count("transient")
    return f"{stalls} stall{'s' * (stalls != 1)}, {transients} transient{'s' * (transients != 1)}"


# --- the figure -----------------------------------------------------------------------------------


def _draw(axes: Sequence[Axes], data: RegionData, theme: Theme) -> None:
    from matplotlib.patches import Patch

    strip, velocity, evidence = axes
    intervals = data.tables["intervals"]
    strip.set_facecolor(theme.faint)
    strip.set_yticks([])
    strip.set_ylim(0.0, 1.0)
    strip.tick_params(bottom=False)
    strip.spines[:].set_visible(False)
    starts, stops = data.time(intervals["start_line"]), data.time(intervals["stop_line"])
    for kind in _KINDS:
        colour, chosen = _colour(kind, theme), (intervals["kind"] == kind).to_numpy()
        spans = np.column_stack((starts, stops - starts))[chosen].tolist()
        strip.broken_barh(spans, (0.0, 1.0), color=colour, linewidth=_THINNEST_BAND)
        for ax in (velocity, evidence):
            ax.broken_barh(
                spans,
                (0.0, 1.0),
                facecolor=colour,
                alpha=0.22,
                linewidth=0,
                zorder=0,
                transform=ax.get_xaxis_transform(),
            )
    _draw_velocity(velocity, data, theme)
    _draw_evidence(evidence, data, theme)
    handles, labels = velocity.get_legend_handles_labels()
    kinds = [kind for kind in _KINDS if kind in set(intervals["kind"])]
    legend = strip.legend(
        [*handles, *(Patch(facecolor=_colour(kind, theme)) for kind in kinds)],
        [*labels, *("no evidence" if kind == "unknown" else kind for kind in kinds)],
        loc="lower right",
        bbox_to_anchor=(1.0, 1.1),
        borderaxespad=0.0,
        ncols=6,
        frameon=False,
        fontsize=8.5,
        labelcolor=theme.ink,
        handlelength=1.6,
        columnspacing=1.4,
        markerscale=1.6,
    )
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)


def _draw_velocity(ax: Axes, data: RegionData, theme: Theme) -> None:
    rows = data.tables["trace"]
    calibrated = number(data.values, "um_per_pixel") and number(data.values, "seconds_per_line")
    suffix, unit = ("mm_s", "mm/s") if calibrated else ("px_per_line", "px/line")
    line = rows["center_line"].to_numpy(dtype=np.float64)
    time = data.time(line)
    velocity = rows[f"velocity_{suffix}"].to_numpy(dtype=np.float64)
    known = np.isfinite(velocity)
    alias = rows["status"].eq("alias").to_numpy(dtype=bool)
    ax.plot(
        time[~alias],
        velocity[~alias],
        ".",
        color=theme.blue,
        markersize=2.2,
        markeredgewidth=0,
        alpha=0.4,
        zorder=2,
        label="each window",
    )
    if alias.any():
        ax.plot(
            time[alias],
            velocity[alias],
            "x",
            color=theme.orange,
            markersize=2.6,
            markeredgewidth=0.7,
            zorder=2,
            label="perhaps aliased",
        )
    step = float(np.median(np.diff(line))) if len(line) > 1 else 0.0
    span, period = step * smoothed_windows(len(rows)), data.calibration.seconds_per_line
    over = f"{span:.0f} lines" if period is None else f"{span * period:.2g} s"
    # A window without evidence has no velocity, whatever its neighbours have.
    smooth = np.where(known, running_median(rows[f"velocity_{suffix}"]), np.nan)
    ax.plot(time, smooth, color=theme.blue, linewidth=1.5, zorder=3, label=f"median over {over}")
    ax.axhline(0.0, color=theme.ink, linewidth=0.7, zorder=1)
    ax.set_ylabel(f"velocity ({unit})")
    if known.any():
        low, high = (float(value) for value in np.percentile(velocity[known], (0.5, 99.5)))
        room = 0.08 * (max(high, 0.0) - min(low, 0.0)) or 1.0
        ax.set_ylim(min(low, 0.0) - room, max(high, 0.0) + room)


def _draw_evidence(ax: Axes, data: RegionData, theme: Theme) -> None:
    rows = data.tables["trace"]
    time = data.time(rows["center_line"].to_numpy(dtype=np.float64))
    r2adj = rows["r2adj"].to_numpy(dtype=np.float64)
    ax.plot(time, r2adj, ",", color=theme.green, alpha=0.5, zorder=2)
    ax.plot(time, running_median(rows["r2adj"]), color=theme.green, linewidth=1.4, zorder=3)
    ax.set_ylabel("evidence $r^2_{adj}$")
    ax.set_ylim(min(0.0, float(np.nanmin(r2adj))), 1.02)


def _colour(kind: str, theme: Theme) -> str:
    return {"stall": theme.vermilion, "transient": theme.purple}.get(kind, theme.grey)


# --- over single lines ----------------------------------------------------------------------------


def paths_of(
    center_line: NDArray[np.float64],
    px_per_line: NDArray[np.float64],
    lines: tuple[int, int],
    pixels: tuple[int, int],
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Where cells would be that move as estimated: in at one end, out at the other.

    Args:
        center_line: Middle of each window, ``(windows,)``.
        px_per_line: The velocity there, ``(windows,)``; NaN where there is no evidence.
        lines: First line, and the one after the last.
        pixels: First pixel of the region along the line, and the one after the last.

    Returns:
        For each cell the times at which it is in the region, in lines, and its position in pixels;
        times without evidence are left out.
    """
    at = np.arange(lines[0], lines[1], 1 / _POINTS_PER_LINE)
    known = np.isfinite(px_per_line)
    if known.sum() < 2:
        return []
    velocity = np.interp(at, center_line[known], px_per_line[known])
    unknown = np.interp(at, center_line, (~known).astype(np.float64)) > 0
    unknown |= (at < center_line[0]) | (at > center_line[-1])
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


def _draw_paths(ax: Axes, picture: KymographPicture, data: RegionData) -> None:
    rows = data.tables["trace"]
    center_line = rows["center_line"].to_numpy(dtype=np.float64)
    px_per_line = rows["velocity_px_per_line"].to_numpy(dtype=np.float64)
    for lines, positions in paths_of(center_line, px_per_line, picture.lines, data.region.pixels):
        # Not across a gap.
        gaps = np.flatnonzero(np.diff(lines) > 1.5 / _POINTS_PER_LINE) + 1
        ax.plot(
            np.insert(lines, gaps, np.nan) * picture.seconds,
            np.insert(positions, gaps, np.nan) * picture.um,
            color=_PATH_COLOUR,
            linewidth=1.3,
        )


VELOCITY_DISPLAY: Final = Display(
    describe=_describe,
    headline=("median", "no evidence", "standing still"),
    panels=Panels(
        draw=_draw,
        heights=(0.16, 1.75, 0.85),
        caption="Velocity, positive towards growing position, and the evidence for it: about 1 "
        "where the texture only moves, about 0 for noise. The bar on top marks stalls, transients "
        "and times without evidence.",
    ),
    overlay=Overlay(
        draw=_draw_paths,
        caption="The lines are the paths of cells that move as estimated for {region}: streaks "
        "that run along them agree with the estimate.",
    ),
)
