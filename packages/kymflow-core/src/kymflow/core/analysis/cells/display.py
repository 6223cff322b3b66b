"""How cells are shown: flux, density, hematocrit, and how they change."""

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
    count, shade = number(values, "cells"), values.get("shade")
    gaps = [quantity(number(values, f"gap_{end}_um")) for end in ("p5", "p95")]
    return {
        "flux": interval(values, "flux", "per_s", "cells/s"),
        "density": interval(values, "density", "per_mm", "cells/mm"),
        "hematocrit": percent(number(values, "hematocrit")),
        "cells": ABSENT if count is None else f"{count:,.0f}",
        "length": quantity(number(values, "length_um"), "µm"),
        "gap": quantity(number(values, "gap_um"), "µm"),
        "gaps, 5 to 95 %": f"{gaps[0]} to {gaps[1]} µm",
        "cells are": shade if isinstance(shade, str) else ABSENT,
        "velocity known": percent(number(values, "share_used")),
        "status": result_status(values),
    }


def _draw(axes: Sequence[Axes], data: RegionData, theme: Theme) -> None:
    flux, share = axes
    rows = data.tables["segments"]
    for ax, column, colour in (
        (flux, "flux_per_s", theme.blue),
        (share, "hematocrit", theme.green),
    ):
        ax.hlines(rows[column], rows["start_s"], rows["stop_s"], color=colour, linewidth=2.0)
        ax.set_ylim(0.0, 1.1 * rows[column].max() if rows[column].max() > 0 else 1.0)
    flux.set_ylabel("cells per s")
    share.set_ylabel("hematocrit")


CELLS_DISPLAY: Final = Display(
    describe=_describe,
    headline=("flux", "hematocrit", "status"),
    panels=Panels(
        draw=_draw,
        heights=(1.3, 1.0),
        caption="Cells that pass the middle of the line per second, and the share of the vessel's "
        "length that they cover, in each segment in which velocity is known.",
    ),
)
"""Facts with their intervals, flux and hematocrit over time."""
