"""Images as labelled arrays: dimensions, coordinates with units, what is known of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from zarr.storage import MemoryStore

from kymflow.core import to_xarray
from kymflow.core.decisions import calibrate, set_fields
from kymflow_zarr import ZarrDataset


@pytest.fixture(autouse=True)
def needs_xarray() -> None:
    pytest.importorskip("xarray")


def test_times_are_seconds_and_places_micrometres(tmp_path: Path) -> None:
    pixels = np.arange(12, dtype=np.uint16).reshape(4, 3)
    tifffile.imwrite(tmp_path / "run.tif", pixels)
    record = ZarrDataset(tmp_path / "out.zarr").ingest_image(tmp_path / "run.tif")
    calibrate(record, seconds_per_line=2e-3, um_per_pixel=0.5)
    set_fields(record, {"genotype": "wt"})

    array = to_xarray(record)

    assert array.dims == record.get_axes()
    np.testing.assert_array_equal(array.values, pixels)
    lines, places = (array.coords[axis] for axis in array.dims)
    np.testing.assert_allclose(lines, [0, 2e-3, 4e-3, 6e-3])
    np.testing.assert_allclose(places, [0, 0.5, 1.0])
    assert [lines.attrs["units"], places.attrs["units"]] == ["s", "um"]
    assert (array.attrs["file"], array.attrs["genotype"]) == ("run.tif", "wt")
    assert array.attrs["image_id"] == record.image_id


def test_other_units_are_converted_and_unknown_steps_have_no_coordinates() -> None:
    dataset = ZarrDataset(MemoryStore())
    record = dataset.add_image(
        np.zeros((2, 4, 3), np.uint8), axes=("c", "t", "x"), scale={"t": 2}, unit={"t": "ms"}
    )
    array = to_xarray(record)
    assert list(array.coords) == ["t"]
    assert array.coords["t"].attrs["units"] == "s"
    assert array.sel(t=4e-3, method="nearest").shape == (2, 3)
    assert "file" not in array.attrs
