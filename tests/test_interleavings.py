"""Writers at once end as if one had come after the other, wherever they meet.

They work on one store in memory. Each request to it waits for its turn, so that a schedule decides
where one writer is stopped and another one goes on. Of two, every such point is tried in the long
form, with ``KYMFLOW_EXAMPLES``, and every eleventh one without it.
"""

from __future__ import annotations

import asyncio
import io
import os
import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, permutations, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from zarr.buffer.cpu import Buffer
from zarr.storage import MemoryStore

from kymflow.core import KymDataset, params_hash
from kymflow_zarr import KymflowZarrError, ZarrDataset, ZarrImageRecord

if TYPE_CHECKING:
    from zarr.abc.buffer import Buffer as AnyBuffer
    from zarr.core.buffer import BufferPrototype

Step = Callable[[ZarrDataset, "Case"], object]

TO_THE_END = 1000  # more requests than any writer makes
EXAMPLES = int(os.environ.get("KYMFLOW_EXAMPLES", "3"))
EVERY = 1 if "KYMFLOW_EXAMPLES" in os.environ else 11


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
    ) -> AnyBuffer | None:
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

    async def set(self, key: str, value: AnyBuffer, byte_range: Any = None) -> None:
        await self.turns.ask(self.writer)
        await super().set(key, value, byte_range)

    async def set_if_not_exists(self, key: str, value: AnyBuffer) -> None:
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


def save_sources(dataset: ZarrDataset, case: Case) -> None:
    dataset.save_sources_index(dataset.load_sources_index())


def relocate(dataset: ZarrDataset, case: Case) -> object:
    return dataset.sources.relocate(case.recordings / "a.tif", case.recordings / "b.tif")


