"""How a diameter is shown: its mean, the trace with its interval, dilations and constrictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from kymflow.core.analysis.display import Display, Panels, RegionData
from kymflow.core.wording import ABSENT, interval, number, percent, quantity, result_status

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kymflow.core.themes import Theme


def _describe(data: RegionData) -> Mapping[str, str]:
    values = data.values
    is_calibrated = number(values, "mean_um") is not None
    events, contrast = number(values, "events"), values.get("contrast")
    return {
        "mean": interval(values, "mean", "um", "µm")
        if is_calibrated
        else quantity(number(values, "mean_px"), "px"),
        "median": quantity(number(values, "median_um"), "µm"),
        "full width at half maximum": quantity(number(values, "fwhm_um"), "µm"),
        "scatter": quantity(number(values, "sd_um"), "µm"),
        "motion of the centre": quantity(number(values, "motion_um"), "µm"),
        "dilations and constrictions": ABSENT if events is None else f"{events:.0f}",
        "the vessel is": contrast if isinstance(contrast, str) else ABSENT,
        "unknown": percent(number(values, "share_unknown")),
        "status": result_status(values),
    }


def _draw(axes: Sequence[Axes], data: RegionData, theme: Theme) -> None:
    (ax,) = axes
    rows, events = data.tables["trace"], data.tables["events"]
    time = data.time(rows["line"])
    if data.calibration.um_per_pixel is None:
        error = 1.96 * rows["standard_error_px"]
        value, unit = rows["diameter_px"], "px"
        low, high = value - error, value + error
    else:
        value, low, high, unit = rows["diameter_um"], rows["low_um"], rows["high_um"], "µm"
    ax.fill_between(time, low, high, color=theme.blue, alpha=0.25, linewidth=0)
    ax.vlines(time, low, high, color=theme.blue, alpha=0.25, linewidth=1.0)
    # Neither a line nor a band shows a window between unknown ones: a dot and a bar do.
    ax.plot(time, value, ".-", color=theme.blue, linewidth=1.3, markersize=3.0)
    for kind, start, stop in zip(
        events["kind"], data.time(events["onset_line"]), data.time(events["stop_line"]), strict=True
    ):
        colour = theme.purple if kind == "dilation" else theme.vermilion
        ax.axvspan(start, stop, facecolor=colour, alpha=0.22, linewidth=0, zorder=0)
    ax.set_ylabel(f"diameter ({unit})")


DIAMETER_DISPLAY: Final = Display(
    describe=_describe,
    headline=("mean", "dilations and constrictions", "status"),
    panels=Panels(
        draw=_draw,
        caption="The diameter of each window with its 95 % interval; dilations and constrictions "
        "are shaded.",
    ),
)
"""Facts with their intervals, and the trace with its events."""
