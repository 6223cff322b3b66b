"""Volume flow and wall shear rate from velocity and diameter, under a stated velocity profile.

Velocity across a vessel of radius ``R`` is taken as ``v(r) = v_max (1 - (r / R)**k)``: a parabola
for ``k = 2`` (Poiseuille), blunter for larger ``k``, as cells make it, and the same everywhere for
a plug. Then the mean over the section is ``v_max k / (k + 2)``, flow is that times ``pi D**2 / 4``,
and the shear rate at the wall is ``2 k v_max / D``. One mm/s through one µm² is one pl/s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from numpy.typing import NDArray

from kymflow.core.analysis.definition import (
    Analysis,
    Column,
    Input,
    InputResult,
    Result,
    unknown_result,
)
from kymflow.core.analysis.diameter import DIAMETER
from kymflow.core.analysis.estimates import STATUS_COLUMNS, Estimate, interval_columns
from kymflow.core.analysis.flow.display import FLOW_DISPLAY
from kymflow.core.analysis.params import Param
from kymflow.core.analysis.regions import Calibration, Place, Region
from kymflow.core.analysis.velocity import VELOCITY

_Z_95: Final = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowParams:
    """What a person chooses: whose diameter, and which profile."""

    diameter_um: Annotated[
        float | None, Param("diameter, if it was measured elsewhere", unit="µm", above=0)
    ] = None
    diameter_error_um: Annotated[
        float, Param("standard error of diameter_um", unit="µm", minimum=0)
    ] = 0.0
    diameter_source: Annotated[str, Param("where diameter_um is from")] = "given by a person"
    diameter_roi: Annotated[
        int | None, Param("the ROI of this image across the same vessel, see diameter", minimum=1)
    ] = None
    diameter_channel: Annotated[
        int | None, Param("channel of that ROI; if None, that of the velocity", minimum=1)
    ] = None
    profile: Annotated[
        Literal["poiseuille", "blunt", "plug"], Param("assumed velocity across the vessel")
    ] = "poiseuille"
    blunt_exponent: Annotated[
        float, Param("exponent of a blunt profile; 2 is a parabola", above=2)
    ] = 4.0
    measured: Annotated[
        Literal["fastest", "mean"], Param("what velocity is of: the fastest in the section, or all")
    ] = "fastest"


def _place_of_diameter(params: FlowParams, region: Region) -> Place | None:
    if params.diameter_roi is None or params.diameter_um is not None:
        return None
    return params.diameter_channel or region.channel, params.diameter_roi


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """A quantity with its standard error, and where it is from."""

    value: float
    error: float
    source: str


def _run(
    _pixels: NDArray[Any],
    _calibration: Calibration,
    params: FlowParams,
    _region: Region,
    inputs: Mapping[str, InputResult],
) -> Result:
    """Volume flow and wall shear rate, from velocity and a diameter."""
    for name, one in inputs.items():
        if one.failure:
            reason = f"{name} failed: {one.failure}"
            return unknown_result(reason, _SUMMARY, (), **_assumed(params))
    velocity = _velocity(inputs[VELOCITY.name])
    if velocity is None:
        return unknown_result("there is no velocity in mm/s", _SUMMARY, (), **_assumed(params))
    diameter = _diameter(params, inputs)
    if isinstance(diameter, str):
        return unknown_result(diameter, _SUMMARY, (), **_assumed(params))
    mean_share, wall_factor = _profile(params)
    to_fastest = 1.0 if params.measured == "fastest" else 1.0 / mean_share
    to_mean = to_fastest * mean_share
    # Both errors add as squares; flow has the diameter squared.
    relative = diameter.error / diameter.value
    area = 0.25 * math.pi * diameter.value**2
    flow_error = math.hypot(velocity.error, 2.0 * relative * velocity.value)
    flow = Estimate.about(velocity.value, flow_error).times(to_mean * area)
    wall = {}
    if wall_factor is not None:
        wall_error = math.hypot(velocity.error, relative * velocity.value)
        per_velocity = 1e3 * wall_factor * to_fastest / diameter.value
        wall_rate = Estimate.about(abs(velocity.value), wall_error).times(per_velocity)
        wall = wall_rate.named("wall_shear", "per_s")
    return Result(
        summary={
            **dict.fromkeys(column.name for column in _SUMMARY),
            **_assumed(params),
            "status": "ok",
            "reason": "",
            **flow.named("flow", "pl_s"),
            **wall,
            "velocity_mm_s": velocity.value,
            "mean_velocity_mm_s": to_mean * velocity.value,
            "share_unknown": _number(inputs[VELOCITY.name].summary["share_unknown"]),
            "diameter_um": diameter.value,
            "diameter_error_um": diameter.error,
            "diameter_source": diameter.source,
        }
    )


def _velocity(stored: InputResult) -> _Measured | None:
    value, error = (_number(stored.summary[n]) for n in ("mean_mm_s", "standard_error_mm_s"))
    return None if value is None else _Measured(value=value, error=error or 0.0, source="velocity")


def _diameter(params: FlowParams, inputs: Mapping[str, InputResult]) -> _Measured | str:
    """The diameter, or why there is none."""
    if params.diameter_um is not None:
        if params.diameter_roi is not None:
            return "there are two diameters; give diameter_um or diameter_roi"
        return _Measured(
            value=params.diameter_um,
            error=params.diameter_error_um,
            source=params.diameter_source,
        )
    if DIAMETER.name not in inputs:
        return "there is no diameter; give diameter_um or diameter_roi"
    said = inputs[DIAMETER.name].summary
    value, high = _number(said["mean_um"]), _number(said["mean_high_um"])
    if value is None or high is None:
        return f"the diameter is unknown: {said['reason'] or 'there is no pixel size'}"
    error = (high - value) / _Z_95
    return _Measured(value=value, error=error, source=f"ROI {params.diameter_roi}")


def _profile(params: FlowParams) -> tuple[float, float | None]:
    """Mean over fastest velocity, and wall shear rate times diameter over fastest velocity."""
    if params.profile == "plug":
        return 1.0, None
    k = params.blunt_exponent if params.profile == "blunt" else 2.0
    return k / (k + 2.0), 2.0 * k


def _assumed(params: FlowParams) -> dict[str, float | str | None]:
    mean_share, _ = _profile(params)
    return {
        "profile": params.profile,
        "mean_over_fastest": mean_share,
        "measured": params.measured,
    }


def _number(value: object) -> float | None:
    return value if isinstance(value, float) else None


_SUMMARY: Final = (
    *STATUS_COLUMNS,
    *interval_columns(
        "flow",
        "volume flow, with the sign of the velocity",
        unit="pl/s",
        ending="pl_s",
        about="under the profile",
    ),
    *interval_columns(
        "wall_shear", "shear rate at the wall; a plug has none", unit="1/s", ending="per_s"
    ),
    Column("profile", str, "assumed: poiseuille, blunt or plug"),
    Column("mean_over_fastest", float, "assumed: mean over fastest velocity in the section"),
    Column("measured", str, "assumed: velocity is of the fastest in the section, or the mean"),
    Column("velocity_mm_s", float, "mean velocity as measured", "mm/s"),
    Column("mean_velocity_mm_s", float, "mean over the section", "mm/s"),
    Column("share_unknown", float, "share of windows without velocity"),
    Column("diameter_um", float, "diameter that was used", "µm"),
    Column("diameter_error_um", float, "its standard error", "µm"),
    Column("diameter_source", str, "where it is from"),
)

FLOW: Final = Analysis(
    name="flow",
    version="3",
    params=FlowParams,
    run=_run,
    summary=_SUMMARY,
    inputs=(
        Input(analysis=VELOCITY, may_fail=True),
        Input(analysis=DIAMETER, place=_place_of_diameter, may_fail=True),
    ),
    display=FLOW_DISPLAY,
)
"""Volume flow. Its version is raised with every change that can change a number."""
