"""What `KymDataset.update_index` costs beyond its floor.

The floor is a bare loop over ``extract_rows`` and one Parquet write of all rows. The indexer costs
nothing, so that what is measured is what kymflow adds: opening records is in both.

Run it with ``python packages/kymflow-core/benchmarks/update_index.py [IMAGES]``.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from kymflow.core import KymDataset, params_hash
from kymflow_zarr import ZarrDataset, ZarrImageRecord

ROUNDS = 7


class FreeIndexer:
    """One row of constants per image."""

    name = "free"

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        """A row that costs nothing but the frame around it."""
        return pd.DataFrame({"image_id": [rec.image_id], "speed": [1.5], "status": ["ok"]})

    def params_hash(self, rec: ZarrImageRecord) -> str:  # noqa: ARG002
        """A constant that was hashed before."""
        return HASH

    def analysis_version(self) -> str:
        """A constant."""
        return "1"


HASH = params_hash({"window": 16})


def floor(dataset: ZarrDataset, indexer: FreeIndexer, target: Path) -> None:
    """The least that must be done: every row, one file."""
    frames = [
        indexer.extract_rows(dataset.record(image_id)) for image_id in dataset.list_image_ids()
    ]
    pd.concat(frames, ignore_index=True).to_parquet(target)
    assert pq.read_metadata(target).num_rows == len(frames)


def seconds(work: Callable[[], object]) -> float:
    """How long it takes once."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main(images: int) -> None:
    """Measure both, turn and turn about, and print medians."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = ZarrDataset(Path(folder) / "dataset.zarr", durability="none")
        pixels = np.arange(64, dtype=np.uint16).reshape(8, 8)
        for _ in range(images):
            dataset.add_image(pixels, axes=("t", "x"))
        kym, indexer = KymDataset(dataset), FreeIndexer()
        target = Path(folder) / "floor.parquet"
        first = seconds(lambda: kym.update_index(indexer))
        floors, updates = [], []
        for _ in range(ROUNDS):
            floors.append(seconds(lambda: floor(dataset, indexer, target)))
            updates.append(seconds(lambda: kym.update_index(indexer)))
        base, ours = statistics.median(floors), statistics.median(updates)
        print(f"images                    {images:10,d}")
        print(f"floor                     {base:10.3f} s  ({1e6 * base / images:.0f} us an image)")
        print(f"update_index, new table   {first:10.3f} s")
        print(f"update_index, old table   {ours:10.3f} s  ({1e6 * ours / images:.0f} us an image)")
        print(f"ratio                     {ours / base:10.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
