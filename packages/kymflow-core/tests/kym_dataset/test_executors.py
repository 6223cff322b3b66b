"""Threads, processes and a cluster make the same table as one thread does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kymflow.core import BaseIndexer, KymDataset
from kymflow.core.errors import IndexerFailedError, IndexUpdateError, WorkerError
from kymflow.core.indexers import ArtifactTable, ImageSummary
from kymflow_zarr import ZarrDataset, ZarrImageRecord

MakeIndexer = Callable[..., BaseIndexer]
COUNT = 70


@pytest.fixture
def on_disk(tmp_path: Path) -> ZarrDataset:
    dataset = ZarrDataset(tmp_path / "dataset.zarr", durability="none")
    rng = np.random.default_rng(1)
    for _ in range(COUNT):
        dataset.add_image(rng.integers(0, 99, size=(8, 4)).astype(np.uint8), axes=("t", "x"))
    return dataset


@pytest.fixture
def serial(on_disk: ZarrDataset) -> pd.DataFrame:
    """What one thread makes of it."""
    kym = KymDataset(on_disk)
    kym.update_index(ImageSummary())
    table = kym.load_index("image_summary")
    on_disk.delete_table("kym_image_summary")
    return table


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        yield executor


def test_threads(on_disk: ZarrDataset, serial: pd.DataFrame) -> None:
    kym = KymDataset(on_disk)
    with ThreadPoolExecutor(3) as executor:
        update = kym.update_index(ImageSummary(), executor=executor, batch_size=4)

    assert (update.images, update.rows) == (COUNT, COUNT)
    pd.testing.assert_frame_equal(kym.load_index("image_summary"), serial)


def test_threads_share_a_dataset_in_memory(dataset: ZarrDataset) -> None:
    with ThreadPoolExecutor(2) as executor:
        assert KymDataset(dataset).update_index(ImageSummary(), executor=executor).rows == 3


def test_processes(on_disk: ZarrDataset, serial: pd.DataFrame, processes: Executor) -> None:
    kym = KymDataset(on_disk)
    told: list[tuple[int, int]] = []

    kym.update_index(
        ImageSummary(),
        executor=processes,
        progress=lambda done, total: told.append((done, total)),
    )

    pd.testing.assert_frame_equal(kym.load_index("image_summary"), serial)
    assert told[0] == (0, COUNT)
    assert told[-1] == (COUNT, COUNT)
    assert told == sorted(told)
    assert len(told) > 10, "few images are spread over many batches"


def test_processes_say_what_went_wrong_there(on_disk: ZarrDataset, processes: Executor) -> None:
    bad = on_disk.list_image_ids()[40]
    on_disk.record(bad).save_df_parquet("velocity/trace", pd.DataFrame({"v": [1.0]}))
    lifts = ArtifactTable(
        name="trace", artifact="velocity/trace", params_artifact="velocity/params"
    )
    kym = KymDataset(on_disk)

    with pytest.raises(IndexerFailedError, match="has no artifact 'velocity/params'") as caught:
        kym.update_index(lifts, executor=processes)
    assert caught.value.image_id == bad
    assert any("Traceback" in note for note in caught.value.__notes__)

    with pytest.raises(IndexUpdateError) as collected:
        kym.update_index(lifts, executor=processes, on_error="collect")
    assert list(collected.value.failures) == [bad]


def test_a_dataset_in_memory_cannot_go_to_another_process(
    dataset: ZarrDataset, processes: Executor
) -> None:
    with pytest.raises(WorkerError, match="cannot be sent to another process"):
        KymDataset(dataset).update_index(ImageSummary(), executor=processes)
    assert dataset.list_table_names() == []


def test_an_indexer_that_cannot_be_pickled(
    on_disk: ZarrDataset, make_indexer: MakeIndexer, processes: Executor
) -> None:
    with pytest.raises(WorkerError, match="use threads"):
        KymDataset(on_disk).update_index(make_indexer(lambda _: pd.DataFrame()), executor=processes)


class CountingExecutor(Executor):
    """Works at once, and counts the results that have not been fetched yet."""

    def __init__(self) -> None:
        self.waiting: set[int] = set()
        self.most = 0

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        waiting = self.waiting
        key = len(waiting) + 1000 * self.most

        class Fetched(Future):  # type: ignore[type-arg]
            def result(self, timeout: float | None = None) -> object:
                waiting.discard(key)
                return super().result(timeout)

        future = Fetched()
        future.set_result(fn(*args, **kwargs))
        waiting.add(key)
        self.most = max(self.most, len(waiting))
        return future


def test_only_so_many_batches_are_under_way(on_disk: ZarrDataset) -> None:
    executor = CountingExecutor()

    KymDataset(on_disk).update_index(ImageSummary(), executor=executor, batch_size=1)

    assert executor.most == 32, "of 70"
    assert executor.waiting == set()


def test_a_worker_with_another_version(dataset: ZarrDataset, make_indexer: MakeIndexer) -> None:
    indexer = make_indexer(lambda _: pd.DataFrame({"a": [1]}))
    kym = KymDataset(dataset)

    class Upgrading(ThreadPoolExecutor):
        def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
            other = make_indexer(lambda _: pd.DataFrame({"a": [1]}), version="2")
            newer = partial(fn.func, *(other if a is indexer else a for a in fn.args))
            return super().submit(newer, *args, **kwargs)

    with Upgrading(1) as executor, pytest.raises(WorkerError, match="has version '2'"):
        kym.update_index(indexer, executor=executor)


def test_an_interrupted_run_takes_no_new_work(
    on_disk: ZarrDataset, make_indexer: MakeIndexer
) -> None:
    seen: list[str] = []

    def rows_of(rec: ZarrImageRecord) -> pd.DataFrame:
        seen.append(rec.image_id)
        raise RuntimeError("first")

    with ThreadPoolExecutor(1) as executor, pytest.raises(IndexerFailedError):
        KymDataset(on_disk).update_index(make_indexer(rows_of), executor=executor, batch_size=1)

    assert len(seen) < COUNT


# --- a cluster ------------------------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """The file that names a scheduler of two workers, each a separate process, on loopback."""
    pytest.importorskip("distributed", reason="needs the extra dask")
    address = tmp_path / "scheduler.json"  # which all of them wait for
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "DASK_DISTRIBUTED__WORKER__DAEMON": "False",
    }
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> None:
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]],
                env=environment,
                cwd=tmp_path,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    try:
        file = ("--scheduler-file", str(address))
        start("dask_scheduler", *file, "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        for number in range(2):
            start(
                "dask_worker",
                *file,
                *("--nworkers", "1", "--nthreads", "1", "--no-dashboard", "--no-nanny"),
                *("--name", f"worker-{number}", "--death-timeout", "300"),
                *("--local-directory", str(tmp_path / f"worker-{number}")),
            )
        yield str(address)
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


@pytest.mark.slow
def test_dask(on_disk: ZarrDataset, serial: pd.DataFrame, cluster: str) -> None:
    from distributed import Client

    kym = KymDataset(on_disk)
    with Client(scheduler_file=cluster, timeout=300, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        client.wait_for_workers(2, timeout=300)
        workers = set(client.run(os.getpid).values())
        update = kym.update_index(ImageSummary(), executor=client.get_executor())

    assert len(workers - {os.getpid()}) == 2
    assert update.images == COUNT
    pd.testing.assert_frame_equal(kym.load_index("image_summary"), serial)
