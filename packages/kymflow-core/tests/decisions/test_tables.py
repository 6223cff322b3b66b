"""What decisions do to results and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import ArrayLike, NDArray
from zarr.storage import MemoryStore

from kymflow.core import KymDataset, plot_result
from kymflow.core.analysis import (
    Analysis,
    Calibration,
    Column,
    Display,
    Panels,
    Region,
    RegionData,
    Result,
    ResultTable,
    image_status,
    load_region_data,
    regions_of,
    run_analysis,
)
from kymflow.core.decisions import (
    add_region,
    calibrate,
    exclude,
    include,
    mark_interval,
    remove_region,
    undo,
)
from kymflow.core.indexers import AnalysisTable, ImageSummary
from kymflow.core.metadata import Header, ImageMetadata, load_metadata, save_metadata
from kymflow_zarr import ZarrDataset, ZarrImageRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kymflow.core.themes import Theme


@dataclass(frozen=True, slots=True, kw_only=True)
class NoParams:
    """Nothing to choose."""


def find_dark(
    pixels: NDArray[Any], calibration: Calibration, params: NoParams, region: Region
) -> Result:
    """The first ten lines are dark."""
    lines: dict[str, ArrayLike] = {
        "kind": ["dark"],
        "start_line": [0.0],
        "stop_line": [10.0],
        "depth": [1],
    }
    return Result(summary={"brightness": float(pixels.mean())}, tables={"intervals": lines})


DARK = Analysis(
    name="dark",
    version="1",
    params=NoParams,
    run=find_dark,
    summary=(Column("brightness", float, "mean"),),
    tables=(
        ResultTable(
            name="intervals",
            marks=True,
            columns=(
                Column("kind", str, "what"),
                Column("start_line", float, "beginning", "lines"),
                Column("stop_line", float, "end", "lines"),
                Column("depth", int, "how dark"),
            ),
        ),
    ),
)
INTERVALS = AnalysisTable(analysis=DARK, table="intervals")


@pytest.fixture
def dataset() -> ZarrDataset:
    dataset = ZarrDataset(MemoryStore())
    for _ in range(2):
        record = dataset.add_image(np.ones((40, 12), np.uint16), axes=("t", "x"))
        header = Header(scale={"t": 2e-3, "x": 0.5}, unit={"t": "s", "x": "um"})
        save_metadata(record, ImageMetadata(header=header))
    return dataset


@pytest.fixture
def record(dataset: ZarrDataset) -> ZarrImageRecord:
    return dataset.record(dataset.list_image_ids()[0])


def intervals(dataset: ZarrDataset) -> pd.DataFrame:
    kym = KymDataset(dataset)
    kym.update_index(INTERVALS, mode="incremental")
    return kym["dark_intervals"]


def test_a_calibration_makes_results_outdated_until_it_is_undone(
    dataset: ZarrDataset, record: ZarrImageRecord
) -> None:
    list(run_analysis(dataset, DARK))
    calibrate(record, um_per_pixel=0.25)
    (status,) = image_status(record, DARK).regions
    assert (status.state, status.causes) == ("outdated", ("calibration",))
    undo(dataset)
    (status,) = image_status(record, DARK).regions
    assert status.state == "current"


@pytest.mark.parametrize("mode", ["replace", "incremental"])
def test_an_excluded_image_stays_out_of_tables(
    dataset: ZarrDataset, record: ZarrImageRecord, mode: Any
) -> None:
    kym = KymDataset(dataset)
    kym.update_index(ImageSummary(), mode=mode)
    exclude(record, "moved")
    update = kym.update_index(ImageSummary(), mode=mode)
    assert record.image_id not in set(kym["image_summary"]["image_id"])
    assert update.left_out == {record.image_id: ("the image is excluded: moved",)}
    kym.update_index(ImageSummary(), mode=mode, keep_excluded=True)
    assert len(kym["image_summary"]) == 2
    kym.update_index(ImageSummary(), mode=mode)
    assert len(kym["image_summary"]) == 1
    include(record)
    kym.update_index(ImageSummary(), mode=mode)
    assert len(kym["image_summary"]) == 2


def test_intervals_marked_by_hand_are_distinguished(
    dataset: ZarrDataset, record: ZarrImageRecord
) -> None:
    list(run_analysis(dataset, DARK))
    (region,) = regions_of(record, load_metadata(record))
    mark = mark_interval(record, region, 0.02, 0.04, author="Ada")
    rows = intervals(dataset)
    assert list(rows.columns)[-1] == "origin"
    own = rows[rows["image_id"] == record.image_id].set_index("origin")
    assert set(rows["origin"]) == {"computed", "by hand"}
    assert own.loc["computed", "kind"] == "dark"
    by_hand = own.loc["by hand"]
    assert (by_hand["kind"], by_hand["start_line"], by_hand["stop_line"]) == ("stall", 10, 20)
    assert by_hand["depth"] is pd.NA
    assert (by_hand["region_hash"], by_hand["analysis_version"]) == (region.hash, "by hand")
    found = KymDataset(dataset).params_for("kym_dark_intervals", str(by_hand["params_hash"]))
    assert (found["author"], found["id"]) == ("Ada", mark.id)


def test_a_mark_needs_no_result_but_a_region_that_exists(
    dataset: ZarrDataset, record: ZarrImageRecord
) -> None:
    roi = add_region(record, pixels=(2, 6))
    (region,) = regions_of(record, load_metadata(record))
    mark_interval(record, region, 0.02, 0.04)
    assert intervals(dataset)["roi_id"].tolist() == [roi.id]
    remove_region(record, roi.id)
    update = KymDataset(dataset).update_index(INTERVALS)
    assert update.rows == 0
    ((reason,),) = update.left_out.values()
    assert "ROI 1: this region no longer exists" in reason


def test_marks_are_among_the_facts_and_dashed_in_the_figure(
    dataset: ZarrDataset, record: ZarrImageRecord
) -> None:
    pytest.importorskip("matplotlib")
    list(run_analysis(dataset, DARK))
    (region,) = regions_of(record, load_metadata(record))
    mark_interval(record, region, 0.02, 0.04, author="Ada")

    (data,) = load_region_data(record, DARK)

    assert DARK.facts(data)["marked by hand"] == "stall from 0.02 to 0.04 s (Ada)"

    def draw(axes: Sequence[Axes], data: RegionData, theme: Theme) -> None:
        axes[0].plot([0, 1])

    shown = replace(DARK, display=Display(panels=Panels(draw=draw)))
    figure = plot_result(record, shown)
    (box,) = figure.axes[1].patches
    assert box.get_linestyle() == "--"
    assert box.get_extents().x0 > figure.axes[1].bbox.x0
