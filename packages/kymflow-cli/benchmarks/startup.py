"""How soon the command answers, next to an interpreter that imports zarr."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from bench_job import Benchmark

from kymflow_zarr import ZarrDataset


def make_dataset(folder: Path, starts: int) -> None:
    """A dataset of ten images."""
    dataset = ZarrDataset(folder / "dataset.zarr", durability="none")
    for _ in range(10 * starts):
        dataset.add_image(np.arange(64, dtype=np.uint16).reshape(8, 8), axes=("t", "x"))


def ls(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """``kymflow ls``."""
    _start("-m", "kymflow.cli", "ls", str(inputs / "dataset.zarr"))


def show_help(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """``kymflow --help``."""
    _start("-m", "kymflow.cli", "--help")


def floor(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """``import zarr``."""
    _start("-c", "import zarr")


def _start(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


BENCHMARKS = tuple(
    Benchmark(
        name=name,
        unit="start",
        sizes=(1,),
        small=(1,),
        prepare=make_dataset,
        work=work,
        floor=floor,
        most_ratio=2.0,
        rounds=9,
    )
    for name, work in (("kymflow --help", show_help), ("kymflow ls", ls))
)
