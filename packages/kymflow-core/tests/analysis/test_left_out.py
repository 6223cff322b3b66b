"""Pictures and movies are left out of analyses, unless a person says that they are kymographs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from kymflow.core.analysis import AnalysisOutcome, regions_of, run_analysis, survey_images
from kymflow.core.analysis.velocity import VELOCITY
from kymflow.core.decisions import calibrate
from kymflow.core.errors import NotAKymographError
from kymflow.core.metadata import load_metadata
from kymflow_zarr import ZarrDataset

SCANIMAGE_FRAME = (
    "SI.VERSION_MAJOR = 2022\nSI.hRoiManager.imagingFovUm = [-40 -45;40 -45;40 45;-40 45]\n"
    "SI.hRoiManager.linesPerFrame = 60\nSI.hRoiManager.pixelsPerLine = 40\n"
    "SI.hRoiManager.scanAngleMultiplierSlow = 1\n"
)


def ingested(folder: Path, shape: tuple[int, ...], **options: Any) -> ZarrDataset:
    pixels = np.random.default_rng(0).integers(0, 200, shape).astype(np.uint8)
    tifffile.imwrite(folder / "scan.tif", pixels, **options)
    dataset = ZarrDataset(folder / "d.zarr")
    dataset.ingest_image(folder / "scan.tif")
    return dataset


def analyzed(dataset: ZarrDataset) -> AnalysisOutcome:
    (outcome,) = run_analysis(dataset, VELOCITY)
    return outcome


@pytest.mark.parametrize(
    ("shape", "options", "reason"),
    [
        ((64, 64), {}, "nothing says that its 64 rows are lines over time"),
        ((60, 40, 3), {"photometric": "rgb"}, "a picture in colors"),
        ((60, 40), {"software": SCANIMAGE_FRAME, "metadata": None}, "by the microscope's own file"),
        ((5, 60, 40), {}, "5 slices"),
        ((5, 60, 40), {"imagej": True, "metadata": {"axes": "TYX"}}, "has lines and pixels"),
    ],
)
def test_what_is_not_a_kymograph_is_left_out(
    tmp_path: Path, shape: tuple[int, ...], options: dict[str, Any], reason: str
) -> None:
    dataset = ingested(tmp_path, shape, **options)
    outcome = analyzed(dataset)
    assert (outcome.status, outcome.computed) == ("left out", ())
    assert reason in outcome.left_out
    assert analyzed(dataset) == outcome  # it is not taken for done
    (record,) = dataset.iter_records()
    assert "velocity/summary" not in list(record.artifacts)
    (state,) = survey_images(dataset, VELOCITY, [record.image_id]).values()
    assert (state.state, state.reason) == ("left out", outcome.left_out)
    with pytest.raises(NotAKymographError, match=reason):
        regions_of(record, load_metadata(record))


@pytest.mark.parametrize("shape", [(64, 64), (64, 40, 3)])
def test_a_line_period_says_that_it_is_one(tmp_path: Path, shape: tuple[int, ...]) -> None:
    dataset = ingested(tmp_path, shape, photometric="rgb" if len(shape) > 2 else "minisblack")
    (record,) = dataset.iter_records()
    calibrate(record, seconds_per_line=0.001, um_per_pixel=0.3)
    assert analyzed(dataset).status == "ok"


def test_a_header_beside_a_frame_tells_places_from_times(tmp_path: Path) -> None:
    (tmp_path / "scan_metadata.txt").write_text('{"Summary": {"PixelSize_um": 0.3}}')
    assert "by the microscope's own file" in analyzed(ingested(tmp_path, (80, 40))).left_out


def test_a_picture_of_lines_is_analyzed_as_an_assumption(tmp_path: Path) -> None:
    dataset = ingested(tmp_path, (80, 40))
    outcome = analyzed(dataset)
    assert (outcome.status, outcome.assumed) == ("ok", True)
    (record,) = dataset.iter_records()
    calibrate(record, seconds_per_line=0.001, um_per_pixel=0.3)
    assert not analyzed(dataset).assumed
