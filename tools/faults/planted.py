"""Bugs planted by hand that once escaped all tests and long runs, each with the guard for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zarr.storage import MemoryStore

from faults.forks import in_child
from faults.places import Templates, pixels
from kymflow_zarr import RowUpdate, ZarrDataset

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedBug:
    """A change of one module that makes it wrong.

    Attributes:
        kind: The guard that notices it.
        file: The module, relative to the package.
        right: A text that stands there once.
        wrong: What takes its place.
    """

    kind: str
    file: str
    right: str
    wrong: str


PLANTED = (
    PlantedBug(  # only the first image of a batch is flushed
        kind="flush",
        file="_storage/local_staging.py",
        right="        for name in names:\n            sync_tree(",
        wrong="        for name in names[:1]:\n            sync_tree(",
    ),
    PlantedBug(  # in an object store an image is visible before it is whole
        kind="planted",
        file="_storage/key_staging.py",
        right="            folder.commit = data\n",
        wrong="            folder.commit = data\n"
        '            wait(self._keys.put(f"{self._parent}/{key}", data))\n',
    ),
    PlantedBug(  # whoever was given up on frees the lock of the next one
        kind="planted",
        file="_storage/zarr_keys.py",
        right="            if wait(self.get(key)) == mine:\n",
        wrong="            if True:\n",
    ),
    PlantedBug(  # a forked child works in, and removes, its parent's scratch folder
        kind="planted",
        file="_storage/scratch.py",
        right="return self._pid == os.getpid() and ",
        wrong="return ",
    ),
    PlantedBug(  # an edit of equal length leaves the manifest as it was
        kind="planted",
        file="_storage/local.py",
        right="(it.st_size, it.st_mtime_ns, it.st_ino)",
        wrong="(it.st_size, 1, 1)",
    ),
)


def guard_planted(templates: Templates, root: Path) -> Iterator[str]:
    """Violations that only such bugs make."""
    for work in (_commits_last, _frees_its_own_lock):
        end = in_child(work)
        yield from [end.error] if end.value is None else end.value
    for look in (_shares_no_scratch, _sees_edits):
        place = templates.copy("full", root)
        end = in_child(lambda look=look, place=place: look(place.dataset))  # type: ignore[misc]
        yield from [end.error] if end.value is None else end.value


class _Logging(MemoryStore):
    """A store in memory that notes which keys are written, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    async def set(self, key: str, value: Buffer, byte_range: tuple[int, int] | None = None) -> None:
        self.written.append(key)
        await super().set(key, value, byte_range)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        self.written.append(key)
        await super().set_if_not_exists(key, value)


def _commits_last() -> list[str]:
    store = _Logging()
    dataset = ZarrDataset(store)
    store.written.clear()
    image_id = dataset.add_image(pixels(0), axes=("t", "x"), chunks=(4, 4)).image_id
    commit = f"images/{image_id}/zarr.json"
    if store.written.index(commit) < len(store.written) - 1:
        return ["an image in an object store is visible before it is whole"]
    return []


def _frees_its_own_lock() -> list[str]:
    """While a writer is at work, its lock is broken by a person, and taken by another one."""
    import pyarrow as pa
    from zarr.buffer import default_buffer_prototype
    from zarr.buffer.cpu import Buffer

    store = MemoryStore()
    dataset = ZarrDataset(store)
    key, theirs = "index/tables.lock", b"of another"
    rows = pa.table({"image_id": ["a"]})

    def updates() -> Iterator[RowUpdate]:
        asyncio.run(store.set(key, Buffer.from_bytes(theirs)))
        yield RowUpdate(image_ids=frozenset({"a"}), rows=rows)

    dataset.replace_rows("t", updates(), schema=rows.schema)
    left = asyncio.run(store.get(key, default_buffer_prototype()))
    if left is None or left.to_bytes() != theirs:
        return ["a writer frees the lock of another one"]
    return []


def _shares_no_scratch(folder: Path) -> list[str]:
    dataset = ZarrDataset(folder, "r+", durability="none")
    dataset.add_image(pixels(20), axes=("t", "x"))
    (mine,) = (folder / "index" / "staging").iterdir()
    pid = os.fork()
    if pid == 0:
        dataset.add_image(pixels(21), axes=("t", "x"))
        os._exit(len(list((folder / "index" / "staging").iterdir())))
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) != 2 or not mine.exists():
        return ["a forked child works in its parent's scratch folder"]
    return []


def _sees_edits(folder: Path) -> list[str]:
    dataset = ZarrDataset(folder, "r+", durability="none")
    record = next(dataset.iter_records())
    payload = record.load_metadata_payload()
    for time in (1_000_000_000, 2_000_000_000):
        payload["header"] = {"acquired_local_epoch_ns": time}
        record.save_metadata_payload(payload)
        dataset.update_manifest()
    if dataset.load_manifest().entries[record.image_id].acquired_local_epoch_ns != time:
        return ["an edit of equal length is not seen by the manifest"]
    return []
