"""What the measures beside velocity show of their results: facts for people, and a figure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kymflow.core import KymDataset
from kymflow.core.analysis import Analysis, RegionData, load_region_data
from kymflow.core.analysis.cells import CELLS
from kymflow.core.analysis.diameter import DIAMETER
from kymflow.core.analysis.flow import FLOW
from kymflow.core.analysis.pulse import PULSE
from kymflow.core.metadata import Header, ImageMetadata, save_metadata
from kymflow.core.result_plot import draw_result, panel_axes, plot_result
from kymflow.core.testing import simulate_cells, simulate_vessel
from kymflow.core.themes import LIGHT
from kymflow_zarr import ZarrDataset, ZarrImageRecord

MEASURES = (PULSE, CELLS, DIAMETER, FLOW)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ZarrImageRecord]:
    """Beating cells, a vessel that dilates, and noise; with the results of each measure."""
    dataset = ZarrDataset(tmp_path_factory.mktemp("measures") / "measures.zarr")
    velocity = 2.0 + 0.4 * np.cos(2.0 * np.pi * 8e-3 * np.arange(5000))
    width = np.full(600, 6.0)
    width[300:400] = 8.0
    made = {
        "cells": simulate_cells(velocity).pixels,
        "vessel": simulate_vessel(width).pixels,
        "noise": np.random.default_rng(0).normal(100.0, 5.0, (1000, 40)),
    }
    records: dict[str, ZarrImageRecord] = {}
    for name, pixels in made.items():
        record = dataset.add_image(pixels.astype(np.float32))
        header = Header(scale={"y": 1e-3, "x": 0.4}, unit={"y": "s", "x": "um"})
        save_metadata(record, ImageMetadata(header=header))
        records[name] = record
    kym = KymDataset(dataset)
    kym.run("velocity")
    for analysis in MEASURES:
        params: dict[str, Any] = {"diameter_um": 8.0} if analysis is FLOW else {}
        outcomes = kym.run(analysis, **params)
        assert {outcome.status for outcome in outcomes} == {"ok"}
    return records


def data_of(record: ZarrImageRecord, analysis: Analysis[Any]) -> RegionData:
    (data,) = load_region_data(record, analysis)
    return data


@pytest.mark.parametrize(
    ("analysis", "name", "fact", "unit"),
    [
        (PULSE, "cells", "heart rate", ") Hz"),
        (CELLS, "cells", "flux", ") cells/s"),
        (DIAMETER, "vessel", "mean", ") µm"),
        (FLOW, "cells", "flow", ") pl/s"),
    ],
)
def test_facts_have_their_intervals_and_units(
    records: dict[str, ZarrImageRecord], analysis: Analysis[Any], name: str, fact: str, unit: str
) -> None:
    facts = analysis.facts(data_of(records[name], analysis))
    assert facts["status"] == "ok"
    assert " to " in facts[fact]
    assert facts[fact].endswith(unit)


@pytest.mark.parametrize("analysis", MEASURES)
def test_what_is_unknown_says_why(
    records: dict[str, ZarrImageRecord], analysis: Analysis[Any]
) -> None:
    facts = analysis.facts(data_of(records["noise"], analysis))
    assert facts["status"].startswith("unknown: ")
    assert set(analysis.display.headline) <= facts.keys()


@pytest.mark.parametrize("analysis", [PULSE, CELLS, DIAMETER])
@pytest.mark.parametrize("name", ["cells", "vessel", "noise"])
def test_every_result_is_drawn(
    records: dict[str, ZarrImageRecord], analysis: Analysis[Any], name: str, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    figure = plot_result(records[name], analysis)
    _, *panels = figure.axes
    assert all(ax.get_ylabel() for ax in panels)
    known = data_of(records[name], analysis).values["status"] == "ok"
    assert not known or all(ax.has_data() for ax in panels)
    above, *below = (box for ax in figure.axes if (box := ax.get_tightbbox()))
    assert above.y0 > max(box.y1 for box in below), "labels overlap"
    figure.savefig(tmp_path / "figure.png")


def test_a_diameter_between_unknown_ones_is_seen(
    records: dict[str, ZarrImageRecord], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure
    from PIL import Image

    data = data_of(records["vessel"], DIAMETER)
    trace = data.tables["trace"].copy()
    alone = trace.index != len(trace) // 2
    trace.loc[alone, ["diameter_um", "low_um", "high_um"]] = np.nan
    shown = replace(data, tables={**data.tables, "trace": trace})
    figure = Figure(figsize=(10.0, 3.0))
    axes = panel_axes(figure, (2.2,), LIGHT)
    draw_result(DIAMETER, shown, axes, LIGHT, time_span=(0.0, 0.6))
    figure.savefig(tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as picture:
        colours = np.asarray(picture.convert("RGB"), dtype=np.float64).reshape(-1, 3)
    blue = np.round(255 * np.asarray(to_rgb(LIGHT.blue)))
    assert np.abs(colours - blue).max(axis=1).min() <= 2
