"""Finding out what there is: images, their files, the manifest. No pixel is read."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import tifffile
from bench_job import Benchmark

from kymflow_zarr import ZarrDataset


def make_dataset(folder: Path, count: int) -> None:
    """A dataset, the files that it was made of, and a manifest."""
    files = folder / "files"
    files.mkdir()
    pixels = np.arange(64, dtype=np.uint16).reshape(8, 8)
    for number in range(count):
        tifffile.imwrite(files / f"image{number:06d}.tif", pixels)
    dataset = _open(folder, durability="none")
    dataset.refresh_from_folder(files)
    dataset.update_manifest()


def make_two(folder: Path, count: int) -> None:
    """The same beside a dataset of 100 images, and one file more."""
    make_dataset(folder, count)
    (folder / "small").mkdir()
    make_dataset(folder / "small", 100)
    tifffile.imwrite(folder / "another.tif", np.arange(64, dtype=np.uint16).reshape(8, 8))


def _open(folder: Path, durability: str = "batch") -> ZarrDataset:
    return ZarrDataset(
        folder / "dataset.zarr", durability="none" if durability == "none" else "batch"
    )


def refresh(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """A refresh that finds nothing new."""
    assert _open(inputs).refresh_from_folder(inputs / "files") == []


def refresh_floor(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """Size and time of each file, next to those in the table."""
    sources = pq.read_table(inputs / "dataset.zarr" / "tables" / "sources.parquet")
    known = dict(
        zip(
            sources["source_primary_path"].to_pylist(),
            zip(
                sources["source_mtime_ns"].to_pylist(),
                sources["source_size_bytes"].to_pylist(),
                strict=True,
            ),
            strict=True,
        )
    )
    with os.scandir(inputs / "files") as entries:
        for entry in entries:
            found = entry.stat()
            assert known[entry.path] == (found.st_mtime_ns, found.st_size)


def list_images(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """The ids of all images."""
    assert _open(inputs).list_image_ids()


def list_floor(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """The folders that hold a commit document, sorted."""
    images = inputs / "dataset.zarr" / "images"
    with os.scandir(images) as entries:
        found = [entry.name for entry in entries if os.access(f"{entry.path}/zarr.json", os.F_OK)]
    assert sorted(found)


def load_manifest(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """What each image says of itself, when nothing has changed."""
    assert _open(inputs).load_manifest().reread == 0


def manifest_floor(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """The same table read, each image that exists and its metadata looked at."""
    root = inputs / "dataset.zarr"
    assert pq.read_table(root / "index" / "manifest.parquet").to_pylist()
    with os.scandir(root / "images") as entries:
        for entry in filter(os.DirEntry.is_dir, entries):
            os.stat(f"{entry.path}/zarr.json")  # noqa: PTH116 - the least code
            os.stat(f"{entry.path}/analysis/metadata.json")  # noqa: PTH116


def rebuild_manifest(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """The manifest rebuilt: each image is opened."""
    assert _open(inputs, durability="none").rebuild_manifest().entries


def rebuild_floor(inputs: Path, scratch: Path) -> None:
    """Three documents of each image parsed, and one written."""
    names = ("zarr.json", "analysis/metadata.json", "analysis/provenance.json")
    with os.scandir(inputs / "dataset.zarr" / "images") as entries:
        found = [
            [json.loads(Path(f"{entry.path}/{name}").read_bytes()) for name in names]
            for entry in entries
            if entry.is_dir()
        ]
    (scratch / "manifest.json").write_text(json.dumps(found), encoding="utf-8")


def check(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """Everything looked at but pixels."""
    assert _open(inputs).check() == []


def single_calls(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """Images ingested, validated and deleted, each on its own."""
    _single_calls(inputs, inputs / "another.tif")


def single_calls_floor(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """The same in the dataset of 100 images."""
    _single_calls(inputs / "small", inputs / "another.tif")


def _single_calls(folder: Path, file: Path) -> None:
    for _ in range(20):
        dataset = _open(folder, durability="none")
        image_id = dataset.ingest_image(file).image_id
        dataset.validate_image(image_id)
        dataset.delete_image(image_id)


_of_a_dataset = partial(
    Benchmark, sizes=(100, 1_000, 10_000), small=(100, 400), prepare=make_dataset
)
BENCHMARKS = (
    _of_a_dataset(
        name="refresh that finds nothing new",
        work=refresh,
        floor=refresh_floor,
        most_ratio=2.0,
        rounds=9,
    ),
    _of_a_dataset(
        name="list images",
        work=list_images,
        floor=list_floor,
        rounds=9,
    ),
    _of_a_dataset(
        name="load the manifest",
        work=load_manifest,
        floor=manifest_floor,
        rounds=9,
    ),
    _of_a_dataset(
        name="rebuild the manifest",
        work=rebuild_manifest,
        floor=rebuild_floor,
    ),
    _of_a_dataset(
        name="check",
        work=check,
    ),
    _of_a_dataset(
        name="single calls next to those in a dataset of 100",
        prepare=make_two,
        work=single_calls,
        floor=single_calls_floor,
        most_ratio=1.3,
        most_growth=None,
    ),
)
