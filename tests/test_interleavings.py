"""Two writers at once end as if one had come after the other, wherever they meet.

Both work on one store in memory. Each request to it waits for its turn, so that a schedule decides
where one writer is stopped and the other one goes on: every such point is tried.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from zarr.storage import MemoryStore

from kymflow.core import KymDataset, params_hash
from kymflow_zarr import KymflowZarrError, ZarrDataset, ZarrImageRecord

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer, BufferPrototype

Step = Callable[[ZarrDataset, "Case"], object]


class Turns:
    """Lets one request of one writer through at a time, and waits until that writer rests again."""

    def __init__(self, writers: int) -> None:
        self._changed = threading.Condition()
        self._asking: list[deque[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = [
            deque() for _ in range(writers)
        ]
        self._at_work = set(range(writers))
        self._locked_out: set[int] = set()

    async def ask(self, writer: int) -> None:
        mine = asyncio.Event()
        with self._changed:
            self._asking[writer].append((asyncio.get_running_loop(), mine))
            self._changed.notify_all()
        await mine.wait()

    def lock_is_taken(self, writer: int) -> None:
        self._locked_out.add(writer)

    def something_is_deleted(self) -> None:
        self._locked_out.clear()

    def finish(self, writer: int) -> None:
        with self._changed:
            self._at_work.discard(writer)
            self._changed.notify_all()

    def rest(self) -> None:
        """Wait until each writer that is at work asks for something."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: all(self._asking[writer] for writer in self._at_work), timeout=300
            ), "a writer neither asks nor ends"

    def ready(self) -> list[int]:
        return sorted(self._at_work - self._locked_out)

    def let(self, writer: int) -> None:
        with self._changed:
            loop, event = self._asking[writer].popleft()
        loop.call_soon_threadsafe(event.set)
        self.rest()


