"""An analysis that builds on the stored result of another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kymflow.core.analysis import (
    Analysis,
    AnalysisOutcome,
    Calibration,
    Column,
    Input,
    InputResult,
    Param,
    Region,
    Result,
    ResultTable,
    image_status,
    load_results,
    run_analysis,
)
from kymflow.core.errors import AnalysisDefinitionError
from kymflow.core.metadata import RoiChange, edit_roi, image_extent, load_metadata, save_metadata
from kymflow_zarr import ZarrDataset, ZarrImageRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelParams:
    """What a person chooses."""

    gain: Annotated[float, Param("factor", above=0)] = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioParams:
    """What a person chooses."""

    reference_roi: Annotated[int | None, Param("ROI to compare with; None for itself")] = None


def measure_level(
    pixels: NDArray[Any],
    calibration: Calibration,
    params: LevelParams,
    region: Region,
) -> Result:
    """Mean brightness."""
    lines = {"line": np.arange(len(pixels)), "level": params.gain * pixels.mean(axis=1)}
    return Result(summary={"level": params.gain * pixels.mean()}, tables={"lines": lines})


def measure_ratio(
    pixels: NDArray[Any],
    calibration: Calibration,
    params: RatioParams,
    region: Region,
    inputs: Mapping[str, InputResult],
) -> Result:
    """Brightness relative to a stored level."""
    level = inputs["level"]
    assert isinstance(level.parameters["gain"], float)
    return Result(
        summary={
            "ratio": pixels.mean() / float(level.tables["lines"]["level"].mean()),
            "gain": level.parameters["gain"],
            "rows": len(level.tables["lines"]),
        }
    )


def reference(params: RatioParams, region: Region) -> tuple[int, int | None]:
    return region.channel, params.reference_roi or region.roi_id


LEVEL = Analysis(
    name="level",
    version="1",
    params=LevelParams,
    run=measure_level,
    summary=(Column("level", float, "mean brightness", "counts"),),
    tables=(
        ResultTable(
            name="lines",
            columns=(
                Column("line", int, "the line", "lines"),
                Column("level", float, "its brightness", "counts"),
            ),
        ),
    ),
)
RATIO = Analysis(
    name="ratio",
    version="1",
    params=RatioParams,
    run=measure_ratio,
    summary=(
        Column("ratio", float, "relative brightness"),
        Column("gain", float, "gain of the level"),
        Column("rows", int, "lines of the level"),
    ),
    inputs=(Input(analysis=LEVEL, place=reference),),
)


def run(dataset: ZarrDataset, analysis: Analysis[Any], **options: Any) -> AnalysisOutcome:
    (outcome,) = run_analysis(dataset, analysis, **options)
    return outcome


def states(record: ZarrImageRecord, **options: Any) -> list[tuple[str, ...]]:
    return [(one.state, *one.causes) for one in image_status(record, RATIO, **options).regions]


def values(record: ZarrImageRecord, label: str = "") -> list[dict[str, Any]]:
    return [dict(entry.values) for entry in load_results(record, RATIO, label=label).results]


def test_it_gets_the_stored_result_of_its_region(
    dataset: ZarrDataset, two_rois: ZarrImageRecord
) -> None:
    run(dataset, LEVEL, params=LevelParams(gain=2.0))
    assert run(dataset, RATIO).error is None
    assert values(two_rois) == [{"ratio": pytest.approx(0.5), "gain": 2.0, "rows": 40}] * 2
    (document, _) = load_results(two_rois, RATIO).params.values()
    inputs = document["inputs"]
    assert isinstance(inputs, dict)
    assert inputs["level"] == {
        "channel": 1,
        "roi_id": 1,
        "label": "",
        "state": "current",
        "params_hash": load_results(two_rois, LEVEL).results[0].params_hash,
        "analysis_version": "1",
    }


def test_without_that_result_it_fails_and_names_it(
    dataset: ZarrDataset, two_rois: ZarrImageRecord
) -> None:
    outcome = run(dataset, RATIO)
    assert outcome.error is not None
    assert "'level' of channel 1, ROI 1 is missing; run 'level' on the image first" in str(
        outcome.error
    )
    assert states(two_rois, params=RatioParams()) == [("failed",), ("failed",)]
    assert states(two_rois) == [("failed",), ("failed",)]
    run(dataset, LEVEL)
    assert states(two_rois, params=RatioParams()) == [("missing",), ("missing",)]
    assert run(dataset, RATIO).status == "ok"
    assert run(dataset, RATIO).status == "skipped"


def test_it_is_outdated_when_what_it_builds_on_is_another(
    dataset: ZarrDataset, two_rois: ZarrImageRecord
) -> None:
    run(dataset, LEVEL)
    run(dataset, RATIO)
    for options in ({}, {"params": RatioParams()}):
        assert states(two_rois, **options) == [("current",), ("current",)]
    run(dataset, LEVEL, params=LevelParams(gain=4.0), overwrite=True)
    for options in ({}, {"params": RatioParams()}):
        assert states(two_rois, **options) == [("outdated", "inputs")] * 2
    assert run(dataset, RATIO).status == "ok"
    assert [one["gain"] for one in values(two_rois)] == [4.0, 4.0]


def test_an_outdated_result_is_not_built_on(
    dataset: ZarrDataset, two_rois: ZarrImageRecord
) -> None:
    run(dataset, LEVEL)
    metadata = load_metadata(two_rois)
    shorter = edit_roi(metadata.rois, 2, image_extent(two_rois), RoiChange(dim0_stop=30))
    save_metadata(two_rois, replace(metadata, rois=shorter))
    outcome = run(dataset, RATIO)
    assert [region.roi_id for region in outcome.computed] == [1]
    assert "'level' of channel 1, ROI 2 is outdated" in str(outcome.error)


def test_the_result_under_the_same_label_comes_first(
    dataset: ZarrDataset, two_rois: ZarrImageRecord
) -> None:
    run(dataset, LEVEL)
    run(dataset, LEVEL, params=LevelParams(gain=2.0), label="double")
    run(dataset, RATIO, label="double")
    run(dataset, RATIO, label="other")
    assert [one["gain"] for one in values(two_rois, "double")] == [2.0, 2.0]
    assert [one["gain"] for one in values(two_rois, "other")] == [1.0, 1.0]
    assert states(two_rois, label="double") == [("current",), ("current",)]


def test_it_may_ask_for_another_region(dataset: ZarrDataset, two_rois: ZarrImageRecord) -> None:
    run(dataset, LEVEL)
    run(dataset, RATIO, params=RatioParams(reference_roi=2))
    pixels = two_rois.load_array()
    assert [one["ratio"] for one in values(two_rois)] == [
        pytest.approx(pixels[:, :6].mean() / pixels[:, 6:].mean()),
        pytest.approx(1.0),
    ]


def test_an_analysis_is_named_once_among_the_inputs() -> None:
    with pytest.raises(AnalysisDefinitionError, match="'level' cannot be a name here"):
        replace(RATIO, inputs=(Input(analysis=LEVEL), Input(analysis=LEVEL)))
