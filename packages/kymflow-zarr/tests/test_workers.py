"""Records and their arrays in other threads and processes."""

from __future__ import annotations

import asyncio
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from zarr.storage import MemoryStore, WrapperStore

from kymflow_zarr import CorruptDataError, ImageNotFoundError, ZarrDataset, ZarrImageRecord

if TYPE_CHECKING:
    from zarr.abc.buffer import Buffer, BufferPrototype
    from zarr.abc.store import ByteRequest

PIXELS: NDArray[np.uint16] = np.arange(4000, dtype=np.uint16).reshape(100, 40)


@pytest.fixture
def record(disk: ZarrDataset) -> ZarrImageRecord:
    """A record of ten chunks."""
    return disk.add_image(PIXELS, axes=("t", "x"), chunks=(10, 40))


def test_records_and_arrays_go_to_other_processes(record: ZarrImageRecord) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        loaded = pool.submit(ZarrImageRecord.load_array, record).result()
        pool.submit(ZarrImageRecord.save_json, record, "by", "a worker").result()
        read = pool.submit(np.asarray, record.open_array()).result()
    np.testing.assert_array_equal(loaded, PIXELS)
    np.testing.assert_array_equal(read, PIXELS)
    assert record.load_json("by") == "a worker"


@pytest.mark.parametrize("scheduler", ["synchronous", "threads", "processes"])
def test_any_dask_scheduler_reads_them(record: ZarrImageRecord, scheduler: str) -> None:
    dask = pytest.importorskip("dask.array")
    lazy = dask.from_zarr(record.open_array())
    assert lazy.sum().compute(scheduler=scheduler, num_workers=1) == PIXELS.sum()


def test_dask_reads_an_image_in_memory_in_threads() -> None:
    dask = pytest.importorskip("dask.array")
    record = ZarrDataset(MemoryStore()).add_image(PIXELS, axes=("t", "x"), chunks=(10, 40))
    lazy = dask.from_array(record.open_array(), chunks=(10, 40))
    assert lazy.sum().compute(scheduler="threads") == PIXELS.sum()


def test_a_pickled_record_is_the_same_and_as_writable(record: ZarrImageRecord) -> None:
    twin = pickle.loads(pickle.dumps(record))
    assert (twin.image_id, twin.get_axes(), twin.writable) == (
        record.image_id,
        ("t", "x"),
        True,
    )
    assert pickle.loads(pickle.dumps(record.open_array())).store == record.open_array().store


def test_a_pickled_record_notices_that_its_image_is_gone(
    disk: ZarrDataset, record: ZarrImageRecord
) -> None:
    pickled = pickle.dumps(record)
    disk.delete_image(record.image_id)
    twin = pickle.loads(pickled)
    with pytest.raises(ImageNotFoundError):
        twin.save_json("late", 1)
    with pytest.raises(ImageNotFoundError):
        twin.load_array()


@pytest.mark.parametrize("place", ["store", "url"])
def test_what_is_in_memory_says_why_it_cannot_be_pickled(place: str) -> None:
    if place == "url":
        pytest.importorskip("obstore")
    dataset = ZarrDataset(MemoryStore() if place == "store" else "memory:///lab")
    record = dataset.add_image(PIXELS)
    for unpicklable in (dataset, record, record.open_array()):
        with pytest.raises(TypeError, match=r"in memory.*; open it by its path or URL"):
            pickle.dumps(unpicklable)


class Meeting(WrapperStore[MemoryStore]):
    """A store whose chunks come only once several are asked for at a time."""

    def __init__(self, store: MemoryStore, several: int) -> None:
        super().__init__(store)
        self.barrier = threading.Barrier(several)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        if "/c." in key:
            await asyncio.to_thread(self.barrier.wait, 300)
        return await super().get(key, prototype, byte_range)


def test_an_open_array_reads_its_chunks_concurrently() -> None:
    memory = MemoryStore()
    image_id = ZarrDataset(memory).add_image(PIXELS, chunks=(10, 40)).image_id
    array = ZarrDataset(Meeting(memory, several=5))[image_id].open_array()
    np.testing.assert_array_equal(np.asarray(array[...]), PIXELS)


def test_a_damaged_chunk_is_named_by_every_way_to_read(
    disk: ZarrDataset, record: ZarrImageRecord
) -> None:
    Path(disk.location, "images", record.image_id, "data", "c.3.0").write_bytes(b"x" * 40)
    with pytest.raises(CorruptDataError, match=r"c\.3\.0"):
        record.open_array()[...]
