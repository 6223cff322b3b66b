"""Several writers of one dataset in an object store, and one whose lock is taken away."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from kymflow_zarr import LockedError, LockLostError, RowUpdate, ZarrDataset


@pytest.fixture
def in_memory() -> Any:
    """An object store in memory, for several datasets to be opened from."""
    obstore = pytest.importorskip("obstore.store")
    from zarr.storage import ObjectStore

    return ObjectStore(obstore.MemoryStore())


def add_row(dataset: ZarrDataset, name: str) -> None:
    rows = pd.DataFrame({"image_id": [name], "v": [1]})
    dataset.replace_rows_for_image_id("t", name, rows)


def robbed(dataset: ZarrDataset, rob: Callable[[], object]) -> None:
    """Add a row of ``mine``; before it is written, others are let in."""
    rows = pa.table({"image_id": ["mine"], "v": [1]})

    def updates() -> Iterator[RowUpdate]:
        rob()
        yield RowUpdate(image_ids=frozenset({"mine"}), rows=rows)

    dataset.replace_rows("t", updates(), schema=rows.schema)


@pytest.mark.parametrize("before", [True, False])
def test_a_writer_whose_lock_was_broken_overwrites_nothing(in_memory: Any, before: bool) -> None:
    mine, other = ZarrDataset(in_memory), ZarrDataset(in_memory)
    if before:
        add_row(mine, "first")

    def break_in() -> None:
        assert len(other.unlock()) == 1
        add_row(other, "theirs")

    with pytest.raises(LockLostError, match="'tables' while this one was working; nothing of it"):
        robbed(mine, break_in)
    assert other.load_table("t")["image_id"].tolist() == ["first", "theirs"][1 - before :]
    add_row(mine, "mine")
    assert len(mine.load_table("t")) == 2 + before


def test_a_writer_that_has_looked_at_its_lock_for_the_last_time_overwrites_nothing(
    url: str, s3: Any
) -> None:
    """Between that and the write it may sleep for as long as it likes."""
    mine, other = ZarrDataset(url), ZarrDataset(url)
    add_row(mine, "first")
    s3.log.clear()

    def sleep(number: int) -> None:
        if s3.log[number - 1] == ("PUT", f"{url[4:]}/tables/t.parquet"):
            s3.before = lambda _: None
            other.unlock()
            add_row(other, "theirs")

    s3.before = sleep
    with pytest.raises(LockLostError, match=r"'tables/t\.parquet'"):
        add_row(mine, "mine")
    assert other.load_table("t")["image_id"].tolist() == ["first", "theirs"]


def test_a_writer_frees_no_lock_of_another(in_memory: Any) -> None:
    mine, other, third = [ZarrDataset(in_memory, lock_timeout_s=0.1) for _ in range(3)]

    freed, taken = threading.Event(), threading.Event()

    def lose() -> None:
        other.unlock()
        freed.set()
        assert taken.wait(300)

    with ThreadPoolExecutor(1) as pool:
        loser = pool.submit(robbed, mine, lose)
        assert freed.wait(300)

        def end_the_loser() -> None:
            taken.set()
            assert isinstance(loser.exception(), LockLostError)
            with pytest.raises(LockedError):
                add_row(third, "third")

        robbed(other, end_the_loser)
    assert other.load_table("t")["image_id"].tolist() == ["mine"]


def test_a_sources_index_read_before_the_lock_was_lost_is_not_written(
    url: str, s3: Any, folder: Path
) -> None:
    dataset = ZarrDataset(url)
    dataset.refresh_from_folder(folder)
    rows = dataset.load_sources_index()
    s3.log.clear()

    def sleep(number: int) -> None:
        if s3.log[number - 1] == ("PUT", f"{url[4:]}/tables/sources.parquet"):
            s3.before = lambda _: None
            other = ZarrDataset(url)
            other.unlock()
            other.save_sources_index(rows.iloc[1:])

    s3.before = sleep
    with pytest.raises(LockLostError):
        dataset.save_sources_index(rows)


@pytest.mark.parametrize(
    "server",
    [
        "moto",
        pytest.param("ceph", marks=pytest.mark.slow),
        pytest.param("azurite", marks=pytest.mark.slow),
    ],
)
def test_rows_and_notes_of_four_writers_all_arrive(
    server: str, url_in: Callable[[str], str]
) -> None:
    url = url_in(server)
    ZarrDataset(url)
    record = ZarrDataset(url).add_image([[1, 2], [3, 4]])
    names = [f"w{writer}-{number}" for writer in range(4) for number in range(2)]

    def write(writer: int) -> None:
        dataset = ZarrDataset(url)
        for name in names[2 * writer : 2 * writer + 2]:
            add_row(dataset, name)
            dataset.record(record.image_id).save_json(f"note/{name}", name)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    dataset = ZarrDataset(url, "r")
    assert dataset.load_table("t")["image_id"].tolist() == names
    assert {problem.kind for problem in dataset.check(deep=True)} == {"orphan_rows"}
    artifacts = list(dataset.record(record.image_id).artifacts)
    assert artifacts == [*(f"note/{name}" for name in names), "provenance"]


# --- killed at each request -----------------------------------------------------------------------

JOB = """
import os
import sys
import numpy, pandas, pyarrow.parquet, tifffile, zarr
from kymflow_zarr import ZarrDataset

