"""A folder with one file of each microscope's own format: ingest, analyze, report."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from kymflow.cli.demo_images import DEMO_SCENES, synthesize

# What writes such files, byte by byte, is beside the tests of their readers.
WRITERS = Path(__file__).parents[2] / "kymflow-zarr/tests/readers/test_microscope_formats.py"


@pytest.fixture
def formats() -> ModuleType:
    """What writes files of each format."""
    if not WRITERS.is_file():
        pytest.skip("the tests of kymflow-zarr are not here")
    spec = importlib.util.spec_from_file_location("formats", WRITERS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_folder_with_a_file_of_each_format(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    formats: ModuleType,
    kymflow: Callable[..., tuple[int, str, str]],
    kymflow_json: Callable[..., tuple[int, list[dict[str, Any]]]],
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "scans"
    folder.mkdir()
    scene = dataclasses.replace(DEMO_SCENES[0], lines=60, pixels=16)
    pixels = synthesize(scene).astype(np.uint16)[np.newaxis]
    for form, library in formats.LIBRARIES.items():
        if importlib.util.find_spec(library):
            formats.WRITERS[form](folder, pixels)
    written = {path.suffix for path in folder.iterdir() if path.is_file()}
    if not written:
        pytest.skip("no library for microscopes' own formats is installed")
    if ".lif" in written:
        overview = np.ones((1, 64, 64), np.uint16)
        scans = {"overview": (overview, "2"), "scan 1": (pixels, "4"), "scan 2": (pixels + 1, "4")}
        (folder / "scan.lif").write_bytes(formats.lif(scans))

    _, (*files, summary) = kymflow_json("ingest", str(folder), "d.zarr")
    assert {item["status"] for item in files} == {"ok"}
    assert {Path(item["path"]).suffix for item in files} == written
    images = len(written) + 2 * (".lif" in written)
    assert summary["taken_in"] == images

    _, (*items, summary) = kymflow_json("analyze", "d.zarr", "velocity", "--workers", "1")
    left = [Path(item["source"]).name for item in items if item["status"] == "left out"]
    assert left == ["scan.lif"] * (".lif" in written)  # its overview
    assert summary["analyzed"] == images - len(left)

    scenes = {
        info["image"]["scene"]
        for item in items
        if item["source"].endswith(".lif")
        for info in kymflow_json("info", "d.zarr", item["image_id"])[1][-1:]
    }
    named = {f"session/{name}" for name in ("overview", "scan 1", "scan 2")}
    assert scenes == (named if ".lif" in written else set())

    kymflow("report", "d.zarr", "--workers", "1")
    page = (tmp_path / "d-report.html").read_text(encoding="utf-8")
    assert all(f"scan{suffix}" in page for suffix in written)
