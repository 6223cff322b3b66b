"""Channels in separate files are stacked part by part."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile

from kymflow_zarr import ZarrDataset
from kymflow_zarr._pixels.layout import DEFAULT_CHUNK_BYTES

pytestmark = pytest.mark.slow  # many pixels, and the same with any interpreter

LINES, PIXELS = 4 * DEFAULT_CHUNK_BYTES // 1024, 1024


@pytest.fixture
def channels(tmp_path: Path) -> Path:
    """Two channels, each much larger than a chunk."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for channel in (1, 2):
        lines = np.arange(LINES, dtype=np.uint8)[:, np.newaxis]
        tifffile.imwrite(
            folder / f"scan_c{channel}.tif", lines + channel * np.ones(PIXELS, np.uint8)
        )
    return folder


def test_large_channels_come_in_equal(disk: ZarrDataset, channels: Path) -> None:
    (image_id,) = disk.refresh_from_folder(channels)
    stacked = np.stack([tifffile.imread(channels / f"scan_c{number}.tif") for number in (1, 2)])
    np.testing.assert_array_equal(disk.record(image_id).load_array(), stacked)
    assert disk.check(deep=True) == []


def test_two_channels_need_no_more_memory_than_a_block_of_one(
    disk: ZarrDataset, channels: Path
) -> None:
    disk.ingest_image(channels / "scan_c1.tif")  # so that imports do not count
    tracemalloc.start()
    try:
        disk.ingest_image(channels / "scan_c1.tif")
        assert tracemalloc.get_traced_memory()[1] < 0.75 * LINES * PIXELS
    finally:
        tracemalloc.stop()
