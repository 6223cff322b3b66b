"""Results of several analyses in one table, and in files for other programs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kymflow.core.analysis import Analysis, load_result_table, run_analysis
from kymflow.core.analysis.cells import CELLS
from kymflow.core.analysis.diameter import DIAMETER
from kymflow.core.analysis.pulse import PULSE
from kymflow.core.analysis.velocity import VELOCITY, VelocityParams
from kymflow.core.combine import combine_regions, combine_times, matlab_names, save_table
from kymflow.core.metadata import Header, ImageMetadata, Roi, load_metadata, save_metadata
from kymflow.core.testing import simulate_cells
from kymflow_zarr import ZarrDataset

ANALYSES: tuple[Analysis[Any], ...] = (VELOCITY, PULSE, CELLS, DIAMETER)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ZarrDataset:
    """An image with two ROIs and one without, analyzed; one that is not."""
    dataset = ZarrDataset(tmp_path_factory.mktemp("combine") / "d.zarr", durability="none")
    beat = 2.0 * (1.0 + 0.2 * np.cos(2.0 * np.pi * 8e-3 * np.arange(3000)))
    pixels = simulate_cells(beat, hematocrit=0.4).pixels.astype(np.uint16)
    header = Header(scale={"t": 1e-3, "x": 0.4}, unit={"t": "s", "x": "um"})
    rois = tuple(
        Roi(id=n, dim0_start=0, dim0_stop=3000, dim1_start=start, dim1_stop=start + 30)
        for n, start in ((1, 0), (2, 10))
    )
    for own in (rois, ()):
        record = dataset.add_image(pixels, axes=("t", "x"))
        save_metadata(record, ImageMetadata(header=header, rois=own))
    analyzed = dataset.list_image_ids()
    for analysis in ANALYSES:
        assert all(o.error is None for o in run_analysis(dataset, analysis, image_ids=analyzed))
    long = VelocityParams(window_lines=32)
    with_rois = [one.image_id for one in dataset.iter_records() if load_metadata(one).rois]
    list(run_analysis(dataset, VELOCITY, params=long, label="long", image_ids=with_rois))
    dataset.add_image(pixels[:50], axes=("t", "x"))
    return dataset


def test_regions_have_the_summaries_of_all_analyses(dataset: ZarrDataset) -> None:
    table = combine_regions(dataset, ANALYSES)
    assert not table.duplicated(["image_id", "label", "channel", "roi_id"]).any()
    assert table.groupby("label").size().to_dict() == {"": 3, "long": 2}
    plain = table[table["label"] == ""]
    assert plain["pulse_rate_hz"].round(1).tolist() == [8.0] * 3
    assert plain["velocity_median_px_per_line"].notna().all()
    assert set(plain["cells_status"]) <= {"ok", "unknown"}
    assert plain["velocity_version"].tolist() == [VELOCITY.version] * 3
    long = table[table["label"] == "long"]
    assert long["pulse_rate_hz"].isna().all()
    assert long["velocity_window_lines"].tolist() == [32, 32]
    assert combine_regions(dataset, (PULSE,)).columns[4] == "pulse_status"


def test_times_have_what_each_analysis_says_of_them(dataset: ZarrDataset) -> None:
    (record,) = (record for record in dataset.iter_records() if load_metadata(record).rois)
    table = combine_times(record, ANALYSES)
    trace = load_result_table(record, VELOCITY, "trace")
    assert len(table) == len(trace)
    pd.testing.assert_series_equal(
        table["velocity_trace_velocity_mm_s"], trace["velocity_mm_s"], check_names=False
    )
    assert set(table["roi_id"]) == {1, 2}
    at = table[(table["roi_id"] == 2) & table["time_s"].between(1.0, 1.9)]
    cells = load_result_table(record, CELLS, "segments")
    (flux,) = cells[(cells["roi_id"] == 2) & (cells["start_s"] == 1.0)]["flux_per_s"]
    assert set(at["cells_segments_flux_per_s"]) == {flux}
    assert at["cells_segments_start_s"].eq(1.0).all()
    widths = load_result_table(record, DIAMETER, "trace")
    own = widths[widths["roi_id"] == 2].set_index("time_s")["status"]
    nearest = [own.iloc[np.abs(own.index - time).argmin()] for time in at["time_s"]]
    assert at["diameter_trace_status"].tolist() == nearest


def test_an_image_without_results_has_no_rows(dataset: ZarrDataset) -> None:
    (record,) = (record for record in dataset.iter_records() if record.shape[0] == 50)
    assert combine_times(record, ANALYSES).empty


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_tables_come_back_from_files(dataset: ZarrDataset, tmp_path: Path, suffix: str) -> None:
    table = combine_regions(dataset, (VELOCITY, PULSE))
    path = save_table(table, tmp_path / f"study.{suffix}")
    read = pd.read_parquet(path) if suffix == "parquet" else pd.read_csv(path)
    assert list(read.columns) == list(table.columns)
    np.testing.assert_allclose(
        read["pulse_rate_hz"], table["pulse_rate_hz"].to_numpy(float), equal_nan=True
    )


def test_matlab_reads_each_column_as_a_variable(dataset: ZarrDataset, tmp_path: Path) -> None:
    io = pytest.importorskip("scipy.io")
    table = combine_regions(dataset, (VELOCITY, PULSE))
    read = io.loadmat(save_table(table, tmp_path / "study.mat"))
    np.testing.assert_allclose(
        read["pulse_rate_hz"][:, 0], table["pulse_rate_hz"].to_numpy(float), equal_nan=True
    )
    assert [str(cell[0][0]) for cell in read["image_id"]] == table["image_id"].tolist()


def test_r_reads_truth_values_texts_and_what_is_missing_from_csv(tmp_path: Path) -> None:
    table = pd.DataFrame({
        "is_ok": pd.array([True, None, False], dtype="boolean"),
        "roi_id": pd.array([1, None, 3], dtype="Int64"),
        "µm": [1.5, np.nan, -2e-9],
        "text": ['Zürich, "A"', None, "two\nlines"],
    })  # fmt: skip
    written = save_table(table, tmp_path / "study.csv").read_bytes().decode("utf-8")
    assert written == (
        'is_ok,roi_id,µm,text\nTRUE,1,1.5,"Zürich, ""A"""\n,,,\nFALSE,3,-2e-09,"two\nlines"\n'
    )


