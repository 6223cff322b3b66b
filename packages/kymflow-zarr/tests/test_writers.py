"""Several writers and readers at once, in separate processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tifffile
from filelock import FileLock
from zarr.storage import MemoryStore

from kymflow_zarr import LockedError, RowUpdate, ZarrDataset

if TYPE_CHECKING:
    from zarr.abc.buffer import Buffer

REFRESH = """
import sys
from kymflow_zarr import ZarrDataset
print(len(ZarrDataset(sys.argv[1]).refresh_from_folder(sys.argv[2])))
"""

ROWS = """
import sys
import pandas as pd
from kymflow_zarr import ZarrDataset
dataset = ZarrDataset(sys.argv[1])
for number in range(5):
    name = f"{sys.argv[2]}-{number}"
    dataset.replace_rows_for_image_id("t", name, pd.DataFrame({"image_id": [name], "v": [1]}))
"""

HOLD = """
import sys
from kymflow_zarr import ZarrDataset
dataset = ZarrDataset(sys.argv[1])
with dataset._access.blobs.lock("tables", action="hold on", timeout_s=300):
    print("held", flush=True)
    sys.stdin.read()
"""

INGEST = """
import sys
from kymflow_zarr import ZarrDataset
ZarrDataset(sys.argv[1]).ingest_image(sys.argv[2])
"""

OVERTAKEN = """
import subprocess
import sys
from kymflow_zarr import ZarrDataset
started = []
def overtake(event, _):
    if event == "import" and not started:
        started.append(event)
        subprocess.run([sys.executable, "-c", sys.argv[3], *sys.argv[1:3]], check=True)
dataset = ZarrDataset(sys.argv[1])
sys.addaudithook(overtake)
dataset.ingest_image(sys.argv[2])
print(*started)
"""

FORK = """
import os
import signal
import numpy as np
from kymflow_zarr import ZarrDataset
from zarr.storage import MemoryStore
dataset = ZarrDataset(MemoryStore())
dataset.add_image(np.zeros((2, 3), np.uint8), axes=("t", "x"))
child = os.fork()
if not child:
    signal.alarm(300)
    print([record.load_array().shape for record in dataset.iter_records()], flush=True)
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_refresh_may_go_on_in_another_thread(tmp_path: Path, folder: Path) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr", lock_timeout_s=0.0)
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        outcomes = dataset.iter_refresh(folder)
        assert first.submit(next, outcomes).result().error is None
        assert len(second.submit(list, outcomes).result()) == 2
        for thread in (first, second):
            assert thread.submit(dataset.refresh_from_folder, folder).result() == []
    assert dataset.refresh_from_folder(folder) == []


def test_a_block_of_one_writer_may_end_in_another_thread(disk: ZarrDataset) -> None:
    block = disk.add_image(np.ones((2, 3))).exclusive()
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        first.submit(block.__enter__).result()
        second.submit(block.__exit__, None, None, None).result()
        with disk._access.blobs.lock("records", action="go on", timeout_s=0):
            assert len(disk) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_reads_a_dataset_in_memory() -> None:
    said, _ = start(FORK).communicate()
    assert said.split("\n") == ["[(2, 3)]", "0", ""]


