"""One damaged file at a time: what is read is right or an error, and a deep check finds it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from faults.draws import seeded
from faults.forks import in_child
from faults.places import Templates
from faults.snapshots import image_of, read_what_can_be
from kymflow_zarr import KymflowZarrError, ZarrDataset

_BATCH = 100
_GROUPS = {"images/zarr.json", "tables/zarr.json"}


@dataclass(slots=True, kw_only=True)
class Corruption:
    """What came of it.

    Attributes:
        tried: How many damages were done.
        refused: How many made a read fail with an error that names the key.
        found: How many the check found.
        harmless: How many changed nothing that is read, and were not found: a removed cache, an
            idle lock file, an unused bit of a gzip header.
        editable: How many left another valid text in an artifact that people may edit (JSON), or
            put another one's in its place (JSON, legacy CSV).
        silent: Reads that gave something wrong, and damage that the check did not find.
    """

    tried: int = 0
    refused: int = 0
    found: int = 0
    harmless: int = 0
    editable: int = 0
    silent: list[str] = field(default_factory=list)

    def add(self, other: Corruption) -> None:
        """Count another batch in."""
        for name in ("tried", "refused", "found", "harmless", "editable"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.silent += other.silent


def _flip_bit(data: bytearray, draw: random.Random) -> None:
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def _set_byte(data: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(data))
    data[at] = (data[at] + draw.randrange(1, 256)) % 256


def _cut(data: bytearray, draw: random.Random) -> None:
    del data[draw.randrange(len(data)) :]


def _empty(data: bytearray, draw: random.Random) -> None:
    del draw, data[:]


def _repeat_byte(data: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(data))
    data.insert(at, data[at])


def _drop_byte(data: bytearray, draw: random.Random) -> None:
    del data[draw.randrange(len(data))]


def _zero_block(data: bytearray, draw: random.Random) -> None:
    start = draw.randrange(len(data))
    end = min(len(data), start + draw.choice([16, 512, 4096]))
    data[start:end] = bytes(end - start)


def _append(data: bytearray, draw: random.Random) -> None:
    data += draw.randbytes(draw.randrange(1, 64))


def _double(data: bytearray, draw: random.Random) -> None:
    del draw
    data += bytes(data)


DAMAGES: dict[str, Callable[[bytearray, random.Random], None]] = {
    "flip a bit": _flip_bit,
    "set a byte": _set_byte,
    "cut": _cut,
    "empty": _empty,
    "repeat a byte": _repeat_byte,
    "drop a byte": _drop_byte,
    "zero a block": _zero_block,
    "append": _append,
    "double": _double,
}
_MOVES = ("delete", "swap", "copy beside")


def corrupt(templates: Templates, root: Path, *, cases: int, seed: int) -> Corruption:
    """Damage one file after another of the full dataset, and restore it."""
    total = Corruption()
    for first in range(0, cases, _BATCH):
        count = min(_BATCH, cases - first)
        place = templates.copy("full", root)
        draw = seeded(seed, "corruption", first)

        def work(
            path: Path = place.dataset, count: int = count, draw: random.Random = draw
        ) -> Corruption:
            return _Trials(path).run(count, draw)

        end = in_child(work, timeout_s=600)
        if end.value is None:
            total.silent.append(f"cases {first}…: {end.error or 'the process died or hangs'}")
            total.tried += count
        else:
            total.add(end.value)
    return total


class _Trials:
    """Damages done to one dataset, each undone before the next."""

    def __init__(self, path: Path) -> None:
        self._path = path
        dataset = ZarrDataset(path, "r")
        self._names = {record.image_id: image_of(record) for record in dataset.iter_records()}
        self._right, damaged_keys = read_what_can_be(dataset, self._names)
        if damaged_keys or dataset.check(deep=True):
            raise AssertionError("the dataset is damaged before anything was done to it")
        self._files = sorted(file for file in path.rglob("*") if file.is_file())
        self._done = Corruption()

    def run(self, count: int, draw: random.Random) -> Corruption:
        """Do some damages."""
        for _ in range(count):
            # Each kind of file as often as any other, however many there are of it.
            kinds = sorted({_kind(file) for file in self._files})
            kind = draw.choice(kinds)
            file = draw.choice([file for file in self._files if _kind(file) == kind])
            self._try(file, draw.choice([*DAMAGES, *_MOVES]), draw)
        return self._done

    def _try(self, file: Path, how: str, draw: random.Random) -> None:
        good = file.read_bytes()
        stray: Path | None = None
        if how in DAMAGES:
            data = bytearray(good)
            if good:
                DAMAGES[how](data, draw)
            file.write_bytes(data)
        elif how == "delete":
            file.unlink()
        elif how == "swap":
            alike = [other for other in self._files if other.suffix == file.suffix]
            file.write_bytes(draw.choice(alike).read_bytes())
        else:
            stray = file.with_name(f"{file.stem} (copy){file.suffix}")
            stray.write_bytes(good)
        damaged = file.read_bytes() if file.exists() else None
        if damaged != good or stray is not None:
            self._done.tried += 1
            self._judge(file, how, good, damaged)
        if stray is not None:
            stray.unlink()
        file.write_bytes(good)

    def _judge(self, file: Path, how: str, good: bytes, damaged: bytes | None) -> None:
        key = file.relative_to(self._path).as_posix()
        damaged_keys: list[str]
        try:
            dataset = ZarrDataset(self._path, "r")
            seen, damaged_keys = read_what_can_be(dataset, self._names)
            found = bool(dataset.check(deep=True))
        except KymflowZarrError:
            if key != "zarr.json":
                raise
            seen, damaged_keys, found = {}, [key], True  # the root document: nothing opens at all
        wrong = [name for name, value in seen.items() if self._right.get(name) != value]
        lost = self._right.keys() - seen.keys()
        self._done.refused += bool(damaged_keys)
        self._done.found += found
        if wrong and _is_plain(key, how, damaged):
            self._done.editable += 1
        elif wrong:
            self._done.silent.append(f"{how} {key}: {wrong} are read wrong")
        elif unrelated := sorted(name for name in lost if not self._belongs(name, key)):
            self._done.silent.append(f"{how} {key}: {unrelated} can no longer be read")
        elif not found and lost:
            self._done.silent.append(f"{how} {key}: check does not find the loss of {sorted(lost)}")
        elif not found:
            self._judge_unfound(key, how, good, damaged)

    def _judge_unfound(self, key: str, how: str, good: bytes, damaged: bytes | None) -> None:
        if _is_plain(key, how, damaged):
            self._done.editable += 1
        elif _is_harmless(key, how, good, damaged):
            self._done.harmless += 1
        else:
            self._done.silent.append(f"{how} {key}: check does not find it")

    def _belongs(self, name: str, key: str) -> bool:
        """Whether a thing is, by its name, in a file or below what the file stands for."""
        top, _, inside = key.partition("/")
        if top == "zarr.json":
            return True
        if top == "tables":
            return name == f"table {inside.removesuffix('.parquet')}"
        if top != "images":
            return False
        image_id, _, rest = inside.partition("/")
        image = self._names[image_id]
        folder, _, artifact = rest.partition("/")
        match folder:
            case "analysis":
                return name == f"{image} {artifact}"
            case "analysis_arrays":
                return name == f"{image} {artifact.split('/')[0]}/"
        return name.startswith(image)


def _kind(file: Path) -> str:
    """Files of one kind are damaged in the same ways."""
    folder = file.parent.name if len(file.parent.name) < 30 else "image"
    return f"{folder}/{file.name}" if file.suffix else file.suffix


def _is_plain(key: str, how: str, damaged: bytes | None) -> bool:
    """Whether an artifact in plain text holds valid text still: nothing in it says whose it is."""
    if "/analysis/" not in key:
        return False
    return (key.endswith(".json") and _is_json(damaged)) or (
        key.endswith(".csv.gz") and how == "swap"
    )


def _is_harmless(key: str, how: str, good: bytes, damaged: bytes | None) -> bool:
    """Whether damage that changes nothing that is read need not be found."""
    if key == "index/manifest.parquet":  # a cache
        return how in {"delete", "copy beside"}
    if key in _GROUPS:  # other programs may rewrite it: only what it says counts
        return _is_json(damaged) and _said(damaged) == _said(good)
    # Lock files say nothing while no writer is at work, a doubled inventory says the same twice,
    # and gzip has bits without a meaning.
    return (
        key.startswith("index/")
        or (key.endswith("/inventory.txt") and how == "double")
        or key.endswith(".csv.gz")
    )


def _said(data: bytes | None) -> object:
    """What the document of a folder says, but for attributes, which anyone may set."""
    said = json.loads(data or b"null")
    return {**said, "attributes": {}} if isinstance(said, dict) else said


def _is_json(data: bytes | None) -> bool:
    if data is None:
        return False
    try:
        json.loads(data)
    except ValueError:
        return False
    return True
