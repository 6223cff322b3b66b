"""A clock that was set back between two refreshes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kymflow_zarr import ZarrDataset


def test_a_changed_file_comes_in_once_although_the_clock_was_set_back(
    dataset: ZarrDataset, folder: Path, rewrite: Callable[[Path], None]
) -> None:
    dataset.refresh_from_folder(folder)
    rewrite(folder / "a.tif")
    (newer,) = dataset.refresh_from_folder(folder, mode="reingest_if_changed")
    rows = dataset.load_sources_index()
    # As if the clock had been an hour behind the second time.
    hour_ns = 3600 * 10**9
    rows.loc[rows["image_id"] == newer, "ingested_epoch_ns"] -= hour_ns
    dataset.save_sources_index(rows)
    assert dataset.refresh_from_folder(folder, mode="reingest_if_changed") == []
    assert len(dataset.plan_refresh(folder).unchanged) == 3
    rewrite(folder / "a.tif")
    assert len(dataset.refresh_from_folder(folder, mode="reingest_if_changed")) == 1
    assert dataset.check(deep=True) == []
