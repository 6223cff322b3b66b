"""Vessel brightness over time: an analysis that a separate distribution offers."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from kymflow.core.analysis import Analysis, Column, Param, RegionData, Result, ResultTable
from kymflow.core.analysis.display import Display, Panels
from kymflow.core.errors import InvalidKymographError


@dataclass(frozen=True, kw_only=True)
class BrightnessParams:
    block_lines: Annotated[int, Param("lines per block", unit="lines", minimum=1)] = 16
    statistic: Annotated[Literal["mean", "median"], Param("what of a block")] = "mean"


def measure(pixels: Any, calibration: Any, params: BrightnessParams, region: Any) -> Result:
    """Brightness over time, and how much of it is lost to bleaching."""
    if len(pixels) < 2 * params.block_lines:
        raise InvalidKymographError("it has fewer than two blocks; give shorter ones")
    starts = np.arange(0, len(pixels) - params.block_lines + 1, params.block_lines)
    reduce: Any = {"mean": np.mean, "median": np.median}[params.statistic]
    brightness = np.array([reduce(pixels[at : at + params.block_lines]) for at in starts])
    line = region.lines[0] + starts + (params.block_lines - 1) / 2
    lost = 1 - brightness[-1] / brightness[0] if brightness[0] > 0 else None
    return Result(
        summary={"mean": brightness.mean(), "lost_share": lost},
        tables={"trace": {"line": line, "brightness": brightness}},
    )


def draw(axes: Any, data: RegionData, theme: Any) -> None:
    trace = data.tables["trace"]
    axes[0].plot(data.time(trace["line"]), trace["brightness"], color=theme.blue)
    axes[0].set_ylabel("brightness (counts)")


BRIGHTNESS = Analysis(
    name="brightness",
    version="1",
    params=BrightnessParams,
    run=measure,
    summary=(
        Column("mean", float, "mean brightness", "counts"),
        Column("lost_share", float, "share of the first block that the last one lacks"),
    ),
    tables=(
        ResultTable(
            name="trace",
            columns=(
                Column("line", float, "middle of the block in the recording", "lines"),
                Column("brightness", float, "brightness of the block", "counts"),
            ),
        ),
    ),
    display=Display(panels=Panels(draw=draw, caption="Mean brightness of blocks of lines.")),
)
