"""The analysis of cells: its parameters, its computation on one region, its results."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kymflow.core.analysis.cells._count import Cells, count_cells, count_error, look, shade_of
from kymflow.core.analysis.cells._unroll import Trace, find_columns, signal_to_noise
from kymflow.core.analysis.cells.display import CELLS_DISPLAY
from kymflow.core.analysis.definition import (
    Analysis,
    Column,
    Input,
    InputResult,
    Result,
    ResultTable,
    unknown_result,
)
from kymflow.core.analysis.estimates import STATUS_COLUMNS, Estimate, interval_columns
from kymflow.core.analysis.params import Param
from kymflow.core.analysis.regions import Calibration, Region
from kymflow.core.analysis.velocity import VELOCITY, WindowStatus

_Floats = NDArray[np.float64]
_Table: TypeAlias = Mapping[str, ArrayLike]

_LEAST_SIGNAL: Final = 0.38
"""Of the noise, as seen after averaging, which blurs a little: of pixels that is about 0.45."""
_LEAST_CONTRAST: Final = 7.0
_LEAST_ALIKE: Final = 0.35
_LEAST_CELLS: Final = 10
_LEAST_USED: Final = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class CellsParams:
    """What a person chooses."""

    shade: Annotated[
        Literal["auto", "dark", "bright"], Param("whether cells are dark or bright; auto finds out")
    ] = "auto"
    shortest_um: Annotated[float, Param("shortest mean length of a cell", unit="µm", above=0)] = 3.0
    longest_um: Annotated[float, Param("longest mean length of a cell", unit="µm", above=0)] = 16.0
    segment_s: Annotated[float, Param("length of a segment of fluxes", unit="s", above=0)] = 1.0


def _run(
    pixels: NDArray[Any],
    calibration: Calibration,
    params: CellsParams,
    region: Region,
    inputs: Mapping[str, InputResult],
) -> Result:
    """Cells per second and per millimetre, line hematocrit, lengths of cells and gaps."""
    velocity = inputs[VELOCITY.name]
    if velocity.failure:
        return _unknown(f"velocity failed: {velocity.failure}")
    period, um = calibration.seconds_per_line, calibration.um_per_pixel
    if period is None or um is None:
        return _unknown(f"its {'line period' if period is None else 'pixel size'} is unknown")
    range_px = (params.shortest_um / um, params.longest_um / um)
    if not range_px[0] < range_px[1]:
        return _unknown(f"no cell is between {params.shortest_um:g} and {params.longest_um:g} µm")
    trace = velocity.tables["trace"]
    columns = find_columns(
        pixels,
        Trace(
            line=trace["center_line"].to_numpy(np.float64) - region.lines[0],
            velocity=trace["velocity_px_per_line"].to_numpy(np.float64),
            certain=(trace["status"] == WindowStatus.OK.value).to_numpy(bool),
        ),
    )
    moving = [one for one in columns if np.ptp(one.stretch.moved) > 2.0 * range_px[0]]
    lines = sum(one.lines for one in moving)
    if lines < _LEAST_USED * len(pixels):
        share = 100.0 * lines / len(pixels)
        return _unknown(f"blood is known to move in only {share:.0f} % of the lines")
    signal = signal_to_noise(moving)
    if signal < _LEAST_SIGNAL:
        return _unknown(f"what moves is only {signal:.2f} of the noise", signal_to_noise=signal)
    blood = look(moving, pixels.shape[1] / 2.0)
    seen = {"signal_to_noise": signal, "contrast_to_noise": blood.contrast}
    if blood.contrast < _LEAST_CONTRAST:
        return _unknown("cells do not stand out from noise", **seen)
    shade = shade_of(blood, range_px) if params.shade == "auto" else params.shade
    if shade is None:
        return _unknown("cells and gaps look alike; give shade", **seen)
    cells = count_cells(blood, range_px, dark=shade == "dark")
    if cells.alike < _LEAST_ALIKE:
        return _unknown("what passes varies more in length than cells do", **seen)
    if cells.center_px.size < _LEAST_CELLS:
        return _unknown(f"only {cells.center_px.size} cells pass", **seen)
    seconds = period * lines
    way_mm = 1e-3 * um * sum(float(np.ptp(one.stretch.moved)) for one in moving)
    count = cells.center_px.size
    # Where velocity is unknown, as many cells pass as elsewhere, give or take their square root.
    unseen = count * (len(pixels) / lines - 1.0)
    error = math.hypot(count_error(blood, cells), math.sqrt(unseen) * lines / len(pixels))
    # How far the blood has moved is as uncertain as its mean velocity.
    way_error = abs(
        _number(velocity.summary["standard_error_px_per_line"])
        / (_number(velocity.summary["mean_px_per_line"]) or 1.0)
    )
    stops = 1e-3 * um * math.sqrt(sum(one.stretch.variance for one in moving)) / way_mm
    density_error = math.hypot(error, way_error * count, stops * count)
    length_um = um * cells.length_px
    gap_um = um * cells.gap_px[np.isfinite(cells.gap_px)]
    return Result(
        summary={
            "status": "ok",
            "reason": "",
            "cells": round(count + unseen),
            **Estimate.about(count, error).times(1.0 / seconds).named("flux", "per_s"),
            **Estimate.about(count, density_error).times(1.0 / way_mm).named("density", "per_mm"),
            "hematocrit": 1e-3 * float(length_um.sum()) / way_mm,
            "length_um": float(np.median(length_um)),
            "length_sd_um": float(length_um.std()),
            "gap_um": float(np.median(gap_um)),
            "gap_p5_um": float(np.percentile(gap_um, 5)),
            "gap_p95_um": float(np.percentile(gap_um, 95)),
            "shade": shade,
            **seen,
            "alike": cells.alike,
            "share_used": lines / len(pixels),
        },
        tables={
            "segments": _segments(cells, blood.lines_moved(), region, calibration, params),
            "cells": {
                "time_s": period * (region.lines[0] + cells.line),
                "length_um": length_um,
                "gap_um": um * cells.gap_px,
            },
        },
    )


def _segments(
    cells: Cells,
    moved: tuple[NDArray[np.int64], _Floats],
    region: Region,
    calibration: Calibration,
    params: CellsParams,
) -> _Table:
    """Flux, density and hematocrit of each segment of the recording.

    `moved` has the lines of the region for which velocity is known, and how far each has moved.
    """
    period = calibration.seconds_per_line or np.nan
    um = calibration.um_per_pixel or np.nan
    lines, each = moved
    size = max(1, round(params.segment_s / period))
    count = -(-(region.lines[1] - region.lines[0]) // size)
    seconds = period * np.bincount(lines // size, minlength=count)
    way_mm = 1e-3 * um * np.bincount(lines // size, np.abs(each), count)
    of = np.clip(cells.line.astype(np.int64) // size, 0, count - 1)
    passed = np.bincount(of, minlength=count)
    length_mm = 1e-3 * um * np.bincount(of, cells.length_px, count)
    start = period * (region.lines[0] + size * np.arange(count))
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "start_s": start,
            "stop_s": np.minimum(start + size * period, period * region.lines[1]),
            "known_s": seconds,
            "cells": passed,
            "flux_per_s": np.where(seconds > 0, passed / seconds, np.nan),
            "density_per_mm": np.where(way_mm > 0, passed / way_mm, np.nan),
            "hematocrit": np.where(way_mm > 0, length_mm / way_mm, np.nan),
        }


def _unknown(reason: str, **seen: float) -> Result:
    return unknown_result(reason, _SUMMARY, _TABLES, **seen)


def _number(value: object) -> float:
    return value if isinstance(value, float) else 0.0


_SUMMARY: Final = (
    *STATUS_COLUMNS,
    Column("cells", int, "cells that passed the middle of the line, unseen ones by the flux"),
    *interval_columns(
        "flux", "cells per second", unit="1/s", ending="per_s", about="of what was recorded"
    ),
    *interval_columns(
        "density",
        "cells per length of the vessel",
        unit="1/mm",
        ending="per_mm",
        about="of what was recorded",
    ),
    Column("hematocrit", float, "line hematocrit: share of the length that cells cover"),
    Column("length_um", float, "median length of a cell", "µm"),
    Column("length_sd_um", float, "standard deviation of lengths", "µm"),
    Column("gap_um", float, "median gap between cells", "µm"),
    Column("gap_p5_um", float, "5th percentile of gaps", "µm"),
    Column("gap_p95_um", float, "95th percentile of gaps", "µm"),
    Column("shade", str, "dark or bright: the cells"),
    Column("signal_to_noise", float, "standard deviation of what moves over that of the noise"),
    Column("contrast_to_noise", float, "contrast of cells over noise, after averaging"),
    Column("alike", float, "share of the runs that are as long as one cell"),
    Column("share_used", float, "share of the lines in which velocity is known"),
)
_SEGMENTS: Final = (
    Column("start_s", float, "beginning", "s"),
    Column("stop_s", float, "end", "s"),
    Column("known_s", float, "how long velocity is known", "s"),
    Column("cells", int, "cells that passed the middle of the line"),
    Column("flux_per_s", float, "cells per second", "1/s"),
    Column("density_per_mm", float, "cells per length of the vessel", "1/mm"),
    Column("hematocrit", float, "line hematocrit"),
)
_CELLS: Final = (
    Column("time_s", float, "when the cell passed the middle of the line", "s"),
    Column("length_um", float, "its length", "µm"),
    Column("gap_um", float, "gap to the next cell of the column", "µm"),
)

_TABLES: Final = (
    ResultTable(name="segments", columns=_SEGMENTS),
    ResultTable(name="cells", columns=_CELLS, indexed=False),  # thousands of rows per region
)

CELLS: Final = Analysis(
    name="cells",
    version="4",
    params=CellsParams,
    run=_run,
    summary=_SUMMARY,
    tables=_TABLES,
    inputs=(Input(analysis=VELOCITY, may_fail=True),),
    display=CELLS_DISPLAY,
)
"""Cells in a vessel. Its version is raised with every change that can change a number."""
