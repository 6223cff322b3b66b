"""How volume flow is shown: with its interval, and with what was assumed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kymflow.core.analysis.display import Display, RegionData
from kymflow.core.wording import interval, number, percent, quantity, result_status


def _describe(data: RegionData) -> Mapping[str, str]:
    values = data.values
    diameter = quantity(number(values, "diameter_um"), "µm")
    source = values.get("diameter_source")
    return {
        "flow": interval(values, "flow", "pl_s", "pl/s"),
        "wall shear rate": interval(values, "wall_shear", "per_s", "per s"),
        "mean velocity": quantity(number(values, "mean_velocity_mm_s"), "mm/s"),
        "diameter": f"{diameter} ({source})" if source else diameter,
        "assumed": f"{values.get('profile')} profile, velocity is of the {values.get('measured')}",
        "no velocity": percent(number(values, "share_unknown")),
        "status": result_status(values),
    }


FLOW_DISPLAY: Final = Display(describe=_describe, headline=("flow", "wall shear rate", "status"))
"""Facts with their intervals, and the assumptions behind them. There is nothing to draw."""
