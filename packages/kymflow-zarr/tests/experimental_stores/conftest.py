"""A folder as labs have it: an image with sidecars, one of two channel files, one broken."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

PAYLOAD = {
    "version": "2.0",
    "experiment_metadata": {"species": "mouse", "depth": 120},
    "rois": [
        {"id": 1, "name": "lumen", "revision": 3, "dim0_start": 0, "dim0_stop": 40, "z": 0},
        {"id": 2, "name": "wall", "unknown key": [1, 2]},
    ],
    "lab": "kept as it is",
}


def vendor_text(clock: str) -> str:
    return (
        f'"[General]"\r\n"Date"\t"{clock}"\r\n"Scan Mode"\t"XT"\r\n'
        '"[Dimensions]"\r\n"X Dimension"\t"16, 0.0 - 4.544 [um], 0.284 [um/pixel]"\r\n'
    )


@pytest.fixture
def pixels() -> dict[str, NDArray[np.uint16]]:
    """Pixels of each file of `lab`."""
    rng = np.random.default_rng(5)
    names = ("late.tif", "early.tif", "pair_c1.tif", "pair_c2.tif")
    return {name: rng.integers(0, 4096, (40, 16)).astype(np.uint16) for name in names}


@pytest.fixture
def lab(tmp_path: Path, pixels: dict[str, NDArray[np.uint16]]) -> Path:
    """The folder."""
    folder = tmp_path / "lab"
    folder.mkdir()
    for name, array in pixels.items():
        tifffile.imwrite(folder / name, array)
    (folder / "late.txt").write_text(vendor_text("11/02/2022 12:30:15.461 PM"), encoding="utf-8")
    (folder / "early.txt").write_text(vendor_text("11/02/2022 12:30:15.461 AM"), encoding="utf-8")
    (folder / "late.json").write_text(json.dumps(PAYLOAD), encoding="utf-8")
    (folder / "late.fit.json").write_text('{"r2": 0.99}', encoding="utf-8")
    (folder / "late.trace.csv").write_text("time,velocity\n0.5,1.25\n", encoding="utf-8")
    (folder / "broken.tif").write_bytes(b"no TIFF")
    return folder
