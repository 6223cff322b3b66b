"""Taking TIFFs in, next to reading, encoding and writing their pixels with the least code."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import tifffile
from bench_job import Benchmark, Prepare
from numcodecs.blosc import Blosc

from kymflow_zarr import ZarrDataset
from kymflow_zarr._storage.durability import sync_file, sync_filesystem, sync_folder

_TINY = (64, 20)
_KYMOGRAPH = (30_000, 35)  # 2.1 MB as uint16
_BATCH = 64


def make_tiffs(folder: Path, count: int, *, shape: tuple[int, int]) -> None:
    """Images with the noise of a photon counter, which compress about as real ones do."""
    rng = np.random.default_rng(0)
    for number in range(count):
        pixels = rng.poisson(200, shape).astype(np.uint16)
        tifffile.imwrite(folder / f"image{number:06d}.tif", pixels)


def ingest(inputs: Path, scratch: Path, *, durable: bool, workers: int = 1) -> None:
    """The job."""
    dataset = ZarrDataset(scratch / "dataset.zarr", durability="batch" if durable else "none")
    dataset.refresh_from_folder(inputs, workers=workers)


def floor(inputs: Path, scratch: Path, *, durable: bool) -> None:
    """The same pixels, encoded alike, each in a file that appears whole in its own folder."""
    blosc = Blosc(cname="zstd", clevel=3, shuffle=Blosc.BITSHUFFLE)
    for number, path in enumerate(sorted(inputs.iterdir())):
        folder = scratch / path.stem
        folder.mkdir()
        (folder / "new").write_bytes(blosc.encode(tifffile.imread(path)))
        if durable and number % _BATCH == _BATCH - 1:
            _sync(scratch)
        (folder / "new").replace(folder / "chunk")
    if durable:
        _sync(scratch)


def _sync(folder: Path) -> None:
    """What `ZarrDataset` does for a batch of images."""
    if not sync_filesystem(folder):
        for path in folder.rglob("*"):
            if path.is_dir():
                sync_folder(path)
            else:
                with path.open("rb+") as stream:
                    sync_file(stream.fileno())
    sync_folder(folder)


make_tiny: Prepare = partial(make_tiffs, shape=_TINY)
make_kymographs: Prepare = partial(make_tiffs, shape=_KYMOGRAPH)

BENCHMARKS = (
    Benchmark(
        name="ingest tiny images",
        sizes=(100, 1_000, 10_000),
        small=(100, 400),
        prepare=make_tiny,
        work=partial(ingest, durable=False),
        floor=partial(floor, durable=False),
        most_ratio=3.0,
    ),
    Benchmark(
        name="ingest tiny images, synced",
        sizes=(100, 1_000),
        small=(64, 256),
        prepare=make_tiny,
        work=partial(ingest, durable=True),
        floor=partial(floor, durable=True),
        most_ratio=3.0,
    ),
    Benchmark(
        name="ingest kymographs",
        sizes=(30, 150),
        small=(5, 20),
        prepare=make_kymographs,
        work=partial(ingest, durable=False),
        floor=partial(floor, durable=False),
        most_ratio=1.5,
        rounds=9,
    ),
    Benchmark(
        name="ingest kymographs, synced",
        sizes=(30, 150),
        small=(5, 20),
        prepare=make_kymographs,
        work=partial(ingest, durable=True),
        floor=partial(floor, durable=True),
        most_ratio=1.5,
        rounds=9,
    ),
    Benchmark(
        name="ingest kymographs, two threads next to one",
        sizes=(150,),
        small=(20,),
        prepare=make_kymographs,
        work=partial(ingest, durable=False, workers=2),
        floor=partial(ingest, durable=False),
        most_ratio=1.0,
        rounds=9,
    ),
)
