"""Files with names that few people would choose."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import tifffile

from kymflow_zarr import IngestError, ZarrDataset


@pytest.mark.skipif(sys.platform != "linux", reason="others refuse such a name themselves")
def test_a_name_that_is_not_text_stops_only_its_file(disk: ZarrDataset, folder: Path) -> None:
    # It used to end the whole batch with a ValueError.
    odd = Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.tif"))
    tifffile.imwrite(odd, tifffile.imread(folder / "a.tif"))
    with pytest.raises(IngestError, match="not valid UTF-8; rename") as caught:
        disk.refresh_from_folder(folder)
    assert list(caught.value.failures) == [odd]
    assert len(caught.value.image_ids) == 3
    assert disk.check(deep=True) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows refuses such names itself")
@pytest.mark.parametrize(
    "name",
    ["\u202egnp", "red \x1b[31m", "two\nlines", "=cmd|' !A0", "<b>bold", "x" * 250],
    ids=["right to left", "escape", "newline", "formula", "markup", "long"],
)
def test_an_odd_name_is_a_name(disk: ZarrDataset, folder: Path, name: str) -> None:
    (folder / "a.tif").rename(folder / f"{name}.tif")
    assert len(disk.refresh_from_folder(folder)) == 3
    assert disk.refresh_from_folder(folder) == []
    paths = disk.load_sources_index()["source_primary_path"]
    assert f"{name}.tif" in {Path(path).name for path in paths}
    assert disk.check(deep=True) == []
