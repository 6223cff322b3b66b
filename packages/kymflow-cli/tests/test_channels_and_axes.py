"""Which files are channels of one image, and sheets with time across, said on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from kymflow_zarr import ZarrDataset

Kymflow = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "scans"
    made.mkdir()
    for name in ("a_c1.tif", "a_c2.tif", "b-w1.tif", "b-w2.tif"):
        tifffile.imwrite(made / name, np.arange(42, dtype=np.uint16).reshape(6, 7))
    return made


@pytest.mark.parametrize(("channels", "count"), [("auto", 3), ("off", 4), (r"w(\d)", 3)])
def test_channels(
    kymflow: Kymflow, folder: Path, tmp_path: Path, channels: str, count: int
) -> None:
    code, _, err = kymflow("ingest", folder, tmp_path / "d.zarr", "--channels", channels)
    assert code == 0, err
    assert len(ZarrDataset(tmp_path / "d.zarr", mode="r")) == count


@pytest.mark.parametrize("channels", ["_C", "(a)(b)", "(", "on"])
def test_channels_that_cannot_be_meant(
    kymflow: Kymflow, folder: Path, tmp_path: Path, channels: str
) -> None:
    code, _, err = kymflow("ingest", folder, tmp_path / "d.zarr", "--channels", channels)
    assert code == 2
    assert "--channels" in err
    assert not (tmp_path / "d.zarr").exists()


def test_a_sheet_with_time_across(kymflow: Kymflow, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "d.zarr"
    code, _, err = kymflow("ingest", folder, path, "--axes", "x,t", "--channels", "off")
    assert code == 0, err
    record = ZarrDataset(path, mode="r").find("a_c1.tif")
    assert (record.get_axes(), record.shape) == (("t", "x"), (7, 6))
