"""A stack larger than memory ought to be: ingested, checked and exported by chunks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
from bench_job import Benchmark

from kymflow_zarr import ZarrDataset

_FRAME = (512, 512)  # half a MiB
_FRAMES_OF_A_MIB = 2


def make_stack(folder: Path, mib: int) -> None:
    """A BigTIFF of so many MiB, written frame by frame."""
    shape = (mib * _FRAMES_OF_A_MIB, *_FRAME)
    tifffile.imwrite(
        folder / "stack.tif",
        _frames(shape[0]),
        shape=shape,
        dtype=np.uint16,
        bigtiff=True,
        photometric="minisblack",
    )


def _frames(count: int) -> Iterator[npt.NDArray[np.uint16]]:
    rng = np.random.default_rng(0)
    frames = [rng.poisson(200, _FRAME).astype(np.uint16) for _ in range(16)]
    for number in range(count):
        yield frames[number % len(frames)]


def make_dataset(folder: Path, mib: int) -> None:
    """A dataset that holds the stack."""
    make_stack(folder, mib)
    _open(folder).ingest_image(folder / "stack.tif")
    (folder / "stack.tif").unlink()


def _open(folder: Path) -> ZarrDataset:
    return ZarrDataset(folder / "dataset.zarr", durability="none")


def ingest(inputs: Path, scratch: Path) -> None:
    """The stack ingested."""
    _open(scratch).ingest_image(inputs / "stack.tif")


def check(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """Every chunk read and compared with its checksum and the digest."""
    assert _open(inputs).check(deep=True) == []


def export(inputs: Path, scratch: Path) -> None:
    """The stack written as TIFF."""
    _open(inputs).export_legacy_folder(scratch / "export")


def export_and_ingest(inputs: Path, scratch: Path) -> None:
    """The stack written as TIFF, and ingested from there."""
    export(inputs, scratch)
    assert len(_open(scratch).refresh_from_folder(scratch / "export")) == 1


BENCHMARKS = tuple(
    Benchmark(
        name=name,
        unit="MiB",
        sizes=(256, 4_096),
        small=(16,),
        prepare=prepare,
        work=work,
        most_growth=None,
        most_peak_mib=500,
        rounds=1,
    )
    for name, prepare, work in (
        ("ingest a stack", make_stack, ingest),
        ("check a stack", make_dataset, check),
        ("export a stack", make_dataset, export),
        ("export a stack and take it in again", make_dataset, export_and_ingest),
    )
)
