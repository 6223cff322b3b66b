"""Reading pixels back, next to plain file reads and a decode, and next to `numpy.load`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from bench_job import Benchmark
from ingest import make_kymographs
from numcodecs.blosc import Blosc

from kymflow_zarr import ZarrDataset


def make_dataset(folder: Path, count: int) -> None:
    """A dataset of kymographs, and their pixels as plain NumPy files."""
    tiffs, arrays = folder / "tiffs", folder / "arrays"
    tiffs.mkdir()
    arrays.mkdir()
    make_kymographs(tiffs, count)
    ZarrDataset(folder / "dataset.zarr", durability="none").refresh_from_folder(tiffs)
    for path in tiffs.iterdir():
        np.save(arrays / f"{path.stem}.npy", tifffile.imread(path))


def read(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """All pixels, through the dataset."""
    for record in ZarrDataset(inputs / "dataset.zarr", mode="r").iter_records():
        record.load_array()


def floor(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """The same chunks, decoded and nothing else."""
    blosc = Blosc(cname="zstd", clevel=3, shuffle=Blosc.BITSHUFFLE)
    for path in (inputs / "dataset.zarr" / "images").glob("*/data/c.0.0"):
        data = path.read_bytes()
        np.frombuffer(blosc.decode(memoryview(data)[:-4]), dtype="<u2")


def numpy_load(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """The same pixels from files that are not compressed."""
    for path in (inputs / "arrays").iterdir():
        np.load(path)


BENCHMARKS = (
    Benchmark(
        name="read all pixels",
        sizes=(30, 150),
        small=(5, 20),
        prepare=make_dataset,
        work=read,
        floor=floor,
        most_ratio=2.0,
        rounds=9,
    ),
    Benchmark(
        name="read all pixels, next to numpy.load",
        sizes=(150,),
        small=(20,),
        prepare=make_dataset,
        work=read,
        floor=numpy_load,
        rounds=9,
    ),
)