class TurnStore(MemoryStore):
    """One writer's view of a store in memory."""

    def __init__(self, contents: dict[str, Any], turns: Turns, writer: int) -> None:
        super().__init__(contents)
        self.turns = turns
        self.writer = writer

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: Any = None
    ) -> Buffer | None:
        await self.turns.ask(self.writer)
        return await super().get(key, prototype, byte_range)

    async def exists(self, key: str) -> bool:
        await self.turns.ask(self.writer)
        return await super().exists(key)

    async def getsize(self, key: str) -> int:
        await self.turns.ask(self.writer)
        if key not in self._store_dict:
            raise FileNotFoundError(key)
        return len(self._store_dict[key])

    async def set(self, key: str, value: Buffer, byte_range: Any = None) -> None:
        await self.turns.ask(self.writer)
        await super().set(key, value, byte_range)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        await self.turns.ask(self.writer)
        if key in self._store_dict:
            self.turns.lock_is_taken(self.writer)
        self._store_dict.setdefault(key, value)

    async def delete(self, key: str) -> None:
        await self.turns.ask(self.writer)
        await super().delete(key)
        self.turns.something_is_deleted()

    async def list_dir(self, prefix: str) -> Any:
        await self.turns.ask(self.writer)
        async for name in super().list_dir(prefix):
            yield name

    async def list_prefix(self, prefix: str) -> Any:
        await self.turns.ask(self.writer)
        for key in [key async for key in MemoryStore.list_prefix(self, prefix)]:
            yield key


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Where a run starts."""

    contents: dict[str, Any]
    first: str
    second: str
    recordings: Path


class Mean:
    """An index with one row per image."""

    name = "mean"

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        return pd.DataFrame({"mean": [float(rec.load_array().mean())]})

    def params_hash(self, rec: ZarrImageRecord) -> str:
        return params_hash({"pixels": rec.pixels_digest})

    def analysis_version(self) -> str:
        return "1"


def replace(dataset: ZarrDataset, case: Case) -> None:
    rows = pd.DataFrame({"image_id": [case.first], "v": [10]})
    dataset.replace_rows_for_image_id("t", case.first, rows)


def replace_other(dataset: ZarrDataset, case: Case) -> None:
    rows = pd.DataFrame({"image_id": [case.second], "v": [20]})
    dataset.replace_rows_for_image_id("t", case.second, rows)


def index(dataset: ZarrDataset, case: Case) -> object:
    return KymDataset(dataset).update_index(Mean(), on_error="collect")


def index_changed(dataset: ZarrDataset, case: Case) -> object:
    return KymDataset(dataset).update_index(Mean(), mode="incremental", on_error="collect")


def refresh(dataset: ZarrDataset, case: Case) -> object:
    return len(dataset.refresh_from_folder(case.recordings))


def refresh_and_index(dataset: ZarrDataset, case: Case) -> object:
    refresh(dataset, case)
    return index(dataset, case)


def delete(dataset: ZarrDataset, case: Case) -> None:
    dataset.delete_image(case.first)


def save(dataset: ZarrDataset, case: Case) -> object:
    return dataset.record(case.first).save_json("velocity/params", {"window": 16})


def save_array(dataset: ZarrDataset, case: Case) -> object:
    return dataset.record(case.first).save_array_artifact("scores", np.arange(3.0))


def repair(dataset: ZarrDataset, case: Case) -> object:
    return dataset.repair()


PAIRS: list[tuple[Step, Step]] = [
    (replace, replace_other),
    (replace, delete),
    (replace, repair),
    (index, refresh_and_index),
    (index, index_changed),
    (index, delete),
    (index_changed, delete),
    (refresh, refresh),
    (refresh, delete),
    (refresh, repair),
    (delete, delete),
    (delete, repair),
    (save, delete),
    (save_array, delete),
    (save, repair),
]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    recordings = tmp_path_factory.mktemp("recordings")
    tifffile.imwrite(recordings / "a.tif", np.full((4, 3), 7, np.uint16))
    store = MemoryStore()
    dataset = ZarrDataset(store)
    (first,) = dataset.refresh_from_folder(recordings)
    second = dataset.add_image(np.full((4, 3), 5, np.uint16), axes=("t", "x")).image_id
    dataset.save_table("t", pd.DataFrame({"image_id": sorted([first, second]), "v": [1, 1]}))
    KymDataset(dataset).update_index(Mean(), mode="incremental")
    tifffile.imwrite(recordings / "b.tif", np.full((4, 3), 9, np.uint16))
    return Case(contents=dict(store._store_dict), first=first, second=second, recordings=recordings)


def run(case: Case, steps: tuple[Step, Step], schedule: Iterator[int]) -> tuple[object, list[int]]:
    """What two writers leave, and which of them was let through each time."""
    contents = dict(case.contents)
    turns = Turns(2)

    def work(writer: int) -> str:
        try:
            dataset = ZarrDataset(TurnStore(contents, turns, writer), "r+")
            steps[writer](dataset, case)
        except KymflowZarrError as error:
            return type(error).__name__
        finally:
            turns.finish(writer)
        return ""

    went: list[int] = []
    with ThreadPoolExecutor(2) as executor:
        done = [executor.submit(work, writer) for writer in range(2)]
        turns.rest()
        while ready := turns.ready():
            wanted = next(schedule)
            went.append(wanted if wanted in ready else ready[0])
            turns.let(went[-1])
        errors = tuple(one.result() for one in done)
    return (errors, left(case, contents)), went


def left(case: Case, contents: dict[str, Any]) -> object:
    """What a dataset holds, whatever ids its new images have."""
    dataset = ZarrDataset(MemoryStore(dict(contents)), "r")
    names = {record.image_id: int(record.load_array()[0, 0]) for record in dataset.iter_records()}
    return (
        sorted(
            (name, list(dataset.record(image_id).artifacts)) for image_id, name in names.items()
        ),
        [(table, rows(dataset, table, names)) for table in dataset.list_table_names()],
        sorted({problem.kind for problem in dataset.check()}),
    )


def rows(dataset: ZarrDataset, table: str, names: dict[str, int]) -> list[tuple[object, ...]]:
    frame = dataset.load_table(table)
    if "image_id" not in frame:  # the log of runs
        return [()] * len(frame)
    frame["image_id"] = [str(names.get(image_id, image_id)) for image_id in frame["image_id"]]
    columns = ["image_id", *(name for name in ("v", "mean") if name in frame)]
    return sorted(frame[columns].itertuples(index=False, name=None))


def in_turns(first: int, *counts: int) -> Iterator[int]:
    """`first` for some requests, then the other for some, …, and the last one to its end."""
    writer = first
    for count in counts:
        for _ in range(count):
            yield writer
        writer = 1 - writer
    while True:
        yield writer


def one_after_the_other(case: Case, steps: tuple[Step, Step]) -> list[object]:
    """What is left in both orders."""
    allowed = []
    for first in (0, 1):
        ended, went = run(case, steps, in_turns(first, 10_000))
        assert went == sorted(went, reverse=bool(first))
        allowed.append(ended)
    return allowed


def name_of(steps: tuple[Step, Step]) -> str:
    return "-".join(step.__name__ for step in steps)


@pytest.mark.parametrize("steps", [(replace, replace_other), (save, delete)], ids=name_of)
def test_writers_that_meet_anywhere_lose_no_row_and_leave_no_rest(
    case: Case, steps: tuple[Step, Step]
) -> None:
    stopped_anywhere(case, steps)


@pytest.mark.slow
@pytest.mark.parametrize("steps", PAIRS, ids=name_of)
def test_any_two_writers_end_as_if_one_came_after_the_other(
    case: Case, steps: tuple[Step, Step]
) -> None:
    requests = stopped_anywhere(case, steps)
    allowed = one_after_the_other(case, steps)
    draw = random.Random(0)
    for _ in range(int(os.environ.get("KYMFLOW_EXAMPLES", "10"))):
        stops = [draw.randrange(requests) for _ in range(draw.randrange(2, 5))]
        ended, _ = run(case, steps, in_turns(draw.randrange(2), *stops))
        assert ended in allowed, f"stopped after {stops} requests"


def stopped_anywhere(case: Case, steps: tuple[Step, Step]) -> int:
    """Stop each writer after any number of requests, for as long as the other one needs.

    Returns:
        The most requests of one writer.
    """
    allowed = one_after_the_other(case, steps)
    most = 0
    for first in (0, 1):
        for stop in range(1, 10_000):
            ended, went = run(case, steps, in_turns(first, stop))
            assert ended in allowed, f"writer {first} is stopped after {stop} requests"
            if went[:stop].count(first) == went.count(first):
                most = max(most, stop)
                break
    return most
