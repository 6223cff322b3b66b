"""A ``.kymflow.toml`` calibrates the images of its folder and of those below."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from kymflow_zarr import ZarrDataset

PIXELS = np.arange(420, dtype=np.uint16).reshape(60, 7)
BOTH = "seconds_per_line = 0.001134\num_per_pixel = 0.331\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings" / "mouse 1"
    folder.mkdir(parents=True)
    return folder


def write(path: Path, pixels: np.ndarray[Any, Any] = PIXELS, **options: Any) -> Path:
    tifffile.imwrite(path, pixels, photometric="minisblack", **options)
    return path


def header_of(folder: Path, **options: Any) -> dict[str, Any]:
    """The header of the only image below a folder."""
    dataset = ZarrDataset(folder.parent / f"{folder.name}.zarr")
    (outcome,) = dataset.iter_refresh(folder, pattern="**/*.tif", **options)
    assert outcome.image_id is not None
    header: Any = dataset.record(outcome.image_id).load_metadata_payload()["header"]
    return {**header, "issues": [(issue.file, issue.message) for issue in outcome.issues]}


@pytest.mark.parametrize("place", ["mouse 1", "."], ids=["beside", "above"])
def test_all_images_below_it_are_calibrated(folder: Path, place: str) -> None:
    write(folder / "scan.tif", resolution=(1e4 / 0.9, 1e4 / 0.9), resolutionunit=3)
    (folder.parent / place / ".kymflow.toml").write_text(BOTH)
    header = header_of(folder.parent)
    assert header["axes"] == ["t", "x"]
    assert header["scale"] == {"t": 0.001134, "x": 0.331}
    assert header["sources"]["scale.x"] == "kymflow_toml"
    assert ["kymflow_toml is used" in warning for warning in header["warnings"]] == [True]


def test_the_nearest_counts_alone(folder: Path) -> None:
    write(folder / "scan.tif")
    (folder.parent / ".kymflow.toml").write_text(BOTH)
    (folder / ".kymflow.toml").write_text("seconds_per_line = 0.002")
    assert header_of(folder)["scale"] == {"t": 0.002, "x": None}


def test_time_across(folder: Path) -> None:
    write(folder / "scan.tif", PIXELS.T)
    (folder / ".kymflow.toml").write_text(BOTH + 'axes = ["x", "t"]')
    header = header_of(folder)
    assert header["axes"] == ["t", "x"]
    assert header["shape"] == [60, 7]


@pytest.mark.parametrize("axes", ["TYX", "ZYX"])
def test_a_line_period_is_not_a_time_between_frames(folder: Path, axes: str) -> None:
    metadata = {"axes": axes, "PhysicalSizeX": 0.5, "TimeIncrement": 2.0}
    write(folder / "movie.ome.tif", np.stack([PIXELS] * 3), metadata=metadata)
    (folder / ".kymflow.toml").write_text(BOTH)
    header = header_of(folder)
    assert header["axes"] == list(axes.lower())
    assert header["scale"].get("t") == (2.0 if "T" in axes else None)
    assert header["scale"]["x"] == 0.331
    assert any("kymflow_toml gives a" in warning for warning in header["warnings"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("second_per_line = 0.001", "'seconds_per_line' may be meant"),
        ("gain = 3", "'gain' is unknown, only seconds_per_line, um_per_pixel, axes are known"),
        ("um_per_pixel = '0.331'", "um_per_pixel is '0.331', give a number above 0"),
        ("um_per_pixel = nan", "give a number above 0"),
        ("um_per_pixel = 1" + "0" * 400, "give a number above 0"),
        ("seconds_per_line = true", "give a number above 0"),
        ("axes = 't,x'", "give a list of names"),
        ("um_per_pixel = 0,331", "it is not TOML"),
        ("um_per_pixel = " + "1" * 5000, "it is not TOML"),
        ("axes = " + "[" * 9999, "it is not TOML"),
    ],
)
def test_what_cannot_be_meant_is_named_and_nothing_is_used(
    folder: Path, text: str, says: str
) -> None:
    write(folder / "scan.tif")
    (folder.parent / ".kymflow.toml").write_text(f"{text}\n")
    header = header_of(folder)
    assert header["scale"] == {"y": None, "x": None}
    ((file, message),) = header["issues"]
    assert file == "../.kymflow.toml"
    assert says in message


def test_axes_that_do_not_fit_are_a_warning(folder: Path) -> None:
    write(folder / "scan.tif")
    (folder / ".kymflow.toml").write_text('axes = ["c", "t", "x"]')
    assert "the axes 'c, t, x' by kymflow_toml do not fit" in header_of(folder)["warnings"][0]


def test_a_refresh_notices_it_but_keeps_what_is_known(folder: Path) -> None:
    write(folder / "scan.tif")
    dataset = ZarrDataset(folder.parent / "lab.zarr")
    (image_id,) = dataset.refresh_from_folder(folder)
    said = []
    for period in (0.001134, 0.00227):
        (folder.parent / ".kymflow.toml").write_text(f"seconds_per_line = {period}")
        assert len(dataset.plan_refresh(folder).changed) == 1
        (outcome,) = dataset.iter_refresh(folder, mode="reingest_if_changed")
        said.append([issue.message for issue in outcome.issues])
        assert len(dataset.plan_refresh(folder).unchanged) == 1
    header: Any = dataset.record(image_id).load_metadata_payload()["header"]
    assert header["scale"]["t"] == 0.001134
    assert said[0] == []
    assert "0.00227 s in the files; that of the dataset is kept" in said[1][0]
