"""How velocity is shown: facts with their units, a figure, and the paths of cells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kymflow.core import KymDataset
from kymflow.core.analysis import RegionData, load_region_data
from kymflow.core.analysis.velocity import VELOCITY
from kymflow.core.analysis.velocity.display import paths_of
from kymflow.core.errors import FigureError, ResultNotFoundError
from kymflow.core.result_plot import plot_result
from kymflow.core.testing import sample_dataset
from kymflow_zarr import ZarrImageRecord


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[ZarrImageRecord]:
    dataset = KymDataset(sample_dataset(tmp_path_factory.mktemp("sample") / "sample.zarr"))
    assert {outcome.status for outcome in dataset.run(VELOCITY)} == {"ok"}
    return list(dataset.ds.iter_records())


@pytest.fixture
def data(records: list[ZarrImageRecord]) -> RegionData:
    return load_region_data(records[0], VELOCITY)[0]


def test_facts_have_units_and_say_what_is_not_there(data: RegionData) -> None:
    known = replace(data, values={**data.values, "median_mm_s": 1.234, "share_unknown": 0.25})
    facts = VELOCITY.facts(known)
    assert facts["median"] == "1.23 mm/s"
    assert facts["no evidence"] == "25.0 %"
    unknown = {**data.values, "median_mm_s": None, "median_px_per_line": -2.0}
    facts = VELOCITY.facts(replace(data, values={**unknown, "share_stalled": None}))
    assert facts["median"] == "\N{MINUS SIGN}2.00 px/line"
    assert facts["stalls"] == "not searched without a line period"
    assert set(VELOCITY.display.headline) <= facts.keys()


def test_paths_run_along_the_streaks() -> None:
    lines = np.arange(0.0, 400.0, 4.0)
    velocity = np.full(lines.shape, 0.5)
    velocity[40:60] = np.nan
    paths = paths_of(lines, velocity, (100, 300), (0, 48))
    assert len(paths) >= 3
    for at, position in paths:
        assert ((position >= -0.5) & (position <= 48.5)).all()
        steps = np.diff(position) / np.diff(at)
        assert steps[np.diff(at) < 0.2] == pytest.approx(0.5)
        assert not ((at > lines[40]) & (at < lines[59])).any(), "a path without evidence"
    assert paths_of(lines, np.full(lines.shape, np.nan), (100, 300), (0, 48)) == []


@pytest.mark.parametrize("suffix", ["svg", "pdf", "png"])
def test_a_result_is_plotted_under_its_kymograph(
    records: list[ZarrImageRecord], tmp_path: Path, suffix: str
) -> None:
    pytest.importorskip("matplotlib")
    figure = plot_result(records[0], VELOCITY)
    kymograph, _, velocity, evidence = figure.axes
    assert kymograph.get_xlim() == velocity.get_xlim() == evidence.get_xlim()
    assert velocity.get_ylabel().startswith("velocity (")
    above, *below = (box for ax in figure.axes if (box := ax.get_tightbbox()))
    assert above.y0 > max(box.y1 for box in below), "legends overlap"
    figure.savefig(tmp_path / f"figure.{suffix}")
    assert (tmp_path / f"figure.{suffix}").stat().st_size > 5000


def test_what_cannot_be_plotted_says_why(records: list[ZarrImageRecord]) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(ResultNotFoundError, match="run the analysis"):
        plot_result(records[0], VELOCITY, label="other")
    with pytest.raises(FigureError, match="declares no figure"):
        plot_result(records[0], replace(VELOCITY, display=replace(VELOCITY.display, panels=None)))


@pytest.mark.slow
def test_a_million_windows_are_drawn(data: RegionData) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from kymflow.core.result_plot import draw_result, panel_axes
    from kymflow.core.themes import LIGHT

    count = 1_000_000
    noise = np.random.default_rng(0).normal(0.5, 0.2, count)
    long = pd.DataFrame(dict.fromkeys(data.tables["trace"].columns, noise))
    long["center_line"], long["status"] = np.linspace(0, 3500, count), "ok"
    figure = Figure(figsize=(10, 4))
    panels = VELOCITY.display.panels
    assert panels is not None
    axes = panel_axes(figure, panels.heights, LIGHT)
    drawn = replace(data, tables={**data.tables, "trace": long})
    draw_result(VELOCITY, drawn, axes, LIGHT, time_span=(0.0, 3.5))
    with rc_context({"agg.path.chunksize": 10_000}):
        figure.canvas.draw()
