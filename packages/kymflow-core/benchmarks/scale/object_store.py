"""Requests and bytes an image, counted in an object store in memory: `hatch run bench:requests`.

Two datasets, one twice as large as the other, tell what an image costs and what a call does.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from many_images import FreeIndexer
from zarr.storage import MemoryStore

from kymflow.core import KymDataset
from kymflow_zarr import ZarrDataset

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

_IMAGES = 40
_KINDS = ("PUT", "GET", "HEAD", "LIST", "DELETE", "written", "read")


class CountingStore(MemoryStore):
    """A store in memory that counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """A GET."""
        found = await super().get(key, prototype, byte_range)
        self.counts["GET"] += 1
        self.counts["read"] += 0 if found is None else len(found)
        return found

    async def set(self, key: str, value: Buffer, byte_range: tuple[int, int] | None = None) -> None:
        """A PUT."""
        self.counts["PUT"] += 1
        self.counts["written"] += len(value)
        await super().set(key, value, byte_range)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """A PUT, with a condition."""
        self.counts["PUT"] += 1
        await super().set_if_not_exists(key, value)

    async def exists(self, key: str) -> bool:
        """A HEAD."""
        self.counts["HEAD"] += 1
        return await super().exists(key)

    async def getsize(self, key: str) -> int:
        """A HEAD."""
        self.counts["HEAD"] += 1
        if key not in self._store_dict:
            raise FileNotFoundError(key)
        return len(self._store_dict[key])

    async def delete(self, key: str) -> None:
        """A DELETE."""
        self.counts["DELETE"] += 1
        await super().delete(key)

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """A LIST; of a folder with many names it would be one for each thousand."""
        self.counts["LIST"] += 1
        async for name in super().list_dir(prefix):
            yield name


def measure(images: int) -> dict[str, Counter[str]]:
    """What each job asks of the store, for so many images."""
    store = CountingStore()
    dataset = ZarrDataset(store)
    found: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as made:
        pixels = np.random.default_rng(0).poisson(200, (64, 20)).astype(np.uint16)
        for number in range(images):
            tifffile.imwrite(Path(made) / f"image{number:04d}.tif", pixels)
        jobs: dict[str, Callable[[], object]] = {
            "take it in": lambda: dataset.refresh_from_folder(made),
            "refresh that finds nothing new": lambda: dataset.refresh_from_folder(made),
            "list": dataset.list_image_ids,
            "make the manifest": dataset.update_manifest,
            "load the manifest": dataset.load_manifest,
            "`update_index` of metadata alone": lambda: KymDataset(dataset).update_index(
                FreeIndexer()
            ),
            "read the pixels": lambda: [record.load_array() for record in dataset.iter_records()],
            "`check`": dataset.check,
        }
        for name, job in jobs.items():
            store.counts.clear()
            job()
            found[name] = Counter(store.counts)
    return found


def main() -> None:
    """Print a table: what one image more costs."""
    once, twice = measure(_IMAGES), measure(2 * _IMAGES)
    print("|".join(["", " job ", *(f" {kind} " for kind in _KINDS), ""]))
    print("| --- |" + " ---: |" * len(_KINDS))
    for name, counts in once.items():
        each = [(twice[name][kind] - counts[kind]) / _IMAGES for kind in _KINDS]
        print(f"| {name} | " + " | ".join(f"{value:.4g}" for value in each) + " |")


if __name__ == "__main__":
    main()