def upgrade(dataset: ZarrDataset, case: Case) -> object:
    return dataset.upgrade()


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
    (save_sources, refresh),
    (save_sources, delete),
    (relocate, refresh),
    (relocate, repair),
]
TRIPLES: list[tuple[Step, ...]] = [
    (replace, replace_other, delete),
    (replace, index, repair),
    (index, refresh_and_index, delete),
    (index, index_changed, refresh),
    (refresh, delete, repair),
    (refresh, refresh, index),
    (refresh, save_sources, delete),
    (relocate, refresh, repair),
    (save, delete, repair),
    (save_array, delete, refresh_and_index),
]
OF_FORMAT_1: list[tuple[Step, ...]] = [
    (upgrade, upgrade),
    (upgrade, replace),
    (upgrade, save),
    (upgrade, delete),
    (upgrade, repair),
    (upgrade, replace, delete),
    (upgrade, save, repair),
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


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A dataset as prototypes wrote it."""
    store = MemoryStore()
    root = zarr.create_group(store, zarr_format=2)
    root.attrs.update({"format": "kymflow_zarr_v1", "schema_version": 1})
    ids = ["0a7f3c1e-1111-4222-8333-444455556666", "9b1d2e3f-1111-4222-8333-444455556666"]
    for number, image_id in enumerate(ids):
        group = root.create_group(f"images/{image_id}")
        group.attrs.update({"axes": ["t", "x"], "created_utc": "2025-01-01T00:00:00+00:00"})
        array = group.create_array("data", shape=(4, 3), chunks=(4, 3), dtype="u2")
        array[...] = np.full((4, 3), 5 + number, np.uint16)
    table = io.BytesIO()
    pd.DataFrame({"image_id": ids, "v": [1, 1]}).to_parquet(table)
    contents = dict(store._store_dict)
    contents["tables/t.parquet"] = Buffer.from_bytes(table.getvalue())
    recordings = tmp_path_factory.mktemp("none")
    return Case(contents=contents, first=ids[0], second=ids[1], recordings=recordings)


def run(case: Case, steps: tuple[Step, ...], schedule: Iterator[int]) -> tuple[object, list[int]]:
    """What some writers leave, and which of them was let through each time."""
    contents = dict(case.contents)
    turns = Turns(len(steps))

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
    with ThreadPoolExecutor(len(steps)) as executor:
        done = [executor.submit(work, writer) for writer in range(len(steps))]
        turns.rest()
        while ready := turns.ready():
            some = islice(schedule, len(steps) * TO_THE_END)
            went.append(next((writer for writer in some if writer in ready), ready[0]))
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
        # Loading a sources index and saving it are two calls: a row left out is derived again.
        sorted({problem.kind for problem in dataset.check()} - {"record_without_source"}),
    )


def rows(dataset: ZarrDataset, table: str, names: dict[str, int]) -> list[tuple[object, ...]]:
    if table == "sources":  # in the table itself, rows of images that are gone do not count
        known = dataset.load_sources_index()
        files = known["source_primary_path"].map(os.path.basename)
        return sorted(zip(known["image_id"].map(names), files, strict=True))
    frame = dataset.load_table(table)
    if "image_id" not in frame:  # the log of runs
        return [()] * len(frame)
    frame["image_id"] = [str(names.get(image_id, image_id)) for image_id in frame["image_id"]]
    columns = ["image_id", *(name for name in ("v", "mean") if name in frame)]
    return sorted(frame[columns].itertuples(index=False, name=None))


def in_turns(*turns: tuple[int, int]) -> Iterator[int]:
    """A writer for some requests, then another one for some, …, and the last one to its end."""
    for writer, count in turns:
        yield from repeat(writer, count)
    while True:
        yield turns[-1][0]


def one_after_the_other(case: Case, steps: tuple[Step, ...]) -> list[object]:
    """What is left in each order."""
    return [
        run(case, steps, in_turns(*((writer, TO_THE_END) for writer in order)))[0]
        for order in permutations(range(len(steps)))
    ]


def name_of(steps: tuple[Step, ...]) -> str:
    return "-".join(step.__name__ for step in steps)


@pytest.mark.parametrize("steps", [(replace, replace_other), (save, delete)], ids=name_of)
def test_writers_that_meet_anywhere_lose_no_row_and_leave_no_rest(
    case: Case, steps: tuple[Step, Step]
) -> None:
    stopped_anywhere(case, steps)


def test_three_writers_end_as_if_each_came_after_another(case: Case) -> None:
    met_at_random(case, (replace, index, delete), times=5, requests=60)


@pytest.mark.slow
@pytest.mark.parametrize("steps", PAIRS, ids=name_of)
def test_any_two_writers_end_as_if_one_came_after_the_other(
    case: Case, steps: tuple[Step, Step]
) -> None:
    met_at_random(case, steps, times=EXAMPLES, requests=stopped_anywhere(case, steps, every=EVERY))


@pytest.mark.slow
@pytest.mark.parametrize("steps", TRIPLES, ids=name_of)
def test_any_three_writers_end_as_if_each_came_after_another(
    case: Case, steps: tuple[Step, ...]
) -> None:
    met_at_random(case, steps, times=3 * EXAMPLES, requests=60)


@pytest.mark.slow
@pytest.mark.parametrize("steps", OF_FORMAT_1, ids=name_of)
def test_writers_may_meet_an_upgrade(old: Case, steps: tuple[Step, ...]) -> None:
    met_at_random(old, steps, times=3 * EXAMPLES, requests=60)


def met_at_random(case: Case, steps: tuple[Step, ...], *, times: int, requests: int) -> None:
    """Let writers alternate at random, each for up to so many requests at a time."""
    allowed = one_after_the_other(case, steps)
    draw = random.Random(0)
    writers = range(len(steps))
    for _ in range(times):
        # By hundreds where one writer does all its work, by ones where two are entangled.
        most = draw.choice([2, 10, requests])
        turns = [(draw.choice(writers), 1 + draw.randrange(most)) for _ in range(400)]
        ended, went = run(case, steps, in_turns(*turns))
        assert ended in allowed, f"they went {went}: {ended} is none of {allowed}"


def stopped_anywhere(case: Case, steps: tuple[Step, Step], *, every: int = 1) -> int:
    """Stop each writer after any number of requests, for as long as the other one needs.

    Args:
        case: Where they start.
        steps: What they do.
        every: How many requests lie between two numbers that are tried.

    Returns:
        The most requests of one writer.
    """
    allowed = one_after_the_other(case, steps)
    most = 0
    for first in (0, 1):
        for stop in range(1 + first % every, TO_THE_END, every):
            ended, went = run(case, steps, in_turns((first, stop), (1 - first, TO_THE_END)))
            assert ended in allowed, f"writer {first} is stopped after {stop} requests"
            if went[:stop].count(first) == went.count(first):
                most = max(most, stop)
                break
    return most
