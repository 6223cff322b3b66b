"""How a pulse is shown: its rate and indices, and the beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from kymflow.core.analysis.display import Display, Panels, RegionData
from kymflow.core.wording import interval, number, quantity, result_status

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kymflow.core.themes import Theme


def _describe(data: RegionData) -> Mapping[str, str]:
    values = data.values
    band = [quantity(number(values, f"band_{end}_hz")) for end in ("low", "high")]
    return {
        "heart rate": interval(values, "rate", "hz", "Hz"),
        "per minute": interval(values, "rate", "per_min"),
        "pulsatility": interval(values, "pulsatility"),
        "resistance": interval(values, "resistance"),
        "false alarm": quantity(number(values, "false_alarm")),
        "searched": f"{band[0]} to {band[1]} Hz",
        "status": result_status(values),
    }


def _draw(axes: Sequence[Axes], data: RegionData, theme: Theme) -> None:
    (beat,) = axes
    waveform = data.tables["waveform"]
    is_calibrated = bool(np.isfinite(waveform["fitted_mm_s"]).any())
    suffix, unit = ("mm_s", "mm/s") if is_calibrated else ("px_per_line", "px/line")
    beat.plot(waveform["phase"], waveform[f"mean_{suffix}"], ".", color=theme.grey)
    beat.plot(waveform["phase"], waveform[f"fitted_{suffix}"], color=theme.blue, linewidth=1.5)
    beat.set_ylabel(f"velocity ({unit})")
    beat.set_xlabel("share of the beat, from its fastest moment on")


PULSE_DISPLAY: Final = Display(
    describe=_describe,
    headline=("heart rate", "pulsatility", "status"),
    panels=Panels(
        draw=_draw,
        caption="Velocity over a beat: means of bins (dots), and the fit.",
        over_time=False,
    ),
)
"""Facts with their intervals, and the beat."""