def job(url, folder):
    dataset = ZarrDataset(url, lock_timeout_s=60)
    dataset.unlock()
    dataset.refresh_from_folder(folder)
    for image_id in dataset.list_image_ids():
        rows = pandas.DataFrame({"image_id": [image_id], "v": [1]})
        dataset.replace_rows_for_image_id("t", image_id, rows)
        record = dataset.record(image_id)
        record.save_array_artifact("scores", numpy.arange(3.0))
        record.save_array_artifact("scores", numpy.arange(4.0))
    dataset.update_manifest()
    dataset.delete_image(dataset.list_image_ids()[0])
    dataset.refresh_from_folder(folder)

# Forked from here, since starting Python takes longer than the job.
for url in sys.stdin:
    child = os.fork()
    if not child:
        job(url.strip(), sys.argv[1])
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Jobs:
    """Runs the job in a process that is killed at its n-th request."""

    def __init__(self, server: Any, process: Any) -> None:
        self.server = server
        self.process = process

    def run(self, url: str, *, kill_at: int = 0) -> int:
        """Returns the number of requests if the job ended by itself, else 0."""
        started = threading.Event()
        child = 0

        def kill(number: int, *_: object) -> str:
            if not kill_at or number < kill_at:
                return ""
            assert started.wait(300)
            if number == kill_at:
                os.kill(child, signal.SIGKILL)
            return "cut"

        self.server.log.clear()
        self.server.fault = kill
        print(url, file=self.process.stdin, flush=True)
        child = int(self.process.stdout.readline())
        started.set()
        status = int(self.process.stdout.readline())
        self.server.fault = lambda *_: ""
        assert status in {0, signal.SIGKILL}
        return 0 if status else len(self.server.log)


@pytest.fixture
def jobs(s3: Any, start: Any, folder: Path) -> Jobs:
    """What runs jobs that take in two files."""
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    (folder / "c.tif").unlink()
    return Jobs(s3, start(JOB, folder))


def check_what_is_left(place: str) -> list[str]:
    """What a job that was killed leaves is whole once it is repaired; returns its images.

    But for the array that it was about to replace, which is two steps here: that may be gone.
    """
    left = ZarrDataset(place)
    left.unlock()
    left.repair()
    problems = [(one.kind, one.location.rpartition("/")[2]) for one in left.check(deep=True)]
    assert problems in ([], [("gone", "scores")])
    return left.list_image_ids()


def check_the_end(place: str, ids: list[str]) -> None:
    """The same job then ends as if it never was killed."""
    dataset = ZarrDataset(place, "r+")
    assert dataset.check(deep=True) == []
    assert len(dataset) == 2
    assert len(set(ids) - set(dataset)) <= 1  # the one that the job deletes
    assert set(dataset.load_table("t")["image_id"]) <= set(dataset)
    assert dataset.load_sources_index()["source_primary_path"].is_unique


