"""Analyses of many images."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kymflow.cli.errors import UnknownNameError
from kymflow.cli.verbs.analyze import analyze
from kymflow.cli.verbs.status import AnalysisStatus, status
from kymflow.core.errors import AnalysisParameterError, OtherParametersError
from kymflow_zarr import NotADatasetError, ZarrDataset

Kymflow = Callable[..., tuple[int, str, str]]
KymflowJson = Callable[..., tuple[int, list[dict[str, Any]]]]


@pytest.fixture
def counting_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed analysis that fails on images with 61 lines."""
    site = tmp_path / "site"
    info = site / "lab_counts-3.4.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: lab-counts\nVersion: 3.4\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text(
        "[kymflow.analyses]\ncounts = lab_counts:COUNTS\n", encoding="utf-8"
    )
    (site / "lab_counts.py").write_text(
        textwrap.dedent(
            '''
            from dataclasses import dataclass
            from kymflow.core.analysis import Analysis, Column, Result

            @dataclass(frozen=True)
            class Nothing:
                pass

            def run(pixels, calibration, params, region):
                """Counts the lines."""
                if len(pixels) == 61:
                    raise ZeroDivisionError("61 lines")
                return Result(summary={"lines": len(pixels)})

            COUNTS = Analysis(
                name="counts", version="7", params=Nothing, run=run,
                summary=(Column("lines", int, "number of lines"),),
            )
            '''
        ),
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "lab_counts", raising=False)


def test_velocity_is_kept_with_each_image(dataset: str) -> None:
    result = analyze(dataset, "velocity")
    assert (result.images, result.failed) == (3, 0)
    for record in ZarrDataset(dataset, mode="r").iter_records():
        assert "velocity" in str(record.list_analysis_keys())
        assert len(record.load_df_parquet("velocity/trace")) > 1


def _traces(dataset: str) -> dict[Path, int]:
    """The files with velocities, and when each was written."""
    files = (Path(dataset) / "images").glob("*/analysis/velocity/trace.parquet")
    return {path: path.stat().st_mtime_ns for path in files}


def test_missing_leaves_alone_what_has_these_parameters(dataset: str, kymflow: Kymflow) -> None:
    assert analyze(dataset, "velocity", image=("a.tif",)).images == 1
    first = _traces(dataset)
    assert len(first) == 1
    some = analyze(dataset, "velocity", missing=True)
    assert (some.images, some.analyzed, some.skipped) == (3, 2, 1)
    assert sorted(item.status for item in some.items) == ["ok", "ok", "skipped"]
    both = _traces(dataset)
    assert len(both) == 3
    assert first.items() <= both.items()
    with pytest.raises(OtherParametersError, match="give the new ones a label"):
        analyze(dataset, "velocity", missing=True, window_lines=8)
    assert analyze(dataset, "velocity", window_lines=8, label="short").analyzed == 3
    assert _traces(dataset) == both
    assert analyze(dataset, "velocity", missing=True, window_lines=8, overwrite=True).images == 3
    other = _traces(dataset)
    assert not both.items() & other.items()
    _, out, _ = kymflow("analyze", dataset, "velocity", "--missing", "--window-lines", "8")
    assert out == "velocity: 0 images analyzed, 3 left alone\n"
    assert _traces(dataset) == other


@pytest.mark.usefixtures("counting_plugin")
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_image_that_fails_stops_only_itself(
    dataset: str,
    folder: Path,
    write_tiff: Callable[..., Path],
    kymflow: Kymflow,
    kymflow_json: KymflowJson,
    workers: int,
) -> None:
    bad = ZarrDataset(dataset).ingest_image(write_tiff(folder / "odd.tif", lines=61)).image_id

    code, records = kymflow_json("analyze", dataset, "counts", "--workers", str(workers))

    assert code == 1
    assert {record["image_id"]: record["status"] for record in records[:-1]} == {
        image_id: "failed" if image_id == bad else "ok"
        for image_id in ZarrDataset(dataset).list_image_ids()
    }
    (failed,) = [record for record in records[:-1] if record["status"] == "failed"]
    assert failed["reason"] == "channel 1, the whole picture: ZeroDivisionError: 61 lines"
    assert failed["source"] == str(folder / "odd.tif")
    counts = [records[-1][name] for name in ("images", "analyzed", "skipped", "failed")]
    assert counts == [3, 3, 0, 1]
    code, out, err = kymflow("analyze", dataset, "counts", "--missing")
    assert (code, out) == (1, "counts: 0 images analyzed, 3 left alone, 1 failed\n")
    assert err.startswith("1 image could not be analyzed:\n")
    assert "odd.tif" in err
    _, records = kymflow_json("analyze", dataset, "counts", "--missing")
    assert sorted(record["status"] for record in records[:-1]) == ["failed", *["skipped"] * 3]
    assert (records[-1]["analyzed"], records[-1]["skipped"]) == (0, 3)


@pytest.mark.usefixtures("counting_plugin")
def test_status_counts_images_without_results(dataset: str) -> None:
    analyze(dataset, "counts", image=("a.tif", "b.tif", "a"))
    (counts,) = [
        item
        for item in status(dataset).items
        if isinstance(item, AnalysisStatus) and item.name == "counts"
    ]
    assert (counts.images, counts.current, counts.missing) == (3, 2, 1)


@pytest.mark.usefixtures("counting_plugin")
def test_wrong_names_and_options(dataset: str) -> None:
    with pytest.raises(UnknownNameError, match="no analysis 'velo'") as caught:
        analyze(dataset, "velo")
    assert "cells, counts, diameter, flow, pulse, velocity" in caught.value.hint
    with pytest.raises(AnalysisParameterError, match="window_lines"):
        analyze(dataset, "counts", window_lines=16)
    with pytest.raises(UnknownNameError, match=r"no image 'x\.tif'"):
        analyze(dataset, "velocity", image=("x.tif",))


@pytest.mark.parametrize("window", ["4", "10", "-8", "many"])
def test_a_window_that_no_image_can_have_is_a_mistake_of_usage(
    dataset: str, kymflow: Kymflow, window: str
) -> None:
    code, out, err = kymflow("analyze", dataset, "velocity", "--window-lines", window)
    assert (code, out) == (2, "")
    assert "--window-lines" in err


def test_no_dataset_is_made(tmp_path: Path) -> None:
    with pytest.raises(NotADatasetError):
        analyze(str(tmp_path / "k.zarr"), "velocity")
    assert not (tmp_path / "k.zarr").exists()


def test_pictures_taken_for_kymographs_are_counted(tmp_path: Path, kymflow: Kymflow) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr")
    dataset.add_image(np.random.default_rng(0).integers(0, 200, (80, 40)).astype(np.uint8))
    _, out, err = kymflow("analyze", str(dataset.location), "velocity")
    assert "nothing says that the rows of 1 image are lines over time" in out + err
