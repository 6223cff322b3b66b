"""`KymDataset.update_index`, next to a bare loop over ``extract_rows`` and one Parquet write.

The indexer costs nothing, so that what is measured is what kymflow adds. Opening the records is in
both.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from bench_job import Benchmark

from kymflow.core import KymDataset, params_hash
from kymflow_zarr import ZarrDataset, ZarrImageRecord

_HASH = params_hash({"window": 16})


class FreeIndexer:
    """One row of constants per image."""

    name = "free"

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        """A row that costs nothing but the frame around it."""
        return pd.DataFrame({"image_id": [rec.image_id], "speed": [1.5], "status": ["ok"]})

    def params_hash(self, rec: ZarrImageRecord) -> str:  # noqa: ARG002 - the protocol's
        """A constant that was hashed before."""
        return _HASH

    def analysis_version(self) -> str:
        """A constant."""
        return "1"


class MeanIndexer(FreeIndexer):
    """One row per image that costs reading its pixels and some arithmetic."""

    name = "mean"

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        """Mean and spread of each line, over all lines."""
        lines = rec.load_array().astype(np.float64)
        return pd.DataFrame({"mean": [lines.mean()], "spread": [lines.std(axis=1).mean()]})


def make_dataset(folder: Path, count: int, *, shape: tuple[int, int] = (8, 8)) -> None:
    """A dataset whose table of the free indexer is there already, as in most updates."""
    pixels = np.random.default_rng(0).poisson(200, shape).astype(np.uint16)
    tiffs = folder / "tiffs"
    tiffs.mkdir()
    for number in range(count):
        tifffile.imwrite(tiffs / f"image{number:06d}.tif", pixels)
    dataset = ZarrDataset(folder / "dataset.zarr", durability="none")
    dataset.refresh_from_folder(tiffs)
    KymDataset(dataset).update_index(FreeIndexer())


def make_kymographs(folder: Path, count: int) -> None:
    """The same, of images of 2 MB."""
    make_dataset(folder, count, shape=(30_000, 35))


def update(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """The job: the old table gives way to the new one."""
    dataset = ZarrDataset(inputs / "dataset.zarr", durability="none")
    KymDataset(dataset).update_index(FreeIndexer())


def floor(inputs: Path, scratch: Path) -> None:
    """The least that must be done: every row, one file."""
    dataset = ZarrDataset(inputs / "dataset.zarr", mode="r")
    indexer = FreeIndexer()
    frames = [
        indexer.extract_rows(dataset.record(image_id)) for image_id in dataset.list_image_ids()
    ]
    pd.concat(frames, ignore_index=True).to_parquet(scratch / "floor.parquet")


def update_here(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """An indexer that does some work, in one process."""
    dataset = ZarrDataset(inputs / "dataset.zarr", durability="none")
    KymDataset(dataset).update_index(MeanIndexer())


def update_in_two(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """The same in two processes, their start included."""
    dataset = ZarrDataset(inputs / "dataset.zarr", durability="none")
    with ProcessPoolExecutor(2) as executor:
        KymDataset(dataset).update_index(MeanIndexer(), executor=executor)


BENCHMARKS = (
    Benchmark(
        name="update_index with a free indexer",
        sizes=(100, 1_000, 10_000),
        small=(100, 400),
        prepare=make_dataset,
        work=update,
        floor=floor,
        most_ratio=2.0,
    ),
    Benchmark(
        name="update_index, two processes next to one",
        sizes=(200,),
        small=(20,),
        prepare=make_kymographs,
        work=update_in_two,
        floor=update_here,
    ),
)
