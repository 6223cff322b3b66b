"""The life of one dataset of many tiny images, step by step: `hatch run bench:scale`.

Each step is done once, in one process: the benchmarks proper repeat their jobs, which at 100,000
images nobody waits for. Processor times are shown beside those on the clock, since they say more
on a machine that does other things, too.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from kymflow.core import KymDataset, params_hash
from kymflow_zarr import ZarrDataset, ZarrImageRecord

_HASH = params_hash({"window": 16})
Step = tuple[str, Callable[[], object]]


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


def make_tiffs(folder: Path, count: int) -> None:
    """So many copies of one image of 64 lines by 20 pixels."""
    made = io.BytesIO()
    tifffile.imwrite(made, np.random.default_rng(0).poisson(200, (64, 20)).astype(np.uint16))
    folder.mkdir()
    for number in range(count):
        (folder / f"image{number:07d}.tif").write_bytes(made.getvalue())


def steps(tiffs: Path, place: Path) -> Iterator[Step]:
    """What is done, in order."""
    dataset = ZarrDataset(place)
    index = KymDataset(dataset)
    yield "ingest the files", lambda: dataset.refresh_from_folder(tiffs)
    yield "refresh that finds nothing new", lambda: dataset.refresh_from_folder(tiffs)
    yield "list the images", dataset.list_image_ids
    yield "make the manifest", dataset.update_manifest
    yield "load the manifest", dataset.load_manifest
    yield (
        "open every record, by time of creation",
        lambda: sum(1 for _ in dataset.iter_records("created_utc")),
    )
    yield "`update_index`, an indexer that costs nothing", lambda: index.update_index(FreeIndexer())
    yield (
        "one image's rows of its table",
        lambda: dataset.load_table("kym_free", image_ids=dataset.list_image_ids()[:1]),
    )
    yield "`check`", lambda: _no_problem(dataset, deep=False)
    yield "`check`, every byte", lambda: _no_problem(dataset, deep=True)


def _no_problem(dataset: ZarrDataset, *, deep: bool) -> None:
    problems = dataset.check(deep=deep)
    if problems:
        raise SystemExit(f"{len(problems)} problems, the first: {problems[0]}")


def peak_mib() -> str:
    """The most memory held so far, where the system tells."""
    status = Path("/proc/self/status")
    if not status.exists():
        return "?"
    (line,) = (line for line in status.read_text("ascii").splitlines() if line.startswith("VmHWM:"))
    return str(int(line.split()[1]) // 1024)


def main() -> None:
    """Print a table, a line for each step as soon as it is done."""
    parser = argparse.ArgumentParser(prog="hatch run bench:scale", description=__doc__)
    parser.add_argument("--images", type=int, default=100_000, help="how many (%(default)s)")
    parser.add_argument(
        "--folder", type=Path, help="a folder on the disk to measure: 9 files and folders an image"
    )
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=said.folder, prefix="kymflow-scale-") as made:
        tiffs, place = Path(made) / "tiffs", Path(made) / "dataset.zarr"
        make_tiffs(tiffs, said.images)
        print(f"{said.images:,d} images\n")
        print("| job | processor time | an image | on the clock | peak of memory so far |")
        print("| --- | ---: | ---: | ---: | ---: |", flush=True)
        for name, work in steps(tiffs, place):
            clock, processor = time.perf_counter(), time.process_time()
            work()
            clock, processor = time.perf_counter() - clock, time.process_time() - processor
            print(
                f"| {name} | {processor:.1f} s | {1e6 * processor / said.images:.0f} us "
                f"| {clock:.1f} s | {peak_mib()} MiB |",
                flush=True,
            )
        print()
        for name in ("index/manifest.parquet", "tables/sources.parquet"):
            print(f"{name}: {(place / name).stat().st_size / said.images:.0f} bytes an image")


if __name__ == "__main__":
    main()
