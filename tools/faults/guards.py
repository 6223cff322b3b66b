"""Short, sharp checks, each of which fails when one safeguard is missing: see `mutation`."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread

import numpy as np
from filelock import FileLock, Timeout

from faults.corruption import corrupt
from faults.disk_model import Change, Disk, Loss
from faults.draws import seeded
from faults.forks import in_child
from faults.hostile_data import seal
from faults.jobs import JOBS, Durability, Job
from faults.places import Place, Templates, pixels
from faults.planted import guard_planted
from faults.power import logged_run, write_out
from faults.verdicts import judge, reference_states
from kymflow_zarr import (
    CorruptDataError,
    ExportError,
    JsonValue,
    LockedError,
    NotFoundError,
    RowUpdate,
    ZarrDataset,
)
from kymflow_zarr.experimental_stores.stores.sidecar import SidecarArtifactStore

GUARDS = ("flush", "rename", "lock", "checksum", "planted")

_MOMENTS = {"MARK", "RENAME", "EXCHANGE", "UNLINK", "TRUNCATE_OPEN", "WRITE"}
_POINTS = 10
_CASES = 250
_SLOW_TO_SWEEP = 5_000  # files, which take longer than a writer needs to take its lock
_TIMES_TO_BE_EARLY = 20
_RESULTS: tuple[JsonValue, ...] = ({"values": [1] * 2000}, {"values": [2] * 2000})
_BULK = {"ingest", "refresh", "ingest_export"}  # the jobs that publish several images at once
_FLUSHING: tuple[tuple[Durability, bool], ...] = (
    ("batch", True),
    ("record", True),
    ("batch", False),
)
"""How a job flushes: its durability, and whether the system has ``syncfs``."""

# Job → the locks that it must hold while it changes what is below a folder of the dataset.
_TABLE_LOCK: dict[str, tuple[str, ...]] = {
    "tables/": ("tables",),
    "index/manifest.parquet": ("tables",),
}
_GROUPS = {"images/zarr.json", "tables/zarr.json"}
_MAKES = {"ingest", "ingest_export"}  # the jobs that start without a dataset
_TAKES_IN: dict[str, tuple[str, ...]] = {
    "images/": ("ingest",),
    "tables/sources.parquet": ("ingest", "tables"),  # what is ingested meanwhile must not be lost
    **_TABLE_LOCK,
}
_BOTH: dict[str, tuple[str, ...]] = dict.fromkeys(
    ("images/", "tables/", "index/manifest.parquet", "zarr.json"), ("ingest", "tables")
)
_LOCKS: dict[str, dict[str, tuple[str, ...]]] = {
    "ingest": _TAKES_IN,
    "refresh": _TAKES_IN,
    "refresh_many": _TAKES_IN,
    "ingest_image": _TAKES_IN,
    "ingest_export": _TAKES_IN,
    "delete_image": {"images/": ("tables",), **_TABLE_LOCK},
    "replace_rows": _TABLE_LOCK,
    "update_index": _TABLE_LOCK,
    "indexes": _TABLE_LOCK,
    "relocate": _BOTH,
    "decide": {"images/": ("records",)},
    "repair": _BOTH,
    "upgrade": _BOTH,
}


def guard(
    kind: str, templates: Templates, root: Path, *, seed: int, jobs: Sequence[Job] = JOBS
) -> Iterator[str]:
    """Violations that show that a safeguard of one of `GUARDS` is missing; none if all are there.

    Some kinds are looked for in all jobs that are given.
    """
    match kind:
        case "flush":
            yield from _guard_sidecars(("data",), templates, root)
            yield from _guard_cuts(jobs, ("most", "data"), templates, root, seed=seed)
        case "rename":
            yield from _guard_sidecars(("nothing",), templates, root)
            yield from _guard_cuts(jobs, ("nothing",), templates, root, seed=seed)
        case "lock":
            yield from _guard_live_writer(templates, root)
            yield from _guard_locks(jobs, templates, root)
            yield from _guard_keys()
        case "planted":
            yield from guard_planted(templates, root)
        case _:
            yield from corrupt(templates, root, cases=_CASES, seed=seed).silent
            yield from _guard_digest(templates, root)
            yield from _guard_inventory(templates, root)
            yield from _guard_table(templates, root)


def _guard_cuts(
    jobs: Sequence[Job],
    losses: Sequence[Loss],
    templates: Templates,
    root: Path,
    *,
    seed: int,
) -> Iterator[str]:
    """Cut each job off after the calls that make something visible or acknowledge it."""
    for durability, has_syncfs in _FLUSHING:
        for job in jobs:
            if (durability == "record" or not has_syncfs) and job.name not in _BULK:
                continue
            states = reference_states(job, templates, root, durability)
            log = logged_run(job, templates, root, durability, has_syncfs=has_syncfs)
            moments = [at for at, change in enumerate(log, start=1) if change.what in _MOMENTS]
            for loss in losses:
                draw = seeded(seed, job.name, durability, loss)
                disk = Disk(templates.copy(job.template, root).work)
                applied = acknowledged = 0
                for moment in _some(moments, log, draw):
                    for change in log[applied:moment]:
                        disk.apply(change)
                        acknowledged += change.what == "MARK"
                    applied = moment
                    place = write_out(disk, templates, root, loss, draw)
                    for text in judge(place, states, acknowledged=acknowledged):
                        yield f"{job.name}, {durability}, loses {loss}, {moment}: {text[-300:]}"


def _guard_sidecars(losses: Sequence[Loss], templates: Templates, root: Path) -> Iterator[str]:
    """A result beside a file is the old one or the new one, or not there yet."""
    job = Job(name="sidecars", template="empty", steps=_save_sidecars)
    log = logged_run(job, templates, root)
    for loss in losses:
        disk = Disk(templates.copy(job.template, root).work)
        for moment, change in enumerate(log, start=1):
            disk.apply(change)
            place = write_out(disk, templates, root, loss, seeded(moment))
            try:
                found = SidecarArtifactStore().load_json(str(place.work / "a.tif"), "result")
            except NotFoundError:
                continue
            except CorruptDataError as error:
                yield f"sidecars, loses {loss}, {moment}: {error}"
            else:
                if found not in _RESULTS:
                    yield f"sidecars, loses {loss}, {moment}: it is neither of the two"


def _save_sidecars(place: Place, durability: Durability) -> Iterator[None]:
    del durability
    for result in _RESULTS:
        SidecarArtifactStore().save_json(str(place.work / "a.tif"), "result", result)
        yield


def _some(moments: Sequence[int], log: Sequence[Change], draw: random.Random) -> list[int]:
    """All that acknowledge, and some of those that publish or write in place."""
    marks = {at for at in moments if log[at - 1].what == "MARK"}
    moved = [at for at in moments if log[at - 1].what in {"RENAME", "EXCHANGE"}]
    rest = [at for at in moments if at not in marks and "/staging/" not in log[at - 1].path]
    for some in (moved, rest):
        marks.update(draw.sample(some, min(len(some), _POINTS)))
    return sorted(marks)


def _guard_locks(jobs: Sequence[Job], templates: Templates, root: Path) -> Iterator[str]:
    """Look through the log of each job for changes made without the lock that they need."""
    for job in jobs:
        log = logged_run(job, templates, root)
        place = templates.place(root)
        held: set[str] = set()
        for change in log:
            path = Path(change.path)
            if change.what == "LOCK":
                held.add(path.stem)
            elif change.what == "UNLOCK":
                held.discard(path.stem)
            elif change.what not in {"MARK", "FSYNC", "SYNCFS", "MKDIR"}:
                for touched in filter(None, (change.path, change.target)):
                    missing = _needed(job.name, place, touched) - held
                    if missing:
                        yield f"{job.name} changes {touched} without {sorted(missing)}"


def _guard_keys() -> Iterator[str]:
    """While one writes into an object store, another one must wait, whatever reaches the store."""
    import obstore.store
    import pyarrow as pa
    from zarr.storage import MemoryStore, ObjectStore

    def work(store: MemoryStore | ObjectStore) -> list[str]:  # type: ignore[type-arg]
        rows = pa.table({"image_id": ["a"]})
        found: list[str] = []

        def updates() -> Iterator[RowUpdate]:
            try:
                ZarrDataset(store, "r+", lock_timeout_s=0.05).save_table("other", rows)
                found.append(f"two writers at once in {store}")
            except LockedError:
                pass
            yield RowUpdate(image_ids=frozenset({"a"}), rows=rows)

        ZarrDataset(store).replace_rows("rows", updates(), schema=rows.schema)
        return found

    for store in (MemoryStore(), ObjectStore(obstore.store.MemoryStore())):
        end = in_child(partial(work, store))
        yield from [end.error] if end.value is None else end.value


def _needed(job: str, place: Place, touched: str) -> set[str]:
    """The locks that must be held to change a file."""
    export = f"{place.export}/"
    if touched.startswith(export):
        return set() if "/.kymflow_export" in touched else {"export"}
    inside = touched.removeprefix(f"{place.dataset}/")
    if inside in _GROUPS and job in _MAKES:
        return set()  # whoever makes a dataset writes the same few bytes, however many do at once
    for prefix, locks in _LOCKS.get(job, {}).items():
        if inside.startswith(prefix):
            return set(locks)
    return set()


def _guard_live_writer(templates: Templates, root: Path) -> Iterator[str]:
    """The scratch folder of a writer that is alive is none that was left behind."""
    place = templates.copy("full", root)

    def work() -> list[str]:
        writer = ZarrDataset(place.dataset, "r+")
        writer.add_image(pixels(7), axes=("t", "x"))
        other = ZarrDataset(place.dataset, "r+")
        wrong = [f"a live writer's folder is a leftover: {item}" for item in other.check()]
        other.repair()
        wrong += _sweep_beside_a_new_writer(other, place.dataset / "index" / "staging")
        writer.add_image(pixels(8), axes=("t", "x"))
        return wrong

    end = in_child(work)
    yield from [end.error] if end.value is None else end.value


def _sweep_beside_a_new_writer(dataset: ZarrDataset, staging: Path) -> list[str]:
    """A folder gets a writer after `repair` has listed it as a leftover, and before its turn."""
    for _ in range(_TIMES_TO_BE_EARLY):
        first, second = (staging / (digit * 32) for digit in "01")
        for leftover in (first, second):
            leftover.mkdir()
            (leftover / "writer.lock").touch()
        for number in range(_SLOW_TO_SWEEP):
            (first / f"{number:032x}").touch()
        writer = _NewWriter(second, when_gone=first)
        writer.start()
        dataset.repair()
        writer.join()
        was_swept = not second.exists()
        writer.lock.release()
        dataset.repair()
        if writer.was_early:
            return ["a live writer's folder is swept"] if was_swept else []
    return [f"in {_TIMES_TO_BE_EARLY} times no writer came before repair did"]


class _NewWriter(Thread):
    """Takes the lock of a leftover as soon as another one, which is swept before it, has gone."""

    def __init__(self, folder: Path, *, when_gone: Path) -> None:
        super().__init__()
        self.lock = FileLock(folder / "writer.lock", thread_local=False)
        self.was_early = False
        self._folder = folder
        self._when_gone = when_gone

    def run(self) -> None:
        while self._when_gone.exists():
            pass
        with suppress(Timeout, FileNotFoundError):
            self.lock.acquire(timeout=0)
            self.was_early = self._folder.exists()


def _guard_digest(templates: Templates, root: Path) -> Iterator[str]:
    """A chunk that was exchanged together with its checksum fails the digest over all pixels."""
    place = templates.copy("full", root)

    def work() -> list[str]:
        dataset = ZarrDataset(place.dataset, "r+")
        first, second = dataset.list_image_ids()[:2]
        data = place.dataset / "images" / first / "data"
        other = place.dataset / "images" / second / "data"
        before = dataset.record(first).load_array()

        def lazily() -> list[str]:
            try:
                found = np.asarray(dataset.record(first).open_array()[...])
            except CorruptDataError:
                return []
            return [] if np.array_equal(found, before) else ["another chunk is read lazily"]

        (data / "c.0.0").write_bytes((other / "c.0.0").read_bytes())
        wrong = lazily()
        checksum = json.loads((other / "zarr.json").read_bytes())["attributes"]["kymflow_zarr"]
        forged = json.loads((data / "zarr.json").read_bytes())
        forged["attributes"]["kymflow_zarr"]["chunk_crc32c"] = checksum["chunk_crc32c"]
        seal(data / "zarr.json", forged)
        if not dataset.check(deep=True):
            wrong.append("check does not find pixels that differ from their digest")
        try:
            dataset.export_legacy_folder(place.export)
            wrong.append("pixels that differ from their digest are exported")
        except ExportError:
            pass
        # A whole array of another image, with its own document.
        (data / "zarr.json").write_bytes((other / "zarr.json").read_bytes())
        try:
            if not np.array_equal(dataset.record(first).load_array(), before):
                wrong.append("another image's pixels are read as one's own")
        except CorruptDataError:
            pass
        return wrong

    end = in_child(work)
    yield from [end.error] if end.value is None else end.value


def _guard_table(templates: Templates, root: Path) -> Iterator[str]:
    """A table with another column in its footer, or any other byte in its rows, is damaged."""
    place = templates.copy("full", root)
    path = place.dataset / "tables" / "notes.parquet"

    def work() -> list[str]:
        dataset = ZarrDataset(place.dataset, "r")
        before, data = dataset.load_table("notes"), path.read_bytes()
        damaged = {"the footer": data.replace(b"text", b"texu")}
        for at in range(4, len(data) - 8 - int.from_bytes(data[-8:-4], "little")):
            damaged[f"byte {at}"] = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        wrong = []
        for what, changed in damaged.items():
            path.write_bytes(changed)
            try:
                if not dataset.load_table("notes").equals(before):
                    wrong.append(f"a table is read in which {what} is damaged")
            except CorruptDataError:
                pass
        return wrong

    end = in_child(work)
    yield from [end.error] if end.value is None else end.value


def _guard_inventory(templates: Templates, root: Path) -> Iterator[str]:
    """A damaged line of an inventory is repaired: it does not count as something that is gone."""
    place = templates.copy("full", root)

    def work() -> list[str]:
        path = place.dataset / "tables" / "inventory.txt"
        path.write_bytes(path.read_bytes().replace(b"kym_x", b"kym_y"))
        ZarrDataset(place.dataset, "r+").repair()
        return [str(problem) for problem in ZarrDataset(place.dataset, "r").check()]

    end = in_child(work)
    yield from [end.error] if end.value is None else end.value
