"""Many processes at once on one dataset, and some that are killed while they hold its locks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile

from faults.draws import seeded
from kymflow_zarr import ZarrDataset

_WORKER = Path(__file__).with_name("crowd_worker.py")
_FILES = 12
_TABLE = "crowd"
_TIMEOUT_S = 600


@dataclass(slots=True, kw_only=True)
class Crowd:
    """What came of it.

    Attributes:
        processes: How many there were at once, those that were killed apart.
        killed: How many more were killed while writing.
        operations: How many calls they made.
        seconds: How long it took.
        wrong: What was lost or doubled, and every error of a reader or writer.
    """

    processes: int
    killed: int
    operations: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


def crowd(root: Path, *, writers: int, readers: int, victims: int, rounds: int, seed: int) -> Crowd:
    """Let many processes work on one dataset, in an empty folder.

    Writers refresh, add, replace rows and update indexes, readers read everything all the time;
    victims are writers that are killed one after the other meanwhile.
    """
    folder, place = root / "recordings", root / "dataset.zarr"
    folder.mkdir(parents=True)
    for number in range(_FILES):
        tifffile.imwrite(folder / f"{number}.tif", np.full((20, 8), number, np.uint16))
    ZarrDataset(place)
    done = Crowd(processes=writers + readers, killed=victims)
    begun = time.monotonic()
    running = [
        *(_start("write", place, folder, number, rounds) for number in range(writers)),
        *(_start("read", place, folder, number, rounds) for number in range(readers)),
    ]
    _kill_some(place, folder, victims=victims, seed=seed)
    reports = [_finish(process, done) for process in running]
    done.seconds = time.monotonic() - begun
    _judge(ZarrDataset(place), [one for one in reports if one is not None], done)
    return done


def _start(role: str, place: Path, folder: Path, number: int, rounds: int) -> subprocess.Popen[str]:
    env = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    return subprocess.Popen(
        [sys.executable, str(_WORKER), role, str(place), str(folder), str(number), str(rounds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )


def _kill_some(place: Path, folder: Path, *, victims: int, seed: int) -> None:
    draw = seeded(seed, "victims")
    for number in range(victims):
        # Numbers that no writer has: what a victim leaves is its own.
        process = _start("write", place, folder, 1000 + number, 1000)
        time.sleep(2.0 + 2.0 * draw.random())
        process.send_signal(signal.SIGKILL)
        process.communicate()


def _finish(process: subprocess.Popen[str], done: Crowd) -> dict[str, list[str] | int] | None:
    try:
        out, error = process.communicate(timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        done.wrong.append("a process hangs")
        return None
    if process.returncode:
        done.wrong.append(error.strip())
        return None
    report: dict[str, list[str] | int] = json.loads(out)
    return report


def _judge(
    dataset: ZarrDataset, reports: Sequence[dict[str, list[str] | int]], done: Crowd
) -> None:
    added: list[str] = []
    keys: list[str] = []
    for one in reports:
        for name, into in (("added", added), ("keys", keys), ("errors", done.wrong)):
            found = one[name]
            into.extend(found if isinstance(found, list) else [])
        operations = one["operations"]
        done.operations += operations if isinstance(operations, int) else 0
    done.wrong += _lost_rows(dataset, keys)
    dataset.repair()
    done.wrong += [f"check: {problem}" for problem in dataset.check(deep=True)]
    images = set(dataset.list_image_ids())
    done.wrong += [f"image {image_id} is lost" for image_id in set(added) - images]
    sources = Counter(dataset.load_sources_index()["source_primary_path"])
    if len(sources) != _FILES or set(sources.values()) != {1}:
        done.wrong.append(f"files were not ingested once each: {sources}")


def _lost_rows(dataset: ZarrDataset, keys: Sequence[str]) -> list[str]:
    counts = Counter(dataset.load_table(_TABLE)["image_id"])
    return [f"rows of {key}: {counts[key]} instead of 2" for key in keys if counts[key] != 2]
