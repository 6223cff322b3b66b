"""Figures of velocity: of a stored result under its kymograph, or of an estimate alone."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from kymflow.core.analysis.display import RegionData
from kymflow.core.analysis.regions import Calibration, Region
from kymflow.core.analysis.storage import summary_values
from kymflow.core.analysis.velocity import VELOCITY, StallRule, VelocityResult
from kymflow.core.analysis.velocity.analysis import velocity_findings
from kymflow.core.errors import MissingExtraError
from kymflow.core.result_plot import (
    FIGURE_DPI,
    FIGURE_WIDTH,
    draw_result,
    figure_height,
    panel_axes,
    plot_result,
)
from kymflow.core.themes import LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kymflow_zarr import ZarrImageRecord


def plot_velocity(
    source: ZarrImageRecord | VelocityResult,
    *,
    channel: int = 1,
    roi_id: int | None = None,
    label: str = "",
    theme: Theme = LIGHT,
) -> Figure:
    """Plot velocity over time with the evidence for it, stalls, and where the velocity is unknown.

    Args:
        source: An image with results, which is plotted as `plot_result` does, or an estimate, whose
            stalls are found by the default `StallRule`.
        channel: The image's channel, from 1.
        roi_id: The ROI; the first one with a result if None.
        label: The label of the result; "" for none.
        theme: The colours.

    Returns:
        The figure; it belongs to no window.

    Raises:
        ResultNotFoundError: This region has no result.
        MissingExtraError: matplotlib is not installed.
        CorruptDataError: Pixels, metadata or results are damaged.
    """
    if not isinstance(source, VelocityResult):
        return plot_result(
            source, VELOCITY, channel=channel, roi_id=roi_id, label=label, theme=theme
        )
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plot", "plotting a result")
    from matplotlib.figure import Figure

    data = _region_data(source)
    panels = VELOCITY.display.panels
    heights = () if panels is None else panels.heights
    figure = Figure(
        figsize=(FIGURE_WIDTH, figure_height(heights)), dpi=FIGURE_DPI, facecolor=theme.ground
    )
    axes = panel_axes(figure, heights, theme)
    first, last = data.time([-0.5, source.n_lines - 0.5])
    draw_result(VELOCITY, data, axes, theme, time_span=(first, last))
    return figure


def _region_data(velocity: VelocityResult) -> RegionData:
    """An estimate as what is read of a stored result."""
    found = velocity_findings(velocity, StallRule())
    return RegionData(
        region=Region(
            channel=1,
            roi_id=None,
            z=0,
            lines=(0, velocity.n_lines),
            pixels=(0, velocity.n_pixels),
        ),
        calibration=Calibration(
            seconds_per_line=velocity.seconds_per_line,
            um_per_pixel=velocity.um_per_pixel,
            dwell_seconds=velocity.dwell_seconds,
        ),
        values=summary_values(found.summary),
        tables={name: VELOCITY.table(name).frame(values) for name, values in found.tables.items()},
    )