@pytest.mark.slow
def test_processes_that_refresh_the_same_folder_take_each_file_in_once(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number in range(12):
        tifffile.imwrite(folder / f"{number}.tif", np.full((20, 8), number, np.uint16))
    place = tmp_path / "dataset.zarr"
    ZarrDataset(place)
    running = [start(REFRESH, place, folder) for _ in range(4)]
    counts = [int(process.communicate()[0]) for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert sum(counts) == 12
    dataset = ZarrDataset(place, "r")
    assert len(dataset.list_image_ids()) == 12
    assert dataset.load_sources_index()["source_primary_path"].is_unique
    assert dataset.check(deep=True) == []


@pytest.mark.slow
def test_rows_of_different_processes_all_arrive(disk: ZarrDataset) -> None:
    running = [start(ROWS, disk.location, f"p{number}") for number in range(4)]
    for process in running:
        process.communicate()
    assert [process.returncode for process in running] == [0] * 4
    assert len(disk.load_table("t")) == 20


def test_a_waiting_writer_learns_who_holds_the_lock_and_a_dead_holder_does_not_block(
    disk: ZarrDataset,
) -> None:
    holder = start(HOLD, disk.location)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    frame = pd.DataFrame({"a": [1]})
    impatient = ZarrDataset(disk.location, lock_timeout_s=0.1)
    with pytest.raises(LockedError, match=rf"held by process {holder.pid} on .*hold on") as caught:
        impatient.save_table("t", frame)
    assert caught.value.lock == "tables"
    assert ZarrDataset(disk.location, "r").list_table_names() == []
    note = Path(disk.location, "index", "tables.holder.json")
    for damaged in (b"", b"{}", b"[]", b"3", b"\xff", b'{"pid": 1, "host": "h"}'):
        note.write_bytes(damaged)
        with pytest.raises(LockedError, match="held by another process"):
            ZarrDataset(disk.location, lock_timeout_s=0).save_table("t", frame)
    holder.kill()
    holder.communicate()
    impatient.save_table("t", frame)
    assert disk.load_table("t")["a"].tolist() == [1]


def test_a_call_that_another_one_overtakes_ingests_nothing_again(
    disk: ZarrDataset, folder: Path
) -> None:
    # The other process ingests the file while the first still loads what it needs.
    said, _ = start(OVERTAKEN, disk.location, folder / "a.tif", INGEST).communicate()
    assert said == "import\n"
    assert len(disk) == 1


def test_a_lock_in_a_store_without_files(tmp_path: Path) -> None:
    store = MemoryStore()
    frame = pd.DataFrame({"image_id": ["a"], "v": [1]})
    names = [f"i{number:02d}" for number in range(24)]

    def add(name: str) -> None:
        ZarrDataset(store).replace_rows_for_image_id("t", name, frame.assign(image_id=name))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, names))
    dataset = ZarrDataset(store, lock_timeout_s=0.1)
    assert dataset.load_table("t")["image_id"].tolist() == names
    with (
        dataset._access.blobs.lock("tables", action="hold on", timeout_s=1),
        pytest.raises(LockedError, match="hold on"),
    ):
        dataset.save_table("t", frame)
    dataset.save_table("t", frame)


class _Contended(MemoryStore):
    """A store in memory that knows when a second writer asks for the tables' lock."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = [threading.Event(), threading.Event()]

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        if key == "index/tables.lock":
            first, second = self.asked
            (second if first.is_set() else first).set()
        await super().set_if_not_exists(key, value)


def test_which_images_are_gone_is_decided_once_the_writer_has_its_turn() -> None:
    store = _Contended()
    dataset = ZarrDataset(store)
    schema = pa.schema([("image_id", pa.string())])

    def updates() -> Iterator[RowUpdate]:
        waiting = executor.submit(dataset.replace_rows, "t", [], schema=schema, drop_gone=True)
        assert store.asked[1].wait(60) or waiting.done()
        image_id = dataset.add_image(np.zeros((2, 2)), axes=("y", "x")).image_id
        rows = pa.table({"image_id": [image_id]}, schema=schema)
        yield RowUpdate(image_ids=frozenset({image_id}), rows=rows)

    with ThreadPoolExecutor(1) as executor:
        dataset.replace_rows("t", updates(), schema=schema)
    assert dataset.load_table("t")["image_id"].tolist() == dataset.list_image_ids()


def test_images_added_by_threads_are_all_there(dataset: ZarrDataset) -> None:
    def add(number: int) -> str:
        return dataset.add_image(np.full((4, 3), number, np.uint8), axes=("t", "x")).image_id

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(add, range(24)))
    assert dataset.list_image_ids() == sorted(made)
    assert [dataset.record(one).load_array()[0, 0] for one in made] == list(range(24))


def test_readers_do_not_wait_for_writers(disk: ZarrDataset) -> None:
    record = disk.add_image(np.ones((4, 3)), axes=("t", "x"))
    disk.save_table("t", pd.DataFrame({"image_id": [record.image_id]}))
    with (
        FileLock(Path(disk.location) / "index" / "tables.lock"),
        FileLock(Path(disk.location) / "index" / "ingest.lock"),
    ):
        reader = ZarrDataset(disk.location, "r", lock_timeout_s=0)
        assert len(reader.load_table("t")) == 1
        assert reader.record(record.image_id).load_array().shape == (4, 3)
        assert reader.check(deep=True) == []
