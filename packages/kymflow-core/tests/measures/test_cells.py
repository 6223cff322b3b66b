"""Cells against recordings in which every cell is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kymflow.core.analysis import Calibration, Result
from kymflow.core.analysis.cells import CELLS, CellsParams
from kymflow.core.plugins import load_analysis
from kymflow.core.testing import CellRecording, check_analysis, compute_result, simulate_cells
from kymflow_zarr import ZarrDataset

UM = 0.4
CALIBRATION = Calibration(seconds_per_line=1e-3, um_per_pixel=UM, dwell_seconds=None)
MIDDLE = 20.0


def recording(speed: float = 2.5, *, lines: int = 4000, **options: Any) -> CellRecording:
    """Cells of 16 px, 6.4 µm, on a line of 40 px, whose velocity beats by 15 %."""
    beat = 1.0 + 0.15 * np.sin(2.0 * np.pi * 8e-3 * np.arange(lines))
    return simulate_cells(speed * beat, **options)


def cells(
    pixels: NDArray[np.float64], calibration: Calibration = CALIBRATION, **params: Any
) -> Result:
    return compute_result(CELLS, pixels, calibration=calibration, params=CellsParams(**params))


@pytest.mark.accuracy
@pytest.mark.parametrize("speed", [2.5, -1.5])
@pytest.mark.parametrize("hematocrit", [0.1, 0.3, 0.6])
def test_every_cell_is_counted_once(speed: float, hematocrit: float) -> None:
    truth = recording(speed, hematocrit=hematocrit, seed=1)
    found = cells(truth.pixels).summary
    count = truth.count_passing(MIDDLE)
    assert found["status"] == "ok"
    assert found["shade"] == "dark"
    assert found["cells"] == pytest.approx(count, abs=max(2, 0.02 * count))
    assert found["flux_per_s"] == pytest.approx(count / 4.0, rel=0.04)
    way_mm = 1e-3 * UM * float(np.ptp(truth.moved_px))
    assert found["density_per_mm"] == pytest.approx(count / way_mm, rel=0.05)
    assert found["length_um"] == pytest.approx(16.0 * UM, rel=0.05)


@pytest.mark.accuracy
@pytest.mark.parametrize("hematocrit", [0.3, 0.5])
def test_hematocrit_is_the_share_that_cells_cover(hematocrit: float) -> None:
    truth = recording(hematocrit=hematocrit, lines=8000)
    first = truth.moved_px.max()
    inside = (truth.center_px > MIDDLE - first) & (truth.center_px < MIDDLE)
    covered = truth.length_px[inside].sum() / first
    assert cells(truth.pixels).summary["hematocrit"] == pytest.approx(covered, abs=0.03)


@pytest.mark.parametrize("dark", [True, False])
def test_dark_and_bright_cells_are_distinguished(dark: bool) -> None:
    truth = recording(hematocrit=0.6, dark=dark)
    found = cells(truth.pixels).summary
    assert found["shade"] == ("dark" if dark else "bright")
    assert found["cells"] == pytest.approx(truth.count_passing(MIDDLE), rel=0.02)


def test_a_person_may_say_what_cells_are() -> None:
    # Gaps are no cells: they are of all lengths, and not taken for any, whatever one says.
    found = cells(recording(hematocrit=0.3).pixels, shade="bright").summary
    assert found["reason"] == "what passes varies more in length than cells do"


@pytest.mark.accuracy
def test_noise_that_single_lines_drown_in_is_averaged_away() -> None:
    truth = recording(hematocrit=0.4, snr=0.6, lines=6000)
    found = cells(truth.pixels).summary
    count = truth.count_passing(MIDDLE)
    assert found["cells"] == pytest.approx(count, rel=0.03)
    low, high = found["flux_low_per_s"], found["flux_high_per_s"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert low <= float(found["flux_per_s"] or 0) <= high


def test_a_signal_much_weaker_than_noise_is_refused() -> None:
    found = cells(recording(hematocrit=0.1, snr=0.35).pixels).summary
    assert str(found["reason"]).startswith("what moves is only 0.")
    assert found["cells"] is None


@pytest.mark.accuracy
def test_light_that_fades_changes_no_count() -> None:
    truth = recording(hematocrit=0.3)
    fading = truth.pixels * np.linspace(1.0, 0.4, len(truth.pixels))[:, None]
    found = cells(fading).summary
    assert found["cells"] == pytest.approx(truth.count_passing(MIDDLE), abs=2)
    assert found["hematocrit"] == pytest.approx(0.3, abs=0.05)


@pytest.mark.accuracy
def test_clusters_are_divided() -> None:
    truth = recording(hematocrit=0.5, cluster=3.0, lines=6000)
    assert cells(truth.pixels).summary["cells"] == pytest.approx(
        truth.count_passing(MIDDLE), rel=0.05
    )


def test_a_stall_passes_no_cells() -> None:
    beat = np.full(6000, 2.5)
    beat[2000:4000] = 0.0
    truth = simulate_cells(beat, hematocrit=0.4)
    found = cells(truth.pixels, segment_s=1.0)
    assert found.summary["cells"] == pytest.approx(truth.count_passing(MIDDLE), rel=0.03)
    segments = found.to_pandas("segments")
    assert segments["start_s"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert segments["cells"].sum() == found.summary["cells"]
    assert (segments["cells"][[2, 3]] <= 3).all()
    assert (segments["cells"][[0, 1, 4, 5]] > 30).all()


@pytest.mark.accuracy
@pytest.mark.parametrize("first", [0, 2000, 4500])
@pytest.mark.parametrize("hematocrit", [0.1, 0.4])
def test_a_stall_moves_no_blood_whether_or_not_a_cell_is_in_sight(
    hematocrit: float, first: int
) -> None:
    speed = np.full(6000, 2.5)
    speed[first : first + 1500] = 0.0
    truth = simulate_cells(speed, hematocrit=hematocrit, snr=3.0, seed=1)
    found = cells(truth.pixels).summary
    count = truth.count_passing(MIDDLE)
    assert found["cells"] == pytest.approx(count, abs=2)
    density = count / (1e-3 * UM * float(np.ptp(truth.moved_px)))
    assert found["density_per_mm"] == pytest.approx(density, rel=0.1)
    assert float(found["density_low_per_mm"] or 0) < density
    assert density < float(found["density_high_per_mm"] or 0)


@pytest.mark.accuracy
@pytest.mark.parametrize(("seed", "hematocrit", "cluster"), [(0, 0.1, 1.0), (14, 0.05, 3.0)])
def test_rare_cells_are_not_lost_between_long_gaps(
    seed: int, hematocrit: float, cluster: float
) -> None:
    truth = recording(3.0, hematocrit=hematocrit, cluster=cluster, snr=3.0, seed=seed)
    assert cells(truth.pixels).summary["cells"] == pytest.approx(truth.count_passing(MIDDLE), abs=2)


def test_the_table_of_cells_says_when_each_passes() -> None:
    truth = recording(hematocrit=0.2, snr=5.0)
    table = cells(truth.pixels).to_pandas("cells")
    passing = truth.center_px[(truth.center_px < MIDDLE)]
    line = np.searchsorted(truth.moved_px, MIDDLE - passing[::-1])
    expected = 1e-3 * line[line < truth.moved_px.size]
    assert len(table) == pytest.approx(expected.size, abs=2)
    nearest = np.abs(np.sort(table["time_s"])[:, None] - expected).min(axis=1)
    assert np.median(nearest) < 0.004
    assert table["gap_um"].dropna().ge(0).all()


@pytest.mark.parametrize(
    ("pixels", "calibration", "params", "reason"),
    [
        pytest.param(
            np.random.default_rng(0).normal(100.0, 10.0, (2000, 40)),
            {},
            {},
            "blood is known to move in only",
            id="noise",
        ),
        pytest.param(
            recording(hematocrit=0.4, snr=0.1).pixels, {}, {}, "blood is known to", id="faint"
        ),
        pytest.param(
            recording(lines=400, hematocrit=0.1, seed=2).pixels, {}, {}, "only ", id="few cells"
        ),
        pytest.param(
            recording().pixels, {"um_per_pixel": None}, {}, "its pixel size is", id="no pixel size"
        ),
        pytest.param(
            recording().pixels, {"seconds_per_line": None}, {}, "its line period", id="no period"
        ),
        pytest.param(
            recording().pixels, {}, {"shortest_um": 20.0}, "no cell is between", id="no length"
        ),
    ],
)
def test_it_refuses_with_a_reason(
    pixels: NDArray[np.float64], calibration: dict[str, Any], params: dict[str, Any], reason: str
) -> None:
    known = {"seconds_per_line": 1e-3, "um_per_pixel": UM, "dwell_seconds": None, **calibration}
    found = cells(pixels, Calibration(**known), **params)
    assert found.summary["status"] == "unknown"
    assert str(found.summary["reason"]).startswith(reason)
    assert found.summary["flux_per_s"] is None
    assert found.to_pandas("cells").empty


def test_it_keeps_every_rule(tmp_path: Path) -> None:
    assert load_analysis("cells") is CELLS
    dataset = ZarrDataset(tmp_path / "d.zarr", durability="none")
    dataset.add_image(
        recording(lines=1500).pixels.astype(np.uint16),
        axes=("t", "x"),
        scale={"t": 1.0, "x": UM},
        unit={"t": "ms", "x": "um"},
    )
    dataset.add_image(np.ones((300, 20), np.uint16), axes=("t", "x"))
    assert check_analysis(CELLS, dataset) == []


@pytest.mark.slow
def test_real_recordings_are_counted_or_refused(real_recordings: Path) -> None:
    import tifffile

    calibration = Calibration(seconds_per_line=1.134e-3, um_per_pixel=0.45, dwell_seconds=None)
    for path in sorted(real_recordings.glob("*.tif")):
        found = cells(tifffile.imread(path), calibration).summary
        assert found["status"] in {"ok", "unknown"}
        if found["status"] == "ok":
            assert 3.0 < float(found["length_um"] or 0) < 16.0
            assert 0.05 < float(found["hematocrit"] or 0) < 0.95
