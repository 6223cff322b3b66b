"""Flow and wall shear rate from velocities and diameters that are known."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kymflow.core.analysis import (
    AnalysisOutcome,
    Calibration,
    InputResult,
    Region,
    image_status,
    load_results,
    run_analysis,
)
from kymflow.core.analysis.diameter import DIAMETER, DiameterParams
from kymflow.core.analysis.flow import FLOW, FlowParams
from kymflow.core.analysis.velocity import VELOCITY
from kymflow.core.flow_by_place import diameters_by_place, run_flow_by_place
from kymflow.core.metadata import (
    ExperimentMetadata,
    Header,
    ImageMetadata,
    Roi,
    save_metadata,
)
from kymflow.core.plugins import load_analysis
from kymflow.core.testing import check_analysis, simulate_cells, simulate_vessel
from kymflow_zarr import ZarrDataset, ZarrImageRecord

CALIBRATION = Calibration(seconds_per_line=1e-3, um_per_pixel=0.5, dwell_seconds=None)
REGION = Region(channel=1, roi_id=None, z=0, lines=(0, 10), pixels=(0, 10))


def flow(velocity: float | None, error: float = 0.0, **params: Any) -> dict[str, Any]:
    """What follows from a mean velocity in mm/s."""
    summary = {"mean_mm_s": velocity, "standard_error_mm_s": error, "share_unknown": 0.1}
    stored = InputResult(parameters={}, summary=summary, tables={})
    pixels = np.zeros((10, 10))
    found = FLOW.compute(pixels, CALIBRATION, FlowParams(**params), REGION, {VELOCITY.name: stored})
    return dict(found.summary)


def test_a_parabola_has_half_of_its_fastest_velocity() -> None:
    found = flow(2.0, diameter_um=10.0)
    # 1 mm/s through a circle of 10 µm; shear 8 v / D = 8 * 1000 µm/s / 10 µm.
    assert found["flow_pl_s"] == pytest.approx(25.0 * math.pi)
    assert found["wall_shear_per_s"] == pytest.approx(800.0)
    assert (found["profile"], found["mean_over_fastest"]) == ("poiseuille", 0.5)
    assert found["mean_velocity_mm_s"] == 1.0


@pytest.mark.parametrize(
    ("params", "share", "shear"),
    [
        ({"profile": "blunt"}, 2.0 / 3.0, 1600.0),
        ({"profile": "blunt", "blunt_exponent": 6.0}, 0.75, 2400.0),
        ({"profile": "plug"}, 1.0, None),
        ({"measured": "mean"}, 1.0, 1600.0),
    ],
)
def test_the_profile_is_stated_with_every_result(
    params: dict[str, Any], share: float, shear: float | None
) -> None:
    found = flow(2.0, diameter_um=10.0, **params)
    assert found["flow_pl_s"] == pytest.approx(2.0 * share * 25.0 * math.pi)
    assert found["wall_shear_per_s"] == (None if shear is None else pytest.approx(shear))
    assert found["profile"] == params.get("profile", "poiseuille")
    assert found["measured"] == params.get("measured", "fastest")


def test_flow_has_the_sign_of_velocity_and_shear_none() -> None:
    found = flow(-2.0, diameter_um=10.0)
    assert found["flow_pl_s"] == pytest.approx(-25.0 * math.pi)
    assert found["wall_shear_per_s"] == pytest.approx(800.0)


@given(
    velocity=st.floats(0.1, 10.0),
    diameter=st.floats(3.0, 60.0),
    of_velocity=st.floats(0.0, 0.05),
    of_diameter=st.floats(0.0, 0.03),
)
def test_intervals_hold_what_both_errors_do(
    velocity: float, diameter: float, of_velocity: float, of_diameter: float
) -> None:
    found = flow(
        velocity,
        of_velocity * velocity,
        diameter_um=diameter,
        diameter_error_um=of_diameter * diameter,
    )
    rng = np.random.default_rng(0)
    v = velocity * (1.0 + of_velocity * rng.standard_normal(4000))
    d = diameter * (1.0 + of_diameter * rng.standard_normal(4000))
    drawn = 0.5 * v * 0.25 * math.pi * d**2
    inside = (found["flow_low_pl_s"] <= drawn * (1 + 1e-9)) & (
        drawn <= found["flow_high_pl_s"] * (1 + 1e-9)
    )
    assert inside.mean() > 0.93


@pytest.mark.parametrize(
    ("velocity", "params", "reason"),
    [
        (2.0, {}, "there is no diameter; give diameter_um or diameter_roi"),
        (None, {"diameter_um": 5.0}, "there is no velocity in mm/s"),
        (2.0, {"diameter_um": 5.0, "diameter_roi": 1}, "there are two diameters"),
    ],
)
def test_without_a_diameter_there_is_no_flow(
    velocity: float | None, params: dict[str, Any], reason: str
) -> None:
    found = flow(velocity, **params)
    assert found["status"] == "unknown"
    assert found["reason"].startswith(reason)
    assert found["flow_pl_s"] is None
    assert found["profile"] == "poiseuille"


@pytest.fixture
def two_parts(tmp_path: Path) -> ZarrImageRecord:
    """A line that runs along a vessel of 8 µm for 40 px (ROI 1), then across it (ROI 2)."""
    lines = 800
    along = simulate_cells(np.full(lines, 2.0), hematocrit=0.4).pixels
    across = simulate_vessel(np.full(lines, 8.0), um_per_pixel=0.5, n_pixels=48, snr=4.0).pixels
    pixels = np.concatenate([along, 10.0 * across], axis=1).astype(np.uint16)
    record = ZarrDataset(tmp_path / "d.zarr", durability="none").add_image(pixels, axes=("t", "x"))
    rois = tuple(
        Roi(id=n, dim0_start=0, dim0_stop=lines, dim1_start=start, dim1_stop=stop)
        for n, start, stop in ((1, 0, 40), (2, 40, 88))
    )
    header = Header(scale={"t": 1e-3, "x": 0.5}, unit={"t": "s", "x": "um"})
    save_metadata(record, ImageMetadata(header=header, rois=rois))
    return record


def test_the_diameter_may_be_that_of_another_roi(
    two_parts: ZarrImageRecord, tmp_path: Path
) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr")

    def run(analysis: Any, **options: Any) -> AnalysisOutcome:
        (outcome,) = run_analysis(dataset, analysis, **options)
        return outcome

    chosen = FlowParams(diameter_roi=2)
    run(VELOCITY)
    early = run(FLOW, params=chosen)
    assert "'diameter' of channel 1, ROI 2 is missing; run 'diameter'" in str(early.error)
    run(DIAMETER)
    assert run(FLOW, params=chosen).error is None
    values = load_results(two_parts, FLOW).results[0].values
    # 2 px/line of 0.5 µm at 1 ms are 1 mm/s; the mean of a parabola is half of that.
    assert values["flow_pl_s"] == pytest.approx(0.5 * 16.0 * math.pi, rel=0.05)
    assert values["diameter_um"] == pytest.approx(8.0, abs=0.2)
    assert values["diameter_source"] == "ROI 2"

    run(DIAMETER, params=DiameterParams(window_lines=200), overwrite=True)
    states = {s.region.roi_id: (s.state, s.causes) for s in image_status(two_parts, FLOW).regions}
    assert states[1] == ("outdated", ("inputs",))


def test_the_diameter_of_the_same_day_and_place_is_found(tmp_path: Path) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr", durability="none")
    along = simulate_cells(np.full(800, 2.0), hematocrit=0.4).pixels
    across = [
        10.0 * simulate_vessel(np.full(300, um), um_per_pixel=0.5, n_pixels=48, snr=4.0).pixels
        for um in (6.0, 8.0, 8.4)
    ]
    places = ("a", "b", "b", "a", "b", "c", "")
    header = Header(scale={"t": 1e-3, "x": 0.5}, unit={"t": "s", "x": "um"})
    ids = []
    for pixels, vessel in zip([*across, along, along, along, along], places, strict=True):
        record = dataset.add_image(pixels.astype(np.uint16), axes=("t", "x"))
        wrote = ExperimentMetadata(date="2026-03-01", extra={"animal": "m1", "vessel": vessel})
        save_metadata(record, ImageMetadata(header=header, experiment=wrote))
        ids.append(record.image_id)
    done = [*run_analysis(dataset, VELOCITY), *run_analysis(dataset, DIAMETER)]
    assert all(one.error is None for one in done)

    found = diameters_by_place(dataset, params=FlowParams(profile="plug"))
    assert found.keys() == set(ids[:5])
    assert found[ids[3]].diameter_um == pytest.approx(6.0, abs=0.1)
    assert found[ids[3]].diameter_source == f"image {ids[0]}"
    assert found[ids[4]].diameter_um == pytest.approx(8.2, abs=0.1)
    assert found[ids[4]].diameter_error_um == pytest.approx(0.2, abs=0.05)
    assert found[ids[3]].profile == "plug"

    assert all(one.error is None for one in run_flow_by_place(dataset, found))
    (row,) = load_results(dataset.record(ids[4]), FLOW).results
    assert row.values["flow_pl_s"] == pytest.approx(0.25 * math.pi * 8.2**2, rel=0.05)
    assert row.values["diameter_source"] == ", ".join(sorted(f"image {one}" for one in ids[1:3]))
    with pytest.raises(KeyError, match="session"):
        diameters_by_place(dataset, same=("animal", "session"))


def test_it_keeps_every_rule(two_parts: ZarrImageRecord, tmp_path: Path) -> None:
    assert load_analysis("flow") is FLOW
    assert two_parts.shape == (800, 88)
    assert check_analysis(FLOW, ZarrDataset(tmp_path / "d.zarr")) == []