def test_numbers_texts_and_what_is_missing_come_back_from_matlab(tmp_path: Path) -> None:
    io = pytest.importorskip("scipy.io")
    table = pd.DataFrame({
        "2nd try": pd.array([1, None, 3], dtype="Int64"),
        "end": pd.array([True, None, False], dtype="boolean"),
        "µm": [1.5, np.nan, -np.inf],
        "text": ["Zürich", "", None],
    })  # fmt: skip
    place = save_table(table, tmp_path / "no ending", suffix=".mat")
    read = io.loadmat(place, squeeze_me=True)
    np.testing.assert_array_equal(read["x2nd_try"], [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(read["x_end"], [1.0, np.nan, 0.0])
    np.testing.assert_array_equal(read["x_m"], [1.5, np.nan, -np.inf])
    assert [str(text) if len(text) else "" for text in read["text"]] == ["Zürich", "", ""]


@given(names=st.lists(st.text(min_size=1, max_size=80), unique=True, max_size=20))
@example(names=["a" * 70 + "b", "a" * 70 + "c", "x" * 90, "y" * 90, "for", "x_for", "_"])
def test_any_names_become_names_that_matlab_takes(names: list[str]) -> None:
    found = matlab_names(names)
    assert len(set(found)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z]\w{0,62}", name, re.ASCII) for name in found)
    assert not {"for", "end", "if", "while"} & set(found)
    good = [name for name in names if re.fullmatch(r"[a-z]{1,2}\d{1,60}", name, re.ASCII)]
    assert set(good) <= set(found)


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'\.xlsx' is not a table format; use \.parquet"):
        save_table(pd.DataFrame(), tmp_path / "study.xlsx")