@pytest.mark.slow
def test_what_a_writer_leaves_that_is_killed_at_a_request_is_repaired(jobs: Jobs, url: str) -> None:
    requests = jobs.run(url)
    step = max(1, 500 // int(os.environ.get("KYMFLOW_EXAMPLES", "6")))
    places = []
    for number in range(1, requests, step):
        places.append(f"{url}-{number}")
        if jobs.run(places[-1], kill_at=number):
            break  # beats of locks are requests, too: there are fewer where it is quicker
    assert len(places) > requests // step // 2
    with ThreadPoolExecutor(8) as pool:  # each waits until it is sure that the writer is gone
        left = list(pool.map(check_what_is_left, places))
    assert all(map(jobs.run, places))
    for place, ids in zip(places, left, strict=True):
        check_the_end(place, ids)


# --- folders that were never published ------------------------------------------------------------

ADD = """
import sys
import numpy
from kymflow_zarr import LockLostError, ZarrDataset

class Slow:
    shape, dtype = (4, 3), numpy.dtype(float)

    def __getitem__(self, rows):
        if rows.start == 3:
            print("half", flush=True)
            sys.stdin.readline()
        return numpy.ones((rows.stop - rows.start, 3))

try:
    ZarrDataset(sys.argv[1]).add_image(Slow(), chunks=(1, 3))
except LockLostError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_writer_that_wakes_after_a_repair_publishes_nothing(url: str, start: Any) -> None:
    if not hasattr(signal, "SIGSTOP"):
        pytest.skip("no process can be stopped here")
    dataset = ZarrDataset(url)
    writer = start(ADD, url)
    assert writer.stdout.readline() == "half\n"
    assert dataset.check() == []  # an image that is being written is no damage
    os.kill(writer.pid, signal.SIGSTOP)
    (swept,) = dataset.repair()
    assert swept.action == "removed what a killed writer left behind"
    os.kill(writer.pid, signal.SIGCONT)
    said, _ = writer.communicate("go on\n")
    assert "another writer took over 'images'" in said
    assert dataset.list_image_ids() == []
    assert dataset.check(deep=True) == []


def is_commit(path: str) -> bool:
    """Whether it is the commit document of an image."""
    return path.endswith("/zarr.json") and path.count("/") == 6


def test_a_writer_whose_claim_is_taken_while_it_commits_publishes_nothing(
    url: str, s3: Any
) -> None:
    """As `repair` does with the claim of one that slept: the chunks may be gone by then."""
    import obstore
    from obstore.store import from_url

    dataset = ZarrDataset(url)

    def take_the_claim(number: int) -> None:
        verb, path = s3.log[number - 1]
        if verb == "PUT" and is_commit(path):
            s3.before = lambda _: None
            (claim,) = {path for verb, path in s3.log if verb == "PUT" and "/staging/" in path}
            obstore.put(from_url(url), claim.partition("/d.zarr/")[2], b"{}")

    s3.before = take_the_claim
    with pytest.raises(LockLostError, match="'images'"):
        dataset.add_image(np.ones((4, 3)))
    assert len(dataset) == 0
    left = [item["path"] for page in obstore.list(from_url(url), "images/") for item in page]
    assert left == ["images/zarr.json"]


@pytest.mark.slow
def test_an_image_whose_commit_was_not_answered_is_whole_or_removed(url: str, s3: Any) -> None:
    """It is unknown then whether it exists: what belongs to it must not be removed."""
    datasets = {lost: ZarrDataset(f"{url}-{lost}") for lost in ("answer-lost", "fail")}
    for lost, dataset in datasets.items():
        fault = lost.replace("-", " ")
        s3.fault = lambda _, verb, path, fault=fault: (
            fault if verb == "PUT" and is_commit(path) else ""
        )
        with pytest.raises(OSError, match="check the URL"):
            dataset.add_image(np.ones((4, 3)))
    s3.fault = lambda *_: ""
    for dataset in datasets.values():
        for record in dataset.iter_records():
            assert record.load_array().tolist() == np.ones((4, 3)).tolist()
    with ThreadPoolExecutor(2) as pool:  # each waits until it is sure that nobody writes
        list(pool.map(ZarrDataset.repair, datasets.values()))
    for lost, dataset in datasets.items():
        assert dataset.check(deep=True) == []
        assert len(dataset) == (lost == "answer-lost")


WRITE = """
import os
import sys
import numpy, obstore, zarr
from kymflow_zarr import ZarrDataset

for _ in range(6):
    # Forked from here, since starting Python takes longer than the work.
    for url in sys.argv[1:]:
        if not os.fork():
            ZarrDataset(url).add_image(numpy.zeros((8, 8), numpy.uint8), axes=("t", "x"))
            sys.exit()
    print(*(os.wait()[1] for _ in sys.argv[1:]), flush=True)
"""


@pytest.mark.slow
def test_a_process_that_has_written_ends_as_if_it_had_not(url: str, start: Any) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    writers = start(WRITE, *(f"{url}-{number}" for number in range(4)))
    # One of 24 was aborted at its end by an answer that came too late.
    assert writers.communicate()[0] == "0 0 0 0\n" * 6
