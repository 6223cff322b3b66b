"""What cannot be measured is unknown, with a reason: never an exception, nor a confident number."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from kymflow.core.analysis import (
    Analysis,
    Calibration,
    InputResult,
    Region,
    Result,
    load_results,
    run_analysis,
)
from kymflow.core.analysis.cells import CELLS
from kymflow.core.analysis.diameter import DIAMETER, DiameterParams
from kymflow.core.analysis.flow import FLOW, FlowParams
from kymflow.core.analysis.params import params_json
from kymflow.core.analysis.pulse import PULSE
from kymflow.core.analysis.velocity import VELOCITY
from kymflow.core.testing import compute_result, simulate_cells, simulate_vessel
from kymflow_zarr import ZarrDataset

CALIBRATION = Calibration(seconds_per_line=1e-3, um_per_pixel=0.4, dwell_seconds=None)
UNCALIBRATED = Calibration(seconds_per_line=None, um_per_pixel=None, dwell_seconds=None)

Pixels = NDArray[Any]


def refused(analysis: Analysis[Any], pixels: Pixels, calibration: Calibration = CALIBRATION) -> str:
    """The reason for which an analysis refuses."""
    return reason_of(analysis, compute_result(analysis, pixels, calibration=calibration))


def reason_of(analysis: Analysis[Any], found: Result) -> str:
    """The reason of a result that is unknown; "" if it is known. Its tables are as declared."""
    for table in analysis.tables:
        table.frame(found.tables[table.name])
    numbers = [
        found.summary[name]
        for name in ("rate_hz", "cells", "mean_px", "flow_pl_s")
        if name in found.summary
    ]
    reason = str(found.summary["reason"])
    known = found.summary["status"] == "ok"
    assert known == (reason == "")
    assert any(number is not None for number in numbers) == known
    return reason


def region_of(pixels: Pixels) -> Region:
    lines, width = pixels.shape
    return Region(channel=1, roi_id=None, z=0, lines=(0, lines), pixels=(0, width))


@pytest.fixture(scope="module")
def blood() -> Pixels:
    """Cells that pulsate with 8 Hz for 3 s."""
    time = 1e-3 * np.arange(3000)
    return simulate_cells(2.0 * (1.0 + 0.2 * np.cos(2 * np.pi * 8.0 * time)), hematocrit=0.4).pixels


@pytest.fixture(scope="module")
def vessel() -> Pixels:
    """A vessel of 40 px that crosses the line, about 100 photons."""
    return simulate_vessel(np.full(200, 10.0), um_per_pixel=0.25, snr=8.0).pixels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
def test_a_usual_recording_of_any_type_is_measured(
    blood: Pixels, vessel: Pixels, dtype: type[np.generic]
) -> None:
    scaled = (blood / blood.max() * 250.0).astype(dtype)
    assert refused(PULSE, scaled) == ""
    assert refused(CELLS, scaled) == ""
    assert refused(DIAMETER, vessel.astype(dtype)) == ""


@pytest.mark.parametrize("analysis", [PULSE, CELLS])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda pixels: np.full_like(pixels, 7.0),
        lambda pixels: np.minimum(pixels, np.percentile(pixels, 20)),
        lambda pixels: np.random.default_rng(0).normal(1000.0, 10.0, pixels.shape),
        lambda pixels: np.repeat(pixels[:1], len(pixels), axis=0),
        lambda pixels: np.repeat(np.arange(1.0, 1.0 + len(pixels))[:, None], pixels.shape[1], 1),
    ],
    ids=["constant", "saturated", "noise", "nothing moves", "lines get brighter"],
)
def test_without_moving_cells_there_are_neither_pulse_nor_cells(
    blood: Pixels, analysis: Analysis[Any], spoil: Callable[[Pixels], Pixels]
) -> None:
    reason = refused(analysis, spoil(blood))
    assert reason.startswith(("only 0 of", "blood is known to move in only 0 %"))


@pytest.mark.parametrize("analysis", [PULSE, CELLS])
def test_columns_with_missing_numbers_are_left_out(blood: Pixels, analysis: Analysis[Any]) -> None:
    damaged = blood.copy()
    damaged[100, 5], damaged[2000, 30] = np.nan, np.inf
    assert refused(analysis, damaged) == ""


@pytest.mark.parametrize("width", [8, 20])
def test_a_narrow_line_is_enough_for_cells(blood: Pixels, width: int) -> None:
    whole, narrow = (
        compute_result(CELLS, pixels, calibration=CALIBRATION).summary["cells"]
        for pixels in (blood, blood[:, :width])
    )
    assert isinstance(whole, int)
    assert narrow == pytest.approx(whole, abs=3)


@pytest.mark.parametrize("analysis", [PULSE, CELLS, FLOW])
def test_where_velocity_refuses_the_reason_is_told(
    tmp_path: Path, blood: Pixels, analysis: Analysis[Any]
) -> None:
    short = blood[:5]
    assert refused(analysis, short).startswith("velocity failed: cannot analyze this kymograph: a ")
    dataset = ZarrDataset(tmp_path / "d.zarr", durability="none")
    records = [
        dataset.add_image(
            pixels.astype(np.uint16),
            axes=("t", "x"),
            scale={"t": 1.0, "x": 0.4},
            unit={"t": "ms", "x": "um"},
        )
        for pixels in (short, blood[:1000])
    ]
    list(run_analysis(dataset, VELOCITY))
    params = FlowParams(diameter_um=5.0) if analysis is FLOW else None
    assert [one.status for one in run_analysis(dataset, analysis, params=params)] == ["ok", "ok"]
    (bad,), (good,) = (load_results(record, analysis).results for record in records)
    assert bad.values["status"] == "unknown"
    assert str(bad.values["reason"]).startswith("velocity failed: cannot analyze")
    assert "velocity failed" not in str(good.values["reason"])
    again = run_analysis(dataset, analysis, params=params)
    assert [one.status for one in again] == ["skipped", "skipped"]


@pytest.mark.parametrize("analysis", [PULSE, CELLS])
def test_without_a_line_period_there_is_nothing_per_second(
    blood: Pixels, analysis: Analysis[Any]
) -> None:
    assert refused(analysis, blood, UNCALIBRATED) == "its line period is unknown"


@pytest.mark.parametrize("rate_hz", [2.0, 20.0])
def test_a_rate_outside_of_the_band_is_not_taken_for_one_inside(rate_hz: float) -> None:
    time = 1e-3 * np.arange(4000)
    pixels = simulate_cells(2.0 * (1.0 + 0.2 * np.cos(2 * np.pi * rate_hz * time))).pixels
    found = compute_result(PULSE, pixels, calibration=CALIBRATION).summary
    assert found["reason"] == "no rate of the band stands out from noise"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda pixels: pixels[:0], "it has 0 lines of 128 pixels; a line needs at least 8"),
        (lambda pixels: pixels[:, :0], "it has 200 lines of 0 pixels; a line needs at least 8"),
        (lambda pixels: pixels[:, 60:64], "it has 200 lines of 4 pixels; a line needs at least 8"),
        (lambda pixels: pixels * np.nan, "some pixels are not numbers"),
        (lambda pixels: pixels * 0.0, "100 % of the pixels have the brightest value"),
        (lambda pixels: np.minimum(pixels, 60.0), "32 % of the pixels have the brightest value"),
        (lambda pixels: pixels[:, :20], "no vessel stands out from noise"),
        (lambda pixels: pixels[:, 54:74], "no vessel stands out from noise"),
        (lambda pixels: pixels[:, :64], "an edge is outside the line"),
        (lambda pixels: np.hstack([pixels, pixels]), "the line does not look like one vessel"),
        (lambda pixels: np.hstack([pixels[:, :88], pixels[:, 40:]]), "the line does not look like"),
        (lambda pixels: pixels[:40], ""),
        (lambda pixels: pixels[:1], ""),
    ],
    ids=[
        "no lines",
        "no pixels",
        "four pixels",
        "no numbers",
        "black",
        "saturated",
        "beside the vessel",
        "inside of it",
        "half of it",
        "two vessels",
        "two that touch",
        "few lines",
        "one line",
    ],
)
@pytest.mark.parametrize("profile", ["slab", "disc"])
def test_what_is_not_a_vessel_has_no_diameter(
    vessel: Pixels, spoil: Callable[[Pixels], Pixels], reason: str, profile: Any
) -> None:
    found = DIAMETER.compute(
        spoil(vessel),
        UNCALIBRATED,
        DiameterParams(profile=profile),
        region_of(vessel),
    )
    assert reason_of(DIAMETER, found).startswith(reason)
    assert reason or reason_of(DIAMETER, found) == ""


@given(
    pixels=npst.arrays(
        st.sampled_from([np.uint8, np.uint16, np.int32, np.float32]),
        st.tuples(st.integers(0, 90), st.integers(0, 24)),
        elements=st.integers(0, 255),
    ),
    window_lines=st.sampled_from([1, 10, 50]),
    profile=st.sampled_from(["slab", "disc"]),
)
def test_any_pixels_have_a_diameter_or_a_reason(
    pixels: Pixels, window_lines: int, profile: Any
) -> None:
    params = DiameterParams(profile=profile, window_lines=window_lines)
    found = DIAMETER.compute(pixels, CALIBRATION, params, region_of(pixels))
    if not reason_of(DIAMETER, found):
        low, mean, high = (found.summary[f"mean_{end}um"] for end in ("low_", "", "high_"))
        assert isinstance(low, float)
        assert isinstance(mean, float)
        assert isinstance(high, float)
        assert low <= mean <= high < math.inf


def stored_velocity(velocity: NDArray[np.float64], status: list[str], period: float) -> InputResult:
    """What `velocity` stores, with the windows' velocities as given."""
    at = 7.5 + 4.0 * np.arange(velocity.size)
    trace = pd.DataFrame({
        "center_line": at, "velocity_px_per_line": velocity, "status": status
    })  # fmt: skip
    summary = {
        "seconds_per_line": period,
        "window_lines": 16,
        "mean_px_per_line": 1.0,
        "standard_error_px_per_line": 0.01,
    }
    parameters = params_json(VELOCITY.params())
    return InputResult(parameters=parameters, summary=summary, tables={"trace": trace})


@given(data=st.data(), windows=st.integers(1, 250), period=st.sampled_from([1e-4, 1e-3, 3e-3]))
@pytest.mark.parametrize("analysis", [PULSE, CELLS])
def test_any_velocities_have_a_result_or_a_reason(
    blood: Pixels, analysis: Analysis[Any], data: st.DataObject, windows: int, period: float
) -> None:
    velocity = data.draw(
        npst.arrays(
            np.float64,
            windows,
            elements=st.sampled_from([np.nan, -30.0, -2.0, 0.0, 1e-9, 2.0, 50.0]),
        )
    )
    known = data.draw(st.sampled_from(["all", "none", "some"]))
    status = [
        "ok" if not math.isnan(v) and (known == "all" or (known == "some" and i % 3)) else "unknown"
        for i, v in enumerate(velocity)
    ]
    pixels = blood[: 4 * windows + 12]
    calibration = Calibration(seconds_per_line=period, um_per_pixel=0.4, dwell_seconds=None)
    stored = {"velocity": stored_velocity(velocity, status, period)}
    found = analysis.compute(pixels, calibration, analysis.params(), region_of(pixels), stored)
    reason = reason_of(analysis, found)
    assert reason or "ok" in status
