"""One number of many regions, compared between groups of images (extra ``plot``: matplotlib)."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from kymflow.core.errors import MissingExtraError
from kymflow.core.themes import LIGHT, Theme
from kymflow_zarr.natural_order import natural_key

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kymflow.core.compare import Comparison

_SPREAD: Final = 0.3
"""How wide the points of a group stand, of the distance between groups."""


def plot_groups(
    frame: pd.DataFrame,
    column: str,
    group_by: str,
    *,
    unit: str = "",
    comparisons: Sequence[Comparison] = (),
    theme: Theme = LIGHT,
) -> Figure:
    """Plot each value as a point over its group, with the median of each group as a bar.

    Args:
        frame: A row per region, as `kymflow.core.KymDataset.joined` returns them.
        column: The numbers; those that are missing have no point.
        group_by: What the groups are made by; rows without it are left out.
        unit: The unit of the numbers.
        comparisons: Changes from one group to another: the value of each animal is drawn, those of
            the same animal connected, and the change with its interval stands below its group.
        theme: The colours.

    Returns:
        The figure; it belongs to no window. Groups stand in natural order, 2 before 10, but after
        the one that they are compared with, and say how many values they have.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plot", "plotting groups")
    from matplotlib.figure import Figure

    changes = {one.groups[1]: one for one in comparisons}
    known = frame[frame[column].notna() & frame[group_by].notna()]
    names = known[group_by].astype(str)
    baselines = {one.groups[0] for one in comparisons}
    groups = sorted(names.unique(), key=lambda name: (name not in baselines, natural_key(name)))
    width = max(3.2, 0.8 + (1.4 if changes else 0.9) * len(groups))
    figure = Figure(figsize=(width, 3.4), dpi=144, facecolor=theme.ground, layout="constrained")
    ax = figure.add_subplot()
    ax.set_facecolor(theme.ground)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[:].set_color(theme.ink)
    ax.tick_params(colors=theme.ink)
    counts = []
    for at, group in enumerate(groups):
        values = known[column][names == group].to_numpy(dtype=np.float64)
        counts.append(len(values))
        # Side by side in their order, so that the same table gives the same figure.
        offsets = np.linspace(-_SPREAD, _SPREAD, len(values)) if len(values) > 1 else np.zeros(1)
        ax.plot(at + offsets, values, "o", color=theme.blue, markersize=4, alpha=0.7)
        median = float(np.median(values))
        ax.hlines(median, at - _SPREAD, at + _SPREAD, color=theme.vermilion, linewidth=2)
    labels = []
    for at, (group, count) in enumerate(zip(groups, counts, strict=True)):
        lines = [group, f"n = {count}"]
        if group in changes:
            _draw_animals(ax, changes[group], (groups.index(changes[group].groups[0]), at), theme)
            lines += changes[group].describe(unit)
        labels.append("\n".join(lines))
    ax.set_xticks(range(len(groups)), labels)
    ax.set_xlabel(group_by.replace("_", " "), color=theme.ink)
    name = column.replace("_", " ")
    ax.set_ylabel(f"{name} ({unit})" if unit else name, color=theme.ink)
    return figure


def _draw_animals(ax: Axes, change: Comparison, at: tuple[int, int], theme: Theme) -> None:
    """Draw the value of each animal in two groups."""
    for pair in change.per_animal[list(change.groups)].to_numpy(dtype=np.float64):
        ax.plot(at, pair, "o-", color=theme.ink, markersize=3, linewidth=0.8, alpha=0.6)
